"""The audit trail: who did what to what, written by the database beside the event of the same change."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, func
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base


class AuditEntry(Base):
    """One entry. `actor` is a caller's id, `clock` for what time itself did, or `database:<role>` for `psql`."""

    __tablename__ = "audit"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    actor: Mapped[str]
    action: Mapped[str]
    subject_id: Mapped[UUID]
    detail: Mapped[dict[str, Any]]
