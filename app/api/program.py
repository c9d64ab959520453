"""The program: its name, time zone, the market's rules, and how long it keeps what."""

from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field
from sqlalchemy import select

from app.access.callers import Caller
from app.access.programs import Program
from app.access.retention import RetentionPolicy
from app.access.roles import Action
from app.api.fields import In, Line, Out
from app.api.routing import face
from app.dependencies import Session, requires
from app.market.policy import MarketPolicy

router = face("program")


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("give an IANA time zone, such as America/Los_Angeles")
    return ZoneInfo(name).key


class ProgramOut(Out):
    """The caller's program and the rules in force."""

    id: UUID
    slug: str
    name: str
    time_zone: str
    policy: MarketPolicy
    retention: RetentionPolicy


class ProgramChange(In):
    """What to change. A policy given replaces the one stored; what it leaves out is the default again."""

    name: Line | None = None
    time_zone: Annotated[str, Field(max_length=64), AfterValidator(_known_zone)] | None = None
    policy: MarketPolicy | None = None
    retention: RetentionPolicy | None = None


async def _out(session: Session, caller: Caller) -> ProgramOut:
    program = (await session.scalars(select(Program).filter_by(program_id=caller.program_id))).one()
    return ProgramOut(
        id=program.program_id,
        slug=program.slug,
        name=program.name,
        time_zone=program.time_zone,
        policy=MarketPolicy.model_validate(program.policy).complete(),
        retention=RetentionPolicy.model_validate(program.retention).complete(),
    )


@router.get("/program")
async def read_program(caller: Annotated[Caller, requires(Action.READ_PROGRAM)], session: Session) -> ProgramOut:
    """Your program and its rules: immediacy, freshness, holds, caps, and how long it keeps what."""
    return await _out(session, caller)


@router.patch("/program")
async def change_program(
    caller: Annotated[Caller, requires(Action.SET_POLICY)], session: Session, body: ProgramChange
) -> ProgramOut:
    """Change the program's rules. They hold for claims from the next second on."""
    program = (await session.scalars(select(Program).filter_by(program_id=caller.program_id))).one()
    if body.name is not None:
        program.name = body.name
    if body.time_zone is not None:
        program.time_zone = body.time_zone
    if body.policy is not None:
        program.policy = body.policy.model_dump(mode="json", exclude_unset=True)
    if body.retention is not None:
        program.retention = body.retention.model_dump(mode="json", exclude_unset=True)
    await session.flush()
    return await _out(session, caller)
