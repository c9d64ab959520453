"""The relay: numbers the events of each program, and says so to the hub of this process and to the bus.

Every process runs one, and an advisory lock lets one pass at a time number a program. A commit in this process rings
it at once; for changes that nobody rings for, it looks by itself. Killed at any step, it has committed a pass or not:
the next pass, of any process, goes on from there.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Database
from app.core.metrics import NUMBERED
from app.delivery.bus import Bus
from app.delivery.notices.due import owe_matches
from app.delivery.watches import tell_watchers

PASS_EVENTS = 100_000
"""How many events one pass numbers: more are left to the next, so that no transaction takes minutes."""
LOOK_SECONDS = 1.0
"""How often to look for events that nobody rang for."""
REST_SECONDS = 0.02
"""How long after a pass the next begins, at the earliest: under load one pass then numbers what many transactions
wrote. A lone event never waits for it."""
SHARE = 0.05
"""How much of the time passes take at most: a long pass is followed by a longer rest, for the claims' sake."""
LONGEST_REST_SECONDS = 0.5
"""But a pass that was only kept waiting, by a busy machine, keeps nobody waiting twenty times as long."""

_NUMBER = "SELECT * FROM number_events($1, $2)"


@dataclass(frozen=True, slots=True)
class Passed:
    """What a pass did."""

    latest: int
    numbered: int
    more: bool
    watched: bool
    """Whether somebody watches for what was numbered."""


class _Watched(Exception):
    """Somebody watches, who must be told in the transaction that numbers."""


async def number(session: AsyncSession, program_id: UUID, *, notify: bool, limit: int = PASS_EVENTS) -> Passed:
    """Number what has become visible, and tell those who watch for it, in the caller's transaction."""
    connection = await session.connection()
    row = (await connection.exec_driver_sql(_NUMBER, (limit, notify))).one()
    told = await tell_watchers(session, program_id, row.latest - row.numbered) if row.watched else ()
    if told:
        await owe_matches(session, program_id, told)
    return Passed(row.latest, int(row.numbered), row.more or bool(told), row.watched)


class Relay:
    """The relay of this process. `heard` is told of every program's newest number that it has seen committed."""

    def __init__(self, database: Database, bus: Bus, heard: Callable[[UUID, int], None]) -> None:
        self._database = database
        self._bus = bus
        self._heard = heard
        self._rung: dict[UUID, None] = {}
        self._bell = asyncio.Event()
        self._watched: set[UUID] = set()

    def ring(self, program_id: UUID) -> None:
        """This program has changed."""
        self._rung[program_id] = None
        self._bell.set()

    async def run(self) -> None:
        """Number whatever is rung for, until cancelled. Raises what a pass raises; what was rung for stays so."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            began = monotonic()
            while self._rung:
                program_id = next(iter(self._rung))
                await self.catch_up(program_id)
            took = monotonic() - began
            await asyncio.sleep(min(LONGEST_REST_SECONDS, max(REST_SECONDS - took, took * (1 / SHARE - 1))))

    async def catch_up(self, program_id: UUID) -> int:
        """Number all there is of a program; its newest number."""
        more = True
        latest = 0
        while more:
            # Before the pass, not after: what is rung for while it runs may have come too late for it.
            self._rung.pop(program_id, None)
            try:
                passed = await self._pass(program_id)
            except BaseException:
                self.ring(program_id)
                raise
            latest, more = passed.latest, passed.more
            if passed.numbered:
                NUMBERED.inc(passed.numbered)
                self._heard(program_id, latest)
                await self._bus.tell(program_id, latest)
        return latest

    async def _pass(self, program_id: UUID) -> Passed:
        """One pass. Where nobody watched when last something was numbered, it is tried without a session: under a load
        of claims, whose server it shares, that takes a fraction of the time."""
        if program_id not in self._watched:
            with suppress(_Watched):
                async with self._database.glance(program_id) as connection, connection.transaction():
                    row = await connection.fetchrow(_NUMBER, PASS_EVENTS, self._bus.in_database)
                    assert row is not None, "the function answers one row"
                    if row["watched"]:
                        raise _Watched
                    return Passed(row["latest"], int(row["numbered"]), row["more"], watched=False)
        async with self._database.transaction(program_id, "relay", reads=True) as session:
            passed = await number(session, program_id, notify=self._bus.in_database)
        if passed.watched:
            self._watched.add(program_id)
        elif passed.numbered:
            self._watched.discard(program_id)
        return passed

    async def look(self) -> None:
        """Ring for every program that has events without a number."""
        async with self._database.transaction(None, "relay", reads=True) as session:
            behind = await session.scalars(text("SELECT program_id FROM programs_behind()"))
        for program_id in behind:
            self.ring(program_id)
