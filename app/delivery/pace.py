"""Pace: spreading to thousands takes turns with answering requests, and gives way to them."""

import asyncio
from time import perf_counter, thread_time


class Pace:
    """Between slices of listeners the loop goes round, so that requests are answered meanwhile.

    How much those rounds work shows whether others want the process. If they do, it is left to them for a while after
    spreading: what changes meanwhile goes out together, of each thing only the newest.
    """

    SLICE = 250
    """Some milliseconds of sending. Going round more often costs more than it helps."""
    SHARE = 0.1
    """How much of the process spreading takes at most while others want it."""
    LONGEST_REST = 1.0

    def __init__(self) -> None:
        self.pressed = False
        """Whether others wanted the process when last something was spread."""
        self._took = self._own = self._others = 0.0
        self._since, self._work_since = perf_counter(), thread_time()

    def begin(self) -> None:
        """A slice is being sent from now on."""
        self._since, self._work_since = perf_counter(), thread_time()

    async def step(self) -> None:
        """A slice is sent: let requests come in."""
        # Who wants the process is told by its work; how long was spread, by the clock: where the machine is busy with
        # something else, requests get as little of it as we do.
        sent = thread_time()
        self._own += sent - self._work_since
        self._took += perf_counter() - self._since
        await asyncio.sleep(0)
        self.begin()
        self._others += self._work_since - sent

    async def rest(self) -> None:
        """All is sent: leave the process to others, if they want it."""
        await self.step()
        took, own, others = self._took, self._own, self._others
        self._took = self._own = self._others = 0.0
        self.pressed = others > own
        if self.pressed:
            await asyncio.sleep(min(self.LONGEST_REST, took * (1 / self.SHARE - 1)))
