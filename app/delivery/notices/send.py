"""Sending: one sender for each channel and process. No transaction is open while it talks to anybody outside."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.site import Site
from app.core.database import Database
from app.core.keyring import Keyring
from app.core.metrics import NOTICES
from app.core.outbound import outbound_client
from app.core.settings import Settings
from app.delivery.notices import browsers
from app.delivery.notices.due import find_due
from app.delivery.notices.kinds import Channel
from app.delivery.notices.mail import Mail, Post
from app.delivery.notices.prepare import prepare
from app.delivery.notices.push import GONE, Push, send_push
from app.delivery.notices.rows import LEASE, Notice, Outcome, settle, take

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""How often to look for what is due."""
SLOTS = {Channel.EMAIL: 4, Channel.PUSH: 16}
"""How many are sent at the same time. Whoever answers slowly holds one, and none of the other channel's."""
ATTEMPT_SECONDS = 30.0
"""How long one attempt may take in all."""
FAREWELL_SECONDS = 5.0
"""How long what is being sent may take when this process ends: cut off, it would be sent again."""
ACTOR = "notices"

Deliver = Callable[[Any], Awaitable[Outcome]]


class Sender:
    """Takes what is due by one channel, sends it, and writes down what came of it.

    Killed at any step, it leaves a lease that runs out: then the notice is taken by another. What had been handed over
    and not written down is sent a second time: better than never.
    """

    def __init__(self, database: Database, keyring: Keyring, channel: Channel, origin: str, deliver: Deliver) -> None:
        self._database = database
        self._keyring = keyring
        self.channel = channel
        self._origin = origin
        self._deliver = deliver
        self._free = SLOTS[channel]
        self._freed = asyncio.Event()
        # Of the pool that requests live on, one connection at most.
        self._one_at_a_time = asyncio.Lock()
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Send until cancelled; then what is under way may still end."""
        try:
            while True:
                self._freed.clear()
                if not await self.look():
                    await asyncio.sleep(LOOK_SECONDS)
                elif not self._free:
                    await self._freed.wait()
        finally:
            await self._end()

    async def look(self) -> int:
        """Take what is due, as much as there are hands for, and begin to send it. Answers how many."""
        if not self._free:
            return 0
        async with self._one_at_a_time, self._database.transaction(None, ACTOR, reads=True) as session:
            owing = list(
                await session.scalars(
                    text("SELECT program_id FROM programs_owing(:channel)"), {"channel": self.channel}
                )
            )
        begun = 0
        for nr, program_id in enumerate(owing):
            # To each program its share: one with thousands due leaves some to the others.
            share = -(-self._free // (len(owing) - nr))
            if share:
                began = asyncio.get_running_loop().time()
                async with self._one_at_a_time, self._database.transaction(program_id, ACTOR, reads=True) as session:
                    taken = await take(session, program_id, self.channel, share)
                for notice in taken:
                    self._begin(program_id, notice, began)
                begun += len(taken)
        return begun

    async def done(self) -> None:
        """Wait until nothing is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    def _begin(self, program_id: UUID, notice: Notice, began: float) -> None:
        self._free -= 1
        task = asyncio.create_task(self._attempt(program_id, notice, began))
        self._under_way.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        self._free += 1
        self._freed.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a notice by %s was not sent; it is tried again", self.channel, exc_info=error)

    async def _attempt(self, program_id: UUID, notice: Notice, began: float) -> None:
        # Well before the lease runs out, so that nobody else sends it at the same time.
        async with asyncio.timeout_at(began + LEASE.total_seconds() - FAREWELL_SECONDS):
            async with self._one_at_a_time, self._database.transaction(program_id, ACTOR, reads=True) as session:
                ready = await prepare(session, self._keyring, program_id, notice, self._origin)
            outcome = ready if isinstance(ready, Outcome) else await self._hand_over(ready)
            async with self._one_at_a_time, self._database.transaction(program_id, ACTOR, reads=True) as session:
                await settle(session, notice, outcome)
                if outcome == GONE and self.channel is Channel.PUSH:
                    await browsers.forget(session, program_id, notice.destination)
        NOTICES.labels(self.channel, outcome.error or "sent").inc()

    async def _hand_over(self, ready: Mail | Push) -> Outcome:
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                return await self._deliver(ready)
        except TimeoutError:
            return Outcome("timeout")

    async def _end(self) -> None:
        if self._under_way:
            _, cut_off = await asyncio.wait(self._under_way, timeout=FAREWELL_SECONDS)
            for task in cut_off:
                task.cancel()
            await asyncio.gather(*cut_off, return_exceptions=True)


class Notices:
    """All of it for one process: who looks for what is due, and the senders."""

    def __init__(self, database: Database, keyring: Keyring, settings: Settings) -> None:
        self._database = database
        self._post = Post.of(settings)
        self._client = outbound_client(local=settings.allow_local_push)
        origin = Site(settings.public_url).origin
        self.channels = [Channel.PUSH, *([Channel.EMAIL] if self._post else [])]
        contact = (
            origin if settings.mail_from is None else f"mailto:{settings.mail_from.rpartition('<')[2].rstrip('>')}"
        )
        deliver: dict[Channel, Deliver] = {Channel.PUSH: lambda ready: send_push(self._client, ready, contact)}
        if self._post is not None:
            deliver[Channel.EMAIL] = self._post.send
        self.senders = [Sender(database, keyring, channel, origin, deliver[channel]) for channel in self.channels]

    async def programs(self, session: AsyncSession) -> Sequence[UUID]:
        """The programs with somebody whom a channel of ours could reach, or with a notice still to be sent."""
        reached = text("SELECT program_id FROM programs_reached(:email)")
        return (await session.scalars(reached, {"email": Channel.EMAIL in self.channels})).all()

    async def find(self, program_id: UUID) -> int:
        """Find what has become due in a program. Answers how many notices are new."""
        async with self._database.transaction(program_id, ACTOR, reads=True) as session:
            return await find_due(session, program_id, self.channels)

    async def aclose(self) -> None:
        """Close what is open."""
        await self._client.aclose()
