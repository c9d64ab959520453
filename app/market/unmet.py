"""Unmet need: what was asked for and not to be had, and the places that would have met most of it."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import load_sql
from app.market.attributes import HOUSEHOLDS
from app.market.figures import Span

MOST_PLACES = 8
"""How many places are named."""
MOST_KINDS = 500
"""How many kinds of need the places are chosen for: the commonest. Comparing each with each costs the square of it."""

_UNMET = text(load_sql(__file__, "figures_unmet").replace("::", "\\:\\:"))


@dataclass(frozen=True, slots=True)
class Wish:
    """A kind of place: as it was asked for, or as it could be there.

    `unit` None: any. `area` '': it was not said where, or nowhere near a known area. `attributes` are those that must
    be yes, the household's own among them.
    """

    category: str
    unit: str | None
    units: int
    area: str
    attributes: frozenset[str]
    language: str | None

    def meets(self, asked: "Wish") -> bool:
        """Whether a place of this kind would have met what was asked.

        Ages and times of day are left aside: they say when and for whom, and a place that is not there yet has neither.
        """
        return (
            self.category == asked.category
            and asked.unit in {None, self.unit}
            and asked.units <= self.units
            and asked.area in {"", self.area}
            and asked.attributes <= self.attributes
            and asked.language in {None, self.language}
        )


@dataclass(frozen=True, slots=True)
class Place:
    """A kind of place that is missing: how many times it would have met what was asked, beyond the places before it,
    and with them together."""

    wish: Wish
    times: int
    together: int


@dataclass(frozen=True, slots=True)
class Unmet:
    """What was asked for and could not be claimed, how many times: by category, by attribute (one asking may count for
    several), by area, and the places that would have met most of it."""

    by_category: dict[str, int]
    by_need: dict[str, int]
    by_area: dict[str, int]
    places: Sequence[Place]


def best_places(asked: Iterable[tuple[Wish, int]], most: int = MOST_PLACES) -> list[Place]:
    """The places that would have met most of what was asked.

    The rule: every kind of place that somebody asked for could be opened. The first named is the one that would have
    met the most of what was asked (`Wish.meets`); what it meets is crossed off; the next is the one that meets the most
    of the rest; and so on, until nothing is left or `most` are named. Of two that meet as much the plainer comes first:
    fewer attributes, fewer units. This is the greedy rule for maximum coverage, which never meets less than 63 % of
    what the best choice of as many places would (Nemhauser, Wolsey and Fisher 1978).
    """
    counts: Counter[Wish] = Counter()
    for wish, times in asked:
        counts[wish] += times
    alike: defaultdict[str, list[Wish]] = defaultdict(list)
    for wish in counts:
        alike[wish.category].append(wish)
    meeting = {place: {wish for wish in alike[place.category] if place.meets(wish)} for place in counts}
    plain = sorted(counts, key=_plainness)
    places: list[Place] = []
    left, together = set(counts), 0
    while left and len(places) < most:
        times, best = max(
            ((sum(counts[wish] for wish in meeting[place] & left), place) for place in plain), key=lambda each: each[0]
        )
        together += times
        places.append(Place(best, times, together))
        left -= meeting[best]
    return places


def _plainness(wish: Wish) -> tuple[object, ...]:
    return (
        len(wish.attributes),
        wish.units,
        wish.category,
        wish.area,
        wish.unit or "",
        wish.language or "",
        sorted(wish.attributes),
    )


async def unmet(session: AsyncSession, span: Span) -> Unmet:
    """What could not be had in a time."""
    by_category: Counter[str] = Counter()
    by_need: Counter[str] = Counter()
    by_area: Counter[str] = Counter()
    kinds: list[tuple[Wish, int]] = []
    values = {"program_id": span.program_id, "since": span.since, "until": span.until}
    for row in await session.execute(_UNMET, values):
        household = [HOUSEHOLDS[row.household]] if row.household in HOUSEHOLDS else []
        attributes = frozenset([*(row.needs or ()), *household])
        by_category[row.category] += row.times
        by_area[row.area] += row.times
        for name in attributes:
            by_need[name] += row.times
        if len(kinds) < MOST_KINDS:
            kinds.append((Wish(row.category, row.unit, row.units, row.area, attributes, row.language), row.times))
    return Unmet(dict(by_category), dict(by_need), dict(by_area), await asyncio.to_thread(best_places, kinds))
