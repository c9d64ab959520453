"""Referrals: a person is referred to the program; workers take it from there, and the referrer learns two things."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    and_,
    func,
    insert,
    not_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.access.audit import note
from app.access.callers import Caller
from app.access.roles import Action, Role
from app.casework.participants import Participant
from app.core.database import Base
from app.core.ids import new_id
from app.core.keyring import Keyring
from app.core.problems import Conflict, Invalid, NotFound
from app.core.rendering import to_json
from app.market.directory import one_of


class ReferralKind(StrEnum):
    """LEAD's terms: instead of an arrest, without one, or by somebody of the community."""

    DIVERSION = "diversion"
    SOCIAL_CONTACT = "social_contact"
    COMMUNITY = "community"


class CloseReason(StrEnum):
    """Why a referral ended without intake. The referrer never learns it, nor that it ended."""

    COULD_NOT_BE_FOUND = "could_not_be_found"
    DECLINED = "declined"
    REFERRED_ELSEWHERE = "referred_elsewhere"
    ALREADY_IN_PROGRAM = "already_in_program"
    NOT_ELIGIBLE = "not_eligible"
    DIED = "died"
    ENTERED_IN_ERROR = "entered_in_error"


class Referral(Base):
    """One referral. `referred_by` is the caller who made it, and `organization_id` theirs.

    `person` (who it is, and the note) and `reference` (the referrer's own number for it) are sealed: both may name
    somebody. What became of it is moments, and `participant_id` is whom it became: for workers alone.
    """

    __tablename__ = "referrals"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    referred_by: Mapped[UUID]
    referrer_role: Mapped[str]
    organization_id: Mapped[UUID]
    reference: Mapped[bytes | None] = mapped_column(LargeBinary)
    person: Mapped[bytes] = mapped_column(LargeBinary)
    referred_at: Mapped[datetime] = mapped_column(server_default=func.now())
    contacted_at: Mapped[datetime | None]
    taken_in_at: Mapped[datetime | None]
    participant_id: Mapped[UUID | None]
    closed_at: Mapped[datetime | None]
    close_reason: Mapped[str | None]

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "organization_id"], ["organizations.program_id", "organizations.id"]),
        ForeignKeyConstraint(["program_id", "participant_id"], ["participants.program_id", "participants.id"]),
        one_of("kind", ReferralKind),
        one_of("close_reason", CloseReason),
        CheckConstraint("(closed_at IS NULL) = (close_reason IS NULL)", name="closed_with_reason"),
        CheckConstraint("(taken_in_at IS NULL) = (participant_id IS NULL)", name="taken_in_as_someone"),
        CheckConstraint(
            "taken_in_at IS NULL OR (contacted_at IS NOT NULL AND closed_at IS NULL)", name="taken_in_after_contact"
        ),
        Index(None, "program_id", "referred_by", "id"),
        Index(
            "ix_referrals_open", "program_id", "id", postgresql_where=text("taken_in_at IS NULL AND closed_at IS NULL")
        ),
    )


def purpose(referral_id: UUID) -> str:
    """What a referral's person and note are sealed for."""
    return f"referral:{referral_id}"


def reference_purpose(referral_id: UUID) -> str:
    """What its referrer's own number is sealed for."""
    return f"referral.reference:{referral_id}"


@dataclass(frozen=True, slots=True)
class Followed:
    """A referral as its referrer sees it, and all that they ever will."""

    id: UUID
    reference: str | None
    contact_made: bool
    intake_completed: bool


async def refer(
    session: AsyncSession,
    caller: Caller,
    keyring: Keyring,
    *,
    kind: ReferralKind,
    person: dict[str, Any],
    remark: str | None,
    reference: str | None,
) -> tuple[UUID, datetime]:
    """Make a referral: its id, and when it was made. Nobody is looked up: whether the person is known makes no odds.

    Raises Invalid when a community member refers as police do.
    """
    if caller.role is Role.COMMUNITY_MEMBER and kind is not ReferralKind.COMMUNITY:
        raise Invalid.at("kind", "A neighbour's referral is a community one: the others are made by police.")
    id = new_id()
    told = to_json({"person": person, "note": remark})
    sealed = None
    if reference is not None:
        sealed = await keyring.seal(session, caller.program_id, reference_purpose(id), reference.encode())
    made = await session.execute(
        insert(Referral)
        .values(
            program_id=caller.program_id,
            id=id,
            kind=kind,
            referred_by=caller.id,
            referrer_role=caller.role,
            organization_id=caller.organization_id,
            reference=sealed,
            person=await keyring.seal(session, caller.program_id, purpose(id), told),
        )
        .returning(Referral.referred_at)
    )
    return id, made.scalar_one()


async def list_followed(
    session: AsyncSession,
    caller: Caller,
    keyring: Keyring,
    *,
    referral_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 1,
) -> list[Followed]:
    """The referrals that the caller made, in the order in which they did.

    The golden rule is here: one statement, the same whatever became of them, that reads two booleans and no more.
    """
    statement = select(
        Referral.id,
        Referral.reference,
        Referral.contacted_at.is_not(None).label("contact_made"),
        Referral.taken_in_at.is_not(None).label("intake_completed"),
    ).where(Referral.program_id == caller.program_id, caller.where(Action.FOLLOW_REFERRAL, Referral))
    if referral_id is not None:
        statement = statement.where(Referral.id == referral_id)
    if after is not None:
        statement = statement.where(Referral.id > after)
    followed = []
    for row in await session.execute(statement.order_by(Referral.id).limit(limit)):
        reference = None
        if row.reference is not None:
            opened = await keyring.open(session, caller.program_id, reference_purpose(row.id), row.reference)
            reference = opened.decode()
        followed.append(Followed(row.id, reference, row.contact_made, row.intake_completed))
    return followed


async def get_followed(session: AsyncSession, caller: Caller, keyring: Keyring, referral_id: UUID) -> Followed:
    """One of them. Raises NotFound alike for somebody else's and for none at all."""
    found = await list_followed(session, caller, keyring, referral_id=referral_id)
    if not found:
        raise NotFound(f"No referral {referral_id} that you made.")
    return found[0]


IS_OPEN: ColumnElement[bool] = and_(Referral.taken_in_at.is_(None), Referral.closed_at.is_(None))

_WORKED = (
    Referral.id,
    Referral.kind,
    Referral.referrer_role,
    Referral.organization_id,
    Referral.referred_at,
    func.floor(func.extract("epoch", func.statement_timestamp() - Referral.referred_at) / 60).label("minutes_since"),
    Referral.contacted_at,
    Referral.taken_in_at,
    Referral.participant_id,
    Referral.closed_at,
    Referral.close_reason,
)


async def list_referrals(
    session: AsyncSession, caller: Caller, *, is_open: bool | None, before: UUID | None, limit: int
) -> list[Any]:
    """The program's referrals for its workers, newest first: somebody may still stand beside an officer.

    `is_open`: only those that nobody has taken in or closed, or only the others.
    """
    statement = select(*_WORKED).where(
        Referral.program_id == caller.program_id, caller.where(Action.WORK_REFERRAL, Referral)
    )
    if is_open is not None:
        statement = statement.where(IS_OPEN if is_open else not_(IS_OPEN))
    if before is not None:
        statement = statement.where(Referral.id < before)
    return list(await session.execute(statement.order_by(Referral.id.desc()).limit(limit)))


async def get_referral(session: AsyncSession, caller: Caller, referral_id: UUID) -> Any:
    """One of them. Raises NotFound."""
    row = (
        await session.execute(
            select(*_WORKED).where(
                Referral.program_id == caller.program_id,
                Referral.id == referral_id,
                caller.where(Action.WORK_REFERRAL, Referral),
            )
        )
    ).one_or_none()
    if row is None:
        raise NotFound(f"No referral {referral_id} in this program.")
    return row


async def look(
    session: AsyncSession, caller: Caller, keyring: Keyring, referral_id: UUID
) -> tuple[Any, dict[str, Any]]:
    """A referral with who it is for and its note, opened. The trail says who looked. Raises NotFound, NoMasterKey."""
    row = await get_referral(session, caller, referral_id)
    sealed = (
        await session.execute(
            select(Referral.person).where(Referral.program_id == caller.program_id, Referral.id == referral_id)
        )
    ).scalar_one()
    await note(session, "referral.viewed", referral_id)
    told: dict[str, Any] = orjson.loads(await keyring.open(session, caller.program_id, purpose(referral_id), sealed))
    return row, told


async def _locked(session: AsyncSession, caller: Caller, referral_id: UUID) -> Any:
    await session.execute(
        select(Referral.id)
        .where(Referral.program_id == caller.program_id, Referral.id == referral_id)
        .with_for_update(key_share=True)
    )
    return await get_referral(session, caller, referral_id)


async def _record(session: AsyncSession, caller: Caller, referral_id: UUID, **values: Any) -> Any:
    await session.execute(
        update(Referral).where(Referral.program_id == caller.program_id, Referral.id == referral_id).values(**values)
    )
    return await get_referral(session, caller, referral_id)


async def contact(session: AsyncSession, caller: Caller, referral_id: UUID) -> Any:
    """Contact was made. Once more is no error. Raises NotFound, Conflict when it was closed without."""
    row = await _locked(session, caller, referral_id)
    if row.contacted_at is not None:
        return row
    if row.closed_at is not None:
        raise Conflict("This referral was closed. If the person has turned up after all, make a new one.")
    return await _record(session, caller, referral_id, contacted_at=func.statement_timestamp())


async def take_in(session: AsyncSession, caller: Caller, referral_id: UUID, participant: UUID | str) -> Any:
    """Intake is completed, and the person is this participant, named by id or code. Contact was made with it.

    Once more is no error. Raises NotFound, Invalid for an unknown participant, Conflict when it was closed or taken
    in as somebody else.
    """
    row = await _locked(session, caller, referral_id)
    named = Participant.id == participant if isinstance(participant, UUID) else Participant.code == participant
    participant_id = await session.scalar(
        select(Participant.id).where(Participant.program_id == caller.program_id, named)
    )
    if participant_id is None:
        raise Invalid.at("participant", "No such participant in this program. POST /v1/participants gives a new code.")
    if row.taken_in_at is not None:
        if row.participant_id != participant_id:
            raise Conflict("Intake was completed already, as another participant.")
        return row
    if row.closed_at is not None:
        raise Conflict("This referral was closed. If the person has turned up after all, make a new one.")
    moment = func.statement_timestamp()
    return await _record(
        session,
        caller,
        referral_id,
        contacted_at=func.coalesce(Referral.contacted_at, moment),
        taken_in_at=moment,
        participant_id=participant_id,
    )


async def close(session: AsyncSession, caller: Caller, referral_id: UUID, reason: CloseReason) -> Any:
    """It ends without intake. Once more for the same reason is no error. Raises NotFound, Conflict."""
    row = await _locked(session, caller, referral_id)
    if row.close_reason == reason:
        return row
    if row.closed_at is not None:
        raise Conflict(f"This referral was closed already: {row.close_reason.replace('_', ' ')}.")
    if row.taken_in_at is not None:
        raise Conflict("Intake was completed, so there is nothing left to close.")
    return await _record(session, caller, referral_id, closed_at=func.statement_timestamp(), close_reason=reason)
