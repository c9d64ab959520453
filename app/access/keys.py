"""API keys: made once, shown once, stored as a hash, and looked up by every request."""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, LargeBinary, Row, func, text
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
    """Turns the secret of a request into its caller, remembering each answer for a second.

    Requests that come while a secret is being looked up share that look-up.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: dict[str, tuple[float, asyncio.Future[Caller]]] = {}

    async def caller(self, secret: str) -> Caller:
        """The caller of this secret. Raises Unauthorized when it is unknown, expired or revoked."""
        now = time.monotonic()
        seen = self._seen.get(secret)
        if seen is None or seen[0] <= now:
            if len(self._seen) >= _CACHE_SIZE:
                self._seen.clear()
            seen = (now + _CACHE_SECONDS, asyncio.create_task(self._look_up(secret)))
            self._seen[secret] = seen
        # Shielded: one request that is cut off must not take the look-up from the others.
        return seen[1].result() if seen[1].done() else await asyncio.shield(seen[1])

    async def _look_up(self, secret: str) -> Caller:
        try:
            async with self._database.transaction(None, "gate") as session:
                row = (
                    await session.execute(text("SELECT * FROM find_key(:hash)"), {"hash": _hash(secret)})
                ).one_or_none()
        except Exception:
            # No answer is none to remember: the next request asks again, and the database may be back by then.
            self._seen.pop(secret, None)
            raise
        if row is None:
            raise _unknown()
        return _caller(row)

    async def refresh(self, secrets: Collection[str]) -> None:
        """Look all of these up anew in one statement, whatever is remembered: for those who stay connected."""
        if not secrets:
            return
        listed = list(secrets)
        async with self._database.transaction(None, "gate", reads=True) as session:
            rows = await session.execute(
                text(
                    "SELECT h.nr, k.* FROM unnest(CAST(:hashes AS bytea[])) WITH ORDINALITY AS h (hash, nr)"
                    " CROSS JOIN LATERAL find_key(h.hash) k"
                ),
                {"hashes": [_hash(secret) for secret in listed]},
            )
        found = {row.nr: row for row in rows}
        until = time.monotonic() + _CACHE_SECONDS
        for nr, secret in enumerate(listed, 1):
            answer = asyncio.get_running_loop().create_future()
            if nr in found:
                answer.set_result(_caller(found[nr]))
            else:
                answer.set_exception(_unknown())
                answer.exception()  # Seen: it is raised to whoever asks.
            self._seen[secret] = (until, answer)


def _caller(row: Row[Any]) -> Caller:
    return Caller(row.id, row.program_id, row.organization_id, Role(row.role))


def _unknown() -> Unauthorized:
    return Unauthorized("This key is unknown, expired or revoked. Ask your program for a new one.")
