"""How long and how large a run is, and where it says what it is doing."""

import sys
from dataclasses import dataclass, field

from rich.console import Console


class BenchError(Exception):
    """What was measured can't be trusted, or can't be measured here; the text says why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The sizes of one run."""

    rounds: int = 3
    seconds: int = 8
    """How long each measurement lasts."""
    services: int = 20_000
    openings: int = 100_000
    few_claims: int = 10_000
    many_claims: int = 5_000_000
    growth_rounds: int = 9
    """Two databases that differ by a few per cent take more rounds, of half the length, to tell apart."""
    console: Console = field(default_factory=lambda: Console(width=None if sys.stdout.isatty() else 132))

    def say(self, words: str) -> None:
        """One line of progress."""
        self.console.print(f"[dim]{words}[/]", highlight=False)


def quick() -> Plan:
    """Enough to see that the benchmark itself works; the numbers mean little."""
    return Plan(
        rounds=1, seconds=2, services=1_000, openings=5_000, few_claims=1_000, many_claims=50_000, growth_rounds=1
    )
