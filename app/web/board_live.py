"""The board's live stream: what each change means for the cards that are on somebody's screen."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.responses import StreamingResponse

from app.access.callers import Caller
from app.access.roles import Action
from app.delivery.views import MAX_NUMBER, Wanted
from app.dependencies import state_of
from app.market.needs import Need
from app.web.board_cards import ago, known, unit_words
from app.web.board_need import asked_of
from app.web.languages import Language
from app.web.live import stream
from app.web.looker import show, signed_in
from app.web.pages import language_of, render
from app.web.routing import pages

router = pages("board")


@router.get("/board/live")
async def live(
    request: Request,
    caller: Annotated[Caller, signed_in(Action.CLAIM)],
    resume_after: Annotated[int, Query(ge=0, le=MAX_NUMBER)],
) -> StreamingResponse:
    """Changes of what the board is asked for, from the number at which a page was rendered."""
    caller.require(Action.READ_EVENTS)
    # A short transaction of its own: a stream may last for hours.
    async with state_of(request).database.transaction(caller.program_id, str(caller.id), reads=True) as session:
        await show(request, session, caller)
        asked = await asked_of(request, session, caller)
    language = language_of(request)

    def shown(message: dict[str, Any]) -> str:
        return render(request, "board/_news.html", **news(message, asked.need, language)) if _tells(message) else ""

    return await stream(request, caller, Wanted(**dict(asked.need), resume_after=resume_after), shown)


def _tells(message: dict[str, Any]) -> bool:
    return message["type"] in {"snapshot", "changes"}


def news(message: dict[str, Any], need: Need, language: Language) -> dict[str, Any]:
    """A message in the template's terms. After a snapshot all that is shown is void: the page asks anew."""
    items = message.get("items", [])
    return {
        "again": message["type"] == "snapshot",
        "gone": [item["opening_id"] for item in items if not item.get("fits", True)],
        "fitting": [_fitting(item, need, language) for item in items if item.get("fits")],
        "matched": [item["watch"]["watch_id"] for item in items if item["type"] == "watch.matched"],
    }


def _fitting(item: dict[str, Any], need: Need, language: Language) -> dict[str, Any]:
    opening = item["opening"]
    until = min(opening["fresh_until"], opening["ends_at"] or opening["fresh_until"], key=datetime.fromisoformat)
    return {
        "id": item["opening_id"],
        "published": item["type"] == "opening.published",
        "ago": ago(language.tag, 0) if item["type"] == "opening.attested" else "",
        "attested_at": item["at"],
        "unit_words": unit_words(opening["unit"], opening["units_open"], language),
        "units_open": opening["units_open"],
        "until": until,
    } | known(
        opening["attributes"],
        opening["minimum_age"],
        opening["maximum_age"],
        opening["languages"],
        need,
        language,
    )
