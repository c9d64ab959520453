"""Participants: the people served. Outside casework they are an opaque code."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKeyConstraint, Index, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.access.callers import Caller
from app.access.roles import Action
from app.core.database import Base
from app.core.ids import new_code, new_id
from app.core.problems import NotFound
from app.market.directory import Organization
from app.market.tables import Bundle, Claim

_LOOKED_AT = 8
"""How many claims are looked at for each code: one person often has several."""


class Participant(Base):
    """A person, as a code. `reference` is the calling organization's own number for them, never shown to others."""

    __tablename__ = "participants"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str]
    organization_id: Mapped[UUID]
    reference: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "organization_id"], ["organizations.program_id", "organizations.id"]),
        Index(None, "program_id", "code", unique=True),
    )


async def add_participant(
    session: AsyncSession, program_id: UUID, organization_id: UUID, reference: str | None
) -> Participant:
    """A new participant with a code of its own. Codes are random, so the rare one already taken is drawn again."""
    while True:
        row: Participant | None = await session.scalar(
            insert(Participant)
            .values(
                program_id=program_id,
                id=new_id(),
                code=new_code(),
                organization_id=organization_id,
                reference=reference,
            )
            .on_conflict_do_nothing(index_elements=["program_id", "code"])
            .returning(Participant)
        )
        if row is not None:
            return row


def within_reach(caller: Caller, action: Action) -> ColumnElement[bool]:
    """Whom the caller may do `action` with, by the permission table.

    An organization for survivors of domestic violence has no participants. The codes that one gave out before the
    database held that are nobody's to reach, a program manager included.
    """
    for_survivors = exists().where(
        Organization.program_id == Participant.program_id,
        Organization.id == Participant.organization_id,
        Organization.serves_survivors,
    )
    return (Participant.program_id == caller.program_id) & caller.where(action, Participant) & ~for_survivors


async def get_participant(session: AsyncSession, caller: Caller, action: Action, who: UUID | str) -> Participant:
    """The participant of this id or code. Raises NotFound for one that the caller may not do `action` with."""
    named = Participant.id == who if isinstance(who, UUID) else Participant.code == who
    found: Participant | None = await session.scalar(select(Participant).where(named, within_reach(caller, action)))
    if found is None:
        raise NotFound("No such participant of your organization.")
    return found


async def list_participants(
    session: AsyncSession, caller: Caller, *, before: UUID | None, limit: int
) -> list[Participant]:
    """Whom the caller may read, newest first."""
    where = [within_reach(caller, Action.READ_PARTICIPANT)]
    if before is not None:
        where.append(Participant.id < before)
    return list(await session.scalars(select(Participant).where(*where).order_by(Participant.id.desc()).limit(limit)))


async def recent_codes(session: AsyncSession, caller: Caller, limit: int) -> list[str]:
    """The codes of those whom the caller's organization claimed for last, of those that the caller may read."""
    latest = (
        select(Claim.id, Claim.bundle_id)
        .where(Claim.program_id == caller.program_id, Claim.worker_organization_id == caller.organization_id)
        .order_by(Claim.id.desc())
        .limit(limit * _LOOKED_AT)
        .subquery()
    )
    codes = await session.scalars(
        select(Participant.code)
        .join(Bundle, (Bundle.program_id == Participant.program_id) & (Bundle.participant_id == Participant.id))
        .join(latest, latest.c.bundle_id == Bundle.id)
        .where(within_reach(caller, Action.READ_PARTICIPANT))
        .order_by(latest.c.id.desc())
    )
    return list(dict.fromkeys(codes))[:limit]
