"""Watches: who looks for an opening is told when one appears or comes free.

No watch comes before another: all who watch are told at once, and the first to claim has the place. A watch ends by
itself, with the shift.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.access.callers import Caller
from app.access.roles import Action
from app.core.database import Base, load_sql
from app.core.ids import new_id
from app.core.problems import Invalid, NotFound, Sentence
from app.delivery.terms import State, read_terms
from app.market.clock import now
from app.market.needs import Need

SHIFT = timedelta(hours=12)
LONGEST = timedelta(hours=24)
MOST = 50
"""Watches that one caller may have on at once."""
NAMED = 20
"""How many openings one event names; a search shows the others."""

_RISEN = load_sql(__file__, "risen")


class Watch(Base):
    """A caller's wish to be told, and until when. `need` is that of a search."""

    __tablename__ = "watches"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    caller_id: Mapped[UUID]
    organization_id: Mapped[UUID]
    need: Mapped[dict[str, Any]]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    until: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "organization_id"], ["organizations.program_id", "organizations.id"]),
        CheckConstraint("until <= started_at + interval '24 hours'", name="a_day_at_most"),
        Index("ix_watches_on", "program_id", "until", postgresql_where=text("ended_at IS NULL")),
        Index(None, "program_id", "caller_id"),
    )


async def start(session: AsyncSession, caller: Caller, need: Need, until: datetime | None) -> Watch:
    """Watch for a need until then, by default for a shift. Raises Invalid for a time that is past or too far off."""
    # The transaction's time, which is what `started_at` will be.
    moment: datetime = (await session.execute(select(func.now()))).scalar_one()
    until = until or moment + SHIFT
    if not moment < until <= moment + LONGEST:
        raise Invalid.at(
            "until", Sentence("A watch lasts a day at most, and ends after it starts. Start another then.")
        )
    if len(await on(session, caller)) >= MOST:
        raise Invalid.at("need", Sentence("You have %(most)s watches on. End one first.", most=MOST))
    watch_id = new_id()
    await session.execute(
        insert(Watch).values(
            program_id=caller.program_id,
            id=watch_id,
            caller_id=caller.id,
            organization_id=caller.organization_id,
            need=need.model_dump(mode="json", exclude_defaults=True),
            until=until,
        )
    )
    return (await on(session, caller, watch_id))[0]


async def on(session: AsyncSession, caller: Caller, watch_id: UUID | None = None) -> list[Watch]:
    """The caller's watches that are on."""
    where = [Watch.program_id == caller.program_id, caller.where(Action.WATCH, Watch)]
    if watch_id is not None:
        where.append(Watch.id == watch_id)
    rows = await session.scalars(
        select(Watch).where(*where, Watch.ended_at.is_(None), Watch.until > now()).order_by(Watch.id)
    )
    return list(rows)


async def end(session: AsyncSession, caller: Caller, watch_id: UUID) -> Watch:
    """End a watch. Raises NotFound for one that is not on, or another's."""
    found = await on(session, caller, watch_id)
    if not found:
        raise NotFound(f"No watch {watch_id} of yours is on.")
    await session.execute(
        update(Watch).where(Watch.program_id == caller.program_id, Watch.id == watch_id).values(ended_at=now())
    )
    return found[0]


async def tell_watchers(session: AsyncSession, program_id: UUID, after: int) -> Collection[UUID]:
    """Tell everyone who watches for what came free after this number, in the transaction that numbered it: so each
    is told once, whatever becomes of the relay. Answers which watches were told.

    A watch that was started a moment ago may be told of what was there already: better that than to miss what was
    published in the same moment.
    """
    connection = await session.connection()
    rows = (await connection.exec_driver_sql(_RISEN, (program_id, after))).all()
    if not rows:
        return ()
    terms = await read_terms(session, program_id, [row.id for row in rows])
    risen = [(State.of(orjson.loads(row.data)), row.before) for row in rows]
    watches = await session.scalars(
        select(Watch).where(Watch.program_id == program_id, Watch.ended_at.is_(None), Watch.until > now())
    )
    told: dict[UUID, list[str]] = {}
    moment: datetime = (await session.execute(select(now()))).scalar_one()
    for watch in watches:
        need = Need.model_validate(watch.need)
        for state, before in risen:
            its = terms[state.id]
            if before < need.units and state.claimable(need, moment, its.immediacy) and its.fit(need):
                told.setdefault(watch.id, []).append(str(state.id))
    if told:
        await session.execute(
            text("SELECT tell_watchers(:watches, CAST(:openings AS jsonb[]))"),
            {
                "watches": list(told),
                "openings": [orjson.dumps(openings[:NAMED]).decode() for openings in told.values()],
            },
        )
    return told.keys()
