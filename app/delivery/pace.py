"""Pace: spreading to thousands takes turns with answering requests, and gives way to them."""

import asyncio
from time import perf_counter, thread_time


class Pace:
    """Between slices of listeners the loop goes round, so that requests are answered meanwhile.

    How much those rounds work shows whether others want the process. If they do, it is left to them for a while after
    spreading, or until they want it no more: what changes meanwhile goes out together, of each thing only the newest.
    """

    SLICE = 250
    """Some milliseconds of sending. Going round more often costs more than it helps."""
    SHARE = 0.1
    """How much of the process spreading takes at most while others want it."""
    LONGEST_REST = 1.5
    """Seconds, however long it took to spread."""
    NAP = 0.1
    """Seconds after which a rest looks whether it is wanted still."""
    IDLE = 0.3
    """The share of a nap that others work at least while they want the process."""
    PRESSING = 0.001
    """Seconds that others work in a round of the loop when they want the process: a few requests. Compared with what
    spreading takes they would seem few just when it is most in their way, since much is told to many. They want it if
    they work so long in most rounds: one long request now and then, or our own reading on, fills one or two."""

    def __init__(self) -> None:
        self.pressed = False
        """Whether others wanted the process when last something was spread."""
        self._took = 0.0
        self._rounds = self._pressing = 0
        self._since = perf_counter()

    def begin(self) -> None:
        """A slice is being sent from now on."""
        self._since = perf_counter()

    async def step(self) -> None:
        """A slice is sent: let requests come in."""
        # Who wants the process is told by its work; how long was spread, by the clock: where the machine is busy with
        # something else, requests get as little of it as we do.
        self._took += perf_counter() - self._since
        sent = thread_time()
        await asyncio.sleep(0)
        self._pressing += thread_time() - sent > self.PRESSING
        self.begin()
        self._rounds += 1

    async def rest(self) -> None:
        """All is sent: leave the process to others, if they want it."""
        await self.step()
        took = self._took
        self.pressed = self._pressing > self._rounds / 2
        self._took = 0.0
        self._rounds = self._pressing = 0
        if self.pressed:
            await self._leave_it(min(self.LONGEST_REST, took * (1 / self.SHARE - 1)))

    async def _leave_it(self, seconds: float) -> None:
        """Rest so long at most: whoever waits for news when the rush is over is not to wait for its rest too."""
        until = perf_counter() + seconds
        while (left := until - perf_counter()) > 0:
            nap, worked = min(left, self.NAP), thread_time()
            await asyncio.sleep(nap)
            if thread_time() - worked < self.IDLE * nap:
                return
