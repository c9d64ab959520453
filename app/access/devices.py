"""Browsers that have signed in before, known by a cookie: their failures are counted apart from everybody else's."""

import hashlib
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, LargeBinary, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.access.opaque import token_hash
from app.core.database import Base

KNOWN = timedelta(days=400)
"""The longest that browsers keep a cookie."""


class Device(Base):
    """A browser in which this person has signed in."""

    __tablename__ = "devices"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    expires_at: Mapped[datetime]

    __table_args__ = (ForeignKeyConstraint(["program_id", "person_id"], ["people.program_id", "people.id"]),)


async def remember(session: AsyncSession, program_id: UUID, person_id: UUID, token: str) -> None:
    """This person has signed in in the browser with this cookie. What has run out is swept away."""
    await session.execute(delete(Device).where(Device.person_id == person_id, Device.expires_at < func.now()))
    values = {"expires_at": func.clock_timestamp() + KNOWN}
    row = insert(Device).values(program_id=program_id, person_id=person_id, hash=token_hash(token), **values)
    await session.execute(row.on_conflict_do_update(index_elements=["program_id", "person_id", "hash"], set_=values))


async def known(session: AsyncSession, person_id: UUID | None, token: str | None) -> str | None:
    """What a known browser is counted by; None for any other."""
    if token is None:
        return None
    query = select(Device.hash).where(
        Device.person_id == person_id, Device.hash == token_hash(token), Device.expires_at > func.now()
    )
    found: bytes | None = await session.scalar(query)
    return None if found is None else hashlib.sha256(found).hexdigest()


async def forget_devices(session: AsyncSession, person_id: UUID) -> None:
    """Know no browser of this person any more."""
    await session.execute(delete(Device).where(Device.person_id == person_id))
