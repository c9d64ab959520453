"""Identities: who a person is to an OpenID Connect provider, as issuer and subject; an e-mail address is none."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.access.people import Person
from app.core.database import Base


class OpenIdSubject(Base):
    """A person's account at a provider. It is bound once, and never again by its e-mail address."""

    __tablename__ = "openid_subjects"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    issuer: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    bound_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "person_id"], ["people.program_id", "people.id"]),
        Index(None, "program_id", "person_id"),
    )


async def bound_person(session: AsyncSession, issuer: str, subject: str) -> Person | None:
    """The person whom this identity is bound to, if their access has not ended; locked, so that it does not end now."""
    found: Person | None = await session.scalar(
        select(Person)
        .join(OpenIdSubject, (OpenIdSubject.program_id == Person.program_id) & (OpenIdSubject.person_id == Person.id))
        .where(OpenIdSubject.issuer == issuer, OpenIdSubject.subject == subject, Person.ended_at.is_(None))
        .with_for_update(read=True, of=Person)
    )
    return found


async def bind(session: AsyncSession, person: Person, issuer: str, subject: str) -> bool:
    """Bind the identity to this person; False when it is somebody else's already."""
    row = insert(OpenIdSubject).values(
        program_id=person.program_id, issuer=issuer, subject=subject, person_id=person.id
    )
    bound = await session.scalar(row.on_conflict_do_nothing().returning(OpenIdSubject.person_id))
    return bound is not None


async def has_identity(session: AsyncSession, person_id: UUID) -> bool:
    """Whether the person signs in with a provider."""
    query = select(OpenIdSubject.subject).where(OpenIdSubject.person_id == person_id).limit(1)
    return await session.scalar(query) is not None


async def forget_identities(session: AsyncSession, person_id: UUID) -> None:
    """Unbind them all."""
    await session.execute(delete(OpenIdSubject).where(OpenIdSubject.person_id == person_id))
