"""Who is coming, as far as a place may know; and to whom a participant was disclosed."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from fastapi.responses import PlainTextResponse
from pydantic import Field

from app.access.callers import Caller
from app.access.roles import Action
from app.api.errors import documented
from app.api.fields import Cursor, Limit, Moment, Out, Page, id_from_cursor, to_cursor
from app.api.routing import face
from app.casework import disclosures
from app.casework.disclosures import WORDS, Withheld
from app.casework.identity import Identity, Kind
from app.casework.terms import STATEMENT, STATEMENT_VERSION
from app.dependencies import Ring, Session, requires
from app.market.vocabulary import ClaimState

router = face("disclosures")
Accountant = Annotated[Caller, requires(Action.READ_DISCLOSURES)]


class UnderOut(Out):
    """A consent under which something is told, and its copy, which stays with what was told (42 CFR 2.32)."""

    disclosure_id: UUID
    consent_id: UUID
    kinds: list[Kind]
    copy_of_consent: str


class MeetingOut(Out):
    """Who is coming on a claim. Without `identity`, `withheld` says why, and the code is all there is to go by."""

    claim_id: UUID
    participant: Annotated[str, Field(description="A code.")]
    state: ClaimState
    units: int
    needs: list[str]
    household: str | None
    language: str | None
    withheld: Withheld | None
    why: str | None
    identity: Identity | None
    notice: Annotated[
        str | None, Field(description="The statement of 42 CFR 2.32(a)(1): it binds whoever reads the identity.")
    ]
    notice_version: str | None
    consents: list[UnderOut]


class DisclosureOut(Out):
    """One disclosure: when, what kinds, to which organization, asked by which caller, under which consent."""

    id: UUID
    at: Moment
    organization_id: UUID
    organization: str
    caller_id: UUID
    claim_id: UUID
    consent_id: UUID
    kinds: list[Kind]
    statement: str


@router.get("/claims/{claim_id}/participant", responses=documented(404))
async def meet(
    caller: Annotated[Caller, requires(Action.MEET)],
    session: Session,
    ring: Ring,
    claim_id: UUID,
    only: Annotated[list[Kind], Query(max_length=len(Kind), description="Ask for no more than you need.")] = [],  # noqa: B006
) -> MeetingOut:
    """Who is coming: the code and what the place must know; and, confirmed and with consent, who that is.

    What is told is accounted for in the same moment.
    """
    meeting = await disclosures.meet(session, ring, caller, claim_id, only)
    told = bool(meeting.known)
    return MeetingOut(
        claim_id=meeting.claim_id,
        participant=meeting.participant,
        state=ClaimState(meeting.state),
        units=meeting.units,
        needs=meeting.needs,
        household=meeting.household,
        language=meeting.language,
        withheld=meeting.withheld,
        why=WORDS[meeting.withheld] if meeting.withheld else None,
        identity=Identity.model_validate(meeting.known) if told else None,
        notice=STATEMENT if told else None,
        notice_version=STATEMENT_VERSION if told else None,
        consents=[UnderOut.model_validate(each) for each in meeting.consents],
    )


@router.get("/participants/{participant_id}/disclosures", responses=documented(404))
async def list_disclosures(
    caller: Accountant, session: Session, participant_id: UUID, cursor: Cursor = None, limit: Limit = 50
) -> Page[DisclosureOut]:
    """To whom a participant was ever disclosed, newest first."""
    found = await disclosures.list_disclosures(
        session, caller, participant_id, before=id_from_cursor(cursor), limit=limit + 1
    )
    following = to_cursor(found[limit - 1]["id"]) if len(found) > limit else None
    return Page[DisclosureOut].model_validate({"items": found[:limit], "next": following})


@router.get("/participants/{participant_id}/accounting", responses=documented(404), response_class=PlainTextResponse)
async def accounting(caller: Accountant, session: Session, participant_id: UUID) -> PlainTextResponse:
    """The same as plain text, whole, to hand to the participant."""
    return PlainTextResponse(await disclosures.accounting(session, caller, participant_id))
