"""Claiming on the board: one tap on a card, a bundle as a whole, or the best that fits; and what one is told."""

import re
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID, uuid4

import orjson
from fastapi import Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.access.idempotency import Answer, Asked, Kept
from app.access.roles import Action
from app.casework.participants import add_participant
from app.core.problems import Invalid, NotFound, Problem, Sentence
from app.core.rendering import to_json
from app.delivery.terms import read_terms
from app.dependencies import Session, desk_of, state_of
from app.market.calls import Call, Wanted
from app.market.claims import list_claims
from app.market.decide import Reason
from app.market.search import for_a_find, search
from app.market.tables import Opening
from app.web.board_cards import alternative_cards, moment
from app.web.board_need import MOST_ITEMS, Item, Sought, asked_of
from app.web.board_words import WHY_NOT
from app.web.looker import Looker, looking, show, signed_in
from app.web.pages import language_of, page
from app.web.routing import go, is_part, pages

router = pages("board")

_KEY = re.compile(r"[\x21-\x7e]{8,80}")
_WHOM = re.compile(r"[0-9A-Za-z-]{0,40}")


@router.post("/board/claims")
async def claim(request: Request, caller: Annotated[Caller, signed_in(Action.CLAIM)]) -> Response:
    """Hold what a form names, or the best that fits, or nothing and show what is open instead.

    No transaction is open meanwhile: the desk has its own, and who waits for it must not keep a connection from it. A
    form that is sent again has its key, and so the answer that it got.
    """
    form = await request.form()
    key = str(form.get("key", ""))
    if not _KEY.fullmatch(key):
        raise Invalid.at("key", Sentence("Open the board again, and claim there."))
    house = state_of(request)
    async with house.database.transaction(caller.program_id, str(caller.id), reads=True) as session:
        await show(request, session, caller)
        asked = await asked_of(request, session, caller)
    wanted = _wanted(asked, [str(each) for each in form.getlist("opening")])
    named = str(form.get("participant", ""))
    if not _WHOM.fullmatch(named):
        raise Invalid.at("participant", Sentence("This is no participant's code."))
    call = Call(
        caller,
        key,
        Asked("POST", "/board/claims", _body(caller, named, wanted)),
        named.upper() or await _someone_new(request, caller, key, wanted),
        wanted,
    )
    kept = await desk_of(request, caller).claim(call)
    async with house.database.transaction(caller.program_id, str(caller.id), reads=True) as session:
        return await _told(request, session, asked, wanted, kept)


def _wanted(asked: Sought, openings: Sequence[str]) -> tuple[Wanted, ...]:
    """What a form wants. One opening was found for the need of its card, and a bundle's for needs that may differ."""
    items = [Item.of(each) for each in openings[: MOST_ITEMS + 1]]
    if len(items) > MOST_ITEMS:
        raise Invalid.at("opening", Sentence("One call claims %(most)s things at most.", most=MOST_ITEMS))
    if not items:
        return (Wanted(asked.need.units, need=asked.need),)
    need = asked.need if len(items) == 1 else None
    return tuple(Wanted(item.units, opening_id=item.opening_id, need=need) for item in items)


def _body(caller: Caller, named: str, wanted: Sequence[Wanted]) -> bytes:
    """What is asked, as the key remembers it: of someone new that they are new, since their code comes after it."""
    items = [
        {"opening_id": each.opening_id, "units": each.units, "find": each.need and each.need.model_dump(mode="json")}
        for each in wanted
    ]
    whom = {} if caller.serves_survivors and not named else {"participant": named.upper() or "someone new"}
    return to_json(whom | {"items": items})


async def _someone_new(request: Request, caller: Caller, key: str, wanted: Sequence[Wanted]) -> UUID | None:
    """A participant who was given a code just now. None for a call that is to be anonymous, since one of its places is
    confidential or nobody here may know people; and for one that has been answered."""
    if not caller.may(Action.ADD_PARTICIPANT):
        return None
    async with state_of(request).database.transaction(caller.program_id, str(caller.id)) as session:
        if await _answered(session, caller, key) or await _confidential(session, caller, wanted):
            return None
        return (await add_participant(session, caller.program_id, caller.organization_id, None)).id


async def _answered(session: AsyncSession, caller: Caller, key: str) -> bool:
    mine = {"program_id": caller.program_id, "caller_id": caller.id, "key": key}
    return await session.scalar(select(Answer.status).filter_by(**mine)) is not None


async def _confidential(session: AsyncSession, caller: Caller, wanted: Sequence[Wanted]) -> bool:
    """Whether what is wanted is confidential, as far as can be told before it is held. A code made for nothing would
    be one more thing that was there in the same moment."""
    for each in wanted:
        if each.opening_id is None and each.need is not None:
            best = await search(session, caller.program_id, each.need, limit=1, ruled_out=for_a_find(each.need))
            if best and best[0].opening.confidential:
                return True
    named = [each.opening_id for each in wanted if each.opening_id is not None]
    found = select(Opening.id).where(
        Opening.program_id == caller.program_id, Opening.id.in_(named), Opening.confidential
    )
    return bool(named) and await session.scalar(found.limit(1)) is not None


async def _told(
    request: Request, session: AsyncSession, asked: Sought, wanted: Sequence[Wanted], kept: Kept
) -> Response:
    answer = orjson.loads(kept.body)
    if kept.status == 201:
        if not is_part(request):
            return go(request, f"/board/held/{answer['bundle_id']}?{asked.query}")
        held = await _held(session, request.state.caller, answer["claims"])
        return page(request, "board/_held.html", asked=asked, bundle=len(wanted) > 1, **held)
    if "alternatives" not in answer:
        raise _problem(answer)
    refused = await _refused(request, session, asked, wanted, answer)
    return page(request, "board/_refused.html" if is_part(request) else "board/refused.html", 409, **refused)


def _problem(answer: dict[str, Any]) -> Problem:
    """The problem that a kept answer is."""
    facts = {"status": answer["status"], "slug": answer["type"].rpartition("/")[2], "title": answer["title"]}
    kept: type[Problem] = type("KeptProblem", (Problem,), facts)
    return kept(answer["detail"], errors=answer.get("errors", ()))


async def _held(session: AsyncSession, caller: Caller, claims: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What is held, in the template's terms: the places' names are looked up, the rest is what the claim says."""
    ids = [UUID(str(each["opening_id"])) for each in claims]
    terms = await read_terms(session, caller.program_id, ids)
    code = str(claims[0]["participant"])
    return {
        "claims": [
            each | {"place": terms[id].shown, "hold_until": moment(each["hold_until"])}
            for id, each in zip(ids, claims, strict=True)
        ],
        "bundle_id": claims[0]["bundle_id"],
        "code": code,
        # A one-time code has three groups where a participant's has two.
        "one_time": code.count("-") == 2,
    }


async def _refused(
    request: Request, session: AsyncSession, asked: Sought, wanted: Sequence[Wanted], answer: dict[str, Any]
) -> dict[str, Any]:
    offered = answer["alternatives"]
    ids = [UUID(each["opening_id"]) for each in offered]
    lost = [each.opening_id for each in wanted if each.opening_id is not None]
    terms = await read_terms(session, request.state.caller.program_id, [*ids, *lost])
    items = []
    for refused in answer["refused"]:
        opening_id = wanted[refused["item"]].opening_id
        items.append(
            {
                "opening_id": opening_id,
                "place": terms[opening_id].shown if opening_id in terms else None,
                "why": WHY_NOT[refused["reason"]],
            }
        )
    return {
        "asked": asked,
        "items": items,
        "opening_id": lost[0] if len(wanted) == 1 and lost else None,
        "bundle": len(wanted) > 1,
        "beaten": any(refused["reason"] == Reason.FULL for refused in answer["refused"]),
        "cards": alternative_cards(offered, terms, asked.need, asked.near, language_of(request)),
        "nonce": uuid4().hex[:8],
        "new_key": uuid4,
    }


@router.get("/board/held/{bundle_id}")
async def held(
    request: Request, looker: Annotated[Looker, looking(Action.STEER_CLAIM)], session: Session, bundle_id: UUID
) -> Response:
    """What one call holds, for a browser that was sent on from its form."""
    claims = await list_claims(session, looker.caller, bundle_id=bundle_id, limit=MOST_ITEMS)
    if not claims:
        raise NotFound(f"No claims {bundle_id} of yours.")
    asked = await asked_of(request, session, looker.caller)
    found = await _held(session, looker.caller, claims)
    return page(request, "board/held.html", asked=asked, bundle=len(claims) > 1, **found)
