"""A channel: one program's log as this process reads it, spread to all who listen.

Nothing is read while nobody listens. Between reads no connection to the database is held.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.core.database import Database
from app.delivery.frames import written
from app.delivery.listener import Ended, Listener
from app.delivery.log import extent, read
from app.delivery.pace import Pace
from app.delivery.terms import Terms, read_terms
from app.delivery.views import Change, View, changes, newest, owners
from app.market.clock import now

log = logging.getLogger(__name__)

READ_NUMBERS = 5_000
HEARTBEAT_SECONDS = 15.0
LOOK_SECONDS = 3.0
"""How often the log is read with nobody saying that it has grown: what the bus lost is found then."""
AGAIN_SECONDS = 0.5
LOST_SECONDS = 10.0
"""Without the database for so long, heartbeats stop: a client then knows that what it shows may be old."""
TERMS_KEPT = 50_000

START_AGAIN = Ended(Ended.START_AGAIN, "start_again", "The log does not go on from what you were told. Connect anew.")


class Channel:
    """One program's."""

    def __init__(self, database: Database, program_id: UUID) -> None:
        self._database = database
        self._program_id = program_id
        self._position: int | None = None
        self._views: dict[tuple[Any, ...], View] = {}
        self._terms: OrderedDict[UUID, Terms] = OrderedDict()
        self._news = asyncio.Event()
        self._ahead = timedelta(0)
        self._read_at = monotonic()
        self._pace = Pace()

    def wake(self, latest: int | None = None) -> None:
        """There are numbers up to `latest`, or there may be something; what was read already wakes nobody."""
        if latest is None or self._position is None or latest > self._position:
            self._news.set()

    @property
    def listeners(self) -> Iterator[Listener]:
        """Everyone who listens."""
        return (listener for view in self._views.values() for listener in view.listeners)

    @property
    def now(self) -> datetime:
        """The database's clock, as far as this process can tell."""
        return datetime.now(UTC) + self._ahead

    async def begin(self) -> None:
        """Find where the log stands. What comes after is read from now on."""
        if self._position is None:
            async with self._database.transaction(self._program_id, "hub", reads=True) as session:
                latest = (await extent(session, self._program_id)).latest
                self._ahead = (await session.execute(select(now()))).scalar_one() - datetime.now(UTC)
            self._begin_at(latest)

    def _begin_at(self, latest: int) -> None:
        # Several may have asked at once: what the channel has read since must not be read again.
        if self._position is None:
            self._position = latest

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[View]:
        """Offer the listener everything from where the channel stands now, while inside."""
        assert self._position is not None, "the channel has begun"
        key = View.key(listener.caller, listener.wanted)
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = View(listener.caller, listener.wanted, self._position)
        view.listeners.add(listener)
        try:
            yield view
        finally:
            view.listeners.discard(listener)
            if not view.listeners and self._views.get(key) is view:
                del self._views[key]
            if not self._views:
                # Nobody listens: whoever comes next finds out anew where the log stands.
                self._position = None
                self._terms.clear()

    async def run(self) -> None:
        """Read and spread, until cancelled."""
        beat_at = monotonic() + HEARTBEAT_SECONDS
        while True:
            # When nobody tells: time to look all the same, or to say that all is well.
            with suppress(TimeoutError):
                async with asyncio.timeout(min(LOOK_SECONDS, max(0.0, beat_at - monotonic()))):
                    await self._news.wait()
            self._news.clear()
            if self._position is None:
                # Nobody listens, so nobody is told that all is well: otherwise this would go round and round.
                beat_at = monotonic() + HEARTBEAT_SECONDS
                continue
            try:
                await self._go_on()
            except Exception as error:
                log.warning("program %s: the log can't be read just now: %r", self._program_id, error)
                await asyncio.sleep(AGAIN_SECONDS)
                self._news.set()
            if monotonic() >= beat_at:
                beat_at = monotonic() + HEARTBEAT_SECONDS
                await self._beat()

    async def _go_on(self) -> None:
        while self._position is not None:
            position = self._position
            async with self._database.transaction(self._program_id, "hub", reads=True) as session:
                entries = await read(session, self._program_id, position, READ_NUMBERS)
                lost = bool(entries) and entries[0].number != position + 1
                if not entries:
                    # Time to see that it is still the same log, and what time it is there.
                    lost = not (await extent(session, self._program_id)).holds_all_after(position)
                    self._ahead = (await session.execute(select(now()))).scalar_one() - datetime.now(UTC)
                changed = await self._changes(session, entries)
            self._read_at = monotonic()
            if lost:
                self._start_again()
                return
            if not entries or self._position is None:
                return
            self._position = entries[-1].number
            await self._spread(entries, changed)
            if len(entries) < READ_NUMBERS:
                return

    def _start_again(self) -> None:
        """The log is another than it was: restored from a backup, or trimmed beyond what was read."""
        for listener in list(self.listeners):
            listener.end(START_AGAIN)
        self._views.clear()
        self._terms.clear()
        self._position = None

    async def _changes(self, session: Any, entries: Any) -> list[Change]:
        """The newest state of each opening in a batch, with its terms."""
        found = newest(entries)
        known = {id: self._terms[id] for id in found if id in self._terms}
        unknown = [id for id, (_, state, _) in found.items() if id not in known or known[id].version < state.version]
        if unknown:
            self._terms |= await read_terms(session, self._program_id, unknown)
            while len(self._terms) > TERMS_KEPT:
                self._terms.popitem(last=False)
        return changes(found, self._terms, known)

    async def _spread(self, entries: Any, changed: list[Change]) -> None:
        number, moment = entries[-1].number, self.now
        claims = list({entry.subject_id: entry for entry in entries if entry.type.startswith("claim.")}.values())
        watching = owners(entry for entry in entries if entry.type.startswith("watch."))
        text = written(moment)
        self._pace.begin()
        for view in list(self._views.values()):
            items = view.items(changed, claims, moment)
            own = [each for each in view.listeners if each.caller.id in watching] if watching else []
            if not items and not own:
                continue
            frame = view.frame(number, text, items)
            extra = {each: frame.along_with(watching[each.caller.id]) for each in own}
            for nr, listener in enumerate(list(view.listeners)):
                listener.offer(extra.get(listener, frame) if extra else frame)
                if nr % Pace.SLICE == Pace.SLICE - 1:
                    await self._pace.step()
        await self._pace.rest()

    async def _beat(self) -> None:
        """Tell everyone the time, and that they have been told all up to here."""
        if self._position is None or monotonic() - self._read_at > LOST_SECONDS:
            return
        text = written(self.now)
        for view in list(self._views.values()):
            frame = view.frame(self._position, text, [])
            for nr, listener in enumerate(list(view.listeners)):
                listener.check_pace()
                listener.offer(frame)
                if nr % Pace.SLICE == Pace.SLICE - 1:
                    await asyncio.sleep(0)
