"""One claim: how to get there, what became of it, its steps, and what is open instead once it is lost."""

from collections.abc import Awaitable
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import Form, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.access.idempotency import Asked
from app.access.roles import Action
from app.casework.participants import get_participant
from app.core.ids import new_id
from app.core.problems import Conflict, NotFound
from app.core.rendering import to_json
from app.dependencies import Session, desk_of, state_of
from app.market import claims
from app.market.calls import Call
from app.market.calls import Wanted as WantedItem
from app.market.own_claims import participant_of
from app.market.vocabulary import ClaimState
from app.web.live import number_now
from app.web.looker import Looker, signed_in
from app.web.my_claims import Whose, Worker, claims_part
from app.web.my_claims_shown import BUNDLE, one
from app.web.pages import language_of, page
from app.web.problems import SAYS
from app.web.routing import go, is_part, pages

router = pages("my claims")

LOST = frozenset({ClaimState.DECLINED, ClaimState.EXPIRED, ClaimState.NO_SHOW})
"""Where another place is looked for on the claim's own page."""


async def _facts(session: AsyncSession, looker: Looker, claim_id: UUID) -> dict[str, Any]:
    it, others = await one(session, looker.caller, claim_id)
    lost = it.state in LOST and it.replacement is None
    offered = await claims.other_places(session, looker.caller, claim_id) if lost else []
    return {
        "it": it,
        "others": others,
        "searched": lost,
        "offered": offered,
        "key": new_id(),
        "knows_person": await _knows_person(session, looker, claim_id),
    }


async def _knows_person(session: AsyncSession, looker: Looker, claim_id: UUID) -> bool:
    """Whether there is somebody behind the code whom this person may know."""
    if not looker.caller.may(Action.KEEP_CONSENT):
        return False
    participant_id = await participant_of(session, looker.caller, claim_id)
    if participant_id is None:
        return False
    try:
        await get_participant(session, looker.caller, Action.KEEP_CONSENT, participant_id)
    except NotFound:
        return False
    return True


@router.get("/claims/{claim_id}")
async def claim(
    request: Request,
    looker: Worker,
    session: Session,
    claim_id: UUID,
    refused: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """One claim. `refused`: a step of it, or a claim in its place, was tried, and this kind of problem came of that."""
    number = await number_now(session, looker.caller)
    facts = await _facts(session, looker, claim_id)
    if refused not in SAYS:
        return page(request, "claims/claim.html", number=number, refused=None, **facts)
    speak = language_of(request).gettext
    return page(request, "claims/claim.html", number=number, refused=[speak(words) for words in SAYS[refused]], **facts)


@router.get("/claims/{claim_id}/now")
async def claim_now(request: Request, looker: Worker, session: Session, claim_id: UUID) -> Response:
    """The same without the page around it."""
    return page(request, "claims/_claim.html", **await _facts(session, looker, claim_id))


class Back(BaseModel):
    """From which page a step is taken, and how often its hold had been extended as that page showed it."""

    view: Literal["list", "one"]
    whose: Whose = "mine"
    extended: Annotated[int, Field(ge=0, le=100)] = 0


BackTo = Annotated[Back, Form()]


async def _taken(
    request: Request, session: AsyncSession, looker: Looker, claim_id: UUID, back: Back, step: Awaitable[Any]
) -> Response:
    """Take a step, and answer with the part that it changed, or the page that it was taken on. Where the claim has
    moved on meanwhile, its own page says so."""
    try:
        async with session.begin_nested():
            await step
    except Conflict as problem:
        return go(request, f"/claims/{claim_id}?refused={problem.slug}")
    if not is_part(request):
        return go(request, f"/claims?whose={back.whose}" if back.view == "list" else f"/claims/{claim_id}")
    if back.view == "list":
        return await claims_part(request, session, looker, back.whose)
    return page(request, "claims/_claim.html", **await _facts(session, looker, claim_id))


@router.post("/claims/{claim_id}/confirm")
async def confirm(request: Request, looker: Worker, session: Session, claim_id: UUID, back: BackTo) -> Response:
    """The person is coming."""
    step = claims.step(session, looker.caller, claim_id, "confirm")
    return await _taken(request, session, looker, claim_id, back, step)


@router.post("/claims/{claim_id}/confirm-all")
async def confirm_all(request: Request, looker: Worker, session: Session, claim_id: UUID, back: BackTo) -> Response:
    """Whatever is held of a claim's bundle is confirmed, in one tap."""
    step = _confirm_bundle(session, looker.caller, claim_id)
    return await _taken(request, session, looker, claim_id, back, step)


async def _confirm_bundle(session: AsyncSession, caller: Caller, claim_id: UUID) -> None:
    claim = await claims.get_claim(session, caller, claim_id)
    held = await claims.list_claims(session, caller, bundle_id=claim["bundle_id"], state=ClaimState.HELD, limit=BUNDLE)
    # In the order in which openings are locked everywhere.
    for each in sorted(held, key=lambda one: str(one["opening_id"])):
        await claims.step(session, caller, each["id"], "confirm")


@router.post("/claims/{claim_id}/release")
async def release(request: Request, looker: Worker, session: Session, claim_id: UUID, back: BackTo) -> Response:
    """The place isn't needed any more."""
    step = claims.step(session, looker.caller, claim_id, "release")
    return await _taken(request, session, looker, claim_id, back, step)


@router.post("/claims/{claim_id}/extend")
async def extend(request: Request, looker: Worker, session: Session, claim_id: UUID, back: BackTo) -> Response:
    """Start the hold's time again; a double tap does so once."""
    step = claims.extend(session, looker.caller, claim_id, extended=back.extended)
    return await _taken(request, session, looker, claim_id, back, step)


@router.post("/claims/{claim_id}/again")
async def again(
    request: Request,
    caller: Annotated[Caller, signed_in(Action.CLAIM)],
    claim_id: UUID,
    opening_id: Annotated[UUID, Form()],
    key: Annotated[UUID, Form()],
) -> Response:
    """Claim another place for whom this one was. Held, its page comes next; gone, this one with what is open now."""
    # Not in a transaction of the page's: waiting for the desk in one would keep a connection from it.
    async with state_of(request).database.transaction(caller.program_id, str(caller.id), reads=True) as session:
        before = await claims.get_claim(session, caller, claim_id)
        participant_id = await participant_of(session, caller, claim_id)
    body: dict[str, Any] = {"items": [{"opening_id": opening_id, "units": before["units"]}]}
    if participant_id is not None:
        body["participant"] = participant_id
    asked = Asked("POST", "/v1/claims", to_json(body))
    call = Call(caller, str(key), asked, participant_id, (WantedItem(before["units"], opening_id=opening_id),))
    answer = await desk_of(request, caller).claim(call)
    told = orjson.loads(answer.body)
    if answer.status != 201:
        return go(request, f"/claims/{claim_id}?refused={told['type'].rpartition('/')[2]}")
    return go(request, f"/claims/{told['claims'][0]['id']}")
