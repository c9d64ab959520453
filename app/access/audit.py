"""The audit trail: who did what to what, and who looked. Changes are written by the database beside their event."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, func, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.core.rendering import to_json


class AuditEntry(Base):
    """One entry. `actor` is a caller's id, `clock` for what time itself did, or `database:<role>` for `psql`."""

    __tablename__ = "audit"
    # What was done to one person's record, and who looked, is asked for years back.
    __table_args__ = (Index(None, "program_id", "subject_id", "id"),)

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    actor: Mapped[str]
    action: Mapped[str]
    subject_id: Mapped[UUID]
    detail: Mapped[dict[str, Any]]


async def note(session: AsyncSession, action: str, subject_id: UUID, **detail: Any) -> None:
    """Leave an entry for what no trigger sees: above all, that somebody looked. Its actor is the transaction's.

    The detail says what was looked at, never what was seen.
    """
    await session.execute(
        text("SELECT note(:action, :subject_id, CAST(:detail AS jsonb))"),
        {"action": action, "subject_id": subject_id, "detail": to_json(detail).decode()},
    )
