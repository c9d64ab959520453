"""The overview: a program's figures at one moment, counted once a minute; small numbers are not for everybody."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from datetime import time as clock
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.access.programs import Program
from app.access.roles import Action
from app.core.database import Database
from app.market import figures
from app.market.attributes import ATTRIBUTES
from app.market.board import Course, Open, course, open_now
from app.market.figures import OUTCOMES, Provider, Span, Time
from app.market.policy import zone
from app.market.unmet import Place, Unmet, unmet
from app.market.vocabulary import DECLINE_REASONS, Category
from app.program.small_cells import published

DAYS = 7
"""What an overview spans unless it is asked for another time."""
MOST_DAYS = 92
KEPT_SECONDS = 60.0
"""For how long figures are shown again before they are counted again."""
_MOST_KEPT = 256

Counts = Mapping[Any, int | None]


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Overview:
    """A program's figures. None in place of a number: it is of fewer than eleven, or would tell of them.

    `now`: what is open; None where this moment is not shown. `course`: over the last day of the time. `outcomes`: holds
    made in the time, by category and how they ended; `by_provider`: likewise, empty where not shown. `declined`: by
    reason. `unmet_…`: how many times something was asked for and not to be had.
    """

    as_of: datetime
    since: datetime
    until: datetime
    small: bool
    now: list[Open] | None
    course: Course
    outcomes: Counts
    declined: Counts
    times: list[Time]
    unmet_by_category: Counts
    unmet_by_need: Counts
    unmet_by_area: Counts
    places: list[Place]
    providers: list[Provider]
    by_provider: Counts


async def overview(session: AsyncSession, program_id: UUID, days: int, *, small: bool) -> Overview:
    """The figures of the last `days`, up to this very moment, with small numbers; or else of the last whole week.

    Without small numbers no two spans overlap: what a day added to them could be reckoned from their difference.
    """
    asked = select(func.statement_timestamp().label("now"), Program.time_zone).where(Program.program_id == program_id)
    as_of, time_zone = (await session.execute(asked)).one()
    since, until = (as_of - timedelta(days=days), as_of) if small else last_week(as_of, zone(time_zone))
    span = Span(program_id, since, until)
    held = await figures.holds(session, span)
    wanted = await unmet(session, span)
    times = await figures.times(session, span)
    over_day = await course(session, program_id, until - timedelta(days=1), until)
    return Overview(
        as_of=as_of,
        since=since,
        until=until,
        small=small,
        now=await open_now(session) if small else None,
        providers=list(await figures.providers(session, span, held)),
        **(_whole if small else _without_small)(held, wanted, times, over_day),
    )


def last_week(moment: datetime, where: ZoneInfo) -> tuple[datetime, datetime]:
    """The last week that was over at a moment, from Monday's midnight to the next, by the clocks of a place."""
    today = moment.astimezone(where).date()
    monday = today - timedelta(days=today.weekday())
    since, until = (datetime.combine(day, clock.min, where) for day in (monday - timedelta(days=7), monday))
    return since.astimezone(UTC), until.astimezone(UTC)


def _whole(held: figures.Holds, wanted: Unmet, times: list[Time], over_day: Course) -> dict[str, Any]:
    return {
        "course": over_day,
        "outcomes": held.by_category,
        "declined": held.by_reason,
        "times": times,
        "unmet_by_category": wanted.by_category,
        "unmet_by_need": wanted.by_need,
        "unmet_by_area": wanted.by_area,
        "places": list(wanted.places),
        "by_provider": held.by_provider,
    }


def _without_small(held: figures.Holds, wanted: Unmet, times: list[Time], over_day: Course) -> dict[str, Any]:
    """Every cell of the closed lists is there, so that none and a few look alike; an area is there when its number is.

    A number is shown once, and in no other breakdown that could be held against it: so no provider's holds, no areas
    over the day, no places, and a time only where the number of arrivals is shown anyway.
    """
    cells = [(category.value, outcome) for category in Category for outcome in OUTCOMES]
    outcomes = published({cell: held.by_category.get(cell, 0) for cell in cells})
    areas = published(wanted.by_area)
    return {
        "course": Course(over_day.by_category, []),
        "outcomes": outcomes,
        "declined": published({reason: held.by_reason.get(reason, 0) for reason in DECLINE_REASONS}),
        "times": [each for each in times if outcomes[each.category, "arrived"] is not None],
        "unmet_by_category": published({each.value: wanted.by_category.get(each, 0) for each in Category}),
        "unmet_by_need": published({name: wanted.by_need.get(name, 0) for name in ATTRIBUTES}),
        "unmet_by_area": {area: times for area, times in areas.items() if times is not None},
        "places": [],
        "by_provider": {},
    }


@dataclass(slots=True)
class _Kept:
    at: float
    counting: "asyncio.Task[Overview]"


@dataclass(slots=True)
class Overviews:
    """The overviews that this process counted lately: whoever looks within a minute sees the same."""

    database: Database
    _kept: dict[tuple[UUID, int, bool], _Kept] = field(default_factory=dict)

    async def of(self, caller: Caller, days: int = DAYS) -> Overview:
        """The overview that this caller may see. Counted once for all who ask at the same time."""
        small = caller.may(Action.READ_SMALL_FIGURES)
        key = (caller.program_id, days if small else DAYS, small)
        kept = self._kept.get(key)
        if kept is None or kept.at + KEPT_SECONDS <= time.monotonic():
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            kept = self._kept[key] = _Kept(time.monotonic(), asyncio.create_task(self._count(*key)))
        try:
            # Whoever goes away before it is counted takes it from nobody else.
            return await asyncio.shield(kept.counting)
        except Exception:
            if self._kept.get(key) is kept:
                del self._kept[key]
            raise

    async def _count(self, program_id: UUID, days: int, small: bool) -> Overview:
        # Steady: all numbers are of one moment. And a transaction of its own, for it serves whoever else is asking.
        async with self.database.transaction(program_id, "overview", reads=True, steady=True) as session:
            return await overview(session, program_id, days, small=small)
