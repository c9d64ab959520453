"""Draws pictures: a process of its own, `python -m app.web.drawing`, for as long as it takes.

What draws (Altair, and Vega in a JavaScript engine) takes a second to start and 140 MB to stay; no process that serves
claims should carry that for one manager's minute. It reads what to draw from its input, as JSON, and writes the SVG of
each picture to its output. Colors are those of the page that shows it: custom properties of static/base.css.
"""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

import altair as alt
import vl_convert

COLORS = {
    "ink": "#010101",
    "soft": "#020202",
    "line": "#030303",
    "accent": "#040404",
    "tint": "#050505",
    "due": "#060606",
}
"""What stands in for each color of the page until the picture is drawn."""

WIDTH = 380
BAR = 30
STRIP = 66
LETTER, LABEL_LIMIT = 8, 170

Rows = Sequence[dict[str, Any]]


def bars(rows: Rows) -> Any:
    """One bar for each row: `name`, `number` and `shown`, the number in words; `of`: what it is a part of, if that is
    known."""
    most = max(max(row["number"], row.get("of", 0)) for row in rows)
    whole = any("of" in row for row in rows)
    # A browser's letters may be wider than those that Vega measured.
    room = min(LABEL_LIMIT, LETTER * max(len(row["name"]) for row in rows))
    axis = alt.Axis(domain=False, ticks=False, labelPadding=8, minExtent=room, maxExtent=room, labelLimit=LABEL_LIMIT)
    y = alt.Y("name:N", sort=None, title=None, axis=axis)
    scale = alt.Scale(domain=[0, max(most, 1) * 1.35], nice=False)

    def along(field: str) -> Any:
        return alt.X(f"{field}:Q", title=None, axis=None, scale=scale)

    base = alt.Chart(alt.InlineData(values=list(rows))).encode(y=y)
    bar = base.mark_bar(height=18, cornerRadius=3, color=COLORS["accent"]).encode(x=along("number"))
    number = base.mark_text(align="left", dx=6, color=COLORS["ink"], fontWeight=600).encode(
        x=along("of" if whole else "number"), text="shown:N"
    )
    behind = base.mark_bar(height=18, cornerRadius=3, color=COLORS["line"]).encode(x=along("of"))
    fitting = alt.AutoSizeParams(type="fit", contains="padding")
    layers = [behind, bar, number] if whole else [bar, number]
    return alt.layer(*layers).properties(width=WIDTH, height=BAR * len(rows), autosize=fitting)


def strips(rows: Rows) -> Any:
    """A strip for each `name`: its `number` over the time `at` (milliseconds, the hours as they are at the place)."""
    names = list(dict.fromkeys(row["name"] for row in rows))
    hours = alt.Axis(format=rows[0]["clock"], tickCount=5, grid=True, domain=False, labelFlush=True)
    x = alt.X("at:T", title=None, scale=alt.Scale(type="utc"), axis=hours)
    y = alt.Y("number:Q", title=None, axis=None, scale=alt.Scale(zero=True, nice=False))
    base = alt.Chart(alt.InlineData(values=list(rows))).encode(x=x, y=y)
    area = base.mark_area(interpolate="step-after", color=COLORS["tint"])
    line = base.mark_line(interpolate="step-after", color=COLORS["accent"], strokeWidth=2)
    # One moment alone is no line.
    last = base.transform_filter("datum.last")
    dot = last.mark_point(filled=True, size=50, color=COLORS["accent"], opacity=1)
    number = last.mark_text(align="left", baseline="middle", dx=9, color=COLORS["ink"], fontWeight=600)
    strip = alt.layer(area, line, dot, number.encode(text="shown:N"))
    header = alt.Header(title=None, labelOrient="top", labelAnchor="start", labelPadding=2, labelLimit=300)
    return (
        strip.properties(width=WIDTH - 54, height=STRIP - 30)
        .facet(row=alt.Row("name:N", sort=names, title=None, header=header), spacing=10)
        .resolve_scale(y="independent")
    )


KINDS: dict[str, Callable[[Rows], Any]] = {"bars": bars, "strips": strips}


def svg(kind: str, rows: Rows) -> str:
    """A picture of a kind."""
    chart = KINDS[kind](rows).configure(
        background="transparent",
        font="system-ui, sans-serif",
        padding={"left": 4, "top": 4, "bottom": 4, "right": 4 if kind == "bars" else 40},
        view=alt.ViewConfig(stroke=None),
        axis=alt.AxisConfig(
            labelColor=COLORS["ink"], labelFontSize=13, gridColor=COLORS["line"], tickColor=COLORS["line"]
        ),
        header=alt.HeaderConfig(labelColor=COLORS["ink"], labelFontSize=13),
        text=alt.MarkConfig(fontSize=13),
    )
    drawn: str = vl_convert.vegalite_to_svg(chart.to_dict())
    for name, color in COLORS.items():
        drawn = drawn.replace(f'"{color}"', f'"var(--{name})"')
    return drawn.replace("<svg ", '<svg id="picture" ', 1)


def main() -> None:
    """Draw what is asked for."""
    asked: dict[str, dict[str, Any]] = json.load(sys.stdin)
    json.dump({name: svg(picture["kind"], picture["rows"]) for name, picture in asked.items()}, sys.stdout)


if __name__ == "__main__":
    main()
