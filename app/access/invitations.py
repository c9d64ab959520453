"""Invitations: the one token by which a person comes in, or comes in again who has lost their way."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, LargeBinary, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.access.factors import forget_factors
from app.access.opaque import new_token, token_hash
from app.access.people import Person
from app.access.sessions import close_sessions
from app.core.database import Base
from app.core.problems import NotSignedIn

VALID = timedelta(days=7)


class Invitation(Base):
    """A person's one open invitation: a newer one takes its place, and accepting it takes it away."""

    __tablename__ = "invitations"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime]

    __table_args__ = (ForeignKeyConstraint(["program_id", "person_id"], ["people.program_id", "people.id"]),)


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation just made. `token` is shown this once."""

    person: Person
    token: str
    expires_at: datetime

    def link(self, origin: str) -> str:
        """Where the person goes. The token stands after `#`: a browser sends that to no server, so no log has it."""
        return f"{origin}/invitation#{self.token}"


async def invite(session: AsyncSession, person: Person) -> Invited:
    """A new invitation for this person, whose earlier one is void. Ended access is open again.

    It is how a lost or stolen account is handed back too: they are signed out everywhere, and nothing that signed
    them in before does so any more.
    """
    token = new_token(person.program_id)
    values = {"hash": token_hash(token), "expires_at": func.clock_timestamp() + VALID}
    row = insert(Invitation).values(program_id=person.program_id, person_id=person.id, **values)
    expires_at = (
        await session.scalars(
            row.on_conflict_do_update(index_elements=["program_id", "person_id"], set_=values).returning(
                Invitation.expires_at
            )
        )
    ).one()
    person.ended_at = person.joined_at = None
    await session.flush()
    await forget_factors(session, person.id)
    await close_sessions(session, person.id)
    return Invited(person, token, expires_at)


NOT_VALID = "This invitation is not valid, or was used, or has expired. Ask your program manager for a new one."


async def invited_person(session: AsyncSession, token: str) -> Person:
    """Whose open invitation this is. Raises NotSignedIn, in the same words whatever is wrong with it."""
    person: Person | None = await session.scalar(
        select(Person)
        .join(Invitation, (Invitation.program_id == Person.program_id) & (Invitation.person_id == Person.id))
        .where(
            Invitation.hash == token_hash(token),
            Invitation.expires_at > func.clock_timestamp(),
            Person.ended_at.is_(None),
        )
    )
    if person is None:
        raise NotSignedIn(NOT_VALID)
    return person


async def open_invitation(session: AsyncSession, person: Person) -> bool:
    """Whether this person has an invitation to accept."""
    query = select(Invitation.person_id).where(
        Invitation.person_id == person.id, Invitation.expires_at > func.clock_timestamp()
    )
    return await session.scalar(query) is not None


async def take_invitation(session: AsyncSession, person: Person) -> None:
    """Use this person's open invitation up. Raises NotSignedIn when another request was faster."""
    taken = await session.scalar(
        delete(Invitation)
        .where(Invitation.person_id == person.id, Invitation.expires_at > func.clock_timestamp())
        .returning(Invitation.person_id)
    )
    if taken is None:
        raise NotSignedIn(NOT_VALID)
    person.joined_at = await session.scalar(select(func.clock_timestamp()))
    await session.flush()
