"""The outbox: every published fact, written by the database in the transaction that made it true."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, func
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base


class Event(Base):
    """A fact: `claim.held`, `opening.changed`, …

    Triggers write these (alembic/versions, "guards"), so that a change by any writer, `psql` included, leaves
    its event. `id` is the order of insertion, not of commit: the relay numbers them for readers.
    """

    __tablename__ = "events"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    type: Mapped[str]
    subject_id: Mapped[UUID]
    data: Mapped[dict[str, Any]]
