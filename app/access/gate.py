"""The gate: turns the secret of a request into its caller, and slows down whoever tries secrets."""

import asyncio
import time
from collections.abc import Collection
from uuid import UUID

from app.access.callers import Caller
from app.access.last_use import LastUse
from app.access.limits import Limits
from app.access.secrets import find_secret, find_secrets
from app.core.database import Database
from app.core.problems import Unauthorized

_CACHE_SECONDS = 1.0
"""How long a look-up is believed: a revoked key stops working within this, in every process."""
_CACHE_SIZE = 10_000
_FAILED = "failed"


class Gate:
    """Looks callers up, remembering each for a second.

    Requests that come while a secret is being looked up share that look-up. A secret that was found wanting is
    forgotten at once, so what strangers send fills no memory; each counts against the address it came from, and
    when that has tried too many, only secrets that were good a moment ago are looked up for it.
    """

    def __init__(self, database: Database, limits: Limits, last_use: LastUse) -> None:
        self._database = database
        self._limits = limits
        self._last_use = last_use
        self._seen: dict[str, tuple[float, asyncio.Task[Caller]]] = {}

    async def ask(self, secrets: Collection[str]) -> dict[str, Caller | None]:
        """The caller of each of these now, in one statement and whatever is remembered; None where there is none any
        more. For those who stay connected."""
        async with self._database.transaction(None, "gate", reads=True) as session:
            found = await find_secrets(session, secrets)
        for caller in found.values():
            if caller is not None:
                self._last_use.mark(caller)
        return found

    async def caller(self, secret: str, address: str) -> Caller:
        """The caller of this secret, shown from `address`.

        Raises Unauthorized when it is unknown, expired or revoked, TooManyRequests when too many were.
        """
        now = time.monotonic()
        seen = self._seen.get(secret)
        if seen is None or seen[0] <= now:
            if seen is None:
                self._limits.refuse_spent(_FAILED, address)
            if len(self._seen) >= _CACHE_SIZE:
                self._seen.clear()
            seen = (now + _CACHE_SECONDS, asyncio.create_task(self._look_up(secret)))
            self._seen[secret] = seen
        try:
            # Shielded: one request that is cut off must not take the look-up from the others.
            return seen[1].result() if seen[1].done() else await asyncio.shield(seen[1])
        except Unauthorized:
            self._limits.check(_FAILED, address)
            raise

    def forget(self, key_id: UUID) -> None:
        """Believe nothing any more of this key: it was revoked or rotated here."""
        for secret, (_, look_up) in list(self._seen.items()):
            # One that is still under way may have read the key as it was.
            if not look_up.done() or (look_up.exception() is None and look_up.result().id == key_id):
                del self._seen[secret]

    async def _look_up(self, secret: str) -> Caller:
        try:
            async with self._database.transaction(None, "gate") as session:
                found = await find_secret(session, secret)
            if found is None:
                raise Unauthorized("This key is unknown, expired or revoked. Ask your program for a new one.")
        except Exception:
            # No caller is none to remember: the next request asks again, and the database may be back by then.
            self._seen.pop(secret, None)
            raise
        self._last_use.mark(found.caller)
        return found.caller
