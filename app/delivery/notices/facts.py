"""What a notice tells, read when it is sent: what is no longer so, or no longer this person's to know, is not told."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.access.people import Person
from app.access.roles import Role
from app.delivery.notices.kinds import HALF_HOUR, KINDS, NoticeKind
from app.delivery.notices.rows import Notice
from app.delivery.notices.words import Fact, Thing
from app.delivery.watches import Watch
from app.delivery.webhooks.tables import State, Webhook
from app.market.clock import now
from app.market.directory import Location, Organization, Service
from app.market.tables import Claim, Opening
from app.market.vocabulary import Category, ClaimState, Unit

HELD = (ClaimState.HELD, ClaimState.CONFIRMED, ClaimState.ARRIVED)


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom a notice is for, as a caller and as a mailbox."""

    caller: Caller
    email: str
    name: str


async def reader(session: AsyncSession, program_id: UUID, person_id: UUID) -> Reader | None:
    """The person, None if they have no access any more."""
    row = (
        await session.execute(
            select(Person.email, Person.name, Person.organization_id, Person.role, Organization.serves_survivors)
            .join(
                Organization,
                and_(Organization.program_id == Person.program_id, Organization.id == Person.organization_id),
            )
            .where(
                Person.program_id == program_id,
                Person.id == person_id,
                Person.joined_at.is_not(None),
                Person.ended_at.is_(None),
            )
        )
    ).one_or_none()
    if row is None:
        return None
    caller = Caller(person_id, program_id, row.organization_id, Role(row.role), serves_survivors=row.serves_survivors)
    return Reader(caller, row.email, row.name)


async def fact_of(session: AsyncSession, caller: Caller, notice: Notice) -> Fact | None:
    """What there is to tell, None if it is no longer so or the person may no longer know it."""
    kind = NoticeKind(notice.kind)
    if kind is NoticeKind.TEST:
        return Fact(kind, "/account")
    if not caller.may(KINDS[kind].to):
        return None
    return await _FACTS[kind](session, caller, notice)


async def _claim(session: AsyncSession, caller: Caller, *where: Any) -> Row[Any] | None:
    """A claim that the person made, with what may be said of its place."""
    hidden = Opening.confidential | func.coalesce(Location.masked, False)
    question: Select[*tuple[Any, ...]] = (
        select(
            Claim.id,
            Claim.bundle_id,
            Claim.units,
            Claim.state,
            Claim.hold_until,
            Claim.organization_id,
            Claim.worker_organization_id,
            Opening.confidential,
            Opening.unit,
            hidden.label("hidden"),
            Organization.name.label("organization"),
            now().label("now"),
        )
        .join(Opening, and_(Opening.program_id == Claim.program_id, Opening.id == Claim.opening_id))
        .join(Service, and_(Service.program_id == Opening.program_id, Service.id == Opening.service_id))
        .join(
            Organization,
            and_(Organization.program_id == Claim.program_id, Organization.id == Claim.organization_id),
        )
        .outerjoin(Location, and_(Location.program_id == Service.program_id, Location.id == Service.location_id))
        .where(Claim.program_id == caller.program_id, Claim.claimed_by == caller.id, *where)
    )
    row: Row[Any] | None = (await session.execute(question)).first()
    return row


def _thing(row: Row[Any], *, at: bool = False) -> Thing:
    where = row.organization if at and not row.hidden else None
    return Thing(row.units, None if row.confidential else Unit(row.unit), where)


async def _lapsing(session: AsyncSession, caller: Caller, notice: Notice) -> Fact | None:
    kind = NoticeKind.CLAIM_LAPSING
    row = await _claim(
        session,
        caller,
        Claim.id == notice.subject_id,
        Claim.state == ClaimState.HELD,
        # Extended since, it lapses at another moment, of which there is another notice.
        Claim.hold_until == notice.moment,
        Claim.hold_until > now(),
    )
    if row is None or not caller.may(KINDS[kind].to, row):
        return None
    return Fact(kind, f"/claims/{row.id}", _thing(row), until=row.hold_until)


async def _declined(session: AsyncSession, caller: Caller, notice: Notice) -> Fact | None:
    kind = NoticeKind.CLAIM_DECLINED
    row = await _claim(session, caller, Claim.id == notice.subject_id, Claim.state == ClaimState.DECLINED)
    if row is None or not caller.may(KINDS[kind].to, row):
        return None
    other = await _claim(session, caller, Claim.bundle_id == row.bundle_id, Claim.replaces_id == row.id)
    if other is None or other.state not in HELD or not caller.may(KINDS[kind].to, other):
        return Fact(kind, f"/claims/{row.id}", _thing(row))
    held = other.state == ClaimState.HELD
    if held and other.hold_until <= other.now:
        return Fact(kind, f"/claims/{row.id}", _thing(row))
    until: datetime | None = other.hold_until if held else None
    return Fact(kind, f"/claims/{other.id}", _thing(row), until=until, instead=_thing(other, at=True))


async def _attestation(session: AsyncSession, caller: Caller, notice: Notice) -> Fact | None:
    """How many openings of the organization are still to be attested in the slot that the notice is for."""
    kind = NoticeKind.ATTESTATION_DUE
    if caller.organization_id != notice.subject_id:
        return None
    row = (
        await session.execute(
            select(func.count().label("openings"), func.min(Opening.fresh_until).label("first")).where(
                going_stale(caller.program_id),
                Opening.organization_id == notice.subject_id,
                caller.where(KINDS[kind].to, Opening),
                Opening.fresh_until >= notice.moment,
                Opening.fresh_until < notice.moment + HALF_HOUR,
            )
        )
    ).one()
    return Fact(kind, "/desk", count=row.openings, until=row.first) if row.openings else None


def going_stale(program_id: UUID) -> Any:
    """Openings on the board whose attestation runs out while they last.

    Every category is named so that the index by category and time serves.
    """
    return and_(
        Opening.program_id == program_id,
        Opening.category.in_([str(each) for each in Category]),
        Opening.fresh_until > now(),
        Opening.withdrawn_at.is_(None),
        func.coalesce(Opening.ends_at > Opening.fresh_until, True),
    )


async def _watch(session: AsyncSession, caller: Caller, notice: Notice) -> Fact | None:
    kind = NoticeKind.WATCH_MATCHED
    found = await session.scalar(
        select(Watch.id).where(
            Watch.program_id == caller.program_id,
            Watch.id == notice.subject_id,
            caller.where(KINDS[kind].to, Watch),
            Watch.ended_at.is_(None),
            Watch.until > now(),
        )
    )
    return Fact(kind, "/board") if found is not None else None


async def _webhook(session: AsyncSession, caller: Caller, notice: Notice) -> Fact | None:
    kind = NoticeKind.WEBHOOK_OFF
    off = await session.scalar(
        select(Webhook.id).where(
            Webhook.program_id == caller.program_id,
            Webhook.id == notice.subject_id,
            caller.where(KINDS[kind].to, Webhook),
            Webhook.state == State.OFF,
            Webhook.state_since == notice.moment,
        )
    )
    return Fact(kind, "/manage/keys") if off is not None else None


_FACTS: dict[NoticeKind, Callable[[AsyncSession, Caller, Notice], Awaitable[Fact | None]]] = {
    NoticeKind.CLAIM_LAPSING: _lapsing,
    NoticeKind.CLAIM_DECLINED: _declined,
    NoticeKind.ATTESTATION_DUE: _attestation,
    NoticeKind.WATCH_MATCHED: _watch,
    NoticeKind.WEBHOOK_OFF: _webhook,
}
