"""Verifying a program's trail in the database: every link of the chain, every entry, and a head noted earlier."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select, text
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import BigInteger

from app.access.audit import AuditEntry
from app.access.canon import START, Fault, Head
from app.access.chain import Chain, Seal
from app.core.database import Database, load_sql

_SEGMENT = 50_000
"""Links in one statement: about a quarter of a second, so that no transaction is long."""

_BEFORE_ALL = -(2**63)
"""Below every id, also those that someone made up."""

_SEALS = text(load_sql(__file__, "check_seals")).bindparams(
    bindparam("number", type_=BigInteger), bindparam("hash", type_=BYTEA)
)
_ENTRIES = text(load_sql(__file__, "check_entries"))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a trail turned out to be: its head, how many links were checked, the first fault if it doesn't hold.

    `remark` is what is worth knowing though nothing is wrong.
    """

    head: Head
    links: int
    fault: Fault | None = None
    remark: str = ""


async def verify(database: Database, program_id: UUID, against: Head | None = None) -> Verdict:
    """Verify the whole trail of a program in short transactions, from its anchor to its head."""
    here = START
    links = 0
    while True:
        async with database.transaction(program_id, "verify") as session:
            row = await _segment(session, program_id, here)
            if row is None:
                fault = await _nothing(session, program_id)
                break
            links += row.links
            fault = await (_cut_off if row.last_number is None else _broken)(session, row, program_id)
        if fault is not None or row.last_number is None:
            here = Head(row.start_number, row.start_hash)
            break
        here = Head(row.last_number, row.last_hash)
    if fault is None:
        fault = await _unsealed(database, program_id)
    remark = ""
    if fault is None and against is not None:
        async with database.transaction(program_id, "verify") as session:
            fault, remark = await _noted(session, program_id, against)
    return Verdict(here, links, fault, remark)


async def _segment(session: AsyncSession, program_id: UUID, after: Head) -> Row[Any] | None:
    values = {"program_id": program_id, "number": after.number, "hash": after.hash, "most": _SEGMENT}
    return (await session.execute(_SEALS, values)).one_or_none()


async def _nothing(session: AsyncSession, program_id: UUID) -> Fault | None:
    """No chain: right where nothing was ever sealed, and a fault where seals are."""
    first = await session.scalar(select(Seal).filter_by(program_id=program_id).order_by(Seal.number).limit(1))
    if first is None:
        return None
    return Fault(first.number, first.entry_id, "there are seals, but the row of their chain in audit_chains is gone")


async def _broken(session: AsyncSession, row: Row[Any], program_id: UUID) -> Fault | None:
    """The first fault of a segment."""
    match row.what:
        case None:
            return None
        case "gap":
            words = f"gap: the seals from {row.previous_number + 1} to {row.wrong_number - 1} were deleted"
            return Fault(row.previous_number + 1, await _bare(session, program_id), words)
        case "extra":
            words = f"extra: a seal beyond the end of the chain, which is {row.head_number}"
        case "missing":
            words = "missing: the entry was deleted"
        case _:
            words = "changed: the entry, or its seal, is not what was sealed"
    return Fault(row.wrong_number, row.wrong_entry_id, words)


async def _cut_off(session: AsyncSession, row: Row[Any], program_id: UUID) -> Fault | None:
    """What is wrong where no seal follows any more: the chain must end there."""
    if row.start_number != row.head_number:
        words = f"cut off: the seals from {row.start_number + 1} to {row.head_number} were deleted"
        return Fault(row.start_number + 1, await _bare(session, program_id), words)
    if row.start_hash != row.head_hash:
        return Fault(row.head_number, None, "changed: the end of the chain has another hash than its last seal")
    return None


async def _bare(session: AsyncSession, program_id: UUID) -> int | None:
    """The first entry that was sealed once and has no seal now."""
    sealed = select(Seal).where(Seal.program_id == AuditEntry.program_id, Seal.entry_id == AuditEntry.id)
    settled = select(Chain.settled_id).filter_by(program_id=program_id).scalar_subquery()
    found: int | None = await session.scalar(
        select(AuditEntry.id)
        .where(AuditEntry.program_id == program_id, AuditEntry.id <= settled, ~sealed.exists())
        .order_by(AuditEntry.id)
        .limit(1)
    )
    return found


async def _unsealed(database: Database, program_id: UUID) -> Fault | None:
    """An entry without a seal where all are sealed: put in by hand, below ids that were given out long before."""
    after = _BEFORE_ALL
    while True:
        async with database.transaction(program_id, "verify") as session:
            values = {"program_id": program_id, "after": after, "most": _SEGMENT}
            row = (await session.execute(_ENTRIES, values)).one()
            if row.bare_id is not None:
                number = await session.scalar(
                    select(Seal.number)
                    .where(Seal.program_id == program_id, Seal.entry_id > row.bare_id)
                    .order_by(Seal.entry_id)
                    .limit(1)
                )
                words = "extra: an entry that was never sealed stands among those that were"
                return Fault(number or 0, row.bare_id, words)
        if row.last_id is None:
            return None
        after = row.last_id


async def _noted(session: AsyncSession, program_id: UUID, against: Head) -> tuple[Fault | None, str]:
    """Whether a head noted earlier is still in the chain: a fault, and a remark where that can't be said."""
    chain = await session.get(Chain, program_id)
    retired = Head(chain.retired_number, chain.retired_hash) if chain else START
    if against == retired:
        return None, ""
    if against.number < retired.number:
        return None, f"the head noted as {against.number} was retired: the trail begins after {retired.number}"
    seal = await session.get(Seal, (program_id, against.number))
    if seal is None:
        end = chain.number if chain else 0
        words = f"cut off: the head noted as {against.number} is beyond the end, which is {end}"
        return Fault(end + 1, None, words), ""
    if seal.hash != against.hash:
        return Fault(seal.number, seal.entry_id, "not the hash that was noted: the chain was written anew"), ""
    return None, ""
