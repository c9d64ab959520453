"""What is due: found in the database as it stands, so that a look that was missed is made up for by the next.

Every process looks. A fact is stored once for each destination (`ix_notices_once`), whoever comes first.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.people import Person
from app.access.permissions import PERMISSIONS
from app.access.roles import Action
from app.delivery.notices.browsers import PushSubscription
from app.delivery.notices.choices import (
    ATTEST_MINUTES,
    LAPSE_MINUTES,
    LONGEST_ATTEST_MINUTES,
    LONGEST_LAPSE_MINUTES,
    NoticeChoices,
    in_force,
)
from app.delivery.notices.facts import going_stale
from app.delivery.notices.kinds import FIVE_MINUTES, HALF_HOUR, SLOT_ZERO, Channel, NoticeKind, due_at, slot
from app.delivery.notices.rows import Notice, Owed, give_up_useless, owe
from app.delivery.watches import Watch
from app.delivery.webhooks.tables import State, Webhook
from app.market.clock import now
from app.market.tables import Claim, Opening
from app.market.vocabulary import ClaimState

DECLINED_USEFUL = timedelta(hours=12)
LOOK_BACK = timedelta(hours=3)
"""How far back to look for what has happened: so long may every process that looks be away."""
WEBHOOK_USEFUL = timedelta(days=3)


async def find_due(session: AsyncSession, program_id: UUID, channels: Collection[Channel]) -> int:
    """Store all that has become due in a program, for these channels. Answers how many notices are new."""
    await give_up_useless(session, program_id)
    there = _there(channels)
    owed = [
        *await _lapsing(session, program_id, there),
        *await _declined(session, program_id, there),
        *await _attestations(session, program_id, there),
        *await _webhooks(session, program_id, there),
    ]
    return await _store(session, program_id, owed, channels)


async def owe_matches(session: AsyncSession, program_id: UUID, watch_ids: Collection[UUID]) -> int:
    """Store that these watches have found something, at most once in five minutes for each: in the transaction in
    which the log says so."""
    rows = await session.execute(
        select(Watch.id, Watch.until, Person.id.label("person_id"), func.clock_timestamp().label("now"))
        .join(Person, and_(Person.program_id == Watch.program_id, Person.id == Watch.caller_id))
        .where(Watch.program_id == program_id, Watch.id.in_(watch_ids), _there(Channel))
    )
    owed = [
        Owed(
            row.person_id,
            NoticeKind.WATCH_MATCHED,
            row.id,
            slot(row.now, FIVE_MINUTES),
            min(row.until, row.now + HALF_HOUR),
        )
        for row in rows
    ]
    return await _store(session, program_id, owed, Channel)


def _there(channels: Iterable[Channel]) -> ColumnElement[bool]:
    """Of people: those who have signed in, whose access has not ended, and whom one of these channels may reach."""
    told_in_browser = (
        select(PushSubscription.id)
        .where(PushSubscription.program_id == Person.program_id, PushSubscription.person_id == Person.id)
        .exists()
    )
    reached = literal(Channel.EMAIL in channels) | told_in_browser
    return and_(Person.joined_at.is_not(None), Person.ended_at.is_(None), reached)


def _told(kind: NoticeKind, subject: Any, moment: Any) -> ColumnElement[bool]:
    """Whether the person has a notice of this fact already."""
    return (
        select(Notice.id)
        .where(
            Notice.program_id == Person.program_id,
            Notice.person_id == Person.id,
            Notice.kind == str(kind),
            Notice.subject_id == subject,
            Notice.moment == moment,
        )
        .exists()
    )


def _claims_of_people(program_id: UUID, there: ColumnElement[bool]) -> Any:
    return (
        select(Claim.id, Claim.held_at, Claim.hold_until, Claim.ended_at, Person.id.label("person_id"))
        .join(Person, and_(Person.program_id == Claim.program_id, Person.id == Claim.claimed_by))
        .outerjoin(NoticeChoices, _choices_of_person())
        .where(Claim.program_id == program_id, there)
    )


def _choices_of_person() -> ColumnElement[bool]:
    return and_(NoticeChoices.program_id == Person.program_id, NoticeChoices.person_id == Person.id)


async def _lapsing(session: AsyncSession, program_id: UUID, there: ColumnElement[bool]) -> list[Owed]:
    kind = NoticeKind.CLAIM_LAPSING
    minutes = func.coalesce(NoticeChoices.lapse_minutes, LAPSE_MINUTES)
    rows = await session.execute(
        _claims_of_people(program_id, there)
        .add_columns(minutes.label("minutes"), now().label("now"))
        .where(
            # Written out, not bound: only so can the partial index on held claims be used.
            Claim.state == literal(ClaimState.HELD.value, literal_execute=True),
            Claim.hold_until > now(),
            Claim.hold_until <= now() + timedelta(minutes=LONGEST_LAPSE_MINUTES),
            Claim.hold_until <= now() + minutes * timedelta(minutes=1),
            ~_told(kind, Claim.id, Claim.hold_until),
        )
    )
    return [
        Owed(row.person_id, kind, row.id, row.hold_until, row.hold_until)
        for row in rows
        if due_at(row.held_at, row.hold_until, timedelta(minutes=row.minutes)) <= row.now
    ]


async def _declined(session: AsyncSession, program_id: UUID, there: ColumnElement[bool]) -> list[Owed]:
    kind = NoticeKind.CLAIM_DECLINED
    rows = await session.execute(
        _claims_of_people(program_id, there).where(
            Claim.state == literal(ClaimState.DECLINED.value, literal_execute=True),
            Claim.ended_at > now() - LOOK_BACK,
            ~_told(kind, Claim.id, Claim.ended_at),
        )
    )
    return [Owed(row.person_id, kind, row.id, row.ended_at, row.ended_at + DECLINED_USEFUL) for row in rows]


def _roles(action: Action) -> list[str]:
    return [str(role) for role, grants in PERMISSIONS.items() if action in grants]


async def _attestations(session: AsyncSession, program_id: UUID, there: ColumnElement[bool]) -> list[Owed]:
    """One notice for what runs out within the same half hour in an organization, to each of its staff."""
    kind = NoticeKind.ATTESTATION_DUE
    minutes = func.coalesce(NoticeChoices.attest_minutes, ATTEST_MINUTES)
    # The same as `slot` says in Python.
    of_slot = func.date_bin(HALF_HOUR, Opening.fresh_until, SLOT_ZERO)
    rows = await session.execute(
        select(
            Person.id.label("person_id"),
            Opening.organization_id,
            Opening.attested_at,
            Opening.fresh_until,
            minutes.label("minutes"),
            now().label("now"),
        )
        .join(Person, and_(Person.program_id == Opening.program_id, Person.organization_id == Opening.organization_id))
        .outerjoin(NoticeChoices, _choices_of_person())
        .where(
            going_stale(program_id),
            there,
            Person.role.in_(_roles(Action.PUBLISH)),
            Opening.fresh_until <= now() + timedelta(minutes=LONGEST_ATTEST_MINUTES),
            Opening.fresh_until <= now() + minutes * timedelta(minutes=1),
            ~_told(kind, Opening.organization_id, of_slot),
        )
        .order_by(Opening.fresh_until)
    )
    found: dict[tuple[UUID, UUID, datetime], Owed] = {}
    for row in rows:
        moment = slot(row.fresh_until, HALF_HOUR)
        lead = timedelta(minutes=row.minutes)
        # Without a word of when it was attested, it may well have been long ago.
        if due_at(row.attested_at or row.fresh_until - 2 * lead, row.fresh_until, lead) <= row.now:
            key = row.person_id, row.organization_id, moment
            found.setdefault(key, Owed(row.person_id, kind, row.organization_id, moment, moment + HALF_HOUR))
    return list(found.values())


async def _webhooks(session: AsyncSession, program_id: UUID, there: ColumnElement[bool]) -> list[Owed]:
    """Each that was switched off, to each person who may keep webhooks."""
    kind = NoticeKind.WEBHOOK_OFF
    rows = await session.execute(
        select(Person.id.label("person_id"), Webhook.id, Webhook.state_since)
        .join(Person, Person.program_id == Webhook.program_id)
        .where(
            Webhook.program_id == program_id,
            Webhook.state == State.OFF,
            Webhook.state_since > now() - LOOK_BACK,
            there,
            Person.role.in_(_roles(Action.KEEP_WEBHOOKS)),
            ~_told(kind, Webhook.id, Webhook.state_since),
        )
    )
    return [Owed(row.person_id, kind, row.id, row.state_since, row.state_since + WEBHOOK_USEFUL) for row in rows]


async def _store(session: AsyncSession, program_id: UUID, owed: Sequence[Owed], channels: Iterable[Channel]) -> int:
    if not owed:
        return 0
    people = {each.person_id for each in owed}
    chosen = {
        row.person_id: in_force(row)
        for row in await session.scalars(
            select(NoticeChoices).where(NoticeChoices.program_id == program_id, NoticeChoices.person_id.in_(people))
        )
    }
    browsers: dict[UUID, list[UUID]] = {}
    for row in await session.execute(
        select(PushSubscription.person_id, PushSubscription.id).where(
            PushSubscription.program_id == program_id, PushSubscription.person_id.in_(people)
        )
    ):
        browsers.setdefault(row.person_id, []).append(row.id)

    def each() -> Iterator[tuple[Owed, Channel, list[UUID]]]:
        for fact in owed:
            for channel in channels:
                if (chosen.get(fact.person_id) or in_force(None)).wants(fact.kind, channel):
                    to = browsers.get(fact.person_id, []) if channel is Channel.PUSH else [fact.person_id]
                    yield fact, channel, to

    return await owe(session, program_id, each())
