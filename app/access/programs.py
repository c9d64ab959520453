"""Programs: one jurisdiction's diversion program each; the tenant, and the unit of policy."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.core.ids import new_id


class Program(Base):
    """A program. `time_zone` is an IANA name; `policy` and `retention` hold what differs from the defaults."""

    __tablename__ = "programs"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    time_zone: Mapped[str]
    policy: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    retention: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))


async def every_program(session: AsyncSession) -> list[UUID]:
    """The ids of all programs. Only ids: a background loop then opens a transaction for each."""
    return list(await session.scalars(text("SELECT program_id FROM every_program()")))


async def add_program(session: AsyncSession, slug: str, name: str, time_zone: str) -> Program:
    """A new program. Only the schema's owner may add one."""
    program = Program(program_id=new_id(), slug=slug, name=name, time_zone=time_zone)
    session.add(program)
    await session.flush()
    return program


async def find_program(session: AsyncSession, slug: str) -> Program | None:
    """The program with this slug, for the schema's owner: a request never needs another's."""
    found: Program | None = await session.scalar(select(Program).where(Program.slug == slug))
    return found
