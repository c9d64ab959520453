"""One server for all tests, and a template database that others are cloned from.

Most tests share one database and take a program of their own in it: no test sees another's rows, and nothing has
to be undone. Tests that kill, migrate or break things clone a database of their own. Where pytest-xdist runs several
processes of tests, each has a server: on one, a transaction that a test keeps open would hold up the others' logs.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from httpx import ASGITransport, AsyncClient
from pydantic import SecretStr

from app import schema
from app.core.database import Database
from app.core.embedded import running
from app.core.settings import Settings
from app.main import create_app
from tests.support import MASTER_KEYS, PUBLIC_URL, House, Program, new_program

# Tests prove what happens when a process is killed, not when the power fails: nothing need reach the disk.
FAST = {"fsync": "off", "full_page_writes": "off", "max_connections": "300"}


@dataclass(frozen=True, slots=True)
class Server:
    """A server to test on; `pattern` is an address with `{user}` and `{database}` in it."""

    pattern: str

    def url(self, database: str, user: str = "openberth_owner") -> str:
        """The address of a database, as its owner or as the superuser `postgres`."""
        return self.pattern.format(user=user, database=database)

    async def admin(self, statement: str) -> None:
        """Run one statement as the superuser."""
        connection = await asyncpg.connect(self.url("postgres", "postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@pytest.fixture(scope="session")
async def server() -> AsyncIterator[Server]:
    """The server: OPENBERTH_TEST_SERVER, an address with `{user}` and `{database}`, or else an embedded one."""
    if given := os.environ.get("OPENBERTH_TEST_SERVER"):
        server = Server(given)
        await server.admin(
            "DO $$ BEGIN CREATE ROLE openberth_owner LOGIN CREATEROLE;"
            " EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
        yield server
        return
    # Not under pytest's own folder, which nobody but root may enter: as root the server runs as someone else.
    folder = Path(tempfile.mkdtemp(prefix="openberth-tests-"))
    folder.chmod(0o755)
    try:
        with running(folder / "data", options=FAST) as cluster:
            cluster.ensure_database("template_empty")
            yield Server(f"postgresql://{{user}}@/{{database}}?host={cluster.socket_dir}&port={cluster.port}")
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
async def template(server: Server) -> str:
    """The name of a migrated, empty database that nobody is connected to."""
    name = f"template_{uuid4().hex[:12]}"
    await server.admin(f"CREATE DATABASE {name} OWNER openberth_owner")
    # Alembic runs an event loop of its own, so in a thread of its own.
    await asyncio.to_thread(schema.upgrade, server.url(name))
    return name


Clone = Callable[[], AbstractAsyncContextManager[str]]


@pytest.fixture(scope="session")
def clone(server: Server, template: str) -> Clone:
    """Makes a database like the template for as long as its context lasts: the owner's address of it."""

    @asynccontextmanager
    async def cloned() -> AsyncIterator[str]:
        name = f"test_{uuid4().hex[:12]}"
        await server.admin(f"CREATE DATABASE {name} TEMPLATE {template} OWNER openberth_owner")
        yield server.url(name)
        await server.admin(f"DROP DATABASE {name} WITH (FORCE)")

    return cloned


@pytest.fixture
async def own_database(clone: Clone) -> AsyncIterator[str]:
    """The owner's address of a database for this test alone."""
    async with clone() as url:
        yield url


@pytest.fixture(scope="session")
async def shared_database(clone: Clone) -> AsyncIterator[str]:
    """The owner's address of the database that most tests share."""
    async with clone() as url:
        yield url


@pytest.fixture(scope="session")
async def house(shared_database: str) -> AsyncIterator[House]:
    """The application over the shared database, called in this process, without its background loops."""
    settings = Settings(
        database_url=shared_database,
        pool_size=20,
        master_keys=SecretStr(MASTER_KEYS),
        # All tests come from one address, and many of them with keys that are no good.
        rate_limit_address="100000/minute",
        public_url=PUBLIC_URL,
        allow_local_issuers=True,
    )
    app = create_app(settings, loops=False)
    owner = Database(shared_database, pool_size=2, as_owner=True)
    async with app.router.lifespan_context(app):
        transport = ASGITransport(app, raise_app_exceptions=False)
        async with AsyncClient(transport=transport, base_url="http://house") as http:
            yield House(app, http, owner)
    await owner.close()


@pytest.fixture
async def program(house: House) -> Program:
    """A program of this test's own, with two organizations and keys for every role."""
    return await new_program(house)
