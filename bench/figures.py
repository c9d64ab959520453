"""A figure: what was measured, beside its reference, and whether that is as good as promised."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on the ratio of ours to the reference."""

    bound: float
    at_least: bool

    def met_by(self, ratio: float) -> bool:
        """Whether a ratio keeps to it."""
        return ratio >= self.bound if self.at_least else ratio <= self.bound

    def __str__(self) -> str:
        return f"at {'least' if self.at_least else 'most'} {self.bound:g}"


def at_least(bound: float) -> Goal:
    """For what should be high."""
    return Goal(bound, at_least=True)


def at_most(bound: float) -> Goal:
    """For what should be low."""
    return Goal(bound, at_least=False)


@dataclass(frozen=True, slots=True)
class Figure:
    """The medians of one figure's rounds. Without a goal it is there to be read, and always holds."""

    name: str
    values: Sequence[float]
    references: Sequence[float]
    goal: Goal | None = None

    @property
    def value(self) -> float:
        """Ours."""
        return median(self.values)

    @property
    def reference(self) -> float:
        """What it stands beside."""
        return median(self.references)

    @property
    def ratio(self) -> float:
        """Ours as a multiple of the reference."""
        return self.value / self.reference

    @property
    def holds(self) -> bool:
        """Whether the goal is met."""
        return self.goal is None or self.goal.met_by(self.ratio)

    def document(self) -> dict[str, Any]:
        """As `out.json` has it."""
        return {
            "name": self.name,
            "value": self.value,
            "reference": self.reference,
            "ratio": self.ratio,
            "goal": str(self.goal) if self.goal else None,
            "holds": self.holds,
        }


def write(figures: Sequence[Figure], path: Path) -> None:
    """The figures as a file for machines."""
    path.write_text(
        json.dumps([each.document() for each in figures], indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def table(figures: Sequence[Figure]) -> Table:
    """The figures as a table for people, each with the range that its rounds spanned."""
    shown = Table("Figure / its reference", "Ours", "Reference", "Ratio", "Goal", "", show_edge=False)
    for name in ("Ours", "Reference", "Ratio"):
        next(column for column in shown.columns if column.header == name).justify = "right"
    for each in figures:
        verdict = "" if each.goal is None else "[green]holds[/]" if each.holds else "[red]fails[/]"
        shown.add_row(
            each.name,
            _spanned(each.values),
            _spanned(each.references),
            f"{each.ratio:.2f}",
            str(each.goal or "–"),
            verdict,
        )
    return shown


def _spanned(values: Sequence[float]) -> str:
    middle = _short(median(values))
    return middle if len(set(values)) == 1 else f"{middle} [dim]({_short(min(values))}–{_short(max(values))})[/]"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
