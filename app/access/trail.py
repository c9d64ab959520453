"""Reading the trail: pages of it, newest first, and the export, which can be verified without this database."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, Text, cast, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit import AuditEntry
from app.access.canon import FORMAT, START, Head
from app.access.chain import Chain, Seal
from app.core.database import Database
from app.core.problems import Invalid
from app.core.rendering import to_json

_CHUNK = 2000
"""Entries of an export that one transaction reads: it ends before they are sent."""


async def list_entries(
    session: AsyncSession,
    program_id: UUID,
    *,
    subject_id: UUID | None,
    actor: str | None,
    action: str | None,
    since: datetime | None,
    until: datetime | None,
    before: int | None,
    limit: int,
) -> list[Row[Any]]:
    """Entries, newest first, each with its seal's number and hash if it has one yet. `action` is a prefix."""
    sealed = (Seal.program_id == AuditEntry.program_id) & (Seal.entry_id == AuditEntry.id)
    query = select(
        AuditEntry.id,
        AuditEntry.at,
        AuditEntry.actor,
        AuditEntry.action,
        AuditEntry.subject_id,
        AuditEntry.detail,
        Seal.number,
        Seal.hash,
    ).outerjoin(Seal, sealed)
    conditions = [AuditEntry.program_id == program_id]
    if subject_id is not None:
        conditions.append(AuditEntry.subject_id == subject_id)
    if actor is not None:
        conditions.append(AuditEntry.actor == actor)
    if action is not None:
        conditions.append(AuditEntry.action.startswith(action, autoescape=True))
    if since is not None:
        conditions.append(AuditEntry.at >= since)
    if until is not None:
        conditions.append(AuditEntry.at < until)
    if before is not None:
        conditions.append(AuditEntry.id < before)
    rows = await session.execute(query.where(*conditions).order_by(AuditEntry.id.desc()).limit(limit))
    return list(rows.all())


async def place_after(session: AsyncSession, program_id: UUID, number: int) -> tuple[Head, int]:
    """Where an export that starts after this number starts, its hash with it, and the number where it ends.

    What was retired can't be exported: it starts at the anchor then. Raises Invalid for a number beyond the end.
    """
    chain = await session.get(Chain, program_id)
    if chain is None or number <= chain.retired_number:
        start = Head(chain.retired_number, chain.retired_hash) if chain else START
        if chain is not None or number == 0:
            return start, chain.number if chain else 0
    seal = await session.get(Seal, (program_id, number))
    if chain is None or seal is None:
        raise Invalid.at("after", "The trail has no such number. Leave it out to export the whole trail.")
    return Head(number, seal.hash), chain.number


async def export(database: Database, program_id: UUID, start: Head, end: int) -> AsyncIterator[bytes]:
    """The sealed entries after `start` up to number `end`, as lines of JSON.

    The first says where it starts; each entry has its number and hash; the last says where it ends, so that a file
    that was cut off is known. No transaction is open while lines are sent: a slow reader holds up nobody.
    """
    yield to_json({"format": FORMAT, "program_id": program_id, "after": str(start)}) + b"\n"
    here = start
    while here.number < end:
        async with database.transaction(program_id, "export") as session:
            rows = await _chunk(session, program_id, here.number, end)
        if not rows:
            # Retired or deleted since: without its last line the file says itself that it is not whole.
            return
        yield b"".join(map(_line, rows))
        here = Head(rows[-1].number, rows[-1].hash)
    yield to_json({"end": str(here)}) + b"\n"


async def _chunk(session: AsyncSession, program_id: UUID, after: int, end: int) -> list[Row[Any]]:
    sealed = (Seal.program_id == AuditEntry.program_id) & (Seal.entry_id == AuditEntry.id)
    rows = await session.execute(
        select(
            Seal.number,
            Seal.hash,
            AuditEntry.program_id,
            AuditEntry.id,
            AuditEntry.at,
            AuditEntry.actor,
            AuditEntry.action,
            AuditEntry.subject_id,
            # As PostgreSQL prints it: a float would not come back with the digits that were hashed.
            cast(AuditEntry.detail, Text).label("detail"),
        )
        .join(AuditEntry, sealed)
        .where(Seal.program_id == program_id, Seal.number > after, Seal.number <= end)
        .order_by(Seal.number)
        .limit(_CHUNK)
    )
    found: list[Any] = list(rows)
    return found


def _line(row: Row[Any]) -> bytes:
    entry = {
        "program_id": row.program_id,
        "id": row.id,
        "at": row.at,
        "actor": row.actor,
        "action": row.action,
        "subject_id": row.subject_id,
        "detail": orjson.Fragment(row.detail),
    }
    return to_json({"number": row.number, "hash": row.hash.hex(), "entry": entry}) + b"\n"
