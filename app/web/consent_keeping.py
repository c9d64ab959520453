"""A consent that was given: its copy to print, its end by word or by what happened, and to whom it told anything."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Form, Request
from fastapi.responses import Response
from pydantic import StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.roles import Action
from app.casework import consents
from app.casework.consents import How
from app.casework.disclosures import list_disclosures
from app.casework.terms import copy_of
from app.casework.words import Words
from app.core.problems import NotFound
from app.dependencies import Ring, Session
from app.web.consent import Keeper
from app.web.consent_words import KIND
from app.web.looker import Looker, looking
from app.web.my_claims_person import person_behind
from app.web.pages import language_of, page
from app.web.routing import go, pages

router = pages("consent")


async def _consent(session: AsyncSession, looker: Looker, claim_id: UUID, consent_id: UUID) -> dict[str, Any]:
    """A consent of the claim's person. Raises NotFound."""
    who = await person_behind(session, looker.caller, claim_id)
    consent = await consents.get_consent(session, looker.caller, consent_id)
    if consent["participant_id"] != who.id:
        raise NotFound("This consent is not of the person who comes on this claim.")
    return consent


@router.get("/claims/{claim_id}/consents/{consent_id}")
async def consent(
    request: Request, looker: Keeper, session: Session, ring: Ring, claim_id: UUID, consent_id: UUID
) -> Response:
    """What was signed, to read, to print and to give to the person; and how to end it."""
    found = await _consent(session, looker, claim_id, consent_id)
    document = await consents.open_consent(session, ring, looker.caller, consent_id)
    drawing = document["terms"]["signature"].get("drawing", "")
    copy = copy_of(document)
    return page(request, "consent/copy.html", claim_id=claim_id, consent=found, copy=copy, drawing=drawing)


@router.post("/claims/{claim_id}/consents/{consent_id}/revoke")
async def revoke(
    request: Request,
    looker: Keeper,
    session: Session,
    claim_id: UUID,
    consent_id: UUID,
    how: Annotated[How, Form()],
) -> Response:
    """The person takes it back."""
    await _consent(session, looker, claim_id, consent_id)
    await consents.revoke(session, looker.caller, consent_id, how)
    return go(request, f"/claims/{claim_id}/person?done=revoked")


@router.post("/claims/{claim_id}/consents/{consent_id}/end")
async def end(
    request: Request,
    looker: Keeper,
    session: Session,
    ring: Ring,
    claim_id: UUID,
    consent_id: UUID,
    what_happened: Annotated[Words, StringConstraints(min_length=1), Form()],
) -> Response:
    """What it ends with has happened."""
    await _consent(session, looker, claim_id, consent_id)
    await consents.end(session, ring, looker.caller, consent_id, what_happened)
    return go(request, f"/claims/{claim_id}/person?done=ended")


@router.get("/claims/{claim_id}/accounting")
async def accounting(
    request: Request,
    looker: Annotated[Looker, looking(Action.READ_DISCLOSURES)],
    session: Session,
    claim_id: UUID,
) -> Response:
    """To whom anything was told, all of it, to print and to give to the person."""
    who = await person_behind(session, looker.caller, claim_id)
    told = await list_disclosures(session, looker.caller, who.id, limit=None)
    speak = language_of(request).gettext
    kinds = {kind: speak(words) for kind, words in KIND.items()}
    return page(request, "consent/accounting.html", claim_id=claim_id, code=who.code, told=told, kinds=kinds)
