"""Relay and sweeper, killed at every step they take and as whole processes: nothing is lost, nothing is doubled."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.core.database import Database
from app.core.ids import new_id
from app.delivery.bus import PostgresBus
from app.delivery.relay import Relay
from app.worker import sweep_lapsed_holds
from tests import books
from tests.cli.terminal import ROOT, environment
from tests.ledger import Ledger, open_ledger
from tests.live.numbers import logged

MOST_STEPS = 100
SEED = 4
KILLS = 4
PATIENCE = 60.0

LAPSE = """
UPDATE claims SET hold_until = clock_timestamp() + interval '10 ms'
 WHERE program_id = $1 AND opening_id = $2 AND state = 'held'
"""


class Killed(BaseException):
    """What ends a job at a step, like a process that is no more: nothing of the application catches it."""


class UpTo:
    """Runs a coroutine until it has had to wait so many times; then `kill` is done in the middle of it.

    Each round trip to the database is a wait, and so is everything else at which a process could be cut off from what
    it was about to do. `waits` says how many there were.
    """

    def __init__(self, job: Awaitable[Any], step: int, kill: Callable[[], Awaitable[None]]) -> None:
        self._job = job
        self._step = step
        self._kill = kill
        self.waits = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        running = self._job.__await__()
        try:
            waits_for = next(running)
            while True:
                self.waits += 1
                if self.waits == self._step:
                    try:
                        yield from self._kill().__await__()
                    except Killed as killed:
                        waits_for = running.throw(killed)
                        continue
                try:
                    value = yield waits_for
                except BaseException as error:
                    waits_for = running.throw(error)
                else:
                    waits_for = running.send(value)
        except StopIteration as done:
            return done.value


@pytest.fixture
async def ledger(own_database: str) -> AsyncIterator[Ledger]:
    """A program alone in its database."""
    connection = await asyncpg.connect(own_database)
    yield await open_ledger(connection)
    await connection.close()


async def cut(ledger: Ledger) -> None:
    """Take the application's connections away."""
    await ledger.connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE application_name = 'openberth' AND datname = current_database()"
    )


@pytest.fixture(params=["the process", "its connections"])
def killing(request: pytest.FixtureRequest, ledger: Ledger) -> Callable[[], Awaitable[None]]:
    """Ends the process at a step, or takes its connections away and lets it go on."""

    async def process() -> None:
        raise Killed

    return process if request.param == "the process" else partial(cut, ledger)


async def killed_at(step: int, job: Awaitable[Any], kill: Callable[[], Awaitable[None]]) -> bool:
    """Do a job and kill it at a step. Whether it came that far."""
    run = UpTo(job, step, kill)
    try:
        await asyncio.wait_for(asyncio.ensure_future(_awaited(run)), PATIENCE)
    except Killed:
        assert run.waits >= step
    except Exception:
        # It lost its connection there, and says so.
        assert run.waits >= step
    return run.waits >= step


async def _awaited(run: UpTo) -> Any:
    return await run


async def watched(ledger: Ledger) -> UUID:
    """A watch for any housing that is on."""
    id = new_id()
    await ledger.run(
        "INSERT INTO watches (program_id, id, caller_id, organization_id, need, until)"
        " VALUES ($1, $2, $3, $4, '{\"category\": \"housing\"}', now() + interval '1 h')",
        id,
        new_id(),
        ledger.organization_id,
    )
    return id


def hear(heard: list[int], _: UUID, latest: int) -> None:
    """What a hub would."""
    heard.append(latest)


@pytest.mark.parametrize("watching", [True, False], ids=["watched", "not watched"])
async def test_a_relay_killed_at_every_step_loses_and_doubles_nothing(
    own_database: str, ledger: Ledger, killing: Callable[[], Awaitable[None]], watching: bool
) -> None:
    """Numbers, and the word to those who watch: with a session where somebody does, else without."""
    if watching:
        await watched(ledger)
    openings = []
    for step in range(1, MOST_STEPS):
        openings.append(await ledger.opening(2))
        heard: list[int] = []
        database = Database(own_database, pool_size=1)
        relay = Relay(database, PostgresBus(own_database), partial(hear, heard))
        came_so_far = await killed_at(step, relay.catch_up(ledger.program_id), killing)
        await database.close()
        again = Database(own_database, pool_size=1)
        latest = await Relay(again, PostgresBus(own_database), lambda *_: None).catch_up(ledger.program_id)
        await again.close()
        rows = await logged(ledger)
        assert latest in {0, len(rows)}
        if not came_so_far:
            assert heard[-1] == len(rows)
            break
    else:
        raise AssertionError("it took more steps than this looks at")
    assert step > 5
    told = [row["data"] for row in await logged(ledger) if row["type"] == "watch.matched"]
    due = sorted(map(str, openings)) if watching else []
    assert sorted(id for id in map(str, openings) for data in told if id in data) == due


async def test_a_relay_whose_connection_is_cut_goes_on_by_itself(own_database: str, ledger: Ledger) -> None:
    """The same relay: what it was rung for stays rung."""
    database = Database(own_database, pool_size=1)
    heard = asyncio.Event()
    relay = Relay(database, PostgresBus(own_database), lambda *_: heard.set())

    for step in (3, 4, 5, 6):
        await ledger.opening()
        relay.ring(ledger.program_id)
        heard.clear()
        await killed_at(step, relay.catch_up(ledger.program_id), partial(cut, ledger))
        running = asyncio.create_task(relay.run())
        if not heard.is_set():
            await asyncio.wait_for(heard.wait(), PATIENCE)
        running.cancel()
        await logged(ledger)
    await database.close()


async def test_a_sweeper_killed_at_every_step_expires_each_hold_once(
    own_database: str, ledger: Ledger, killing: Callable[[], Awaitable[None]]
) -> None:
    lapsed = []
    kept = await ledger.claim(await ledger.opening(3), 2)
    for step in range(1, MOST_STEPS):
        opening = await ledger.opening(3)
        lapsed += [await ledger.claim(opening), await ledger.claim(opening)]
        await ledger.run(LAPSE, opening)
        await asyncio.sleep(0.02)
        database = Database(own_database, pool_size=1)
        came_so_far = await killed_at(step, sweep_lapsed_holds(database), killing)
        await database.close()
        await books.check(own_database)
        again = Database(own_database, pool_size=1)
        await sweep_lapsed_holds(again)
        assert await sweep_lapsed_holds(again) == 0
        await again.close()
        await books.check(own_database)
        assert await ledger.taken(opening) == 0
        if not came_so_far:
            break
    else:
        raise AssertionError("it took more steps than this looks at")
    assert step > 5
    for claim in lapsed:
        # Extended by the owner, to a moment ago.
        assert await ledger.trace(claim) == (["claim.held", "claim.extended", "claim.expired"],) * 2
    assert await ledger.trace(kept) == (["claim.held"],) * 2


@pytest.mark.timeout(300)
async def test_processes_killed_at_random_moments_of_a_load(own_database: str, ledger: Ledger, tmp_path: Path) -> None:
    """`openberth work` is all that numbers and sweeps here, and is killed again and again while claims lapse."""
    draw = random.Random(SEED)
    openings = [await ledger.opening(1000) for _ in range(20)]
    claims: list[UUID] = []
    log = tmp_path / "work.log"
    # Told to end, not cancelled: one claim would be made and not be in the list.
    enough = asyncio.Event()

    async def load() -> None:
        while not enough.is_set():
            claims.append(await ledger.claim(draw.choice(openings), draw.randint(1, 3), seconds=draw.uniform(0.5, 2)))
            await asyncio.sleep(0.005)

    async def work() -> asyncio.subprocess.Process:
        with log.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "app", "work"),
                env=environment(OPENBERTH_DATABASE_URL=own_database),
                cwd=ROOT,
                stdout=output,
                stderr=output,
            )

    other = await asyncpg.connect(own_database)

    async def asked(question: str) -> Any:
        return await other.fetchval(question, ledger.program_id)

    async def until(question: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while not await asked(question):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    loading = asyncio.create_task(load())
    for _ in range(KILLS):
        numbered = await asked("SELECT max(last_number) FROM log_pages WHERE program_id = $1")
        process = await work()
        # From when it is at work, some moment: in a pass, between two, while it sweeps.
        await until(f"SELECT coalesce(max(last_number), 0) > {numbered or 0} FROM log_pages WHERE program_id = $1")
        await asyncio.sleep(draw.uniform(0, 0.15))
        process.kill()
        await process.wait()
    swept = await asked("SELECT count(*) FROM claims WHERE program_id = $1 AND state = 'expired'")
    assert not loading.done(), loading.exception()
    enough.set()
    await loading
    assert swept, "no sweeper did anything before it was killed"
    process = await work()
    try:
        await until("SELECT count(*) = 0 FROM claims WHERE program_id = $1 AND state = 'held'")
        await until("SELECT NOT EXISTS (SELECT FROM programs_behind() WHERE program_id = $1)")
    finally:
        process.terminate()
        await process.wait()
    await other.close()
    assert len(claims) > 100
    told = [row for row in await logged(ledger) if row["type"] == "claim.expired"]
    assert sorted(row["subject_id"] for row in told) == sorted(claims)
    for claim in claims:
        assert await ledger.trace(claim) == (["claim.held", "claim.expired"],) * 2
    await books.check(own_database)
