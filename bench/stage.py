"""A database to measure on: migrated, with one program, a case manager's key, participants and a provider."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import insert

from app import schema
from app.access.keys import create_key
from app.access.programs import add_program
from app.access.roles import Role
from app.core.database import Database
from app.core.embedded import Cluster, program, running
from app.core.ids import new_id
from app.market.directory import Organization
from bench.plan import BenchError

OWNER = "openberth_owner"
SUPERUSER = "postgres"
SQL = Path(__file__).parent / "sql"

PARTICIPANTS = 10_000
"""So many that claims for the same person, which share a row lock, are as rare as in life."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The ids and the key that a load needs, and the way into the database. `name` is the database's."""

    cluster: Cluster
    name: str
    program_id: UUID
    provider_id: UUID
    agency_id: UUID
    worker_id: UUID
    key: str

    @property
    def url(self) -> str:
        """The address for the server."""
        return self.cluster.url(self.name)

    def psql(self, script: str, *, user: str = OWNER, **variables: object) -> list[str]:
        """Run SQL with our ids and `variables` as psql variables; the lines that it answers."""
        ids = {
            "program": self.program_id,
            "provider": self.provider_id,
            "agency": self.agency_id,
            "worker": self.worker_id,
        }
        return psql(self.cluster.dsn(self.name, user), script, **ids, **variables)

    def run_file(self, file: str, *, user: str = OWNER, **variables: object) -> list[str]:
        """Run `sql/<file>.sql`."""
        return self.psql((SQL / f"{file}.sql").read_text(encoding="utf-8"), user=user, **variables)

    def publish(self, count: int) -> list[str]:
        """New openings of as many units as there may be; their ids."""
        return self.run_file("publish", count=count)

    def taken(self) -> int:
        """Units taken in the whole database: the count that the database keeps itself."""
        return int(self.psql("SELECT sum(units_taken) FROM openings")[0])

    def settle(self) -> None:
        """Statistics as autovacuum would leave them, and no checkpoint due."""
        self.psql("VACUUM (FREEZE, ANALYZE)", user=SUPERUSER)
        self.psql("CHECKPOINT", user=SUPERUSER)

    def copy(self, name: str) -> "Stage":
        """The same under another name. Nobody may be connected to this one."""
        self._administer(f'CREATE DATABASE "{name}" TEMPLATE "{self.name}" OWNER {OWNER}')
        return Stage(self.cluster, name, self.program_id, self.provider_id, self.agency_id, self.worker_id, self.key)

    def drop(self) -> None:
        """Remove the database."""
        self._administer(f'DROP DATABASE "{self.name}"')

    def _administer(self, statement: str) -> None:
        psql(self.cluster.dsn("postgres", SUPERUSER), statement)


def set_stage(cluster: Cluster, name: str) -> Stage:
    """A new database, ready for a load."""
    cluster.ensure_database(name)
    schema.upgrade(cluster.url(name))
    stage = asyncio.run(_furnished(cluster, name))
    stage.run_file("furnish", participants=PARTICIPANTS)
    return stage


@contextmanager
def staged(folder: Path, name: str) -> Iterator[Stage]:
    """The same in a cluster of its own, with the settings that `openberth serve` gives one."""
    with running(folder / name) as cluster:
        yield set_stage(cluster, name)


async def _furnished(cluster: Cluster, name: str) -> Stage:
    database = Database(cluster.url(name), pool_size=1, as_owner=True)
    try:
        async with database.transaction(None, "bench") as session:
            row = await add_program(session, f"bench-{uuid4().hex[:8]}", "Bench", "America/Los_Angeles")
            provider_id, agency_id = new_id(), new_id()
            for id, called in ((provider_id, "A provider"), (agency_id, "An agency")):
                await session.execute(insert(Organization).values(program_id=row.program_id, id=id, name=called))
            key, secret = await create_key(session, row.program_id, agency_id, Role.CASE_MANAGER)
            return Stage(cluster, name, row.program_id, provider_id, agency_id, key.id, secret)
    finally:
        await database.close()


def psql(dsn: str, script: str, **variables: object) -> list[str]:
    """Run SQL; the lines that it answers. Raises BenchError with what the database said."""
    settings = [f"--set={name}={value}" for name, value in variables.items()]
    done = subprocess.run(
        [str(program("psql")), "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", *settings, "-d", dsn],
        input=script,
        env={"PATH": os.defpath, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"psql failed: {done.stderr.strip()}")
    return done.stdout.splitlines()
