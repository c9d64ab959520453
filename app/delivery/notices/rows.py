"""The stored notices: each owed once to one destination, taken by one sender at a time, and settled."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, SmallInteger, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.core.ids import new_id
from app.delivery.notices.kinds import Channel, NoticeKind, wait_after

LEASE = timedelta(seconds=90)
"""For how long a notice that was taken is left to whoever took it. One that was killed is followed by another."""
KEPT_ERROR = 60


class Notice(Base):
    """One notice to one destination: the person's mailbox (by their id) or one of their browsers (by its
    subscription's). It holds no words: they are made when it is sent, from what is true then.

    `moment` and `subject_id` are the fact it is about, and the fact is told a destination once. It is `due` from
    `next_at` on, until it was `sent` or `given_up`; after `useful_until` nobody is helped by it.
    """

    __tablename__ = "notices"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    kind: Mapped[str]
    subject_id: Mapped[UUID]
    moment: Mapped[datetime]
    channel: Mapped[str]
    destination: Mapped[UUID]
    state: Mapped[str] = mapped_column(server_default=text("'due'"))
    useful_until: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    next_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    sent_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "person_id"], ["people.program_id", "people.id"]),
        CheckConstraint("channel IN ('email', 'push')", name="channel_known"),
        CheckConstraint("state IN ('due', 'sent', 'given_up')", name="state_known"),
        CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", name="sent_when_sent"),
        Index("ix_notices_once", "program_id", "person_id", "kind", "subject_id", "moment", "destination", unique=True),
        Index("ix_notices_due", "program_id", "channel", "next_at", postgresql_where=text("state = 'due'")),
        Index(None, "program_id", "created_at"),
    )


@dataclass(frozen=True, slots=True)
class Owed:
    """A fact that a person is to be told of, and until when."""

    person_id: UUID
    kind: NoticeKind
    subject_id: UUID
    moment: datetime
    useful_until: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt. `error` is a word of ours, None for what was sent; `final`: trying again is no use.

    `not_before`: how long the other side asked to be left alone. `postpone`: it is not to be sent before this.
    """

    error: str | None = None
    final: bool = False
    not_before: timedelta = timedelta(0)
    postpone: datetime | None = None


SENT = Outcome()


async def owe(session: AsyncSession, program_id: UUID, owed: Iterable[tuple[Owed, Channel, Iterable[UUID]]]) -> int:
    """Store what is owed, each by a channel to these destinations. What was owed before is left as it is.

    Answers how many are new.
    """
    rows = [
        {
            "program_id": program_id,
            "id": new_id(),
            "person_id": each.person_id,
            "kind": str(each.kind),
            "subject_id": each.subject_id,
            "moment": each.moment,
            "channel": str(channel),
            "destination": destination,
            "useful_until": each.useful_until,
        }
        for each, channel, destinations in owed
        for destination in destinations
    ]
    if not rows:
        return 0
    stored = await session.scalars(insert(Notice).on_conflict_do_nothing().returning(Notice.id), rows)
    return len(stored.all())


async def take(session: AsyncSession, program_id: UUID, channel: Channel, most: int) -> Sequence[Notice]:
    """Take up to so many notices that are due: nobody else takes them within the lease."""
    chosen = (
        select(Notice.id)
        .where(
            Notice.program_id == program_id,
            Notice.channel == channel,
            Notice.state == text("'due'"),
            Notice.next_at <= func.clock_timestamp(),
        )
        .order_by(Notice.next_at)
        .limit(most)
        .with_for_update(skip_locked=True)
        # As a sub-select it might be run again for other rows, and take more than was asked for.
        .cte()
    )
    taken = await session.scalars(
        update(Notice)
        .where(Notice.program_id == program_id, Notice.id.in_(select(chosen.c.id)))
        .values(attempts=Notice.attempts + 1, next_at=func.clock_timestamp() + LEASE)
        .returning(Notice),
        execution_options={"synchronize_session": False},
    )
    return taken.all()


async def settle(session: AsyncSession, notice: Notice, outcome: Outcome) -> None:
    """Write down what came of it, unless another has taken it meanwhile."""
    now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    values: dict[str, object] = {"error": outcome.error and outcome.error[:KEPT_ERROR]}
    if outcome.error is None:
        values |= {"state": "sent", "sent_at": now}
    else:
        # No die is cast for a secret here: it only spreads attempts over time.
        wait = max(wait_after(notice.attempts, random.random()), outcome.not_before)  # noqa: S311
        again = outcome.postpone or now + wait
        values |= {"state": "given_up"} if outcome.final or again >= notice.useful_until else {"next_at": again}
        if outcome.postpone:
            values["attempts"] = notice.attempts - 1
    await session.execute(
        update(Notice)
        .where(
            Notice.program_id == notice.program_id,
            Notice.id == notice.id,
            Notice.state == "due",
            Notice.attempts == notice.attempts,
        )
        .values(**values)
    )


async def give_up_useless(session: AsyncSession, program_id: UUID) -> None:
    """Give up what is due and of no use any more, but for what somebody is sending now."""
    await session.execute(
        update(Notice)
        .where(
            Notice.program_id == program_id,
            Notice.state == text("'due'"),
            Notice.next_at <= func.clock_timestamp(),
            Notice.useful_until <= func.clock_timestamp(),
        )
        .values(state="given_up", error=func.coalesce(Notice.error, "too_late"))
    )


async def recent(session: AsyncSession, program_id: UUID, person_id: UUID, most: int) -> Sequence[Notice]:
    """A person's newest notices."""
    found = await session.scalars(
        select(Notice)
        .where(Notice.program_id == program_id, Notice.person_id == person_id)
        .order_by(Notice.created_at.desc(), Notice.id.desc())
        .limit(most)
    )
    return found.all()


async def of_fact(session: AsyncSession, program_id: UUID, owed: Owed, channel: Channel) -> Sequence[Notice]:
    """What is stored of a fact by a channel."""
    found = await session.scalars(
        select(Notice)
        .where(
            Notice.program_id == program_id,
            Notice.person_id == owed.person_id,
            Notice.kind == str(owed.kind),
            Notice.subject_id == owed.subject_id,
            Notice.moment == owed.moment,
            Notice.channel == str(channel),
        )
        .order_by(Notice.id)
    )
    return found.all()
