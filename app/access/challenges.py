"""Challenges: what a browser must answer before it is signed in. Kept here, bound to the browser, used once."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, SmallInteger, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.access.opaque import new_token, token_hash
from app.core.database import Base
from app.core.ids import new_id
from app.core.problems import NotSignedIn

VALID = timedelta(minutes=10)
MAX_TRIES = 5
"""Codes that may be tried for one right password."""

OVER = "This sign-in is over, or was begun in another browser. Start again."


class Over(NotSignedIn):
    """401: there is no challenge any more to answer. Only starting again helps."""

    def __init__(self) -> None:
        super().__init__(OVER)


class Kind(StrEnum):
    """What the challenge is for: an answer to one is none to another."""

    SECOND_FACTOR = "second_factor"
    PASSKEY = "passkey"
    NEW_PASSKEY = "new_passkey"
    OPENID = "openid"


class Challenge(Base):
    """One open challenge. `hash` is of the token in the browser's cookie; `data` what its answer is held against."""

    __tablename__ = "challenges"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    kind: Mapped[str]
    person_id: Mapped[UUID | None]
    data: Mapped[dict[str, Any]]
    tries: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    expires_at: Mapped[datetime]

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "person_id"], ["people.program_id", "people.id"]),
        Index(None, "program_id", "hash", unique=True),
        Index(None, "program_id", "person_id"),
        Index(None, "program_id", "expires_at"),
    )


async def pose(session: AsyncSession, program_id: UUID, kind: Kind, person_id: UUID | None = None, **data: Any) -> str:
    """A new challenge: the token that goes into the browser's cookie. What has run out is swept away."""
    over = select(Challenge.id).where(Challenge.expires_at < func.now()).limit(100).with_for_update(skip_locked=True)
    await session.execute(delete(Challenge).where(Challenge.id.in_(over)))
    token = new_token(program_id)
    await session.execute(
        insert(Challenge).values(
            program_id=program_id,
            id=new_id(),
            hash=token_hash(token),
            kind=kind,
            person_id=person_id,
            data=data,
            expires_at=func.clock_timestamp() + VALID,
        )
    )
    return token


async def take(session: AsyncSession, kind: Kind, token: str) -> Challenge:
    """The challenge of this browser, which nobody can answer again. Raises Over."""
    found: Challenge | None = await session.scalar(
        delete(Challenge)
        .where(
            Challenge.hash == token_hash(token), Challenge.kind == kind, Challenge.expires_at > func.clock_timestamp()
        )
        .returning(Challenge)
    )
    if found is None:
        raise Over
    return found


async def try_once(session: AsyncSession, kind: Kind, token: str) -> UUID | None:
    """Count a try at this browser's challenge, before it is known whether it is right: whose it is, None if over.

    Tries that come at once are counted one by one, since each updates the same row.
    """
    row = await session.execute(
        text(
            "UPDATE challenges SET tries = tries + 1 WHERE hash = :hash AND kind = :kind"
            " AND tries < :most AND expires_at > clock_timestamp() RETURNING person_id"
        ),
        {"hash": token_hash(token), "kind": kind, "most": MAX_TRIES},
    )
    found: UUID | None = row.scalar_one_or_none()
    return found
