"""Pace: spreading to thousands takes turns with answering requests, and gives way to them."""

import asyncio
from time import perf_counter


class Pace:
    """Between slices of listeners the loop goes round: what these are sent goes out, and requests are answered.

    How long a round takes when there is nothing else to do shows what a slice itself costs. Where rounds take longer,
    others want the process, and after spreading it is left to them for a while: what changes meanwhile is folded.
    """

    SLICE = 50
    SHARE = 0.15
    """How much of the process spreading takes at most while others want it."""
    LONGEST_REST = 1.0

    def __init__(self) -> None:
        self._least = 1.0
        self._own = 0.0
        self._others = 0.0

    async def step(self) -> None:
        """Let what was offered go out, and requests come in."""
        began = perf_counter()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        took = perf_counter() - began
        # Rises by itself, slowly: what was measured once on an idle machine need not be true for ever.
        self._least = min(took, self._least * 1.01 + 1e-6)
        self._own += self._least
        self._others += took - self._least

    async def rest(self) -> None:
        """After spreading: leave the process to others, if they want it."""
        own, others = self._own, self._others
        self._own = self._others = 0.0
        if others > own / 2:
            await asyncio.sleep(min(self.LONGEST_REST, own * (1 / self.SHARE - 1)))
