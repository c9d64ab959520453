"""Keys for systems: made, shown once, listed, rotated, revoked. Only a hash of the secret is stored."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, LargeBinary, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.access.callers import Caller
from app.access.permissions import SCOPES
from app.access.roles import Action, Role
from app.access.secrets import new_secret
from app.core.database import Base, violated
from app.core.ids import new_id
from app.core.problems import Conflict, Forbidden, Invalid, NotFound, Sentence

LONGEST_OVERLAP = timedelta(days=30)
"""For how long the secret before a rotation may go on opening."""


class Key(Base):
    """A key of a system, bound to one program and organization. Its id is the caller's, whatever its secret is now.

    `prefix` is how its secret begins, by which people and secret scanners know it; keys from before there were
    prefixes have none. `scopes` narrows what its role may do, null not at all. `last_used_at` is coarse: see
    last_use.py.
    """

    __tablename__ = "keys"
    __table_args__ = (
        ForeignKeyConstraint(["program_id", "organization_id"], ["organizations.program_id", "organizations.id"]),
    )

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    organization_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(server_default="")
    role: Mapped[str]
    scopes: Mapped[list[str] | None]
    prefix: Mapped[str | None]
    # Deferred: requests may write a hash and never read one, so no query of ours may ask for it.
    hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True, deferred=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


async def create_key(
    session: AsyncSession,
    program_id: UUID,
    organization_id: UUID,
    role: Role,
    expires_at: datetime | None = None,
    *,
    name: str = "",
    scopes: Collection[str] | None = None,
) -> tuple[Key, str]:
    """A new key and its secret, which is nowhere else and can't be shown again.

    Raises Invalid for an unknown scope, an expiry that has passed, or an organization that isn't there.
    """
    if unknown := sorted(set(scopes or ()) - set(SCOPES)):
        raise Invalid.at("scopes", f"{unknown[0]} is no scope; the scopes are {', '.join(SCOPES)}.")
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise Invalid.at("expires_at", Sentence("The key would have expired already."))
    made = new_secret()
    key = Key(
        program_id=program_id,
        id=new_id(),
        organization_id=organization_id,
        name=name,
        role=role,
        scopes=None if scopes is None else sorted(set(scopes)),
        prefix=made.prefix,
        hash=made.hash,
        expires_at=expires_at,
    )
    session.add(key)
    try:
        await session.flush()
    except IntegrityError as error:
        if violated(error) == "fk_keys_program_id_organization_id":
            raise Invalid.at("organization_id", "There is no such organization in your program.") from error
        raise
    return key, made.secret


def refuse_operator(role: Role) -> None:
    """Raises Forbidden for the operator's role: whoever runs the installation makes its own keys, on its machine."""
    if role is Role.OPERATOR:
        raise Forbidden("A key for an operator is made and rotated with `openberth key` alone, where Openberth runs.")


async def list_keys(session: AsyncSession, caller: Caller, *, before: UUID | None, limit: int) -> list[Key]:
    """The keys that the caller may see, newest first."""
    asked = select(Key).where(caller.where(Action.REVOKE_KEYS, Key)).order_by(Key.id.desc()).limit(limit)
    if before is not None:
        asked = asked.where(Key.id < before)
    return list(await session.scalars(asked))


async def get_key(session: AsyncSession, caller: Caller, key_id: UUID) -> Key:
    """One key. Raises NotFound."""
    key: Key | None = await session.scalar(
        select(Key)
        .where(Key.id == key_id, caller.where(Action.REVOKE_KEYS, Key))
        .execution_options(populate_existing=True)
    )
    if key is None:
        raise NotFound("There is no such key in your program.")
    return key


async def rotate_key(
    session: AsyncSession, caller: Caller, key_id: UUID, overlap: timedelta
) -> tuple[Key, str, datetime]:
    """A new secret for the same caller, and until when the one before opens too.

    Access tokens that were got with the secret before die with it. Raises NotFound, Forbidden for an operator's
    key, and Conflict for a key that opens nothing any more.
    """
    key = await get_key(session, caller, key_id)
    refuse_operator(Role(key.role))
    made = new_secret()
    until: datetime | None = await session.scalar(
        text("SELECT rotate_key(:id, :hash, :prefix, :overlap)"),
        {"id": key.id, "hash": made.hash, "prefix": made.prefix, "overlap": overlap},
    )
    if until is None:
        raise Conflict("This key is revoked or has expired. Make a new one.")
    return await get_key(session, caller, key_id), made.secret, until


async def revoke_key(session: AsyncSession, caller: Caller, key_id: UUID) -> Key:
    """End a key for good, and every access token of it. Revoking it again changes nothing. Raises NotFound."""
    await get_key(session, caller, key_id)
    await session.execute(text("SELECT revoke_key(:id)"), {"id": key_id})
    return await get_key(session, caller, key_id)
