"""Who a participant is: sealed as one text, read and written only through functions that note it in the trail."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, EmailStr, Field, TypeAdapter, model_validator
from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.access.callers import Caller
from app.access.roles import Action
from app.casework import marks
from app.casework.marks import Known, Mark
from app.casework.participants import Participant, get_participant
from app.casework.words import Given, Line
from app.core.database import Base
from app.core.keyring import Keyring
from app.core.problems import Invalid, NotFound
from app.market.directory import Organization


class SealedIdentity(Base):
    """A participant's identity. The app role has no right on this table: see `alembic/sql`, "casework"."""

    __tablename__ = "identities"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    participant_id: Mapped[UUID] = mapped_column(primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    written_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "participant_id"], ["participants.program_id", "participants.id"]),
    )


class IdentityMark(Base):
    """One thing by which a participant is known, as its HMAC."""

    __tablename__ = "identity_marks"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    mark: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    participant_id: Mapped[UUID] = mapped_column(primary_key=True)

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "participant_id"], ["participants.program_id", "participants.id"]),
        Index(None, "program_id", "participant_id"),
    )


class Kind(StrEnum):
    """Kinds of information: what a consent covers, and what a disclosure is of."""

    NAME = "name"
    PREFERRED_NAME = "preferred_name"
    BIRTH_DATE = "birth_date"
    CONTACTS = "contacts"
    EMERGENCY_CONTACTS = "emergency_contacts"
    IDENTIFIERS = "identifiers"


KINDS: dict[Kind, tuple[str, tuple[str, ...]]] = {
    Kind.NAME: ("your name", ("name",)),
    Kind.PREFERRED_NAME: ("the name and pronouns you go by", ("preferred_name", "pronouns")),
    Kind.BIRTH_DATE: ("your birth date", ("birth_date",)),
    Kind.CONTACTS: ("how to reach you", ("contacts",)),
    Kind.EMERGENCY_CONTACTS: ("whom to call in an emergency", ("emergency_contacts",)),
    Kind.IDENTIFIERS: ("numbers that others know you by, such as HMIS or Medicaid", ("identifiers",)),
}
"""Each kind in words for the person, and the fields of an identity that it means."""


def _lived(day: date) -> date:
    # The day itself is not checked against a clock: near midnight that would depend on where the server stands.
    if day.year < 1900:
        raise ValueError("give a birth date after 1900, as YYYY-MM-DD")
    return day


_EMAIL: TypeAdapter[str] = TypeAdapter(EmailStr)

BirthDate = Annotated[date, AfterValidator(_lived)]
IdentifierKind = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", examples=["hmis_id", "medicaid_id"])]


class Contact(Given):
    """A way to reach someone. `messages_via`: a person or place that passes messages on."""

    kind: Literal["phone", "email", "messages_via"]
    value: Line
    note: Line | None = None

    @model_validator(mode="after")
    def _reachable(self) -> "Contact":
        if self.kind == "phone" and not 5 <= sum(each.isdecimal() for each in self.value) <= 20:
            raise ValueError("a phone number has 5 to 20 digits")
        if self.kind == "email":
            try:
                _EMAIL.validate_python(self.value)
            except ValueError:
                raise ValueError("this is no e-mail address") from None
        return self

    def mark(self) -> Mark | None:
        """What it is found by. Who passes messages on does so for many: no mark of a person."""
        if self.kind == "phone":
            return marks.phone_mark(self.value)
        return marks.email_mark(self.value) if self.kind == "email" else None


class Identifier(Given):
    """A number that some system knows someone by."""

    kind: IdentifierKind
    value: Line


class EmergencyContact(Given):
    """Whom to call in an emergency."""

    name: Line
    relation: Line | None = None
    contacts: Annotated[tuple[Contact, ...], Field(max_length=5)] = ()


class Sought(Given):
    """By what someone is looked for: each must match exactly, but for how it is written."""

    name: Line | None = None
    birth_date: BirthDate | None = None
    contacts: Annotated[tuple[Contact, ...], Field(max_length=10)] = ()
    identifiers: Annotated[tuple[Identifier, ...], Field(max_length=20)] = ()

    def marks(self) -> list[Mark]:
        """By what they are found. A name alone is that of many people, and so is a birth date."""
        named = self.name is not None and self.birth_date is not None
        return marks.only(
            (
                marks.name_mark(self.name, self.birth_date) if named and self.name and self.birth_date else None,
                *(marks.identifier_mark(each.kind, each.value) for each in self.identifiers),
                *(each.mark() for each in self.contacts),
            )
        )


class Identity(Sought):
    """Who someone is. Every field may be left out: nothing here stands between a person and a place."""

    preferred_name: Line | None = None
    pronouns: Line | None = None
    emergency_contacts: Annotated[tuple[EmergencyContact, ...], Field(max_length=5)] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """A participant who is known by the same. `id` is there for one's own organization's; others' are a code."""

    id: UUID | None
    code: str
    own: bool
    matched: list[Known]


def purpose(participant_id: UUID) -> str:
    """What an identity is sealed for: this row and no other."""
    return f"identity:{participant_id}"


async def write_identity(
    session: AsyncSession, keyring: Keyring, caller: Caller, participant_id: UUID, identity: Identity
) -> list[Match]:
    """Write down who a participant is, in place of what was there; answers who else is known by the same.

    Raises NotFound, NoMasterKey.
    """
    participant = await get_participant(session, caller, Action.EDIT_PARTICIPANT, participant_id)
    made = identity.marks()
    current, seek = await _under_keys(session, keyring, caller.program_id, made)
    plaintext = identity.model_dump_json(exclude_defaults=True).encode()
    sealed = await keyring.seal(session, caller.program_id, purpose(participant.id), plaintext)
    found = await session.execute(
        text("SELECT * FROM write_identity(:id, :sealed, :marks, :seek)"),
        {"id": participant.id, "sealed": sealed, "marks": current, "seek": list(seek)},
    )
    return await _matches(session, caller, seek, [(row.participant_id, row.mark) for row in found])


async def read_identity(
    session: AsyncSession, keyring: Keyring, caller: Caller, participant_id: UUID
) -> tuple[Participant, Identity]:
    """Who a participant of one's own organization is. Raises NotFound, NoMasterKey, Shredded."""
    participant = await get_participant(session, caller, Action.READ_PARTICIPANT, participant_id)
    identity = await look(session, keyring, caller.program_id, participant.id)
    if identity is None:
        raise NotFound(f"Nobody has written down who {participant.code} is.")
    return participant, identity


async def look(
    session: AsyncSession, keyring: Keyring, program_id: UUID, participant_id: UUID, claim_id: UUID | None = None
) -> Identity | None:
    """The identity, None without one. Whoever calls has asked whether the caller may see it; the trail has the look.

    Raises NoMasterKey, Shredded.
    """
    sealed = await session.scalar(
        text("SELECT read_identity(:id, :claim_id)"), {"id": participant_id, "claim_id": claim_id}
    )
    if sealed is None:
        return None
    return Identity.model_validate_json(await keyring.open(session, program_id, purpose(participant_id), sealed))


async def erase_identity(session: AsyncSession, caller: Caller, participant_id: UUID) -> Participant:
    """Erase who a participant is; code, claims and consents stay. Erasing what isn't there is no error.

    Raises NotFound.
    """
    participant = await get_participant(session, caller, Action.EDIT_PARTICIPANT, participant_id)
    await session.execute(text("SELECT erase_identity(:id)"), {"id": participant.id})
    return participant


async def find(session: AsyncSession, keyring: Keyring, caller: Caller, sought: Sought) -> list[Match]:
    """Who is known by this. Raises Invalid when it is nothing to find someone by, NoMasterKey."""
    made = sought.marks()
    if not made:
        raise Invalid("Give a name with a birth date, an identifier, a phone number or an e-mail address.")
    _, seek = await _under_keys(session, keyring, caller.program_id, made)
    found = await session.execute(text("SELECT * FROM seek_identities(:seek)"), {"seek": list(seek)})
    return await _matches(session, caller, seek, [(row.participant_id, row.mark) for row in found])


async def _under_keys(
    session: AsyncSession, keyring: Keyring, program_id: UUID, made: list[Mark]
) -> tuple[list[bytes], dict[bytes, Known]]:
    """The marks' HMACs to write, and those to look for: under every key there is, each with what it is of."""
    keys = await keyring.derived(session, program_id, marks.PREFIX)
    return [mark.under(keys[0]) for mark in made], {mark.under(key): mark.known for key in keys for mark in made}


async def _matches(
    session: AsyncSession, caller: Caller, seek: dict[bytes, Known], found: Iterable[tuple[UUID, bytes]]
) -> list[Match]:
    """The matches as this caller may know them; none of whom an organization for survivors once gave a code."""
    by_participant: dict[UUID, set[Known]] = {}
    for participant_id, mark in found:
        by_participant.setdefault(participant_id, set()).add(seek[mark])
    rows = await session.execute(
        select(Participant, caller.where(Action.READ_PARTICIPANT, Participant).label("readable"))
        .join(
            Organization,
            (Organization.program_id == Participant.program_id) & (Organization.id == Participant.organization_id),
        )
        .where(
            Participant.program_id == caller.program_id,
            Participant.id.in_(by_participant),
            ~Organization.serves_survivors,
        )
        .order_by(Participant.id)
    )
    return [
        Match(
            row.Participant.id if row.readable else None,
            row.Participant.code,
            row.Participant.organization_id == caller.organization_id,
            sorted(by_participant[row.Participant.id]),
        )
        for row in rows
    ]
