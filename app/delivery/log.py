"""The ordered log: every event of a program by its number, in commit order and without gaps.

The database numbers (alembic/sql/2026_11_24_g_relay.sql, `number_events`); here the log is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import BigInteger, CheckConstraint, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.access.callers import Caller
from app.core.database import Base, PooledConnection, load_sql
from app.delivery.vocabulary import governed_by

READ = load_sql(__file__, "read")


class LogPage(Base):
    """Up to a hundred events in the order of their numbers, the last of which is `last_number`.

    The rest says what the relay had seen when it wrote the page: see `number_events`. `cluster` is the PostgreSQL
    cluster in which that holds; a dump restored into another is numbered on by name.
    """

    __tablename__ = "log_pages"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    last_number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    xids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    seen_xid: Mapped[int] = mapped_column(BigInteger)
    seen_open: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    taking_xid: Mapped[int | None] = mapped_column(BigInteger)
    taking_open: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    cluster: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (CheckConstraint("cardinality(event_ids) = cardinality(xids)", name="named_in_full"),)


RULES_CHANGED = "program.changed"
"""After it, what could be claimed before may be too far ahead, or no longer: no picture made before it is good."""


@dataclass(frozen=True)
class Entry:
    """An event with its number. It has the attributes by which the permission table's predicates tell whose it is."""

    number: int
    at: datetime
    type: str
    subject_id: UUID
    raw: str
    worker_organization_id: UUID | None

    @cached_property
    def data(self) -> dict[str, Any]:
        """The payload."""
        data: dict[str, Any] = orjson.loads(self.raw)
        return data

    @cached_property
    def organization_id(self) -> UUID | None:
        """The provider that it is about, where it is about one's opening or claim."""
        return _id(self.data.get("organization_id"))

    @cached_property
    def caller_id(self) -> UUID | None:
        """Whose it is alone: of a watch, who watches."""
        return _id(self.data.get("caller_id"))

    def seen_by(self, caller: Caller) -> bool:
        """Whether the caller may see it: what an event tells, they could have asked for."""
        return caller.may(governed_by(self.type), self)


def _id(text: str | None) -> UUID | None:
    return UUID(text) if text else None


@dataclass(frozen=True, slots=True)
class Extent:
    """What the log has: numbers from `oldest` to `latest`. An empty one has `latest` 0 and `oldest` 1."""

    oldest: int
    latest: int

    def holds_all_after(self, number: int) -> bool:
        """Whether everything after this number is still there, and the number isn't of another log's."""
        return self.oldest - 1 <= number <= self.latest


async def extent(session: AsyncSession, program_id: UUID) -> Extent:
    """The log's extent for this transaction."""
    row = (
        await session.execute(
            text(
                "SELECT (SELECT last_number - cardinality(event_ids) + 1 FROM log_pages"
                "         WHERE program_id = :id ORDER BY last_number LIMIT 1) AS oldest,"
                "       (SELECT last_number FROM log_pages"
                "         WHERE program_id = :id ORDER BY last_number DESC LIMIT 1) AS latest"
            ),
            {"id": program_id},
        )
    ).one()
    return Extent(row.oldest or 1, row.latest or 0)


async def glance(connection: PooledConnection, program_id: UUID, after: int, limit: int) -> list[Entry]:
    """The same as `read`, on a bare connection."""
    return [Entry(*row) for row in await connection.fetch(READ, program_id, after, limit)]


async def read(session: AsyncSession, program_id: UUID, after: int, limit: int) -> Sequence[Entry]:
    """What comes after a number: the next `limit` numbers, or as many as there are."""
    connection = await session.connection()
    rows = await connection.exec_driver_sql(READ, (program_id, after, limit))
    return [Entry(*tuple(row)) for row in rows]
