"""The hub: all who listen on this process. It hears of news, and asks again and again whether each may still listen."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from uuid import UUID

from app.access.callers import Caller
from app.access.gate import Gate
from app.access.session_gate import SIGNED_OUT, SessionGate
from app.core.database import Database
from app.core.metrics import DROPPED, LISTENERS
from app.core.problems import Busy
from app.delivery import snapshot
from app.delivery.channel import Channel
from app.delivery.frames import Frame, written
from app.delivery.listener import Ended, Listener, Passport, Push
from app.delivery.log import RULES_CHANGED, Entry
from app.delivery.sharing import Sharing
from app.delivery.terms import read_terms
from app.delivery.views import View, Wanted, changes, newest, owners

log = logging.getLogger(__name__)

ASK_SECONDS = 0.4
"""How often each listener's permission is asked for: a revoked key is noticed within this."""
PICTURES_AT_ONCE = 2
"""How many snapshots are taken at a time: when thousands connect again at once, requests need connections too."""


class Hub:
    """Of one process."""

    def __init__(self, database: Database, gate: Gate, sessions: SessionGate, *, most: int) -> None:
        self._database = database
        self._gate = gate
        self._sessions = sessions
        self._most = most
        self._channels: dict[UUID, Channel] = {}
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._listeners: set[Listener] = set()
        self._news: dict[UUID, asyncio.Future[None]] = {}
        self._pictures = Sharing[snapshot.Picture](PICTURES_AT_ONCE)
        self._closing = False

    def heard(self, program_id: UUID, latest: int | None) -> None:
        """A program has numbers up to `latest`; None: it may have."""
        if channel := self._channels.get(program_id):
            channel.wake(latest)
        if news := self._news.pop(program_id, None):
            news.set_result(None)

    def connected(self) -> None:
        """The bus is there, again perhaps: whatever it said before may have been missed."""
        for program_id in {*self._channels, *self._news}:
            self.heard(program_id, None)

    async def news(self, program_id: UUID, seconds: float) -> None:
        """Wait until a program's log has grown, at most so long."""
        news = self._news.get(program_id)
        if news is None:
            news = self._news[program_id] = asyncio.get_running_loop().create_future()
        await asyncio.wait([news], timeout=seconds)

    @asynccontextmanager
    async def listen(
        self, caller: Caller, wanted: Wanted, passport: Passport, push: Push | None = None
    ) -> AsyncIterator[tuple[list[str], Listener]]:
        """A listener, and the messages it is to be sent first: a snapshot, or what it missed. Raises Busy, Problem.

        It is offered all that is new before the database is asked how things are, so that nothing falls between.
        """
        if self._closing or len(self._listeners) >= self._most:
            raise Busy("This server holds as many live connections as it may. Try again, or poll /v1/events.")
        channel = self._channel(caller.program_id)
        await channel.begin()
        listener = Listener(caller, wanted, passport, push)
        self._listeners.add(listener)
        LISTENERS.inc()
        try:
            with channel.listening(listener) as view:
                yield await self._first(channel, view, listener), listener
        finally:
            self._listeners.discard(listener)
            LISTENERS.dec()

    def _channel(self, program_id: UUID) -> Channel:
        channel = self._channels.get(program_id)
        if channel is None:
            channel = self._channels[program_id] = Channel(self._database, program_id)
            self._tasks[program_id] = asyncio.create_task(channel.run())
        return channel

    async def _first(self, channel: Channel, view: View, listener: Listener) -> list[str]:
        caller, wanted = listener.caller, listener.wanted
        because = "asked"
        if wanted.resume_after is not None:
            extent, entries = await snapshot.missed(self._database, caller, wanted.resume_after)
            if entries is not None and all(entry.type != RULES_CHANGED for entry in entries):
                frame = await self._caught_up(channel, listener, wanted.resume_after, entries)
                listener.told = frame.number
                return [frame.text]
            if entries is not None:
                because = "rules_changed"
            else:
                because = "too_old" if wanted.resume_after < extent.latest else "unknown_number"
        picture = await self._pictures.get(
            (caller.program_id, *View.key(caller, wanted)), lambda: snapshot.take(self._database, caller, wanted)
        )
        listener.told = picture.number
        return [await snapshot.complete(self._database, caller, picture, because)]

    async def _caught_up(self, channel: Channel, listener: Listener, after: int, entries: Sequence[Entry]) -> Frame:
        """What a listener missed, in one frame."""
        view = View(listener.caller, listener.wanted, after)
        number = entries[-1].number if entries else after
        found = newest(entries)
        program_id = listener.caller.program_id
        async with self._database.transaction(program_id, "hub", reads=True) as session:
            terms = await read_terms(session, program_id, list(found))
        changed = changes(found, terms, {})
        claims = list({entry.subject_id: entry for entry in entries if entry.type.startswith("claim.")}.values())
        moment = channel.now
        frame = view.frame(number, written(moment), view.items(changed, claims, moment))
        return frame.along_with(owners(entries).get(listener.caller.id, []))

    async def ask_all(self) -> None:
        """Ask for every listener whether it may still listen, and let go of those who may not."""
        listeners = list(self._listeners)
        asked_at = monotonic()
        # Those with one key or one session get one answer.
        keys = await self._gate.ask({each.passport.secret for each in listeners if not each.passport.is_session})
        sessions = {each.passport.secret for each in listeners if each.passport.is_session}
        people = await self._sessions.ask(sessions) if sessions else {}
        for nr, listener in enumerate(listeners):
            if listener.passport.is_session:
                answer, gone = people[listener.passport.secret], SIGNED_OUT
            else:
                answer, gone = keys[listener.passport.secret], "This key is unknown, expired or revoked by now."
            if answer is None:
                self._let_go(listener, Ended(Ended.UNAUTHORIZED, "unauthorized", gone))
            elif answer != listener.caller:
                self._let_go(
                    listener, Ended(Ended.FORBIDDEN, "forbidden", "What you may see has changed. Connect anew.")
                )
            else:
                listener.permit(asked_at)
            if nr % 100 == 99:
                await asyncio.sleep(0)

    @staticmethod
    def _let_go(listener: Listener, why: Ended) -> None:
        DROPPED.labels(why.word).inc()
        listener.end(why)

    async def run(self) -> None:
        """Ask, again and again, until cancelled."""
        while True:
            await asyncio.sleep(ASK_SECONDS)
            if not self._listeners:
                continue
            try:
                await self.ask_all()
            except Exception as error:
                # Nothing is sent whose permission can't be asked for; listeners keep what is due to them.
                log.warning("permission can't be asked for just now: %r", error)

    def close(self) -> None:
        """Send everyone away: this process ends."""
        self._closing = True
        for listener in list(self._listeners):
            listener.end(Ended(Ended.CLOSING, "closing", "This server is going down. Connect again."))

    async def stop(self) -> None:
        """End every channel."""
        self.close()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
