"""The desk's claims: who is coming, and what became of it."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Form, Request
from fastapi.responses import Response

from app.access.roles import Action
from app.casework import disclosures
from app.casework.disclosures import Withheld
from app.casework.terms import STATEMENT
from app.dependencies import Ring, Session
from app.market import claims
from app.web.desk import shown
from app.web.languages import N_
from app.web.looker import Looker, looking
from app.web.pages import language_of, page
from app.web.routing import is_part, pages

router = pages("desk")

Receiver = Annotated[Looker, looking(Action.RECEIVE_CLAIM)]

WITHHELD = {
    Withheld.NOT_CONFIRMED: N_("Who is coming is told once the claim is confirmed, if they consent."),
    Withheld.OVER: N_("This claim is over."),
    Withheld.ANONYMOUS: N_("This claim is by a one-time code. The code is all there is."),
    Withheld.SURVIVORS: N_("Here nobody's name is told. The code is all that the person need say."),
    Withheld.NO_CONSENT: N_("The person has not agreed to tell you their name. They come under their code."),
    Withheld.NOTHING_KNOWN: N_("Nobody wrote down who this is. They come under their code."),
    Withheld.UNREADABLE: N_("Who this is can't be read here now. They come under their code."),
}
"""Why a place is told no more than the code, in plain words."""


@router.post("/desk/claims/{claim_id}/decline")
async def decline(
    request: Request,
    looker: Receiver,
    session: Session,
    claim_id: UUID,
    reason: Annotated[str, Form(max_length=60)],
    replace: Annotated[bool, Form()] = False,
) -> Response:
    """We can't keep our word, for a reason; and with `replace` the person gets the next best place at once."""
    await claims.decline(session, looker.caller, claim_id, reason, replace=replace)
    return await shown(request, looker, session)


@router.post("/desk/claims/{claim_id}/who")
async def who(
    request: Request,
    looker: Annotated[Looker, looking(Action.MEET)],
    session: Session,
    ring: Ring,
    claim_id: UUID,
) -> Response:
    """Who is coming, as far as this place may know.

    It is accounted for, so it is asked for by a tap and by nothing else; and the answer has no address to come back to.
    """
    meeting = await disclosures.meet(session, ring, looker.caller, claim_id)
    withheld = language_of(request).gettext(WITHHELD[meeting.withheld]) if meeting.withheld else None
    template = "desk/_who.html" if is_part(request) else "desk/who.html"
    return page(request, template, meeting=meeting, withheld=withheld, notice=STATEMENT)


@router.post("/desk/claims/{claim_id}/{verb}")
async def step(
    request: Request,
    looker: Receiver,
    session: Session,
    claim_id: UUID,
    verb: Literal["arrive", "no-show", "complete"],
) -> Response:
    """They arrived, they didn't come, or it is done. Told twice, by two desks or a shaky network, it is done once."""
    await claims.step(session, looker.caller, claim_id, verb)
    return await shown(request, looker, session)
