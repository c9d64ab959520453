"""The overview's pictures: what each shows, and the drawing of them, by a process that ends with it."""

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

import orjson
from babel.numbers import format_decimal

from app.core.problems import Busy
from app.market.board import OpenAt
from app.market.figures import OUTCOMES
from app.program.overview import Overview
from app.web import words
from app.web.languages import Language

log = logging.getLogger(__name__)

MOST_BARS = 10
PATIENCE_SECONDS = 30

WIDTH, BAR, STRIP = 380, 30, 66
"""As app/web/drawing.py draws them. A little more or less is no harm: they are fitted into the space."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn: bars, or strips over time; and how large it will be."""

    kind: str
    rows: Sequence[dict[str, Any]]

    @property
    def height(self) -> int:
        """How high it is, where it is `WIDTH` wide."""
        if self.kind == "bars":
            return BAR * len(self.rows)
        return STRIP * len({row["name"] for row in self.rows}) + 26

    def asked(self) -> dict[str, Any]:
        """As the drawing process is asked for it."""
        return {"kind": self.kind, "rows": self.rows}


def pictures(found: Overview, language: Language, where: ZoneInfo, area: Callable[[str], str]) -> dict[str, Picture]:
    """The pictures of an overview, by name; those that would be empty are left out."""

    def called(code: str, table: str) -> str:
        return language.gettext(words.TABLES[table][code])

    def told(number: int) -> str:
        return str(format_decimal(number, locale=language.locale))

    by_category: dict[str, tuple[int, int]] = {}
    for each in found.now or ():
        units, total = by_category.get(each.category, (0, 0))
        by_category[each.category] = units + each.units_open, total + each.units_total
    # Fully taken is something to see; a category in which nothing is on the board is not.
    now = [
        bar(called(category, "category"), units, f"{told(units)} / {told(total)}", of=total)
        for category, (units, total) in sorted(by_category.items(), key=lambda each: -each[1][0])
        if total
    ]
    ends = dict.fromkeys(OUTCOMES, 0)
    for (_, outcome), claims in found.outcomes.items():
        # Of numbers that are withheld there is no sum.
        ends[outcome] += (claims or 0) if found.small else 0
    wanted = sorted(found.unmet_by_need.items(), key=lambda each: (-(each[1] or 0), each[0]))[:MOST_BARS]
    drawn = {
        "now": Picture("bars", now),
        "day": strips(found.course.by_category, lambda code: called(code, "category"), language, where),
        "areas": strips(found.course.by_area, area, language, where),
        "ends": Picture("bars", [bar(called(end, "outcome"), n, told(n)) for end, n in ends.items() if n]),
        "needs": Picture("bars", [bar(called(name, "attribute"), n, told(n)) for name, n in wanted if n]),
    }
    return {name: picture for name, picture in drawn.items() if picture.rows}


def bar(name: str, number: int, shown: str, of: int | None = None) -> dict[str, Any]:
    """A bar: what it is called, how long it is, what is written at its end, and the whole that it is a part of."""
    return {"name": name, "number": number, "shown": shown} | ({} if of is None else {"of": of})


def strips(course: Iterable[OpenAt], name: Callable[[str], str], language: Language, where: ZoneInfo) -> Picture:
    """How many places were open over a day, for each category or area in which there were any."""
    points = list(course)
    shown = {each.of for each in points if each.units_open}
    last = {each.of: each.at for each in points}
    clock = "%-I %p" if "a" in language.locale.time_formats["short"].pattern else "%H:%M"
    rows = [
        {
            "name": name(each.of),
            "at": _wall_clock(each.at, where),
            "number": each.units_open,
            "shown": str(format_decimal(each.units_open, locale=language.locale)),
            "last": each.at == last[each.of],
            "clock": clock,
        }
        for each in points
        if each.of in shown
    ]
    return Picture("strips", rows)


def _wall_clock(moment: datetime, where: ZoneInfo) -> int:
    """Milliseconds as if the clocks of a place went by UTC: so its hours are drawn without knowing its zone."""
    return int(moment.astimezone(where).replace(tzinfo=UTC).timestamp() * 1000)


_Drawing = asyncio.Task[dict[str, str]]
_drawn: "WeakKeyDictionary[Overview, dict[str, _Drawing]]" = WeakKeyDictionary()
"""What this process has had drawn, by the figures and the language: it goes with the figures, after a minute."""
_PIPE = asyncio.subprocess.PIPE
_one_at_a_time = asyncio.Semaphore(1)


async def draw(found: Overview, language: Language, asked: dict[str, Picture]) -> dict[str, str]:
    """The pictures as SVG, by name, each with the id `picture`. Drawn once for all who look. Raises Busy."""
    kept = _drawn.setdefault(found, {})
    if language.tag not in kept:
        kept[language.tag] = asyncio.create_task(_draw({name: each.asked() for name, each in asked.items()}))
    try:
        return await asyncio.shield(kept[language.tag])
    except Exception:
        # Whoever looks next has it tried again.
        kept.pop(language.tag, None)
        raise


async def _draw(asked: dict[str, Any]) -> dict[str, str]:
    async with _one_at_a_time:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app.web.drawing"), stdin=_PIPE, stdout=_PIPE, stderr=_PIPE
        )
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                svg, said = await process.communicate(orjson.dumps(asked))
        except TimeoutError:
            process.kill()
            await process.wait()
            svg, said = b"", b"it took too long"
    if process.returncode != 0:
        log.error("the pictures could not be drawn: %s", said.decode(errors="replace")[-2000:])
        raise Busy("The pictures could not be drawn just now; the numbers are beneath.")
    drawn: dict[str, str] = orjson.loads(svg)
    return drawn
