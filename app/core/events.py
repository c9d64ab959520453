"""The outbox: every published fact, written by the database in the transaction that made it true."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base


class Event(Base):
    """A fact: `claim.held`, `opening.changed`, …

    Triggers write these (alembic/sql), so that a change by any writer, `psql` included, leaves its event. `id` is
    the order of insertion, not of commit, and `xid` the transaction that wrote it: by both the relay finds what
    became visible since it last looked, and numbers it for readers (app/delivery/log.py).
    """

    __tablename__ = "events"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    xid: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, server_default=text("(pg_current_xact_id()::text)::bigint")
    )
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    type: Mapped[str]
    subject_id: Mapped[UUID]
    data: Mapped[dict[str, Any]]
