"""Consents: recorded whole, never changed, revoked at once."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import orjson
from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    case,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Uuid

from app.access.audit import note
from app.access.callers import Caller
from app.access.roles import Action
from app.casework.participants import Participant, get_participant, within_reach
from app.casework.terms import STATEMENTS, Terms
from app.core.database import Base
from app.core.ids import new_id
from app.core.keyring import Keyring
from app.core.problems import Conflict, Invalid, NotFound
from app.core.rendering import to_json
from app.market.directory import Organization, one_of

How = Literal["in_writing", "spoken", "by_representative"]


class Consent(Base):
    """A consent. What decides whether it covers a disclosure is in columns; what names the patient is in `sealed`.

    `recipients` are all who may receive: those named, an intermediary and its named members. `treating_providers`: so
    may whoever treats the person, through the intermediary.
    """

    __tablename__ = "consents"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    participant_id: Mapped[UUID]
    organization_id: Mapped[UUID]
    recorded_by: Mapped[UUID]
    text_version: Mapped[str]
    kinds: Mapped[list[str]]
    disclosers: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    recipients: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    treating_providers: Mapped[bool]
    expiry: Mapped[str]
    expires_at: Mapped[datetime | None]
    signed_on: Mapped[date]
    given_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[UUID | None]
    revoked_how: Mapped[str | None]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[UUID | None]
    ended_words: Mapped[bytes | None] = mapped_column(LargeBinary)

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "participant_id"], ["participants.program_id", "participants.id"]),
        ForeignKeyConstraint(["program_id", "organization_id"], ["organizations.program_id", "organizations.id"]),
        one_of("expiry", ["date", "event", "condition"]),
        one_of("revoked_how", ["in_writing", "spoken", "by_representative"]),
        CheckConstraint("(expiry = 'date') = (expires_at IS NOT NULL)", name="expiry_whole"),
        CheckConstraint(
            "cardinality(kinds) > 0 AND cardinality(disclosers) > 0 AND cardinality(recipients) > 0", name="complete"
        ),
        CheckConstraint("num_nonnulls(revoked_at, revoked_by, revoked_how) IN (0, 3)", name="revoked_whole"),
        CheckConstraint("num_nonnulls(ended_at, ended_by, ended_words) IN (0, 3)", name="ended_whole"),
        Index(None, "program_id", "participant_id", "id"),
    )


def stands() -> ColumnElement[bool]:
    """Whether a consent stands at this moment, by the database's clock."""
    return (
        Consent.revoked_at.is_(None)
        & Consent.ended_at.is_(None)
        & or_(Consent.expires_at.is_(None), Consent.expires_at > func.clock_timestamp())
    )


def purpose(consent_id: UUID) -> str:
    """What a consent's text is sealed for."""
    return f"consent:{consent_id}"


def end_purpose(consent_id: UUID) -> str:
    """What the words about a consent's end are sealed for."""
    return f"consent-end:{consent_id}"


async def give(
    session: AsyncSession, keyring: Keyring, caller: Caller, participant_id: UUID, terms: Terms
) -> dict[str, Any]:
    """Record a consent. Raises NotFound, NoMasterKey, Invalid that names each element that is missing or wrong."""
    participant = await get_participant(session, caller, Action.KEEP_CONSENT, participant_id)
    terms.require_complete()
    names = await _parties(session, caller.program_id, terms)
    moment: datetime = (await session.scalars(select(func.clock_timestamp()))).one()
    _require_timely(terms, moment)
    id = new_id()
    document = {
        "id": id,
        "terms": terms.model_dump(mode="json"),
        "names": names,
        "statements": STATEMENTS,
        "given_at": moment,
    }
    expiry = terms.expiry.kind()
    assert terms.signed_on is not None, "a complete consent has its date"
    assert expiry is not None, "and its expiry"
    # By name: the app role may write no other column, and an ORM's insert would name them all.
    statement = insert(Consent).values(
        program_id=caller.program_id,
        id=id,
        participant_id=participant.id,
        organization_id=caller.organization_id,
        recorded_by=caller.id,
        text_version=terms.text_version,
        kinds=sorted(set(terms.information.kinds)),
        disclosers=sorted(set(terms.disclosers)),
        recipients=sorted(terms.covered()),
        treating_providers=terms.intermediary is not None and terms.intermediary.treating_providers,
        expiry=expiry,
        expires_at=terms.expiry.on,
        signed_on=terms.signed_on,
        sealed=await keyring.seal(session, caller.program_id, purpose(id), to_json(document)),
    )
    await session.execute(statement)
    return await get_consent(session, caller, id)


async def _parties(session: AsyncSession, program_id: UUID, terms: Terms) -> dict[str, str]:
    """The names of every organization that the consent names. Raises Invalid for one that can't be named."""
    rows = await session.execute(
        select(Organization.id, Organization.name, Organization.serves_survivors).where(
            Organization.program_id == program_id, Organization.id.in_(terms.parties())
        )
    )
    found = {row.id: row for row in rows}
    named = {"disclosers": terms.disclosers, "recipients": terms.recipients}
    if terms.intermediary is not None:
        named["intermediary.organization_id"] = (terms.intermediary.organization_id,)
        named["intermediary.members"] = terms.intermediary.members
    errors = []
    for field, ids in named.items():
        for id in ids:
            if id not in found:
                errors.append({"field": field, "message": f"No organization {id} in your program's directory."})
            elif found[id].serves_survivors:
                errors.append({"field": field, "message": f"{found[id].name} {_SURVIVORS}"})
    if errors:
        raise Invalid(" ".join(error["message"] for error in errors[:3]), errors=errors)
    return {str(id): row.name for id, row in found.items()}


_SURVIVORS = (
    "serves survivors of domestic violence. Nothing of a person is disclosed to it or by it here, and no release can be"
    " required for its services (VAWA, 34 U.S.C. 12291(b)(2); FVPSA, 42 U.S.C. 10406(c)(5)). Claim there without one:"
    " such a claim has a one-time code."
)


def _require_timely(terms: Terms, moment: datetime) -> None:
    """Raises Invalid for a date of signing that is yet to come, or an expiry that is past."""
    # A day's grace: it may be tomorrow already where it was signed.
    if terms.signed_on is not None and terms.signed_on > moment.date() + timedelta(days=1):
        raise Invalid.at("signed_on", "The date of signing is yet to come (42 CFR 2.31(a)(9)).")
    if terms.expiry.on is not None and terms.expiry.on <= moment:
        raise Invalid.at("expiry", "This consent has expired already (42 CFR 2.31(a)(7) and (c)(1)).")


_COLUMNS = (
    Consent.id,
    Consent.participant_id,
    Consent.organization_id,
    Consent.recorded_by,
    Consent.text_version,
    Consent.kinds,
    Consent.disclosers,
    Consent.recipients,
    Consent.treating_providers,
    Consent.expiry,
    Consent.expires_at,
    Consent.signed_on,
    Consent.given_at,
    Consent.revoked_at,
    Consent.revoked_how,
    Consent.ended_at,
)
_STATE = case(
    (Consent.revoked_at.is_not(None), literal("revoked")),
    (Consent.ended_at.is_not(None), literal("ended")),
    (stands(), literal("in_force")),
    else_=literal("expired"),
).label("state")


async def list_consents(
    session: AsyncSession,
    caller: Caller,
    participant_id: UUID,
    *,
    before: UUID | None,
    limit: int,
) -> list[dict[str, Any]]:
    """A participant's consents, newest first, without what is sealed. Raises NotFound."""
    participant = await get_participant(session, caller, Action.KEEP_CONSENT, participant_id)
    where = [Consent.program_id == caller.program_id, Consent.participant_id == participant.id]
    if before is not None:
        where.append(Consent.id < before)
    await note(session, "consent.listed", participant.id)
    rows = await session.execute(select(*_COLUMNS, _STATE).where(*where).order_by(Consent.id.desc()).limit(limit))
    return [dict(row._mapping) for row in rows]


async def get_consent(session: AsyncSession, caller: Caller, consent_id: UUID) -> dict[str, Any]:
    """One consent, without what is sealed. Raises NotFound."""
    row = (await session.execute(select(*_COLUMNS, _STATE).where(*_within(caller, consent_id)))).one_or_none()
    if row is None:
        raise NotFound(f"No consent {consent_id} of a participant of your organization.")
    return dict(row._mapping)


async def read_consent(session: AsyncSession, caller: Caller, consent_id: UUID) -> dict[str, Any]:
    """The same for someone who looks, with an entry in the trail. Raises NotFound."""
    consent = await get_consent(session, caller, consent_id)
    await note(session, "consent.read", consent["participant_id"], consent_id=consent_id)
    return consent


def _within(caller: Caller, consent_id: UUID) -> Sequence[ColumnElement[bool]]:
    reach = select(Participant.id).where(within_reach(caller, Action.KEEP_CONSENT))
    return Consent.program_id == caller.program_id, Consent.id == consent_id, Consent.participant_id.in_(reach)


async def read_document(session: AsyncSession, keyring: Keyring, program_id: UUID, consent_id: UUID) -> dict[str, Any]:
    """What was signed. Raises NoMasterKey, Shredded."""
    sealed = (
        await session.scalars(select(Consent.sealed).where(Consent.program_id == program_id, Consent.id == consent_id))
    ).one()
    document: dict[str, Any] = orjson.loads(await keyring.open(session, program_id, purpose(consent_id), sealed))
    return document


async def open_consent(session: AsyncSession, keyring: Keyring, caller: Caller, consent_id: UUID) -> dict[str, Any]:
    """What was signed, for who may see it, with an entry in the trail. Raises NotFound, NoMasterKey, Shredded."""
    await read_consent(session, caller, consent_id)
    return await read_document(session, keyring, caller.program_id, consent_id)


async def _lock(session: AsyncSession, caller: Caller, consent_id: UUID) -> dict[str, Any]:
    """The consent, after every disclosure under it that has begun. Raises NotFound."""
    await get_consent(session, caller, consent_id)
    await session.execute(
        select(Consent.id)
        .where(Consent.program_id == caller.program_id, Consent.id == consent_id)
        .with_for_update(key_share=True)
    )
    return await get_consent(session, caller, consent_id)


async def _change(session: AsyncSession, caller: Caller, consent_id: UUID, **values: Any) -> dict[str, Any]:
    await session.execute(
        update(Consent).where(Consent.program_id == caller.program_id, Consent.id == consent_id).values(**values)
    )
    return await get_consent(session, caller, consent_id)


async def revoke(session: AsyncSession, caller: Caller, consent_id: UUID, how: How) -> dict[str, Any]:
    """End a consent by the person's word. Every disclosure after this moment is refused, on every process.

    Revoking twice is no error: the second time answers as the first. Raises NotFound.
    """
    consent = await _lock(session, caller, consent_id)
    if consent["revoked_at"] is not None:
        return consent
    return await _change(
        session, caller, consent_id, revoked_at=func.clock_timestamp(), revoked_by=caller.id, revoked_how=how
    )


async def end(
    session: AsyncSession, keyring: Keyring, caller: Caller, consent_id: UUID, what_happened: str
) -> dict[str, Any]:
    """The event has come, or the condition no longer holds, with which a consent ends.

    Ending it twice is no error. Raises NotFound, NoMasterKey, Conflict for one that ends on a date.
    """
    consent = await _lock(session, caller, consent_id)
    if consent["ended_at"] is not None:
        return consent
    if consent["expiry"] == "date":
        raise Conflict("This consent ends by itself on its date. To end it before, the person revokes it.")
    words = await keyring.seal(session, caller.program_id, end_purpose(consent_id), what_happened.encode())
    return await _change(
        session, caller, consent_id, ended_at=func.clock_timestamp(), ended_by=caller.id, ended_words=words
    )
