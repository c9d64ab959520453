"""People: who was invited to a program, what they are to it, and until when."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.access.callers import Caller
from app.access.roles import Role
from app.access.sessions import close_sessions
from app.core.database import Base, violated
from app.core.ids import new_id
from app.core.problems import Conflict, Forbidden, Invalid, NotFound, Sentence


class Person(Base):
    """A person of one program and organization. As a caller they are known by this `id`.

    `email` is folded to small letters; `joined_at` is when they first signed in, `ended_at` when their access ended.
    """

    __tablename__ = "people"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    organization_id: Mapped[UUID]
    role: Mapped[str]
    email: Mapped[str]
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    joined_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "organization_id"], ["organizations.program_id", "organizations.id"]),
        Index(None, "program_id", "email", unique=True),
        Index(None, "program_id", "organization_id"),
    )

    @property
    def state(self) -> str:
        """Where they stand: `invited`, `active` or `ended`."""
        if self.ended_at is not None:
            return "ended"
        return "invited" if self.joined_at is None else "active"


def folded(email: str) -> str:
    """An e-mail address as it is compared: nobody's address differs from another's by capitals alone.

    Letters beyond ASCII stay as they are. Folded too, some would turn into others: the Kelvin sign into a k, and
    somebody else's address into the one that was invited.
    """
    return "".join(letter.lower() if letter.isascii() else letter for letter in email.strip())


async def find_program(session: AsyncSession, slug: str) -> UUID | None:
    """The program of this slug, asked before anybody has signed in to it."""
    found: UUID | None = await session.scalar(text("SELECT program_of(:slug)"), {"slug": slug})
    return found


async def add_person(
    session: AsyncSession, program_id: UUID, organization_id: UUID, role: Role, email: str, name: str
) -> Person:
    """A new person. Raises Conflict for an address the program knows already, Invalid for an unknown organization."""
    statement = (
        insert(Person)
        .values(
            program_id=program_id,
            id=new_id(),
            organization_id=organization_id,
            role=role,
            email=folded(email),
            name=name,
        )
        .on_conflict_do_nothing(index_elements=["program_id", "email"])
        .returning(Person)
    )
    try:
        async with session.begin_nested():
            person: Person | None = await session.scalar(statement)
    except IntegrityError as error:
        raise _unknown_organization(error) from error
    if person is None:
        raise Conflict("Somebody with this e-mail address is in the program already. Invite them again instead.")
    return person


def _unknown_organization(error: IntegrityError) -> Exception:
    """The refusal of an organization that isn't the program's, or else the error as it was."""
    if violated(error) == "fk_people_program_id_organization_id":
        return Invalid.at("organization_id", Sentence("There is no such organization in this program."))
    return error


def refuse_operator(role: Role | None) -> None:
    """Raises Forbidden for the operator's role: whoever runs the installation is invited where it runs."""
    if role is Role.OPERATOR:
        raise Forbidden("Operators are invited on the machine itself, with `openberth person invite`.")


async def list_people(session: AsyncSession, *, after: UUID | None, limit: int) -> Sequence[Person]:
    """The program's people in the order in which they were invited."""
    query = select(Person).order_by(Person.id).limit(limit)
    if after is not None:
        query = query.where(Person.id > after)
    return (await session.scalars(query)).all()


async def get_person(session: AsyncSession, person_id: UUID) -> Person:
    """One person of the transaction's program. Raises NotFound."""
    person = await session.scalar(select(Person).where(Person.id == person_id))
    if person is None:
        raise NotFound("There is no such person in this program.")
    return person


async def find_person(session: AsyncSession, email: str) -> Person | None:
    """The person with this address whose access has not ended."""
    query = select(Person).where(Person.email == folded(email), Person.ended_at.is_(None))
    found: Person | None = await session.scalar(query)
    return found


async def steered(session: AsyncSession, caller: Caller, person_id: UUID) -> Person:
    """The person, locked, for a manager who is about to change what they may do.

    Raises NotFound; Forbidden for an operator, whom the command line alone makes and ends; Conflict for oneself.
    """
    person = await session.scalar(select(Person).where(Person.id == person_id).with_for_update())
    if person is None:
        raise NotFound("There is no such person in this program.")
    if person.role == Role.OPERATOR:
        raise Forbidden("Operators are invited and ended on the machine itself, with `openberth person`.")
    if person.id == caller.id:
        raise Conflict("Your own access is for another program manager to change.")
    return person


async def change_person(session: AsyncSession, person: Person, changes: dict[str, Any]) -> None:
    """Give a person another role, organization or name. Another role or organization signs them out everywhere.

    Raises Invalid for an unknown organization, Conflict when their access has ended.
    """
    if person.ended_at is not None:
        raise Conflict("This person's access has ended. Invite them again to open it.")
    moved = any(getattr(person, field) != changes.get(field, getattr(person, field)) for field in _STANDING)
    for field, value in changes.items():
        setattr(person, field, value)
    try:
        async with session.begin_nested():
            await session.flush()
    except IntegrityError as error:
        raise _unknown_organization(error) from error
    if moved:
        await close_sessions(session, person.id)


_STANDING = ("role", "organization_id")


async def end_access(session: AsyncSession, person: Person) -> None:
    """End a person's access: signed out everywhere, and no way in until they are invited again."""
    if person.ended_at is None:
        person.ended_at = await session.scalar(select(func.clock_timestamp()))
        await session.flush()
    await close_sessions(session, person.id)
