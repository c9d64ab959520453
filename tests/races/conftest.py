"""Two server processes over one database, and for each race a program of its own in it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.core.database import Database
from tests import books
from tests.conftest import Clone
from tests.serving import Served, served
from tests.support import Program, new_program


@dataclass(frozen=True, slots=True)
class Pair:
    """One program as two server processes serve it, and its owner's address."""

    url: str
    here: Program
    there: Program

    def side(self, number: int) -> Program:
        """Now the one process, now the other."""
        return self.there if number % 2 else self.here

    async def people(self, count: int) -> list[str]:
        """The codes of this many new participants, made by the owner: that is not what races here."""
        made = await self.ask(
            "INSERT INTO participants (program_id, id, code, organization_id)"
            " SELECT $1, gen_random_uuid(), 'P-' || nr, $2 FROM generate_series(1, $3::int) nr"
            " RETURNING code",
            self.here.id,
            self.here.agency_id,
            count,
        )
        return [row["code"] for row in made]

    async def ask(self, question: str, *values: Any) -> list[dict[str, Any]]:
        """Rows of the database, as its owner sees it."""
        connection = await asyncpg.connect(self.url)
        try:
            return [dict(row) for row in await connection.fetch(question, *values)]
        finally:
            await connection.close()


@dataclass(frozen=True, slots=True)
class Servers:
    """The two processes and the database they share."""

    url: str
    both: tuple[Served, Served]


@pytest.fixture(scope="package")
async def servers(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Servers]:
    """Two server processes over a database of their own, for all races."""
    logs: Path = tmp_path_factory.mktemp("servers")
    async with clone() as url, AsyncExitStack() as stack:
        owner = Database(url, pool_size=2, as_owner=True)
        stack.push_async_callback(owner.close)
        first = await stack.enter_async_context(served(url, logs / "first.log", owner=owner))
        second = await stack.enter_async_context(served(url, logs / "second.log", owner=owner))
        yield Servers(url, (first, second))


@pytest.fixture
async def pair(servers: Servers) -> AsyncIterator[Pair]:
    """A program of this race's own. Whatever the race did, the books balance after it."""
    first, second = servers.both
    program = await new_program(first)
    yield Pair(servers.url, program, replace(program, house=second))
    await books.check(servers.url, program.id)
