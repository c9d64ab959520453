"""Sessions: what a person who has signed in carries as an opaque cookie, kept here and ended here."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.access.opaque import new_token, token_hash
from app.access.session_gate import SIGNED_OUT
from app.core.database import Base
from app.core.ids import new_id
from app.core.problems import Unauthorized

CLOSED = "openberth.closed"
"""Where a transaction notes whose sessions it closed: once it has committed, the gate forgets them."""


class SignedIn(Base):
    """A session. `idle_until` moves on with use, at most once a minute; `expires_at` never does.

    `device` names the browser and system, as far as they say so; no address is kept.
    """

    __tablename__ = "sessions"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    device: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    idle_until: Mapped[datetime]
    expires_at: Mapped[datetime]

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "person_id"], ["people.program_id", "people.id"]),
        Index(None, "program_id", "person_id"),
    )


@dataclass(frozen=True, slots=True)
class Lasting:
    """How long sessions last: without use, and at all."""

    idle: timedelta
    whole: timedelta


async def open_session(session: AsyncSession, program_id: UUID, person_id: UUID, device: str, lasting: Lasting) -> str:
    """A new session for this person: its token, which is nowhere else. What has run out is swept away."""
    await session.execute(
        delete(SignedIn).where(
            SignedIn.person_id == person_id,
            (SignedIn.idle_until < func.now()) | (SignedIn.expires_at < func.now()),
        )
    )
    token = new_token(program_id)
    now = func.clock_timestamp()
    await session.execute(
        insert(SignedIn).values(
            program_id=program_id,
            id=new_id(),
            person_id=person_id,
            hash=token_hash(token),
            device=device,
            idle_until=now + lasting.idle,
            expires_at=now + lasting.whole,
        )
    )
    return token


async def renew_session(session: AsyncSession, person_id: UUID, session_id: UUID) -> str:
    """The same session under a new token: whoever knew the old one is out. Every other session ends.

    For when a person has changed how they prove who they are. Raises Unauthorized when it has just ended.
    """
    await close_sessions(session, person_id, keep=session_id)
    query = select(SignedIn.program_id).where(SignedIn.id == session_id).with_for_update()
    program_id = await session.scalar(query)
    if program_id is None:
        raise Unauthorized(SIGNED_OUT)
    token = new_token(program_id)
    await session.execute(
        text("UPDATE sessions SET hash = :hash WHERE program_id = :program_id AND id = :id"),
        {"hash": token_hash(token), "program_id": program_id, "id": session_id},
    )
    return token


async def close_sessions(
    session: AsyncSession, person_id: UUID, *, only: UUID | None = None, keep: UUID | None = None
) -> int:
    """End this person's sessions: all, `only` one, or all but the one to `keep`. Answers how many ended."""
    statement = delete(SignedIn).where(SignedIn.person_id == person_id)
    if only is not None:
        statement = statement.where(SignedIn.id == only)
    if keep is not None:
        statement = statement.where(SignedIn.id != keep)
    ended = (await session.scalars(statement.returning(SignedIn.id))).all()
    session.info.setdefault(CLOSED, set()).add(person_id)
    return len(ended)


async def list_sessions(session: AsyncSession, person_id: UUID) -> Sequence[SignedIn]:
    """This person's sessions that still hold, the one last used first."""
    now = func.clock_timestamp()
    query = select(SignedIn).where(
        SignedIn.person_id == person_id, SignedIn.idle_until > now, SignedIn.expires_at > now
    )
    return (await session.scalars(query.order_by(SignedIn.seen_at.desc()))).all()


_BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"))
_SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS", "CrOS", "Linux")


UNKNOWN_BROWSER = "A browser"


def device_name(user_agent: str) -> str:
    """Browser and system as a person would name them, such as `Firefox on Windows`; nothing finer is kept."""
    browser = next((name for sign, name in _BROWSERS if re.search(rf"\b{sign}", user_agent)), UNKNOWN_BROWSER)
    system = next((name for name in _SYSTEMS if name in user_agent), None)
    return browser if system is None else f"{browser} on {system}"
