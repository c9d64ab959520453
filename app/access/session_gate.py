"""The gate for people: turns a session's token into its person, as the gate for keys does with a key."""

import asyncio
import time
from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from app.access.callers import Caller
from app.access.opaque import token_hash
from app.access.roles import Role
from app.core.database import Database
from app.core.problems import Unauthorized

_CACHE_SECONDS = 1.0
"""How long a look-up is believed: a session that was ended elsewhere opens nothing after this."""
_CACHE_SIZE = 10_000

SIGNED_OUT = "You are signed out. Sign in again."


class SessionGate:
    """Looks sessions up, remembering each for a second. Requests that come meanwhile share a look-up.

    A token that was found wanting is forgotten at once, so what strangers send fills no memory.
    """

    def __init__(self, database: Database, idle: timedelta) -> None:
        """`idle`: for how long from now a session that is used goes on."""
        self._database = database
        self._idle = idle
        self._seen: dict[str, tuple[float, asyncio.Task[Caller]]] = {}

    async def person(self, token: str) -> Caller:
        """The person of this session. Raises Unauthorized when it is unknown, ended or has run out."""
        now = time.monotonic()
        seen = self._seen.get(token)
        if seen is None or seen[0] <= now:
            if len(self._seen) >= _CACHE_SIZE:
                self._seen.clear()
            seen = (now + _CACHE_SECONDS, asyncio.create_task(self._look_up(token)))
            self._seen[token] = seen
        # Shielded: one request that is cut off must not take the look-up from the others.
        return seen[1].result() if seen[1].done() else await asyncio.shield(seen[1])

    async def held(self, token: str) -> Caller:
        """The person of this session, which does not go on for it. Raises Unauthorized as `person` does."""
        caller = (await self.ask([token]))[token]
        if caller is None:
            raise Unauthorized(SIGNED_OUT)
        return caller

    async def ask(self, tokens: Collection[str]) -> dict[str, Caller | None]:
        """The person of each of these sessions now, in one statement and whatever is remembered; None where it has
        ended. For those who stay connected: no session goes on for it."""
        listed = list(tokens)
        async with self._database.transaction(None, "gate", reads=True) as session:
            rows = await session.execute(
                text("SELECT * FROM find_people(:hashes)"), {"hashes": [token_hash(token) for token in listed]}
            )
        return dict.fromkeys(listed) | {listed[row.nr - 1]: _caller(row) for row in rows}

    def forget(self, people: Collection[UUID]) -> None:
        """Believe nothing any more of these people's sessions: some of them were ended here."""
        if not people:
            return
        for token, (_, look_up) in list(self._seen.items()):
            # One that is still under way may have read the session as it was.
            known = look_up.done() and not look_up.cancelled() and look_up.exception() is None
            if not known or look_up.result().id in people:
                del self._seen[token]

    async def _look_up(self, token: str) -> Caller:
        try:
            async with self._database.transaction(None, "gate") as session:
                found = await session.execute(
                    text("SELECT * FROM find_person(:hash, :idle)"), {"hash": token_hash(token), "idle": self._idle}
                )
                row = found.one_or_none()
            if row is None:
                raise Unauthorized(SIGNED_OUT)
        except Exception:
            # No person is none to remember: the next request asks again, and the database may be back by then.
            self._seen.pop(token, None)
            raise
        return _caller(row)


def _caller(row: Row[Any]) -> Caller:
    return Caller(
        row.person_id,
        row.program_id,
        row.organization_id,
        Role(row.role),
        session_id=row.session_id,
        serves_survivors=row.serves_survivors,
    )
