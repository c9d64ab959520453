"""Rate limits by themselves: counting, forgetting, sharing through the database, and what an address is."""

import asyncio
import time
from collections.abc import Callable
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from app.access import counters
from app.access.counters import SharedCounters
from app.access.limits import Header, Limits, address_group
from app.core.database import Database
from app.core.problems import TooManyRequests
from app.core.settings import Settings, parse_quota

HOUR = 3600


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 400_000 * HOUR

    def time(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The counters' clock."""
    clock = Clock()
    monkeypatch.setattr(time, "time", clock.time)
    return clock


def limits(caller: str = "3/hour", address: str = "2/hour") -> Limits:
    """Limits as an installation would set them."""
    return Limits(parse_quota(caller), parse_quota(address))


def counted(job: Callable[[], object]) -> int:
    """How often this can be done before it is refused."""
    for done in range(1000):
        try:
            job()
        except TooManyRequests:
            return done
    raise AssertionError("it is never refused")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3), st.integers(0, HOUR)), max_size=40))
def test_a_count_is_what_was_counted_since_its_window_began(steps: list[tuple[str, int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock()
        patch.setattr(time, "time", clock.time)
        storage = SharedCounters()
        told: list[tuple[str, int, int]] = []
        for key, amount, passing in steps:
            clock.now += passing
            window = clock.now // HOUR
            told.append((key, window, amount))
            expected = sum(n for k, w, n in told if (k, w) == (key, window))
            assert storage.incr(key, HOUR, amount) == expected == storage.get(key)
            assert storage.get_expiry(key) == (window + 1) * HOUR


def test_a_caller_is_told_how_it_stands_and_refused_past_its_quota(clock: Clock) -> None:
    own, other = uuid4(), uuid4()
    held = limits()
    clock.now += HOUR - 100
    told: list[Header] = []
    for _ in range(3):
        held.count(own, told)
    assert told[:2] == [(b"ratelimit-policy", b'"caller";q=3;w=3600'), (b"ratelimit", b'"caller";r=2;t=100')]
    assert told[5] == (b"ratelimit", b'"caller";r=0;t=100')
    with pytest.raises(TooManyRequests, match="in 100 s") as refused:
        held.count(own, told)
    assert refused.value.headers == {"Retry-After": "100"}
    assert told[7] == (b"ratelimit", b'"caller";r=0;t=100')
    held.count(other, [])
    clock.now += 100
    held.count(own, [])


def test_each_thing_is_counted_by_itself_for_each_address() -> None:
    held = limits()
    assert counted(lambda: held.check("sign-in", "192.0.2.1")) == 2
    assert counted(lambda: held.check("token", "192.0.2.1")) == 2
    assert counted(lambda: held.check("sign-in", "192.0.2.2")) == 2
    with pytest.raises(TooManyRequests):
        held.refuse_spent("sign-in", "192.0.2.1")
    for _ in range(5):
        held.refuse_spent("sign-in", "192.0.2.3")


def test_off_is_no_limit() -> None:
    held = limits("off", "Off")
    told: list[Header] = []
    for _ in range(1000):
        held.count(uuid4(), told)
        held.check("sign-in", "192.0.2.1")
    assert told == []


def test_memory_is_bounded_and_what_is_over_is_forgotten(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "MOST", 10)
    storage = SharedCounters()
    for number in range(5):
        storage.incr(f"old {number}", HOUR)
    clock.now += HOUR
    storage.incr("old 4", HOUR)
    storage.sweep()
    assert len(storage) == 1
    for number in range(100):
        storage.incr(f"new {number}", HOUR)
        assert len(storage) <= 10
    assert storage.get("new 99") == storage.get("new 90") == 1
    assert storage.get("new 89") == storage.get("old 0") == 0


@given(st.ip_addresses())
def test_an_ipv4_address_stands_for_itself_and_an_ipv6_address_for_its_network(address: object) -> None:
    group = address_group(str(address))
    mapped = address_group(f"::ffff:{address}") if "." in str(address) else group
    assert group == mapped
    assert ("/64" in group) == (":" in group)


def test_who_has_one_network_is_one_address() -> None:
    assert address_group("2001:db8:1:2::1") == address_group("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert address_group("2001:db8:1:3::1") != address_group("2001:db8:1:2::1")
    assert address_group("fe80::1%eth0") == "fe80::/64"
    assert address_group("") == address_group("testclient") == "elsewhere"


@pytest.mark.parametrize("words", ["", "many", "10", "10/fortnight", "ten/minute"])
def test_a_quota_that_is_none_is_refused_at_the_start(words: str) -> None:
    with pytest.raises(ValueError, match="rate_limit"):
        Settings(rate_limit=words)


# Through the database.


async def test_processes_count_together(shared_database: str) -> None:
    database = Database(shared_database, pool_size=2)
    one, two = limits("100/hour"), limits("100/hour")
    caller = uuid4()
    try:
        for _ in range(60):
            one.count(caller, [])
        for _ in range(30):
            two.count(caller, [])
        await asyncio.gather(one.share(database), two.share(database))
        await one.share(database)
        two.count(caller, [])
        await two.share(database)
        assert counted(lambda: two.count(caller, [])) == 100 - 91
        await two.share(database)
        # The first learns of it though nobody asked it for anything.
        await one.share(database)
        assert counted(lambda: one.count(caller, [])) == 0
    finally:
        await database.close()


async def test_what_is_counted_while_it_is_being_added_up_is_not_lost(shared_database: str) -> None:
    database = Database(shared_database, pool_size=2)
    own, other = SharedCounters(), SharedCounters()
    key = f"test/{uuid4()}"
    try:
        own.incr(key, HOUR, 5)
        sharing = asyncio.create_task(own.share(database))
        await asyncio.sleep(0)
        own.incr(key, HOUR, 7)
        await sharing
        assert own.get(key) == 12
        await own.share(database)
        other.incr(key, HOUR)
        await other.share(database)
        assert other.get(key) == 13
        # Nothing is sent twice.
        await own.share(database)
        await other.share(database)
        other.incr(key, HOUR)
        await other.share(database)
        assert other.get(key) == 14
    finally:
        await database.close()


async def test_without_the_database_each_counts_alone_and_tells_later(shared_database: str) -> None:
    gone = Database(shared_database.replace("/test_", "/no_test_"), pool_size=1)
    database = Database(shared_database, pool_size=1)
    own, other = SharedCounters(), SharedCounters()
    key = f"test/{uuid4()}"
    try:
        own.incr(key, HOUR, 5)
        with pytest.raises((asyncpg.PostgresError, DBAPIError)):
            await own.share(gone)
        assert own.incr(key, HOUR, 1) == 6
        await own.share(database)
        other.incr(key, HOUR)
        await other.share(database)
        assert other.get(key) == 7
    finally:
        await gone.close()
        await database.close()


async def test_counts_that_are_over_are_swept_away(shared_database: str, clock: Clock) -> None:
    database = Database(shared_database, pool_size=1)
    storage = SharedCounters()
    key = f"test/{uuid4()}"
    owner = await asyncpg.connect(shared_database)
    try:
        # By this clock its window was over long ago.
        storage.incr(key, 60)
        await storage.share(database)
        assert await owner.fetchval("SELECT count FROM rate_counts WHERE key = $1", key) == 1
        storage.incr(f"{key}/next", 60)
        await storage.share(database)
        assert await owner.fetchval("SELECT count(*) FROM rate_counts WHERE key = $1", key) == 0
    finally:
        await owner.close()
        await database.close()
