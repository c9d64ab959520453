"""The program: its name, time zone, the market's rules, and how long it keeps what."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from app.access.callers import Caller
from app.access.programs import Program
from app.access.retention import RetentionPolicy
from app.access.roles import Action
from app.api.fields import In, Line, Out
from app.api.routing import face
from app.dependencies import Session, requires
from app.market.policy import MarketPolicy
from app.program import rules
from app.program.rules import known_zone

router = face("program")


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
    time_zone: Annotated[str, Field(max_length=64), AfterValidator(known_zone)] | None = None
    policy: MarketPolicy | None = None
    retention: RetentionPolicy | None = None


def _out(program: Program) -> ProgramOut:
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
    return _out(await rules.get_program(session, caller.program_id))


@router.patch("/program")
async def change_program(
    caller: Annotated[Caller, requires(Action.SET_POLICY)], session: Session, body: ProgramChange
) -> ProgramOut:
    """Change the program's rules. They hold for claims from the next second on."""
    changed = await rules.change_program(
        session,
        caller.program_id,
        name=body.name,
        time_zone=body.time_zone,
        policy=body.policy,
        retention=body.retention,
    )
    return _out(changed)
