"""The board: what is open now for a need, as cards that are claimed with one tap."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.roles import Action
from app.casework.participants import recent_codes
from app.delivery.terms import read_terms
from app.dependencies import Session
from app.market.alternatives import alternatives
from app.market.attributes import ATTRIBUTES
from app.market.needs import Need
from app.market.openings import read as read_openings
from app.market.policy import MarketPolicy
from app.market.search import search
from app.market.tables import Opening
from app.program.rules import get_program
from app.web.board_cards import Card, alternative_cards, found_cards, language_name
from app.web.board_need import Item, Sought, asked_of, known_choices, query_of
from app.web.board_watches import watches_on
from app.web.board_words import leading
from app.web.distances import reaches
from app.web.languages import Language
from app.web.live import number_now
from app.web.looker import Looker, looking
from app.web.pages import language_of, page
from app.web.routing import is_part, pages

router = pages("board")

SHOWN = 100
"""How many openings a page has at most: the best."""
RECENT = 6
"""How many of those one claimed for last are offered to be picked."""


@router.get("/board")
@router.post("/board")
async def board(request: Request, looker: Annotated[Looker, looking(Action.CLAIM)], session: Session) -> Response:
    """What is open now. It is posted for a participant, whose code is for no address; nothing changes by it."""
    asked = await asked_of(request, session, looker.caller)
    template = "board/_board.html" if is_part(request) else "board/board.html"
    response = page(request, template, **await shown(request, session, looker, asked))
    if is_part(request):
        response.headers["HX-Replace-Url"] = asked.address
    return response


async def shown(request: Request, session: AsyncSession, looker: Looker, asked: Sought) -> dict[str, Any]:
    """All that the board's templates show."""
    caller, language = looker.caller, language_of(request)
    number = await number_now(session, caller)
    found = await search(session, caller.program_id, asked.need, limit=SHOWN + 1)
    cards = found_cards(found[:SHOWN], asked.need, asked.near, language)
    return {
        "asked": asked,
        "number": number,
        "nonce": uuid4().hex[:8],
        "new_key": uuid4,
        "cards": cards,
        "hold_minutes": await _hold_minutes(session, caller.program_id, asked.need),
        "complete": len(found) <= SHOWN,
        "near_misses": [] if found else await _near_misses(session, caller.program_id, asked, language),
        "tray": await _tray(session, caller.program_id, asked.bundle),
        "watches": await watches_on(session, caller),
        "knows_people": caller.may(Action.ADD_PARTICIPANT),
        "recent": await recent_codes(session, caller, RECENT) if caller.may(Action.READ_PARTICIPANT) else [],
    } | await _choices(session, looker, asked, language)


async def _hold_minutes(session: AsyncSession, program_id: UUID, need: Need) -> int:
    """For how long a claim that finds no network may be sent: the hold it would have had would be over after that."""
    assert need.category is not None, "the board's need has a category"
    policy = MarketPolicy.model_validate((await get_program(session, program_id)).policy)
    hold = policy.complete().rules(need.category).hold
    return hold.minutes or hold.late_minutes


async def _choices(session: AsyncSession, looker: Looker, asked: Sought, language: Language) -> dict[str, Any]:
    known = await known_choices(session, looker.caller.program_id)
    need = asked.need
    assert need.category is not None, "the board's need has a category"
    first = list(dict.fromkeys([*need.needs, *leading(need.category)]))
    names = sorted({*known.languages, *([need.language] if need.language else [])})
    return {
        "cities": list(known.cities),
        "distances": reaches(looker.zone, need.within_km),
        "first_needs": first,
        "other_needs": [name for name in ATTRIBUTES if name not in first],
        "spoken": [(tag, language_name(language.tag, tag)) for tag in names],
        "loosened": list(_loosened(need, asked.near)),
    }


def _loosened(need: Need, near: str) -> Sequence[tuple[str, str, str]]:
    """What somebody may do without when nothing fits: which filter, its value, and the address without it."""
    without: list[tuple[str, str, dict[str, Any]]] = [
        ("needs", name, {"needs": [other for other in need.needs if other != name]}) for name in need.needs
    ]
    if need.within_km is not None:
        without.append(("within_km", "", {"within_km": None}))
    if need.units > 1:
        without.append(("units", "", {"units": 1}))
    if need.language is not None:
        without.append(("language", "", {"language": None}))
    return [(name, value, query_of(need.model_copy(update=change), near)) for name, value, change in without]


async def _near_misses(session: AsyncSession, program_id: UUID, asked: Sought, language: Language) -> list[Card]:
    """What is open with one filter less."""
    offered = await alternatives(session, program_id, asked.need)
    terms = await read_terms(session, program_id, [each["opening_id"] for each in offered])
    return alternative_cards(offered, terms, asked.need, asked.near, language)


async def _tray(session: AsyncSession, program_id: UUID, bundle: Sequence[Item]) -> list[dict[str, Any]]:
    """What has been added, each with whether it could still be claimed."""
    if not bundle:
        return []
    ids = [item.opening_id for item in bundle]
    found = {
        each.opening.id: each for each in await read_openings(session, program_id, Opening.id.in_(ids), limit=len(ids))
    }
    terms = await read_terms(session, program_id, list(found))
    return [
        {
            "item": item,
            "service_name": terms[item.opening_id].shown["service_name"],
            "unit": found[item.opening_id].opening.unit,
            "open": found[item.opening_id].on_board and found[item.opening_id].units_open >= item.units,
        }
        for item in bundle
        if item.opening_id in found
    ]
