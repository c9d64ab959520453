"""A listener: one socket's or stream's place in the log, and what it has still to be sent, bounded."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import ClassVar

from app.access.callers import Caller
from app.delivery.frames import Frame, message
from app.delivery.views import Wanted

MOST_FRAMES = 64
MOST_BYTES = 512 * 1024
"""Above either, what has not been sent is folded into one frame: of each thing only the newest."""
MOST_ITEMS = 5_000
"""What is folded and still has more items than this is for someone too slow even for that."""
SLOW_SECONDS = 30.0
BELIEVED_SECONDS = 1.0
"""How long after it was asked a permission is good for a send."""


@dataclass(frozen=True, slots=True)
class Passport:
    """What a listener came in with, a key or a session's token, for which it is asked again and again who that is."""

    secret: str
    is_session: bool = False


class Ended(Exception):
    """The listener is let go: a WebSocket close code, and a word that says why."""

    UNAUTHORIZED: ClassVar[int] = 4001
    FORBIDDEN: ClassVar[int] = 4003
    SLOW: ClassVar[int] = 4008
    START_AGAIN: ClassVar[int] = 4009
    CLOSING: ClassVar[int] = 1012

    def __init__(self, code: int, word: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.word, self.detail = code, word, detail

    @property
    def text(self) -> str:
        """The farewell as a message."""
        return message({"type": "end", "code": self.code, "because": self.word, "detail": self.detail})


Push = Callable[[bytes], "asyncio.Future[None] | None"]
"""Sends a frame (`Frame.wire`) at once. Answers None when it is on its way, else what it waits for: the client has
taken too little of what was sent before. Raises OSError when the client has gone."""


class Listener:
    """What one socket or stream gets, in order and without a gap.

    Where there is a `push`, the hub's own round sends to whoever has nothing left to take: no task is woken for it.
    Everyone else, and streams, take from `next`.
    """

    __slots__ = (
        "_bytes", "_ended", "_frames", "_push", "_ready", "_under_way", "_waiting_since", "_waits", "asked_at",
        "caller", "passport", "told", "wanted",
    )  # fmt: skip

    def __init__(self, caller: Caller, wanted: Wanted, passport: Passport, push: Push | None = None) -> None:
        self.caller = caller
        self.wanted = wanted
        self.passport = passport
        self.asked_at = monotonic()
        self.told: int | None = None
        self._push = push
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._ready: asyncio.Future[None] | None = None
        self._under_way: asyncio.Future[None] | None = None
        self._waiting_since: float | None = None
        self._ended: Ended | None = None
        self._waits = False
        """Whether whoever sends waits for a frame, with nothing left to send and nothing under way."""

    def offer(self, frame: Frame) -> None:
        """One frame more to send."""
        # This runs for every listener and every change: where whoever sends only waits for more, it goes out here.
        if self._waits and self._push is not None and monotonic() - self.asked_at <= BELIEVED_SECONDS:
            self._send(frame, self._push)
        elif self._ended is None:
            self._frames.append(frame)
            self._bytes += frame.size
            if self._waiting_since is None:
                self._waiting_since = monotonic()
            if len(self._frames) > MOST_FRAMES or self._bytes > MOST_BYTES:
                self._fold()
            self._wake()

    def _send(self, frame: Frame, push: Push) -> None:
        if frame.after != self.told:
            assert self.told is not None, "whoever listens was first told where the log stands"
            if frame.number <= self.told:
                return
            frame = frame.since(self.told)
        self.told = frame.number
        try:
            under_way = push(frame.wire)
        except OSError:
            self.end(Ended(1000, "gone", "The client has left."))
            return
        if under_way is not None:
            self._waits = False
            self._under_way = under_way
            self._waiting_since = monotonic()
            under_way.add_done_callback(self._arrived)

    def _arrived(self, under_way: "asyncio.Future[None]") -> None:
        self._under_way = None
        self._waiting_since = monotonic() if self._frames else None
        if not under_way.cancelled() and under_way.exception() is not None:
            self.end(Ended(1000, "gone", "The client has left."))
        self._wake()

    def _fold(self) -> None:
        folded = self._frames.popleft()
        while self._frames:
            folded = folded.then(self._frames.popleft())
        self._frames.append(folded)
        self._bytes = folded.size
        if len(folded.items) > MOST_ITEMS:
            self.end(Ended(Ended.SLOW, "too_slow", "You take what you are sent more slowly than it changes."))

    def check_pace(self) -> None:
        """Let go of whoever has taken nothing for too long."""
        if self._waiting_since is not None and monotonic() - self._waiting_since > SLOW_SECONDS:
            self.end(Ended(Ended.SLOW, "too_slow", f"You took nothing for {SLOW_SECONDS:.0f} seconds."))

    @property
    def ended(self) -> Ended | None:
        """Why it is let go, None while it isn't."""
        return self._ended

    def end(self, why: Ended) -> None:
        """Let it go. What has not been sent is not sent any more."""
        if self._ended is None:
            self._ended = why
            self._frames.clear()
        self._wake()

    def permit(self, asked_at: float) -> None:
        """Its permission was asked for then, and holds."""
        self.asked_at = asked_at
        if self._frames:
            self._wake()

    def _wake(self) -> None:
        self._waits = False
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(None)

    async def next(self) -> Frame:
        """The next frame. Raises Ended. Nothing is handed out whose permission was not asked for within a second."""
        assert self.told is not None, "whoever listens was first told where the log stands"
        while True:
            while self._ended is None and (
                not self._frames or self._under_way is not None or monotonic() - self.asked_at > BELIEVED_SECONDS
            ):
                self._ready = asyncio.get_running_loop().create_future()
                self._waits = not self._frames and self._under_way is None
                try:
                    await self._ready
                finally:
                    self._waits = False
                    self._ready = None
            if self._ended is not None:
                raise self._ended
            frame = self._frames.popleft()
            self._bytes -= frame.size
            self._waiting_since = monotonic() if self._frames else None
            if frame.number <= self.told:
                continue
            frame = frame.since(self.told)
            self.told = frame.number
            return frame
