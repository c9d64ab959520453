"""Participants: the people served. Outside casework they are an opaque code."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.core.ids import new_code, new_id


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
