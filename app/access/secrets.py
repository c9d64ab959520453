"""The secrets that callers show: how one is made, what is kept of it, and who stands behind it."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
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
    if row is None:
        return None
    scopes = None if row.scopes is None else frozenset(row.scopes)
    caller = Caller(
        row.id, row.program_id, row.organization_id, Role(row.role), scopes, serves_survivors=row.serves_survivors
    )
    return Found(caller, row.until, row.token)
