"""Figures of the market over a time: how holds ended, from hold to arrival, and how providers keep their word."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import load_sql
from app.core.ids import first_id
from app.market.directory import Organization, honour_rate

OUTCOMES = ("arrived", "under_way", "expired", "released", "declined", "no_show")
"""How a hold ended: the person arrived; it is under way still; it lapsed; the worker gave it back; the provider
declined it; nobody came."""

_CLOCKS_APART = timedelta(hours=1)
"""How far the clock of whoever made a claim's id may be from the database's."""

_HOLDS = text(load_sql(__file__, "figures_holds").replace("::", "\\:\\:"))
_TIMES = text(load_sql(__file__, "figures_times").replace("::", "\\:\\:"))
_FRESH = text(load_sql(__file__, "figures_fresh").replace("::", "\\:\\:"))


@dataclass(frozen=True, slots=True)
class Span:
    """A time in a program: from `since` until just before `until`."""

    program_id: UUID
    since: datetime
    until: datetime

    def values(self) -> dict[str, Any]:
        """What a statement on its claims is given."""
        return {
            "program_id": self.program_id,
            "since": self.since,
            "until": self.until,
            "first": first_id(self.since - _CLOCKS_APART),
            "last": first_id(self.until + _CLOCKS_APART),
        }


@dataclass(frozen=True, slots=True)
class Holds:
    """The holds of a time: how many of each category ended how, why they were declined, and how each provider's did."""

    by_category: Mapping[tuple[str, str], int]
    by_reason: Mapping[str, int]
    by_provider: Mapping[tuple[UUID, str], int]


@dataclass(frozen=True, slots=True)
class Time:
    """Minutes from hold to arrival in a category: half of so many people took no more than `half`, nine in ten no more
    than `most`."""

    category: str
    claims: int
    half: float
    most: float


@dataclass(frozen=True, slots=True)
class Provider:
    """How a provider keeps its word. `openings` are those that were true at some time of the span and could be still;
    `fresh` of them are attested now, half of them within `minutes`."""

    id: UUID
    name: str
    honour_rate: float
    openings: int
    fresh: int
    minutes: float | None


async def holds(session: AsyncSession, span: Span) -> Holds:
    """How the holds that were made in a time ended, as far as they have."""
    by_category: Counter[tuple[str, str]] = Counter()
    by_reason: Counter[str] = Counter()
    by_provider: Counter[tuple[UUID, str]] = Counter()
    for row in await session.execute(_HOLDS, span.values()):
        by_category[row.category, row.outcome] += row.claims
        by_provider[row.organization_id, row.outcome] += row.claims
        if row.reason is not None:
            by_reason[row.reason] += row.claims
    return Holds(by_category, by_reason, by_provider)


async def times(session: AsyncSession, span: Span) -> list[Time]:
    """From hold to arrival, by category.

    A search leaves no row, so nothing says when the looking began. Where a claim is made with `find`, which is one tap
    on the board, searching and holding are the same call, and this is the time from search to arrival.
    """
    return [Time(row.category, row.claims, row.half, row.most) for row in await session.execute(_TIMES, span.values())]


async def providers(session: AsyncSession, span: Span, counted: Holds) -> Sequence[Provider]:
    """Whoever has something on the board, or had a hold: those that keep their word least come first."""
    asked = {"program_id": span.program_id, "since": span.since}
    fresh = {row.organization_id: row for row in await session.execute(_FRESH, asked)}
    ids = {*fresh, *(organization_id for organization_id, _ in counted.by_provider)}
    organizations = await session.scalars(
        select(Organization).where(Organization.program_id == span.program_id, Organization.id.in_(ids))
    )
    found = []
    for each in organizations:
        row = fresh.get(each.id)
        rate = round(honour_rate(each.promises_kept, each.promises_broken), 4)
        word = (row.openings, row.fresh, row.minutes) if row else (0, 0, None)
        found.append(Provider(each.id, each.name, rate, *word))
    return sorted(found, key=lambda each: (each.honour_rate, each.name, each.id))
