"""Disclosures: who is coming, told to whom a consent names, and each telling accounted for."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Row, and_, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, aliased, mapped_column

from app.access.audit import note
from app.access.callers import Caller
from app.access.roles import Action
from app.casework.consents import Consent, read_document, stands
from app.casework.identity import KINDS, Identity, Kind, look
from app.casework.participants import Participant, get_participant
from app.casework.terms import STATEMENT_VERSION, copy_of
from app.core.database import Base
from app.core.ids import new_id
from app.core.keyring import Keyring
from app.core.problems import NoMasterKey, NotFound, Shredded
from app.market.directory import Organization
from app.market.tables import Bundle, Claim, Opening
from app.market.vocabulary import Category, ClaimState

TREATING = frozenset({Category.TREATMENT, Category.HEALTH})
"""The categories in which a claim that is confirmed makes its provider one that treats the person (§2.11)."""
TOLD_IN = frozenset({ClaimState.CONFIRMED, ClaimState.ARRIVED})


class Disclosure(Base):
    """One telling: what kinds, of whom, to which organization, asked by whom, for which claim, under which consent."""

    __tablename__ = "disclosures"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    participant_id: Mapped[UUID]
    organization_id: Mapped[UUID]
    caller_id: Mapped[UUID]
    claim_id: Mapped[UUID]
    consent_id: Mapped[UUID]
    kinds: Mapped[list[str]]
    statement: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "participant_id"], ["participants.program_id", "participants.id"]),
        ForeignKeyConstraint(["program_id", "organization_id"], ["organizations.program_id", "organizations.id"]),
        ForeignKeyConstraint(["program_id", "claim_id"], ["claims.program_id", "claims.id"]),
        ForeignKeyConstraint(["program_id", "consent_id"], ["consents.program_id", "consents.id"]),
        CheckConstraint("cardinality(kinds) > 0", name="of_something"),
        Index(None, "program_id", "participant_id", "id"),
    )


class Withheld(StrEnum):
    """Why a place is told no more than the code."""

    NOT_CONFIRMED = "not_confirmed"
    OVER = "over"
    ANONYMOUS = "anonymous"
    SURVIVORS = "survivors"
    NO_CONSENT = "no_consent"
    NOTHING_KNOWN = "nothing_known"
    UNREADABLE = "unreadable"


WORDS: dict[Withheld, str] = {
    Withheld.NOT_CONFIRMED: "Who is coming is told once the claim is confirmed, if they consent.",
    Withheld.OVER: "This claim is over. What was told before stands in the accounting of disclosures.",
    Withheld.ANONYMOUS: "This claim is by a one-time code, and nothing says whose it is: the code is all there is.",
    Withheld.SURVIVORS: "Here nobody's identity is told: the code is all that the person need say.",
    Withheld.NO_CONSENT: "No consent of this person covers your organization. They come under their code.",
    Withheld.NOTHING_KNOWN: "Nothing that the consent covers is known of this person. They come under their code.",
    Withheld.UNREADABLE: "This server can't read who the person is. They come under their code.",
}


@dataclass(slots=True)
class Meeting:
    """Who is coming, as far as this place may know. `withheld` says why there is no more; else there are `known`."""

    claim_id: UUID
    participant: str
    state: str
    units: int
    needs: list[str]
    household: str | None
    language: str | None
    withheld: Withheld | None = None
    known: dict[str, Any] = field(default_factory=dict)
    consents: list[dict[str, Any]] = field(default_factory=list)


async def meet(
    session: AsyncSession, keyring: Keyring, caller: Caller, claim_id: UUID, only: Sequence[Kind] = ()
) -> Meeting:
    """Who comes on a claim. `only`: the kinds that are needed, all that the consent covers if left out.

    A disclosure is recorded with it, in this transaction. Raises NotFound for a claim that isn't on the caller's.
    """
    row = await _claim(session, caller, claim_id)
    need = row.need or {}
    meeting = Meeting(
        claim_id=claim_id,
        participant=row.code,
        state=ClaimState.EXPIRED if row.lapsed else row.state,
        units=row.units,
        needs=need.get("needs", []),
        household=need.get("household"),
        language=need.get("language"),
    )
    meeting.withheld = _too_early(row)
    if meeting.withheld is None:
        meeting.withheld = await _tell(session, keyring, caller, row, meeting, only)
    await note(session, "claim.met", claim_id, withheld=meeting.withheld)
    return meeting


async def _claim(session: AsyncSession, caller: Caller, claim_id: UUID) -> Row[Any]:
    """The claim, locked against a change of its state meanwhile. Raises NotFound."""
    theirs, ours = aliased(Organization), aliased(Organization)
    row = (
        await session.execute(
            select(
                Claim.id,
                Claim.state,
                Claim.units,
                Claim.need,
                Claim.organization_id,
                ((Claim.state == ClaimState.HELD) & (Claim.hold_until <= func.clock_timestamp())).label("lapsed"),
                Opening.category,
                Participant.id.label("participant_id"),
                # Of a call that is nobody's, the code that it was given.
                func.coalesce(Participant.code, Bundle.one_time_code).label("code"),
                Participant.organization_id.label("keeper_id"),
                or_(theirs.serves_survivors, ours.serves_survivors).label("survivors"),
            )
            .join(Bundle, and_(Bundle.program_id == Claim.program_id, Bundle.id == Claim.bundle_id))
            .join(Opening, and_(Opening.program_id == Claim.program_id, Opening.id == Claim.opening_id))
            .outerjoin(
                Participant, and_(Participant.program_id == Bundle.program_id, Participant.id == Bundle.participant_id)
            )
            .join(theirs, and_(theirs.program_id == Claim.program_id, theirs.id == Claim.organization_id))
            .join(ours, and_(ours.program_id == Claim.program_id, ours.id == caller.organization_id))
            .where(Claim.program_id == caller.program_id, Claim.id == claim_id, caller.where(Action.MEET, Claim))
            .with_for_update(read=True, of=Claim)
        )
    ).one_or_none()
    if row is None:
        raise NotFound(f"No claim {claim_id} on an opening of yours.")
    return row


def _too_early(row: Row[Any]) -> Withheld | None:
    # First, and with no word of why: another place of the same call may be a shelter, or none of them is.
    if row.participant_id is None:
        return Withheld.ANONYMOUS
    if row.survivors:
        return Withheld.SURVIVORS
    if row.state == ClaimState.HELD and not row.lapsed:
        return Withheld.NOT_CONFIRMED
    return None if row.state in TOLD_IN else Withheld.OVER


async def _tell(
    session: AsyncSession, keyring: Keyring, caller: Caller, row: Row[Any], meeting: Meeting, only: Sequence[Kind]
) -> Withheld | None:
    """Put into the meeting what consents cover, and record it; or answer why there is nothing."""
    consents = await _covering(session, caller, row)
    if not consents:
        return Withheld.NO_CONSENT
    try:
        identity = await look(session, keyring, caller.program_id, row.participant_id, row.id)
        if identity is None:
            return Withheld.NOTHING_KNOWN
        told: list[tuple[UUID, list[Kind], dict[str, Any]]] = []
        for consent in consents:
            if kinds := _new_kinds(consent.kinds, only, meeting.known, identity):
                told.append((consent.id, kinds, await read_document(session, keyring, caller.program_id, consent.id)))
                meeting.known |= _fields(identity, kinds)
    except (NoMasterKey, Shredded):
        meeting.known = {}
        return Withheld.UNREADABLE
    # Only now that all is there to be told: an accounting must not hold what nobody got.
    meeting.consents = [await _record(session, caller, row, *each) for each in told]
    return None if meeting.known else Withheld.NOTHING_KNOWN


async def _covering(session: AsyncSession, caller: Caller, row: Row[Any]) -> Sequence[Row[UUID, list[str]]]:
    """The consents that stand and cover the caller's organization, the newest first, and locked as they are.

    A revocation that is under way is waited for, and then counts; one that comes now waits for this transaction.
    """
    # Whoever looks on as another organization than the provider's is not the one that treats.
    treating = row.category in TREATING and row.organization_id == caller.organization_id
    found = await session.execute(
        select(Consent.id, Consent.kinds)
        .where(
            Consent.program_id == caller.program_id,
            Consent.participant_id == row.participant_id,
            Consent.disclosers.contains([row.keeper_id]),
            or_(Consent.recipients.contains([caller.organization_id]), Consent.treating_providers & literal(treating)),
            stands(),
        )
        .order_by(Consent.id.desc())
        .with_for_update(read=True)
    )
    return found.all()


def _new_kinds(covered: list[str], only: Sequence[Kind], known: dict[str, Any], identity: Identity) -> list[Kind]:
    """The kinds that a consent adds to what is known already, and of which there is anything."""
    return [
        kind
        for kind in Kind
        if kind in covered
        and (not only or kind in only)
        and (fields := _fields(identity, [kind]))
        and not fields.keys() & known.keys()
    ]


def _fields(identity: Identity, kinds: Sequence[Kind]) -> dict[str, Any]:
    names = {name for kind in kinds for name in KINDS[kind][1]}
    return identity.model_dump(mode="json", include=names, exclude_defaults=True)


async def _record(
    session: AsyncSession,
    caller: Caller,
    row: Row[Any],
    consent_id: UUID,
    kinds: list[Kind],
    document: dict[str, Any],
) -> dict[str, Any]:
    """Write the disclosure down; answers what accompanies it by §2.32."""
    disclosure = Disclosure(
        program_id=caller.program_id,
        id=new_id(),
        participant_id=row.participant_id,
        organization_id=caller.organization_id,
        caller_id=caller.id,
        claim_id=row.id,
        consent_id=consent_id,
        kinds=[kind.value for kind in kinds],
        statement=STATEMENT_VERSION,
    )
    session.add(disclosure)
    await session.flush()
    return {
        "disclosure_id": disclosure.id,
        "consent_id": consent_id,
        "kinds": kinds,
        "copy_of_consent": copy_of(document, names_the_patient=Kind.NAME in kinds),
    }


_ACCOUNT = (
    Disclosure.id,
    Disclosure.at,
    Disclosure.organization_id,
    Organization.name.label("organization"),
    Disclosure.caller_id,
    Disclosure.claim_id,
    Disclosure.consent_id,
    Disclosure.kinds,
    Disclosure.statement,
)


async def list_disclosures(
    session: AsyncSession, caller: Caller, participant_id: UUID, *, before: UUID | None = None, limit: int | None
) -> list[dict[str, Any]]:
    """A participant's disclosures, newest first, every one that there ever was. Raises NotFound."""
    participant = await get_participant(session, caller, Action.READ_DISCLOSURES, participant_id)
    where = [Disclosure.program_id == caller.program_id, Disclosure.participant_id == participant.id]
    if before is not None:
        where.append(Disclosure.id < before)
    rows = await session.execute(
        select(*_ACCOUNT)
        .join(
            Organization,
            and_(Organization.program_id == Disclosure.program_id, Organization.id == Disclosure.organization_id),
        )
        .where(*where)
        .order_by(Disclosure.id.desc())
        .limit(limit)
    )
    await note(session, "disclosures.read", participant.id)
    return [dict(row._mapping) for row in rows]


async def accounting(session: AsyncSession, caller: Caller, participant_id: UUID) -> str:
    """The whole accounting in plain text, to hand to the participant. Raises NotFound."""
    participant = await get_participant(session, caller, Action.READ_DISCLOSURES, participant_id)
    found = await list_disclosures(session, caller, participant_id, limit=None)
    lines = [
        f"ACCOUNTING OF DISCLOSURES for the participant {participant.code} (42 CFR 2.25; 45 CFR 164.528)",
        "",
        f"{len(found)} times something that says who you are was told to an organization, always under your consent:"
        if found
        else "Nothing that says who you are was told to anyone.",
    ]
    for each in found:
        what = ", ".join(KINDS[Kind(kind)][0] for kind in each["kinds"])
        lines += [
            "",
            f"{each['at']:%Y-%m-%d %H:%M:%S} UTC: {each['organization']}",
            f"  What: {what}",
            f"  For your place of claim {each['claim_id']}, under your consent {each['consent_id']}",
        ]
    return "\n".join(lines) + "\n"
