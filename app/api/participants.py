"""Participants: a code in one call, so that paperwork never stands before a place."""

from typing import Annotated
from uuid import UUID

from fastapi import Path
from pydantic import Field

from app.access.callers import Caller
from app.access.roles import Action
from app.api.errors import documented
from app.api.fields import Cursor, In, Limit, Line, Moment, Out, Page, id_from_cursor, id_or_code, to_cursor
from app.api.routing import face
from app.casework.participants import Participant, add_participant, get_participant, list_participants
from app.dependencies import Session, requires

router = face("participants")
Reader = Annotated[Caller, requires(Action.READ_PARTICIPANT)]


class ParticipantIn(In):
    """A participant to add: nothing about them is needed."""

    reference: Line | None = None


class ParticipantOut(Out):
    """A participant: an id, and the code that is said aloud. A claim names its participant by either."""

    id: UUID
    code: str
    reference: Annotated[str | None, Field(description="Your own number for them; null for another organization's.")]
    created_at: Moment


def _out(participant: Participant, caller: Caller) -> ParticipantOut:
    shown = ParticipantOut.model_validate(participant)
    return (
        shown if participant.organization_id == caller.organization_id else shown.model_copy(update={"reference": None})
    )


@router.post("/participants", status_code=201)
async def create_participant(
    caller: Annotated[Caller, requires(Action.ADD_PARTICIPANT)], session: Session, body: ParticipantIn
) -> ParticipantOut:
    """Give a person a code. `reference` is your own number for them, if you have one."""
    participant = await add_participant(session, caller.program_id, caller.organization_id, body.reference)
    return ParticipantOut.model_validate(participant)


@router.get("/participants")
async def list_own(caller: Reader, session: Session, cursor: Cursor = None, limit: Limit = 50) -> Page[ParticipantOut]:
    """Your organization's participants, newest first: their codes, and nothing of who they are."""
    found = await list_participants(session, caller, before=id_from_cursor(cursor), limit=limit + 1)
    following = to_cursor(found[limit - 1].id) if len(found) > limit else None
    return Page[ParticipantOut](items=[_out(each, caller) for each in found[:limit]], next=following)


@router.get("/participants/{named}", responses=documented(404))
async def read_participant(
    caller: Reader, session: Session, named: Annotated[str, Path(max_length=40, pattern=r"^[0-9A-Za-z-]+$")]
) -> ParticipantOut:
    """One participant of your organization, by id or by code."""
    return _out(await get_participant(session, caller, Action.READ_PARTICIPANT, id_or_code(named)), caller)
