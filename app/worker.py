"""The background loops, each supervised: a loop that fails says so, waits longer each time, and goes on."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from app.access.programs import every_program
from app.core.database import Database
from app.core.metrics import SWEPT
from app.core.settings import Settings
from app.delivery.bus import bus_of
from app.delivery.hub import Hub
from app.delivery.relay import LOOK_SECONDS, TRIM_SECONDS, Relay
from app.market.claims import sweep

log = logging.getLogger(__name__)

SWEEP_SECONDS = 5.0
RELAY_AGAIN_SECONDS = 0.2
BUS_AGAIN_SECONDS = 0.5
LONGEST_PAUSE = 60.0
LONGEST_LIVE_PAUSE = 5.0
"""Of what the live streams hang on: a database that is back must not be left alone for a minute."""


async def sweep_lapsed_holds(database: Database) -> int:
    """Expire what has lapsed in every program, each in a transaction of its own. Answers how many holds."""
    async with database.transaction(None, "clock") as session:
        programs = await every_program(session)
    swept = 0
    for program_id in programs:
        async with database.transaction(program_id, "clock") as session:
            swept += await sweep(session, program_id)
    SWEPT.inc(swept)
    return swept


async def supervise(name: str, job: Callable[[], Awaitable[object]], pause: float) -> None:
    """Run a job again and again, `pause` seconds apart; after a failure twice as long, up to a minute."""
    wait = pause
    while True:
        try:
            await job()
            wait = pause
        except Exception:
            wait = min(wait * 2, LONGEST_PAUSE if pause >= 1 else LONGEST_LIVE_PAUSE)
            log.exception("%s failed; it is tried again in %.0f s", name, wait)
        await asyncio.sleep(wait)


async def work(database: Database, settings: Settings, hub: Hub | None = None) -> None:
    """Run every loop until cancelled. `hub`: whom the relay and the bus tell of news, where this process has one."""
    assert settings.database_url, "whoever starts the loops has found or started a database"
    bus = bus_of(settings.database_url, settings.nats_url)
    heard = hub.heard if hub else _nobody
    connected = hub.connected if hub else _nobody
    relay = Relay(database, bus, heard, timedelta(days=settings.log_days))
    database.committed = relay.ring
    async with asyncio.TaskGroup() as loops:
        for name, job, pause in (
            ("sweeper", lambda: sweep_lapsed_holds(database), SWEEP_SECONDS),
            ("relay", relay.run, RELAY_AGAIN_SECONDS),
            ("relay's look-out", relay.look, LOOK_SECONDS),
            ("relay's trimming", relay.trim, TRIM_SECONDS),
            ("bus", lambda: bus.listen(heard, connected), BUS_AGAIN_SECONDS),
        ):
            loops.create_task(supervise(name, job, pause))
        if hub:
            loops.create_task(supervise("hub", hub.run, BUS_AGAIN_SECONDS))


def _nobody(*_: object) -> None:
    """Whom to tell of news in a process that has no hub."""


@asynccontextmanager
async def working(database: Database, settings: Settings, hub: Hub | None = None) -> AsyncIterator[None]:
    """Run every loop beside what happens inside."""
    task = asyncio.create_task(work(database, settings, hub))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
