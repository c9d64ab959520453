"""The server's clock beside ours: how far they are apart, learned from answers alone."""

import time

from app.simulate.facts import SECOND

DRIFT = 1e-4
"""How fast two clocks may part: several times what a healthy machine's does."""
GRAIN = 1_000
UNKNOWN = 3600 * SECOND
"""What is assumed before anything was learned."""


def client_now() -> int:
    """Our own clock, in microseconds. Not the monotonic one: beside the server it is then the very same clock."""
    return time.time_ns() // 1000


class Clock:
    """Bounds on server time minus client time.

    The server's time in an answer was read after we sent the question and before we had the answer, so each such
    answer bounds the difference from both sides, and all of them together bound it to about the quickest one's
    round trip. Nobody's clock has to be right.
    """

    def __init__(self) -> None:
        self._low = self._hull_low = -UNKNOWN
        self._high = self._hull_high = UNKNOWN
        self._since: int | None = None
        self._last = 0

    def learn(self, sent: int, stamped: int, received: int) -> None:
        """Take in one answer: when its question left, the server's time in it, and when it was here."""
        low, high = stamped - received, stamped - sent
        if self._since is None:
            self._since = sent
            self._low, self._high = self._hull_low, self._hull_high = low, high
        self._last = max(self._last, received)
        self._low, self._high = max(self._low, low), min(self._high, high)
        self._hull_low, self._hull_high = min(self._hull_low, low), max(self._hull_high, high)

    def bounds(self) -> tuple[int, int]:
        """The least and the most that the server's clock may be ahead of ours."""
        slack = GRAIN + int((self._last - (self._since or self._last)) * DRIFT)
        if self._low - slack > self._high + slack:
            # The answers contradict each other: a clock was set during the run. What all of them allow is sound.
            return self._hull_low - slack, self._hull_high + slack
        low, high = sorted((self._low, self._high))
        return low - slack, high + slack

    def server_now(self) -> int:
        """About what the server's clock shows now."""
        low, high = self.bounds()
        return client_now() + (low + high) // 2
