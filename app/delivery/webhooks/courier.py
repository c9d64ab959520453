"""The courier: sends what is due for every webhook. Every process that runs the loops has one.

For each webhook that has something to do, one task goes step by step (steps.py): what came of tries is written down,
and what is due is leased, in one short transaction; between steps no connection to the database is held. A webhook's
row is locked for a step, and a lease keeps all other processes from what is being sent.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import Enum
from time import monotonic
from uuid import UUID

import httpx
from sqlalchemy import text

from app.core.database import Database
from app.core.keyring import Keyring
from app.core.metrics import WEBHOOK_TRIES
from app.core.outbound import outbound_client
from app.delivery.webhooks.patience import Patience
from app.delivery.webhooks.sending import KEPT_BYTES, Outcome, Parcel, send
from app.delivery.webhooks.steps import ACTOR, Step

log = logging.getLogger(__name__)

Send = Callable[[httpx.AsyncClient, Parcel, float], Awaitable[Outcome]]


class Pace(Enum):
    """How an endpoint answers, as far as this process knows."""

    NEW = "new"
    QUICK = "quick"
    SLOW = "slow"


class Courier:
    """Of one process. `local`: it may send to this machine, for development."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        *,
        local: bool,
        patience: Patience | None = None,
        sending: Send = send,
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._local = local
        self._patience = patience or Patience()
        self._send = sending
        self._bell = asyncio.Event()
        # Two connections at most: requests need the pool too. One is for the steps of quick endpoints alone, so that
        # those never come after the steps of all that hang.
        self._quick_step, self._other_step = asyncio.Lock(), asyncio.Lock()
        self._rounds: dict[UUID, Round] = {}
        self._paces: dict[UUID, Pace] = {}

    def ring(self) -> None:
        """There may be something to send."""
        self._bell.set()

    async def run(self) -> None:
        """Send, until cancelled. Raises what looking for work raises."""
        async with outbound_client(local=self._local, kept_bytes=KEPT_BYTES) as http:
            try:
                while True:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._patience.look_seconds):
                            await self._bell.wait()
                    self._bell.clear()
                    for program_id, webhook_id in await self._due():
                        self._attend(http, program_id, webhook_id)
                    await asyncio.sleep(self._patience.rest_seconds)
            finally:
                tasks = [each.task for each in self._rounds.values()]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _due(self) -> list[tuple[UUID, UUID]]:
        async with self._database.transaction(None, ACTOR, reads=True) as session:
            rows = await session.execute(text("SELECT program_id, id FROM webhooks_due()"))
            return [(row.program_id, row.id) for row in rows]

    def _attend(self, http: httpx.AsyncClient, program_id: UUID, webhook_id: UUID) -> None:
        """See that somebody goes round for this webhook."""
        if webhook_id in self._rounds:
            self._rounds[webhook_id].bell.set()
        elif self.room(webhook_id, 0) > 0:
            going = Round(self, http, program_id, webhook_id)
            self._rounds[webhook_id] = going
            going.task.add_done_callback(lambda _: self._rounds.pop(webhook_id, None))

    def room(self, webhook_id: UUID, under_way: int) -> int:
        """How many tries more may go out for a webhook that has so many under way.

        One endpoint alone never takes more than a few. All that are slow share a part of the room, and they and all
        that are new to this process a larger one: an endpoint that is quick finds some, however many others hang.
        """
        patience = self._patience
        taken = Counter[Pace]()
        for id, each in self._rounds.items():
            taken[self._pace_of(id)] += each.taken
        pace = self._pace_of(webhook_id)
        room = min((patience.at_once if pace is Pace.QUICK else 1) - under_way, patience.most - taken.total())
        if pace is not Pace.QUICK:
            room = min(room, patience.most_new - taken[Pace.SLOW] - taken[Pace.NEW])
        if pace is Pace.SLOW:
            room = min(room, patience.most_slow - taken[Pace.SLOW])
        return max(0, room)

    def _pace_of(self, webhook_id: UUID) -> "Pace":
        """How its endpoint was the last time, unless it has been awaited for too long just now."""
        going = self._rounds.get(webhook_id)
        if going is not None and going.longest > self._patience.slow_seconds:
            return Pace.SLOW
        return self._paces.get(webhook_id, Pace.NEW)

    def turn(self, webhook_id: UUID) -> asyncio.Lock:
        """What to hold while making a step of this webhook."""
        return self._quick_step if self._pace_of(webhook_id) is Pace.QUICK else self._other_step

    async def step(
        self, program_id: UUID, webhook_id: UUID, outcomes: list[Outcome], room: int
    ) -> tuple[list[Parcel], bool]:
        """One step of a webhook: what to send now, and whether there is more to take at once."""
        # `reads`: hardly a step leaves an event, and when one does, the relay's own look-out finds it.
        async with self._database.transaction(program_id, ACTOR, reads=True) as session:
            step = await Step.begin(session, self._keyring, self._patience, program_id, webhook_id, must=bool(outcomes))
            if step is None:
                return [], False
            return await step.go(outcomes, room), step.more

    async def deliver(self, http: httpx.AsyncClient, webhook_id: UUID, parcel: Parcel) -> Outcome:
        """One try; remembers whether its endpoint is slow."""
        outcome = await self._send(http, parcel, self._patience.seconds)
        quick = outcome.accepted and outcome.ms <= self._patience.slow_seconds * 1000
        self._paces[webhook_id] = Pace.QUICK if quick else Pace.SLOW
        WEBHOOK_TRIES.labels(outcome.error or "accepted").inc()
        return outcome

    @property
    def again_seconds(self) -> float:
        """How long to wait after a step that failed."""
        return self._patience.again_seconds


class Round:
    """One webhook's turn in this process: from the first thing to do until there is nothing left."""

    def __init__(self, courier: Courier, http: httpx.AsyncClient, program_id: UUID, webhook_id: UUID) -> None:
        self._courier = courier
        self._http = http
        self._program_id = program_id
        self._webhook_id = webhook_id
        self.bell = asyncio.Event()
        self.under_way: dict[asyncio.Task[Outcome], float] = {}
        self._reserved = 0
        self.task = asyncio.create_task(self._go())

    async def _go(self) -> None:
        outcomes: list[Outcome] = []
        try:
            while True:
                self.bell.clear()
                try:
                    more = await self._step(outcomes)
                    outcomes = []
                    if not more and not self.under_way:
                        return
                    if not more:
                        outcomes = await self._wait()
                except Exception as error:
                    log.warning("webhook %s: a step failed: %r", self._webhook_id, error)
                    await asyncio.sleep(self._courier.again_seconds)
                    if not outcomes and not self.under_way:
                        # Whatever is still due is found by the next look.
                        return
                    # What came of tries is kept until it can be written down; what can't in time is tried again.
        finally:
            for task in self.under_way:
                task.cancel()
            await asyncio.gather(*self.under_way, return_exceptions=True)

    @property
    def taken(self) -> int:
        """The room that it takes: what is under way, and what a step may be about to add."""
        return len(self.under_way) + self._reserved

    @property
    def longest(self) -> float:
        """For how many seconds the try that takes longest has been under way."""
        return monotonic() - min(self.under_way.values(), default=monotonic())

    async def _step(self, outcomes: list[Outcome]) -> bool:
        """Answers whether there is more to do at once."""
        async with self._courier.turn(self._webhook_id):
            room = self._courier.room(self._webhook_id, len(self.under_way))
            if not room and not outcomes:
                # Others have it all. What is due stays so, and is found by a later look.
                return False
            self._reserved = room
            try:
                parcels, more = await self._courier.step(self._program_id, self._webhook_id, outcomes, room)
            finally:
                self._reserved = 0
            for parcel in parcels:
                task = asyncio.create_task(self._courier.deliver(self._http, self._webhook_id, parcel))
                self.under_way[task] = monotonic()
            return more

    async def _wait(self) -> list[Outcome]:
        """Until a try is over, or somebody rings: what came of those that are over."""
        rung = asyncio.create_task(self.bell.wait())
        try:
            await asyncio.wait({*self.under_way, rung}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            rung.cancel()
        done = {task for task in self.under_way if task.done()}
        for task in done:
            del self.under_way[task]
        return [task.result() for task in done]
