"""Who participants are: written down when there is time for it, looked up, and counted without names."""

from typing import Annotated
from uuid import UUID

from app.access.callers import Caller
from app.access.roles import Action
from app.api.errors import documented
from app.api.fields import Out
from app.api.routing import face
from app.casework import demographics, identity
from app.casework.demographics import SMALLEST, SelfDescription
from app.casework.identity import Identity, Sought
from app.casework.marks import Known
from app.dependencies import Ring, Session, requires, secret_answer

router = face("participants")
Editor = Annotated[Caller, requires(Action.EDIT_PARTICIPANT)]


class MatchOut(Out):
    """A participant who is known by the same. Of another organization's you get the code, and no more."""

    id: UUID | None
    code: str
    own: bool
    matched: list[Known]


class MatchesOut(Out):
    """Who is known by this."""

    matches: list[MatchOut]


class ErasedOut(Out):
    """Whose identity is gone. Their code, their claims and their signed consents stay."""

    id: UUID
    code: str


class CountOut(Out):
    """How many people gave an answer: null where they are fewer than eleven, none included."""

    dimension: str
    answer: str
    people: int | None


class CountsOut(Out):
    """Counts of what people say of themselves."""

    smallest: int
    items: list[CountOut]


@router.post("/participants/find", responses=documented(410))
@secret_answer
async def find_participants(
    caller: Annotated[Caller, requires(Action.FIND_PARTICIPANT)], session: Session, ring: Ring, body: Sought
) -> MatchesOut:
    """Is this person known already? By name with birth date, by any identifier, phone number or e-mail address."""
    return MatchesOut.model_validate({"matches": await identity.find(session, ring, caller, body)})


@router.put("/participants/{participant_id}/identity", responses=documented(404))
@secret_answer
async def write_identity(
    caller: Editor, session: Session, ring: Ring, participant_id: UUID, body: Identity
) -> MatchesOut:
    """Write down who a participant is, in place of what was there. Answers who else is known by the same."""
    found = await identity.write_identity(session, ring, caller, participant_id, body)
    return MatchesOut.model_validate({"matches": found})


@router.get("/participants/{participant_id}/identity", responses=documented(404, 410))
async def read_identity(
    caller: Annotated[Caller, requires(Action.READ_PARTICIPANT)], session: Session, ring: Ring, participant_id: UUID
) -> Identity:
    """Who a participant of your organization is. That you looked is in the trail."""
    return (await identity.read_identity(session, ring, caller, participant_id))[1]


@router.delete("/participants/{participant_id}/identity", responses=documented(404))
async def erase_identity(caller: Editor, session: Session, participant_id: UUID) -> ErasedOut:
    """Erase who a participant is."""
    return ErasedOut.model_validate(await identity.erase_identity(session, caller, participant_id))


@router.put("/participants/{participant_id}/demographics", responses=documented(404))
@secret_answer
async def write_demographics(
    caller: Editor, session: Session, ring: Ring, participant_id: UUID, body: SelfDescription
) -> SelfDescription:
    """Write down what someone says of themselves, in place of what was there. No record joins a name to it."""
    await demographics.write_demographics(session, ring, caller, participant_id, body)
    return body


@router.get("/demographics")
async def count_demographics(_: Annotated[Caller, requires(Action.COUNT_PARTICIPANTS)], session: Session) -> CountsOut:
    """What people of the program say of themselves, in numbers from eleven on."""
    counts = await demographics.count_demographics(session)
    return CountsOut.model_validate({"smallest": SMALLEST, "items": counts})
