"""What each person chose: of what they are told and how, in which language, how early, and when not."""

from dataclasses import dataclass
from datetime import time
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, SmallInteger, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.access.callers import Caller
from app.access.people import Person, get_person
from app.core.database import Base
from app.core.problems import NotFound
from app.delivery.notices.kinds import Channel, NoticeKind, Quiet, wants

LAPSE_MINUTES = 15
ATTEST_MINUTES = 60
LONGEST_LAPSE_MINUTES = 120
LONGEST_ATTEST_MINUTES = 720


class NoticeChoices(Base):
    """A person's choices. `choices` holds what they changed, kind by kind and channel by channel.

    `lapse_minutes`, `attest_minutes`: how long before a hold lapses, or an attestation does, they are told.
    `quiet_from`, `quiet_until`: hours of the program's day in which they are told nothing.
    """

    __tablename__ = "notice_choices"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    language: Mapped[str] = mapped_column(server_default=text("'en'"))
    lapse_minutes: Mapped[int] = mapped_column(SmallInteger, server_default=text(str(LAPSE_MINUTES)))
    attest_minutes: Mapped[int] = mapped_column(SmallInteger, server_default=text(str(ATTEST_MINUTES)))
    quiet_from: Mapped[time | None]
    quiet_until: Mapped[time | None]
    choices: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "person_id"], ["people.program_id", "people.id"]),
        CheckConstraint("language IN ('en', 'es')", name="language_known"),
        CheckConstraint("lapse_minutes BETWEEN 5 AND 120", name="lapse_minutes_sane"),
        CheckConstraint("attest_minutes BETWEEN 15 AND 720", name="attest_minutes_sane"),
        CheckConstraint(
            "num_nulls(quiet_from, quiet_until) <> 1 AND quiet_from <> quiet_until", name="quiet_from_until"
        ),
    )


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is in force for a person."""

    language: str
    lapse_minutes: int
    attest_minutes: int
    quiet: Quiet | None
    choices: dict[str, Any]

    def wants(self, kind: NoticeKind, channel: Channel) -> bool:
        """Whether they are told of such things this way."""
        return wants(self.choices, kind, channel)


def in_force(row: NoticeChoices | None) -> Chosen:
    """The choices of a row, or those of whoever has chosen nothing."""
    if row is None:
        return Chosen("en", LAPSE_MINUTES, ATTEST_MINUTES, None, {})
    quiet = None
    if row.quiet_from is not None and row.quiet_until is not None:
        quiet = Quiet(row.quiet_from, row.quiet_until)
    return Chosen(row.language, row.lapse_minutes, row.attest_minutes, quiet, row.choices)


async def person_of(session: AsyncSession, caller: Caller) -> Person:
    """The person who calls. Raises NotFound for a key."""
    if caller.session_id is None:
        raise NotFound(
            "A key gets no notices: they are for people who sign in."
            " A program of yours reads `GET /v1/events`, or listens at `/v1/live`."
        )
    return await get_person(session, caller.id)


async def read_choices(session: AsyncSession, program_id: UUID, person_id: UUID) -> Chosen:
    """What is in force for this person."""
    row = await session.scalar(
        select(NoticeChoices).where(NoticeChoices.program_id == program_id, NoticeChoices.person_id == person_id)
    )
    return in_force(row)


async def change_choices(
    session: AsyncSession,
    program_id: UUID,
    person_id: UUID,
    fields: dict[str, Any],
    kinds: dict[NoticeKind, dict[Channel, bool]],
) -> None:
    """Change these columns, and of the choices these alone."""
    await session.execute(
        insert(NoticeChoices).values(program_id=program_id, person_id=person_id).on_conflict_do_nothing()
    )
    row = (
        await session.scalars(
            select(NoticeChoices)
            .where(NoticeChoices.program_id == program_id, NoticeChoices.person_id == person_id)
            .with_for_update()
        )
    ).one()
    for name, value in fields.items():
        setattr(row, name, value)
    # A new document: a change inside the old one would go unseen.
    row.choices = row.choices | {
        str(kind): row.choices.get(kind, {}) | {str(channel): on for channel, on in channels.items()}
        for kind, channels in kinds.items()
    }
    await session.flush()
