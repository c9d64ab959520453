"""Counts for rate limits that all processes share: kept in memory, and added up in PostgreSQL twice a second."""

import time
from datetime import UTC, datetime

from limits.storage import Storage
from sqlalchemy import BigInteger, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Database

MOST = 50_000
"""Counts that a process keeps at a time; past them the oldest is forgotten, so strangers fill no memory."""
AT_ONCE = 5_000
"""Counts that one statement adds up."""


class RateCount(Base):
    """Requests that all processes together counted under `key`, in the window that ends at `until`.

    UNLOGGED: a crash of the database forgets the counts of a minute, and nothing else. Nobody reads or writes it but
    the function `count_together`.
    """

    __tablename__ = "rate_counts"
    __table_args__ = (Index(None, "until"), {"prefixes": ["UNLOGGED"]})

    key: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[datetime] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)


class _Count:
    """One count in one window, which ends at `until` (Unix time).

    `shared` is what all processes had counted when they were last added up, `unsent` what we counted since.
    """

    __slots__ = ("shared", "unsent", "until")

    def __init__(self, until: float) -> None:
        self.until = until
        self.shared = 0
        self.unsent = 0


class SharedCounters(Storage):
    """A storage for `limits`' fixed windows, which never makes a request wait for the database.

    Windows end at multiples of their length, so every process means the same ones. What others have counted is known
    from the last `share`, about a second ago; while the database is away each process counts alone. Of more counts
    than fit one statement those go first in which something is new.
    """

    STORAGE_SCHEME = None

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, _Count] = {}

    def __len__(self) -> int:
        return len(self._counts)

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """What of ours `limits` should wrap: nothing, since nothing here can fail."""
        return ()

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count, in the present window of `expiry` seconds; the count with it."""
        return self.count(key, expiry, amount)[0]

    def count(self, key: str, expiry: int, amount: int = 1) -> tuple[int, float]:
        """The same, with the seconds until the window ends: all that the path of a claim asks for, at once."""
        now = time.time()
        count = self._counts.get(key)
        if count is None or count.until <= now:
            count = self._open(key, (now // expiry + 1) * expiry)
        count.unsent += amount
        return count.shared + count.unsent, count.until - now

    def get(self, key: str) -> int:
        """The count in the present window."""
        count = self._counts.get(key)
        return 0 if count is None or count.until <= time.time() else count.shared + count.unsent

    def get_expiry(self, key: str) -> float:
        """When the present window ends; now, if nothing was counted in it."""
        now = time.time()
        count = self._counts.get(key)
        return now if count is None else max(count.until, now)

    def check(self) -> bool:
        """It is always there."""
        return True

    def reset(self) -> int:
        """Forget every count of this process; how many there were."""
        held = len(self._counts)
        self._counts.clear()
        return held

    def clear(self, key: str) -> None:
        """Forget one count of this process."""
        self._counts.pop(key, None)

    def _open(self, key: str, until: float) -> _Count:
        """A count that starts at nothing."""
        self._counts.pop(key, None)
        if len(self._counts) >= MOST:
            self.clear(next(iter(self._counts)))
        count = self._counts[key] = _Count(until)
        return count

    def sweep(self) -> None:
        """Forget every count whose window is over."""
        now = time.time()
        for key in [key for key, count in self._counts.items() if count.until <= now]:
            del self._counts[key]

    async def share(self, database: Database) -> None:
        """Add what was counted here since the last time to what all processes count, and learn the totals.

        When the database doesn't answer, what was counted here stands and is added the next time.
        """
        self.sweep()
        told_first = sorted(self._counts.items(), key=lambda each: not each[1].unsent)
        batch = [(key, count, count.unsent) for key, count in told_first[:AT_ONCE]]
        if not batch:
            return
        asked = {
            "keys": [key for key, _, _ in batch],
            "untils": [datetime.fromtimestamp(count.until, UTC) for _, count, _ in batch],
            "amounts": [unsent for _, _, unsent in batch],
        }
        async with database.transaction(None, "limits") as session:
            together = text("SELECT key, total FROM count_together(:keys, :untils, :amounts)")
            totals = {row.key: row.total for row in await session.execute(together, asked)}
        for key, count, sent in batch:
            count.shared = totals.get(key, count.shared)
            count.unsent -= sent
