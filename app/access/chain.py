"""The chain over the trail: a seal for each entry, a head for each program, and sealing what has none yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, UniqueConstraint, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.access.audit import AuditEntry
from app.core.database import Base, Database

BATCH = 10_000
"""Entries sealed in one transaction: a fraction of a second's work."""

_NOTHING = text("decode(repeat('00', 32), 'hex')")


class Seal(Base):
    """The number and hash of one entry.

    Numbers run from 1 without gaps, in the order of sealing. `hash` is the SHA-256 of the hash before it and the
    entry's bytes (app/access/canon.py), so it holds the whole trail up to here.
    """

    __tablename__ = "audit_seals"
    __table_args__ = (UniqueConstraint("program_id", "entry_id"),)

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    entry_id: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Chain(Base):
    """Where the chain of one program ends (`number`, `hash`) and begins: after `retired_number`, `retired_hash`.

    No entry with an id up to `settled_id` is without its seal, or ever will be; `seal_trail`, in
    alembic/sql/2026_11_24_e_trail.sql, says how the fence finds that out.
    """

    __tablename__ = "audit_chains"

    program_id: Mapped[UUID] = mapped_column(ForeignKey("programs.program_id"), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    hash: Mapped[bytes] = mapped_column(LargeBinary, server_default=_NOTHING)
    settled_id: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    fence_id: Mapped[int | None] = mapped_column(BigInteger)
    fence_xid: Mapped[int | None] = mapped_column(BigInteger)
    retired_number: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    retired_hash: Mapped[bytes] = mapped_column(LargeBinary, server_default=_NOTHING)


@dataclass(frozen=True, slots=True)
class State:
    """How far a program's trail is sealed. `oldest` and `newest` are the times of entries without a seal."""

    number: int
    hash: bytes
    retired_number: int
    unsealed: int
    oldest: datetime | None
    newest: datetime | None


async def programs_unsealed(session: AsyncSession) -> Sequence[UUID]:
    """The programs with something to seal, or to settle."""
    return (await session.scalars(text("SELECT program_id FROM programs_unsealed()"))).all()


async def seal(database: Database, program_id: UUID) -> int:
    """Seal all of a program's entries that have no seal yet, in transactions of a bounded size. Answers how many."""
    sealed = 0
    while True:
        async with database.transaction(program_id, "clock", reads=True) as session:
            batch = await session.scalar(select(func.seal_trail(program_id, BATCH))) or 0
        sealed += batch
        if batch < BATCH:
            return sealed


async def state_of_trail(session: AsyncSession, program_id: UUID) -> State:
    """The head of the transaction's program, and what is not sealed yet."""
    chain = await session.get(Chain, program_id)
    settled_id = chain.settled_id if chain else 0
    sealed = select(Seal).where(Seal.program_id == AuditEntry.program_id, Seal.entry_id == AuditEntry.id)
    row = (
        await session.execute(
            select(func.count(), func.min(AuditEntry.at), func.max(AuditEntry.at)).where(
                AuditEntry.program_id == program_id, AuditEntry.id > settled_id, ~sealed.exists()
            )
        )
    ).one()
    if chain is None:
        return State(0, bytes(32), 0, *row)
    return State(chain.number, chain.hash, chain.retired_number, *row)
