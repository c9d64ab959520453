"""kill -9 in the middle of the claims, of the server process and of PostgreSQL: nothing acknowledged is lost."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from app import schema
from app.core.database import Database
from app.core.embedded import running
from tests.crash import aftermath
from tests.crash.load import new_load
from tests.serving import served
from tests.support import Program, new_program

SEED = 20261123
SERVER_KILLS, DATABASE_KILLS = 3, 2


async def test_a_killed_server_process_loses_nothing(own_database: str, tmp_path: Path) -> None:
    owner = Database(own_database, pool_size=2, as_owner=True)
    log = tmp_path / "server.log"
    async with AsyncExitStack() as stack:
        stack.push_async_callback(owner.close)
        server = await stack.enter_async_context(served(own_database, log, owner=owner))
        program: Program = await new_program(server)
        load = await new_load(program, SEED, units_total=150)
        for _ in range(SERVER_KILLS):
            claiming = asyncio.create_task(load.run(program))
            await load.until_answered(40)
            await server.kill()
            await claiming
            server = await stack.enter_async_context(served(own_database, log, owner=owner))
            program = replace(program, house=server)
            await aftermath.check(program, load, own_database)


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """Where a cluster can be; pytest's own folder shuts out the account that root's server runs as."""
    base = Path(tempfile.mkdtemp(prefix="openberth-crash-", dir="/tmp"))
    base.chmod(0o755)
    yield base / "data"
    # Pytest keeps its own folder for a while, to look into after a failure.
    shutil.copy(base / "data" / "server.log", tmp_path / "postgresql.log")
    shutil.rmtree(base)


def kill_postmaster(data_dir: Path) -> None:
    """As if the machine had lost it; its sessions notice and end by themselves."""
    os.kill(int((data_dir / "postgresql" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)


async def test_a_killed_postgresql_loses_nothing(data_dir: Path, tmp_path: Path) -> None:
    # With fsync, as in production: the write-ahead log is what the claims come back from.
    async with AsyncExitStack() as stack:
        cluster = await asyncio.to_thread(stack.enter_context, running(data_dir, options={"fsync": "on"}))
        await asyncio.to_thread(cluster.ensure_database)
        url = cluster.url().replace("+asyncpg", "")
        await asyncio.to_thread(schema.upgrade, url)
        owner = Database(url, pool_size=2, as_owner=True)
        stack.push_async_callback(owner.close)
        server = await stack.enter_async_context(served(url, tmp_path / "server.log", owner=owner))
        program = await new_program(server)
        load = await new_load(program, SEED, units_total=150)
        for _ in range(DATABASE_KILLS):
            claiming = asyncio.create_task(load.run(program))
            await load.until_answered(40)
            kill_postmaster(data_dir)
            await claiming
            again = await asyncio.to_thread(stack.enter_context, running(data_dir))
            assert again == cluster
            # The server process is the same as before: it must find its way back to the database by itself.
            assert server.process.returncode is None
            await aftermath.check(program, load, url)
