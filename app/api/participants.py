"""Participants: a code in one call, so that paperwork never stands before a place."""

from typing import Annotated
from uuid import UUID

from app.access.callers import Caller
from app.access.roles import Action
from app.api.fields import In, Line, Out
from app.api.routing import face
from app.casework.participants import add_participant
from app.dependencies import Session, requires

router = face("participants")


class ParticipantIn(In):
    """A participant to add: nothing about them is needed."""

    reference: Line | None = None


class ParticipantOut(Out):
    """A participant: an id, and the code that is said aloud. A claim names its participant by either."""

    id: UUID
    code: str
    reference: str | None


@router.post("/participants", status_code=201)
async def create_participant(
    caller: Annotated[Caller, requires(Action.ADD_PARTICIPANT)], session: Session, body: ParticipantIn
) -> ParticipantOut:
    """Give a person a code. `reference` is your own number for them, if you have one."""
    participant = await add_participant(session, caller.program_id, caller.organization_id, body.reference)
    return ParticipantOut.model_validate(participant)
