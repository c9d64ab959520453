"""API keys: made once, shown once, stored as a hash, and looked up by every request."""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Collection, Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, LargeBinary, func, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.access.callers import Caller
from app.access.roles import Role
from app.core.database import Base, Database
from app.core.ids import new_id
from app.core.problems import Unauthorized

_PREFIX = "openberth_"
_CACHE_SECONDS = 1.0
"""How long a look-up is believed: a revoked key stops working within this, in every process."""
_CACHE_SIZE = 10_000


class Key(Base):
    """A key of a person's client or a system, bound to one program and organization."""

    __tablename__ = "keys"
    __table_args__ = (
        ForeignKeyConstraint(["program_id", "organization_id"], ["organizations.program_id", "organizations.id"]),
    )

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    organization_id: Mapped[UUID]
    role: Mapped[str]
    hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


def _hash(secret: str) -> bytes:
    # A key is 256 random bits: one round of SHA-256 can't be guessed back, and costs a request nothing.
    return hashlib.sha256(secret.encode()).digest()


async def create_key(
    session: AsyncSession,
    program_id: UUID,
    organization_id: UUID,
    role: Role,
    expires_at: datetime | None = None,
) -> tuple[Key, str]:
    """A new key and its secret, which is nowhere else and can't be shown again."""
    secret = _PREFIX + secrets.token_urlsafe(32)
    key = Key(
        program_id=program_id,
        id=new_id(),
        organization_id=organization_id,
        role=role,
        hash=_hash(secret),
        expires_at=expires_at,
    )
    session.add(key)
    await session.flush()
    return key, secret


class Gate:
    """Turns the secret of a request, a key or a session's token, into its caller, remembering each for a second.

    Requests that come while a secret is being looked up share that look-up.
    """

    def __init__(self, database: Database, idle: timedelta = timedelta(minutes=30)) -> None:
        """`idle`: for how long from now a session that is used goes on."""
        self._database = database
        self._idle = idle
        # Keys and sessions apart: the one is never taken for the other.
        self._keys: _Seen = {}
        self._sessions: _Seen = {}

    async def caller(self, secret: str) -> Caller:
        """The caller of this key. Raises Unauthorized when it is unknown, expired or revoked."""
        return await self._remembered(self._keys, secret, self._find_key)

    async def person(self, token: str) -> Caller:
        """The person of this session. Raises Unauthorized when it is unknown, ended or run out."""
        return await self._remembered(self._sessions, token, self._find_session)

    def forget(self, people: Collection[UUID]) -> None:
        """Believe no look-up of these people's sessions any more, nor one that is still under way."""
        for token, (_, looking) in list(self._sessions.items()):
            known = looking.done() and not looking.cancelled() and looking.exception() is None
            if not known or looking.result().id in people:
                del self._sessions[token]

    async def _remembered(self, seen: "_Seen", secret: str, look_up: "_LookUp") -> Caller:
        now = time.monotonic()
        found = seen.get(secret)
        if found is None or found[0] <= now:
            if len(seen) >= _CACHE_SIZE:
                seen.clear()
            found = (now + _CACHE_SECONDS, asyncio.create_task(self._kept(seen, secret, look_up)))
            seen[secret] = found
        # Shielded: one request that is cut off must not take the look-up from the others.
        return found[1].result() if found[1].done() else await asyncio.shield(found[1])

    async def _kept(self, seen: "_Seen", secret: str, look_up: "_LookUp") -> Caller:
        try:
            return await look_up(secret)
        except Unauthorized:
            raise
        except Exception:
            # No answer is none to remember: the next request asks again, and the database may be back by then.
            seen.pop(secret, None)
            raise

    async def _find_key(self, secret: str) -> Caller:
        async with self._database.transaction(None, "gate") as session:
            row = (await session.execute(text("SELECT * FROM find_key(:hash)"), {"hash": _hash(secret)})).one_or_none()
        if row is None:
            raise Unauthorized("This key is unknown, expired or revoked. Ask your program for a new one.")
        return Caller(row.id, row.program_id, row.organization_id, Role(row.role))

    async def _find_session(self, token: str) -> Caller:
        async with self._database.transaction(None, "gate") as session:
            found = await session.execute(
                text("SELECT * FROM find_session(:hash, :idle)"), {"hash": _hash(token), "idle": self._idle}
            )
            row = found.one_or_none()
        if row is None:
            raise Unauthorized("You are signed out. Sign in again.")
        return Caller(row.person_id, row.program_id, row.organization_id, Role(row.role), session_id=row.session_id)


_Seen: TypeAlias = dict[str, tuple[float, "asyncio.Task[Caller]"]]
_LookUp: TypeAlias = Callable[[str], Coroutine[Any, Any, Caller]]
