"""How often signing in has failed, from where: growing delays for whoever guesses, never a lock on who is guessed at.

Counted in three ways. From one address, however many accounts; from one address at one account; and in a browser that
has signed in to the account before, which has a count of its own, so that no stranger's guesses slow its owner.
"""

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, LargeBinary, delete, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Database
from app.core.problems import TooManyTries

INSTALLATION = UUID(int=0)
"""In place of a program: addresses are counted for all programs at once, and for names that are no program's."""
LONGEST_SECONDS = 900
FORGOTTEN_HOURS = 24
ADDRESS_FREE = 50
"""Many people may be behind one address: an office, a shelter's hotspot."""
ACCOUNT_FREE = 5


class Failures(Base):
    """Failures on end. `counter` is a hash: neither the address nor the account can be read from it."""

    __tablename__ = "sign_in_failures"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    counter: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime]
    barred_until: Mapped[datetime]

    __table_args__ = (Index(None, "program_id", "last_at"),)


_COUNT = text("""
INSERT INTO sign_in_failures AS f (program_id, counter, failures, last_at, barred_until)
VALUES (:installation, :counter, 1, clock_timestamp(), clock_timestamp())
ON CONFLICT (program_id, counter) DO UPDATE
   SET failures = CASE WHEN f.last_at < clock_timestamp() - :forgotten * interval '1 h' THEN 1 ELSE f.failures + 1 END,
       last_at = clock_timestamp(),
       barred_until = clock_timestamp() + interval '1 s' * CASE
         WHEN f.last_at < clock_timestamp() - :forgotten * interval '1 h' OR f.failures + 1 < :free THEN 0
         ELSE least(:longest, 2 ^ least(20, f.failures + 1 - :free)) END
 WHERE f.barred_until <= clock_timestamp()
RETURNING failures
""")
_LEFT = text(
    "SELECT ceil(extract(epoch FROM barred_until - clock_timestamp()))::int FROM sign_in_failures"
    " WHERE program_id = :installation AND counter = :counter"
)
_SWEEP = text(
    "DELETE FROM sign_in_failures WHERE program_id = :installation AND counter IN ("
    "SELECT counter FROM sign_in_failures WHERE program_id = :installation"
    " AND last_at < clock_timestamp() - :forgotten * interval '1 h' LIMIT 100 FOR UPDATE SKIP LOCKED)"
)
_REFUND = text(
    "UPDATE sign_in_failures SET failures = greatest(failures - 1, 0), barred_until = clock_timestamp()"
    " WHERE program_id = :installation AND counter = :counter"
)


@dataclass(frozen=True, slots=True)
class Counter:
    """One count, and how many failures it lets pass without a delay."""

    key: bytes
    free: int


def _counter(free: int, *parts: str) -> Counter:
    return Counter(hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).digest(), free)


def network(address: str) -> str:
    """The address as it is counted: of IPv6 the /64, which one household or one guesser has whole."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


class Tries:
    """The counts of one attempt. Taken before it is tried, so that tries that come at once are counted too."""

    def __init__(self, database: Database, address: str, own: Counter, *, at_home: bool = False) -> None:
        """`own` is reset by success. `at_home`: in a browser with a count of its own, where the address has none."""
        self._database = database
        self._own = own
        self._shared = None if at_home else _counter(ADDRESS_FREE, "address", network(address))

    async def count(self) -> None:
        """Count a failure, until `succeeded` says that it was none. Raises TooManyTries."""
        seconds = 0
        async with self._database.transaction(INSTALLATION, "sign-in") as session:
            await session.execute(_SWEEP, {"installation": INSTALLATION, "forgotten": FORGOTTEN_HOURS})
            for counter in (self._own, self._shared):
                if counter is not None and not seconds:
                    seconds = await _take(session, counter)
        if seconds:
            raise TooManyTries(seconds)

    async def succeeded(self) -> None:
        """It was no failure. The address is given back this one try alone: others may be guessing from there."""
        async with self._database.transaction(INSTALLATION, "sign-in") as session:
            await session.execute(delete(Failures).where(Failures.counter == self._own.key))
            if self._shared is not None:
                await session.execute(_REFUND, {"installation": INSTALLATION, "counter": self._shared.key})


def at_account(database: Database, account: str, address: str, device: str | None) -> Tries:
    """Tries at an account, named by whatever names it, known or not; `device` is a browser known to it."""
    if device is not None:
        return Tries(database, address, _counter(ACCOUNT_FREE, "device", account, device), at_home=True)
    return Tries(database, address, _counter(ACCOUNT_FREE, "account", account, network(address)))


def at_second_factor(database: Database, person_id: UUID, address: str, device: str | None) -> Tries:
    """Tries at a person's second factor, from wherever: whoever makes them has the password already, so a stranger
    can't slow anyone here, and a thief gains nothing by coming from many addresses."""
    own = _counter(ACCOUNT_FREE, "second factor", str(person_id), device or "")
    return Tries(database, address, own, at_home=device is not None)


async def _take(session: AsyncSession, counter: Counter) -> int:
    """Count one more: 0, or for how many seconds yet none is allowed."""
    counted = await session.execute(
        _COUNT,
        {
            "installation": INSTALLATION,
            "counter": counter.key,
            "free": counter.free,
            "longest": LONGEST_SECONDS,
            "forgotten": FORGOTTEN_HOURS,
        },
    )
    if counted.scalar_one_or_none() is not None:
        return 0
    left: int | None = await session.scalar(_LEFT, {"installation": INSTALLATION, "counter": counter.key})
    return max(1, left or 1)
