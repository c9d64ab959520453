"""Who is calling: a client's first question, and what it may offer its user."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.access.callers import Caller
from app.access.roles import Action, Role
from app.api.fields import Out
from app.api.routing import face
from app.dependencies import requires

router = face("me")


class MeOut(Out):
    """The caller."""

    id: UUID
    program_id: UUID
    organization_id: UUID
    role: Role
    scopes: Annotated[list[str] | None, Field(description="What the key was narrowed to; null: not at all.")]
    may: Annotated[list[str], Field(description="What you may do, in words.")]


@router.get("/me")
async def read_me(caller: Annotated[Caller, requires(Action.READ_SELF)]) -> MeOut:
    """Who you are to the program, and what you may do."""
    return MeOut(
        id=caller.id,
        program_id=caller.program_id,
        organization_id=caller.organization_id,
        role=caller.role,
        scopes=None if caller.scopes is None else sorted(caller.scopes),
        may=[action for action in Action if caller.may(action)],
    )
