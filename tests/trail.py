"""A program's trail for tests: entries written into it, sealed, and what then stands in the database."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from app.access.canon import Head
from app.core.database import Database
from app.core.ids import new_id

WRITE = """
INSERT INTO audit (program_id, actor, action, subject_id, detail)
SELECT $1, 'tests', $2, gen_random_uuid(), jsonb_build_object('nr', nr, 'share', 1.10)
  FROM generate_series(1, $3::int) nr
RETURNING id
"""


@dataclass(slots=True)
class Trail:
    """One program's trail. `superuser` is under no trigger at all: who breaks it uses that."""

    url: str
    database: Database
    owner: "asyncpg.Connection[Any]"
    superuser: "asyncpg.Connection[Any]"
    program_id: UUID

    async def write(self, count: int = 1, action: str = "test.done") -> list[int]:
        """So many new entries: their ids."""
        return [row["id"] for row in await self.owner.fetch(WRITE, self.program_id, action, count)]

    async def seals(self) -> list[tuple[int, int]]:
        """The number and entry of each seal, in order."""
        rows = await self.owner.fetch(
            "SELECT number, entry_id FROM audit_seals WHERE program_id = $1 ORDER BY number", self.program_id
        )
        return [(row["number"], row["entry_id"]) for row in rows]

    async def head(self) -> Head:
        """The end of the chain."""
        row = await self.owner.fetchrow("SELECT number, hash FROM audit_chains WHERE program_id = $1", self.program_id)
        assert row is not None
        return Head(row["number"], row["hash"])

    async def whole(self) -> bool:
        """Whether every entry has exactly one seal, and the numbers have no gap."""
        ids = await self.owner.fetch("SELECT id FROM audit WHERE program_id = $1", self.program_id)
        seals = await self.seals()
        numbers = [number for number, _ in seals]
        return sorted(entry for _, entry in seals) == sorted(row["id"] for row in ids) and numbers == list(
            range(1, len(seals) + 1)
        )


async def open_trail(url: str) -> Trail:
    """A new program in the database that `url` is the owner's address of."""
    superuser = await asyncpg.connect(url.replace("openberth_owner", "postgres", 1))
    await superuser.execute("SET session_replication_role = replica")
    trail = Trail(url, Database(url, pool_size=4), await asyncpg.connect(url), superuser, new_id())
    await trail.owner.execute(
        "INSERT INTO programs (program_id, slug, name, time_zone)"
        " VALUES ($1, 'trail-' || gen_random_uuid(), 'A program', 'UTC')",
        trail.program_id,
    )
    return trail


async def close(trail: Trail) -> None:
    """Close its connections."""
    await trail.database.close()
    await trail.owner.close()
    await trail.superuser.close()
