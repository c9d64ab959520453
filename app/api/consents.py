"""Consents: what a person lets be told, to whom and until when; whole or not at all, and revoked in one call."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from fastapi.responses import PlainTextResponse
from pydantic import StringConstraints

from app.access.callers import Caller
from app.access.roles import Action
from app.api.errors import documented
from app.api.fields import Cursor, In, Limit, Moment, Out, Page, id_from_cursor, to_cursor
from app.api.routing import face
from app.casework import consents
from app.casework.consents import How
from app.casework.identity import KINDS, Kind
from app.casework.terms import ELEMENTS, STATEMENTS, TEXT_VERSION, Terms, copy_of
from app.casework.words import Words
from app.dependencies import Ring, Session, requires, secret_answer

router = face("consents")
Keeper = Annotated[Caller, requires(Action.KEEP_CONSENT)]


class ElementOut(Out):
    """An element that a consent must have."""

    field: str
    paragraph: str
    words: str


class KindOut(Out):
    """A kind of information that a consent can cover, in words for the person."""

    kind: Kind
    words: str


class TextOut(Out):
    """The text of a consent: show it whole to the person who signs."""

    version: str
    statements: list[str]
    elements: list[ElementOut]
    kinds: list[KindOut]


class ConsentOut(Out):
    """A consent as it stands. Whose it is, and their signature, is in its copy."""

    id: UUID
    participant_id: UUID
    organization_id: UUID
    recorded_by: UUID
    text_version: str
    kinds: list[Kind]
    disclosers: list[UUID]
    recipients: list[UUID]
    treating_providers: bool
    expiry: Literal["date", "event", "condition"]
    expires_at: Moment | None
    signed_on: date
    given_at: Moment
    state: Literal["in_force", "revoked", "ended", "expired"]
    revoked_at: Moment | None
    revoked_how: How | None
    ended_at: Moment | None


class RevokeIn(In):
    """How the person revoked it. By the regulation in writing; their word is enough for this house."""

    how: How


class EndIn(In):
    """What happened, with which the consent ends."""

    what_happened: Annotated[Words, StringConstraints(min_length=1)]


@router.get("/consent-text")
async def read_text(_: Keeper) -> TextOut:
    """What a consent must give, paragraph by paragraph, and the statements that are part of it."""
    kinds = [KindOut(kind=kind, words=words) for kind, (words, _fields) in KINDS.items()]
    elements = [ElementOut.model_validate(each) for each in ELEMENTS]
    return TextOut(version=TEXT_VERSION, statements=list(STATEMENTS), elements=elements, kinds=kinds)


@router.post("/participants/{participant_id}/consents", status_code=201, responses=documented(404))
@secret_answer
async def give_consent(caller: Keeper, session: Session, ring: Ring, participant_id: UUID, body: Terms) -> ConsentOut:
    """Record a signed consent. One that lacks an element is refused, and each that it lacks is named."""
    return ConsentOut.model_validate(await consents.give(session, ring, caller, participant_id, body))


@router.get("/participants/{participant_id}/consents", responses=documented(404))
async def list_consents(
    caller: Keeper, session: Session, participant_id: UUID, cursor: Cursor = None, limit: Limit = 50
) -> Page[ConsentOut]:
    """A participant's consents, newest first, whatever became of them."""
    found = await consents.list_consents(
        session, caller, participant_id, before=id_from_cursor(cursor), limit=limit + 1
    )
    following = to_cursor(found[limit - 1]["id"]) if len(found) > limit else None
    return Page[ConsentOut].model_validate({"items": found[:limit], "next": following})


@router.get("/consents/{consent_id}", responses=documented(404))
async def read_consent(caller: Keeper, session: Session, consent_id: UUID) -> ConsentOut:
    """One consent."""
    return ConsentOut.model_validate(await consents.read_consent(session, caller, consent_id))


@router.get("/consents/{consent_id}/copy", responses=documented(404, 410), response_class=PlainTextResponse)
async def copy_consent(caller: Keeper, session: Session, ring: Ring, consent_id: UUID) -> PlainTextResponse:
    """What was signed, as plain text to print and to give to the person."""
    return PlainTextResponse(copy_of(await consents.open_consent(session, ring, caller, consent_id)))


@router.post("/consents/{consent_id}/revoke", responses=documented(404))
async def revoke_consent(caller: Keeper, session: Session, consent_id: UUID, body: RevokeIn) -> ConsentOut:
    """End a consent by the person's word. The next request under it is refused, everywhere."""
    return ConsentOut.model_validate(await consents.revoke(session, caller, consent_id, body.how))


@router.post("/consents/{consent_id}/end", responses=documented(404, 409))
@secret_answer
async def end_consent(caller: Keeper, session: Session, ring: Ring, consent_id: UUID, body: EndIn) -> ConsentOut:
    """The event has come, or the condition no longer holds, with which this consent ends."""
    return ConsentOut.model_validate(await consents.end(session, ring, caller, consent_id, body.what_happened))
