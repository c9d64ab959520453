"""The secrets that callers show: how one is made, what is kept of it, and who stands behind it."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.access.roles import Role
from app.core.ids import new_letters

BRAND = "openberth_"
"""How every secret of ours begins, so that a scanner finds one in a repository or a log."""
_PREFIX_LETTERS = 8


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A secret just made. `prefix` is how it begins, and may be shown again; the rest is nowhere else."""

    secret: str
    prefix: str

    @property
    def hash(self) -> bytes:
        """What is stored of it."""
        return hash_of(self.secret)


@dataclass(frozen=True, slots=True)
class Found:
    """Whom a secret belongs to, until when it opens (None: no end is set), and whether it is an access token."""

    caller: Caller
    until: datetime | None
    token: bool


def new_secret() -> NewSecret:
    """A new secret: `openberth_`, eight letters that may be seen, `_`, and 256 random bits that may not."""
    prefix = BRAND + new_letters(_PREFIX_LETTERS).lower()
    return NewSecret(f"{prefix}_{secrets.token_urlsafe(32)}", prefix)


def hash_of(secret: str) -> bytes:
    """What is stored of a secret. It has 256 random bits: one round of SHA-256 can't be guessed back, and is quick."""
    return hashlib.sha256(secret.encode()).digest()


async def find_secret(session: AsyncSession, secret: str) -> Found | None:
    """Whom this secret belongs to; None when it is unknown, expired or revoked. Needs no program."""
    row = (await session.execute(text("SELECT * FROM find_caller(:hash)"), {"hash": hash_of(secret)})).one_or_none()
    return None if row is None else Found(_caller(row), row.until, row.token)


async def find_secrets(session: AsyncSession, shown: Collection[str]) -> dict[str, Caller | None]:
    """Whom each of these secrets belongs to, None where one is unknown, expired or revoked. Needs no program."""
    listed = list(shown)
    rows = await session.execute(
        text(
            "SELECT h.nr, f.* FROM unnest(CAST(:hashes AS bytea[])) WITH ORDINALITY AS h (hash, nr)"
            " CROSS JOIN LATERAL find_caller(h.hash) f"
        ),
        {"hashes": [hash_of(secret) for secret in listed]},
    )
    return dict.fromkeys(listed) | {listed[row.nr - 1]: _caller(row) for row in rows}


def _caller(row: Row[Any]) -> Caller:
    scopes = None if row.scopes is None else frozenset(row.scopes)
    return Caller(
        row.id, row.program_id, row.organization_id, Role(row.role), scopes, serves_survivors=row.serves_survivors
    )
