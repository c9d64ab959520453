"""Counts and latencies of each kind of call."""

import math
import time
from collections import Counter, deque
from dataclasses import dataclass, field

REFUSED = frozenset({409, 412})
"""The answers by which the market says no, as it should when a place is gone or the state has moved on."""

_STEP = math.log(1.02)
SAMPLES = 5


@dataclass(slots=True)
class Latencies:
    """Latencies in buckets two per cent wide: any number of them in little room."""

    buckets: Counter[int] = field(default_factory=Counter)
    count: int = 0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.buckets[round(math.log(max(seconds, 1e-6)) / _STEP)] += 1
        self.count += 1

    def percentile(self, share: float) -> float | None:
        """The latency in seconds that this share of the calls did not exceed; None when there were none."""
        left = math.ceil(share * self.count)
        for bucket in sorted(self.buckets):
            left -= self.buckets[bucket]
            if left <= 0:
                return math.exp(bucket * _STEP)
        return None


@dataclass(slots=True)
class Kind:
    """The calls of one kind."""

    latencies: Latencies = field(default_factory=Latencies)
    refused: int = 0
    errors: int = 0
    retries: int = 0


class Meter:
    """What all calls of a run came to."""

    def __init__(self) -> None:
        self.kinds: dict[str, Kind] = {}
        self.claims = 0
        self.samples: list[str] = []
        self.began = time.monotonic()
        self._recent: deque[tuple[float, int]] = deque()

    def start(self) -> None:
        """Forget the time that getting ready took: rates count from now."""
        self.began = time.monotonic()

    def _kind(self, name: str) -> Kind:
        return self.kinds.setdefault(name, Kind())

    def answered(self, kind: str, seconds: float, status: int, expected: frozenset[int], detail: str) -> None:
        """Count one answer. An error is whatever the caller did not expect and that is no refusal."""
        entry = self._kind(kind)
        entry.latencies.add(seconds)
        if status in REFUSED and status not in expected:
            entry.refused += 1
        elif status not in expected:
            entry.errors += 1
            if len(self.samples) < SAMPLES:
                self.samples.append(f"{kind}: {status} {detail}")

    def retried(self, kind: str) -> None:
        """Count one attempt that got no answer, or none but "try again"."""
        self._kind(kind).retries += 1

    def claimed(self, count: int) -> None:
        """Count claims that a first answer acknowledged."""
        self.claims += count
        self._recent.append((time.monotonic(), count))

    def claims_per_second(self, window: float = 3.0) -> float:
        """Over the last seconds."""
        now = time.monotonic()
        while self._recent and self._recent[0][0] < now - window:
            self._recent.popleft()
        return sum(count for _, count in self._recent) / max(min(window, now - self.began), 0.1)

    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.began
