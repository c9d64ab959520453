"""Rate limits: how many requests a caller may make, and how often an address may try to become one."""

import math
import time
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from uuid import UUID

from limits import RateLimitItem
from limits.strategies import FixedWindowRateLimiter

from app.access.counters import SharedCounters
from app.core.database import Database
from app.core.problems import TooManyRequests

Header = tuple[bytes, bytes]


class _Policy:
    """A quota in the words of the RateLimit header fields (draft-ietf-httpapi-ratelimit-headers-11)."""

    def __init__(self, name: str, quota: RateLimitItem) -> None:
        self.name = name
        self.quota = quota
        self.seconds = quota.get_expiry()
        self.header: Header = (b"ratelimit-policy", f'"{name}";q={quota.amount};w={self.seconds}'.encode())
        self._left = b'"' + name.encode() + b'";r=%d;t=%d'

    def left(self, requests: int, seconds: float) -> Header:
        """What is left of it, and for how long: until the window ends, when all of it is there again."""
        return (b"ratelimit", self._left % (max(requests, 0), math.ceil(seconds)))


class Limits:
    """The limits of this process, counted together with every other process to within about a second.

    `caller` is the quota of each caller; `address` that of each address for whatever is done without being somebody
    yet: keys that were no good, sign-in, tokens; each of these is counted by itself.
    """

    def __init__(self, caller: RateLimitItem | None, address: RateLimitItem | None) -> None:
        self._counters = SharedCounters()
        self._windows = FixedWindowRateLimiter(self._counters)
        self._caller = None if caller is None else _Policy("caller", caller)
        self._address = None if address is None else _Policy("address", address)

    def count(self, caller_id: UUID, headers: list[Header]) -> None:
        """Count a caller's request, and add to `headers` what tells them how they stand.

        On the path of every claim: it must cost next to nothing. Raises TooManyRequests.
        """
        policy = self._caller
        if policy is None:
            return
        # What the strategy's `hit` and `get_window_stats` come to, with the key made once instead of three times.
        counted, seconds = self._counters.count(_caller_key(policy, caller_id), policy.seconds)
        headers.append(policy.header)
        headers.append(policy.left(policy.quota.amount - counted, seconds))
        if counted > policy.quota.amount:
            raise _refusal("You", seconds)

    def check(self, name: str, address: str) -> None:
        """Count one attempt at `name`, such as `sign-in`, from this address. Raises TooManyRequests."""
        policy = self._address
        if policy is not None and not self._windows.hit(policy.quota, name, address_group(address)):
            raise self._refused(policy, name, address)

    def refuse_spent(self, name: str, address: str) -> None:
        """Raise TooManyRequests when this address has no attempt at `name` left; counts nothing."""
        policy = self._address
        if policy is not None and not self._windows.test(policy.quota, name, address_group(address)):
            raise self._refused(policy, name, address)

    async def share(self, database: Database) -> None:
        """Count together with the other processes: to be called twice a second."""
        await self._counters.share(database)

    def _refused(self, policy: _Policy, name: str, address: str) -> TooManyRequests:
        stats = self._windows.get_window_stats(policy.quota, name, address_group(address))
        seconds = stats.reset_time - time.time()
        refusal = _refusal("Your address", seconds)
        refusal.headers["RateLimit-Policy"] = policy.header[1].decode()
        refusal.headers["RateLimit"] = policy.left(0, seconds)[1].decode()
        return refusal


@lru_cache(maxsize=10_000)
def _caller_key(policy: _Policy, caller_id: UUID) -> str:
    return policy.quota.key_for(policy.name, str(caller_id))


def _refusal(who: str, seconds: float) -> TooManyRequests:
    wait = max(math.ceil(seconds), 1)
    return TooManyRequests(
        f"{who} asked more often than is allowed here. Nothing of this request was done: send it again in {wait} s.",
        retry_after=wait,
    )


@lru_cache(maxsize=10_000)
def address_group(host: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 that an IPv6 host has for itself.

    Anything else, as behind a Unix socket, is one address together.
    """
    try:
        ip: IPv4Address | IPv6Address | None = ip_address(host)
    except ValueError:
        return "elsewhere"
    if isinstance(ip, IPv6Address):
        # As a scoped address too: fe80::1%eth0 is on one link.
        ip = ip.ipv4_mapped or IPv6Address(int(ip))
    return str(ip_network((ip, 64), strict=False)) if isinstance(ip, IPv6Address) else str(ip)
