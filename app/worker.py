"""The background loops, each supervised: a loop that fails says so, waits longer each time, and goes on."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.access.chain import programs_unsealed, seal
from app.access.last_use import LastUse
from app.access.limits import Limits
from app.access.programs import every_program
from app.access.retention import retire
from app.core.database import Database
from app.core.keyring import Keyring
from app.core.metrics import SWEPT
from app.core.settings import Settings
from app.delivery.bus import bus_of
from app.delivery.hub import Hub
from app.delivery.notices.send import Notices
from app.delivery.relay import LOOK_SECONDS, Relay
from app.delivery.webhooks.courier import Courier
from app.market.board import SAMPLE_SECONDS, sample
from app.market.claims import programs_lapsed, sweep

log = logging.getLogger(__name__)

SWEEP_SECONDS = 5.0
SEAL_SECONDS = 1.0
RETENTION_SECONDS = 24 * 3600.0
SHARE_SECONDS = 0.5
"""What one process counted is told within this, and heard by another within this again: together about a second."""
LAST_USE_SECONDS = 5.0
RELAY_AGAIN_SECONDS = 0.2
BUS_AGAIN_SECONDS = 0.5
NOTICE_SECONDS = 10.0
"""How often to look for what people are to be told of. A match of a watch is known at once."""
SENDER_AGAIN_SECONDS = 1.0
WEBHOOKS_AGAIN_SECONDS = 1.0
LONGEST_PAUSE = 60.0
LONGEST_LIVE_PAUSE = 5.0
"""Of what the live streams hang on: a database that is back must not be left alone for a minute."""


Which = Callable[[AsyncSession], Awaitable[Sequence[UUID]]]
"""Programs, found in a transaction that sees no rows of any."""


async def in_each_program(
    database: Database, job: Callable[[UUID], Awaitable[object]], which: Which = every_program
) -> None:
    """Do a job for every program, or for `which`; for each however it went for those before. Raises what went wrong,
    together."""
    async with database.transaction(None, "clock", reads=True) as session:
        programs = await which(session)
    wrong = []
    for program_id in programs:
        try:
            await job(program_id)
        except Exception as error:
            error.add_note(f"program {program_id}")
            wrong.append(error)
    if wrong:
        raise ExceptionGroup(f"it went wrong for {len(wrong)} of {len(programs)} programs", wrong)


async def sweep_lapsed_holds(database: Database) -> int:
    """Expire what has lapsed, in a transaction of its own for each program. Answers how many holds."""
    swept = 0

    async def expire(program_id: UUID) -> None:
        nonlocal swept
        async with database.transaction(program_id, "clock") as session:
            expired = await sweep(session, program_id)
        SWEPT.inc(expired)
        swept += expired

    await in_each_program(database, expire, programs_lapsed)
    return swept


async def seal_trails(database: Database) -> None:
    """Seal what has come into any program's trail."""
    await in_each_program(database, lambda program_id: seal(database, program_id), programs_unsealed)


async def sample_boards(database: Database) -> None:
    """Keep what is open in every program, if this quarter of an hour has not been kept."""

    async def kept(program_id: UUID) -> None:
        async with database.transaction(program_id, "clock", reads=True) as session:
            await sample(session)

    await in_each_program(database, kept)


async def find_notices(database: Database, notices: Notices) -> None:
    """Find what people are to be told of, in every program that can tell somebody."""
    await in_each_program(database, notices.find, notices.programs)


async def retire_all(database: Database) -> None:
    """Take away what every program keeps no longer."""
    await in_each_program(database, lambda program_id: retire(database, program_id, "clock"))


async def supervise(
    name: str, job: Callable[[], Awaitable[object]], pause: float, longest: float = LONGEST_PAUSE
) -> None:
    """Run a job again and again, `pause` seconds apart; after a failure twice as long, up to `longest`."""
    wait = pause
    while True:
        try:
            await job()
            wait = pause
        except Exception:
            wait = min(wait * 2, longest)
            log.exception("%s failed; it is tried again in %.0f s", name, wait)
        await asyncio.sleep(wait)


async def _count(database: Database, limits: Limits, last_use: LastUse) -> None:
    async with asyncio.TaskGroup() as loops:
        # Soon again after an outage, or processes would count alone for a minute.
        loops.create_task(supervise("rate limits", lambda: limits.share(database), SHARE_SECONDS, 10 * SHARE_SECONDS))
        loops.create_task(supervise("last use", lambda: last_use.write(database), LAST_USE_SECONDS))


async def work(database: Database, settings: Settings, keyring: Keyring, hub: Hub | None = None) -> None:
    """Run every loop until cancelled. `hub`: whom the relay and the bus tell of news, where this process has one."""
    assert settings.database_url, "whoever starts the loops has found or started a database"
    bus = bus_of(settings.database_url, settings.nats_url)
    courier = Courier(database, keyring, local=settings.allow_local_webhooks)
    connected = hub.connected if hub else _nobody

    def heard(program_id: UUID, latest: int) -> None:
        courier.ring()
        if hub:
            hub.heard(program_id, latest)

    relay = Relay(database, bus, heard)
    database.committed = relay.ring
    notices = Notices(database, keyring, settings)
    async with aclosing(notices), asyncio.TaskGroup() as loops:
        for name, job, pause, longest in (
            ("sweeper", lambda: sweep_lapsed_holds(database), SWEEP_SECONDS, LONGEST_PAUSE),
            ("sealer", lambda: seal_trails(database), SEAL_SECONDS, LONGEST_PAUSE),
            ("retention", lambda: retire_all(database), RETENTION_SECONDS, LONGEST_PAUSE),
            ("board", lambda: sample_boards(database), SAMPLE_SECONDS, LONGEST_PAUSE),
            ("relay", relay.run, RELAY_AGAIN_SECONDS, LONGEST_LIVE_PAUSE),
            ("relay's look-out", relay.look, LOOK_SECONDS, LONGEST_PAUSE),
            ("notices", lambda: find_notices(database, notices), NOTICE_SECONDS, LONGEST_PAUSE),
            ("webhooks", courier.run, WEBHOOKS_AGAIN_SECONDS, LONGEST_LIVE_PAUSE),
            ("bus", lambda: bus.listen(heard, connected), BUS_AGAIN_SECONDS, LONGEST_LIVE_PAUSE),
        ):
            loops.create_task(supervise(name, job, pause, longest))
        for sender in notices.senders:
            loops.create_task(
                supervise(f"notices by {sender.channel}", sender.run, SENDER_AGAIN_SECONDS, LONGEST_PAUSE)
            )
        if hub:
            loops.create_task(supervise("hub", hub.run, BUS_AGAIN_SECONDS, LONGEST_LIVE_PAUSE))


def _nobody(*_: object) -> None:
    """Whom to tell of news in a process that has no hub."""


@asynccontextmanager
async def _beside(loops: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(loops)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def working(
    database: Database, settings: Settings, keyring: Keyring, hub: Hub | None = None
) -> AbstractAsyncContextManager[None]:
    """Run every loop beside what happens inside."""
    return _beside(work(database, settings, keyring, hub))


def counting(database: Database, limits: Limits, last_use: LastUse) -> AbstractAsyncContextManager[None]:
    """Count with the other processes beside what happens inside: every process that serves must, loops or none."""
    return _beside(_count(database, limits, last_use))
