"""The program's own rules: its name and time zone, the market's policy, and how long it keeps what."""

from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.programs import Program
from app.access.retention import RetentionPolicy
from app.core.problems import Sentence
from app.market.policy import MarketPolicy


def known_zone(name: str) -> str:
    """The time zone's IANA name. Raises ValueError for one that is none."""
    if name not in available_timezones():
        raise ValueError(Sentence("give an IANA time zone, such as America/Los_Angeles"))
    return ZoneInfo(name).key


async def get_program(session: AsyncSession, program_id: UUID) -> Program:
    """The program itself."""
    return (await session.scalars(select(Program).filter_by(program_id=program_id))).one()


async def change_program(
    session: AsyncSession,
    program_id: UUID,
    *,
    name: str | None = None,
    time_zone: str | None = None,
    policy: MarketPolicy | None = None,
    retention: RetentionPolicy | None = None,
) -> Program:
    """Change the rules. A policy given replaces the one stored; what it leaves out is the default again."""
    program = await get_program(session, program_id)
    if name is not None:
        program.name = name
    if time_zone is not None:
        program.time_zone = time_zone
    if policy is not None:
        program.policy = policy.model_dump(mode="json", exclude_unset=True)
    if retention is not None:
        program.retention = retention.model_dump(mode="json", exclude_unset=True)
    await session.flush()
    return program
