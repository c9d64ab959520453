"""A database spoken to directly, as a person in psql would: a small program in it, and claims made by hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from app.core.database import APP_ROLE
from app.core.ids import new_id

CLAIM = """
INSERT INTO claims (program_id, id, bundle_id, opening_id, organization_id, claimed_by, worker_organization_id,
                    units, state, held_at, hold_until)
VALUES ($1, $2, $3, $4, $5, $6, $5, $7, $8, clock_timestamp(), clock_timestamp() + $9 * interval '1 s')
"""


@dataclass(slots=True)
class Ledger:
    """One program with a provider, its service and a bundle to claim under, on one connection of the owner's."""

    connection: "asyncpg.Connection[Any]"
    program_id: UUID
    organization_id: UUID
    service_id: UUID
    bundle_id: UUID

    async def run(self, statement: str, *values: Any) -> str:
        """Run one statement; `$1` is the program."""
        return await self.connection.execute(statement, self.program_id, *values)

    async def value(self, question: str, *values: Any) -> Any:
        """The first column of the first row; `$1` is the program."""
        return await self.connection.fetchval(question, self.program_id, *values)

    async def opening(self, units_total: int = 1, **columns: str) -> UUID:
        """A fresh opening; `columns` are further ones, each as an SQL expression."""
        id = new_id()
        terms = {"fresh_until": "clock_timestamp() + interval '1 h'"} | columns
        await self.run(
            "INSERT INTO openings (program_id, id, service_id, organization_id, category, unit, units_total,"
            f" {', '.join(terms)}) VALUES ($1, $2, $3, $4, 'housing', 'bed', $5, {', '.join(terms.values())})",
            id,
            self.service_id,
            self.organization_id,
            units_total,
        )
        return id

    async def claim(self, opening_id: UUID, units: int = 1, *, state: str = "held", seconds: float = 3600) -> UUID:
        """A claim written by hand, whose hold lapses after so many seconds."""
        id = new_id()
        await self.run(CLAIM, id, self.bundle_id, opening_id, self.organization_id, new_id(), units, state, seconds)
        return id

    async def move(self, claim_id: UUID, state: str) -> None:
        """Update a claim's state, with a reason where one is due."""
        reason = "unsafe" if state == "declined" else None
        await self.run(
            "UPDATE claims SET state = $3, reason = $4 WHERE program_id = $1 AND id = $2", claim_id, state, reason
        )

    async def taken(self, opening_id: UUID) -> int:
        """The opening's count."""
        count: int = await self.value("SELECT units_taken FROM openings WHERE program_id = $1 AND id = $2", opening_id)
        return count

    async def trace(self, subject_id: UUID) -> tuple[list[str], list[str]]:
        """The events and the trail's entries about a thing, in order."""
        told = await self.connection.fetch("SELECT type FROM events WHERE subject_id = $1 ORDER BY id", subject_id)
        kept = await self.connection.fetch("SELECT action FROM audit WHERE subject_id = $1 ORDER BY id", subject_id)
        return [row[0] for row in told], [row[0] for row in kept]


async def open_ledger(connection: "asyncpg.Connection[Any]") -> Ledger:
    """A new program in the database that this connection of its owner is to."""
    ledger = Ledger(connection, new_id(), new_id(), new_id(), new_id())
    participant_id = new_id()
    await ledger.run(
        "INSERT INTO programs (program_id, slug, name, time_zone)"
        " VALUES ($1, gen_random_uuid()::text, 'A program', 'UTC')"
    )
    await ledger.run(
        "INSERT INTO organizations (program_id, id, name) VALUES ($1, $2, 'A provider')", ledger.organization_id
    )
    await ledger.run(
        "INSERT INTO services (program_id, id, organization_id, name, category)"
        " VALUES ($1, $2, $3, 'A service', 'housing')",
        ledger.service_id,
        ledger.organization_id,
    )
    await ledger.run(
        "INSERT INTO participants (program_id, id, code, organization_id) VALUES ($1, $2, 'P-1', $3)",
        participant_id,
        ledger.organization_id,
    )
    await ledger.run(
        "INSERT INTO bundles (program_id, id, participant_id, claimed_by, created_at)"
        " VALUES ($1, $2, $3, $4, clock_timestamp())",
        ledger.bundle_id,
        participant_id,
        new_id(),
    )
    return ledger


@asynccontextmanager
async def as_app(
    connection: "asyncpg.Connection[Any]", program_id: UUID | None
) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """The same connection under the app role, in a transaction for one program, or for none."""
    async with connection.transaction():
        await connection.execute(f"SET LOCAL ROLE {APP_ROLE}")
        if program_id is not None:
            await connection.execute("SELECT set_config('openberth.program_id', $1, true)", str(program_id))
        yield connection
