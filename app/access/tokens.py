"""Further secrets of a key: its access tokens (RFC 6749, 4.4), and the secret from before its last rotation."""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, LargeBinary, delete, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.access.audit import note
from app.access.callers import Caller
from app.access.permissions import SCOPES
from app.access.secrets import Found, new_secret
from app.core.database import Base
from app.core.ids import new_id

LIFETIME = timedelta(hours=1)


class KeySecret(Base):
    """A secret that opens for its key until `expires_at`, if the key itself does. `scopes` null: the key's own."""

    __tablename__ = "key_secrets"
    __table_args__ = (
        ForeignKeyConstraint(["program_id", "key_id"], ["keys.program_id", "keys.id"]),
        CheckConstraint("kind IN ('token', 'previous')", name="kind_known"),
        Index(None, "program_id", "key_id"),
    )

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    key_id: Mapped[UUID]
    kind: Mapped[str]
    scopes: Mapped[list[str] | None]
    hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True, deferred=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]


class UnknownScope(Exception):
    """A scope was asked for that the key doesn't have."""


def token_scopes(held: frozenset[str] | None, asked: Collection[str]) -> frozenset[str]:
    """The scopes of a token: what was asked, or without asking all that the key has. Raises UnknownScope.

    A token always has scopes: even that of a key without them does no more than scopes can say.
    """
    reachable = frozenset(SCOPES) if held is None else held
    if not reachable.issuperset(asked):
        raise UnknownScope
    return frozenset(asked) or reachable


async def issue_token(session: AsyncSession, found: Found, asked: Collection[str]) -> tuple[str, Caller, datetime]:
    """A token for the key whose secret was shown, the caller that it makes, and when it expires.

    It lasts an hour, and no longer than the secret that got it. The key's expired ones are swept away on the way.
    Raises UnknownScope.
    """
    caller = found.caller
    scopes = token_scopes(caller.scopes, asked)
    now = datetime.now(UTC)
    until = min(now + LIFETIME, found.until or datetime.max.replace(tzinfo=UTC))
    made = new_secret()
    await session.execute(delete(KeySecret).where(KeySecret.key_id == caller.id, KeySecret.expires_at < now))
    session.add(
        KeySecret(
            program_id=caller.program_id,
            id=new_id(),
            key_id=caller.id,
            kind="token",
            scopes=sorted(scopes),
            hash=made.hash,
            expires_at=until,
        )
    )
    await session.flush()
    await note(session, "token.issued", caller.id, scopes=sorted(scopes))
    return made.secret, replace(caller, scopes=scopes), until
