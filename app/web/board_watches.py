"""Watches on the board: be told when something that fits appears."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.access.roles import Action
from app.delivery import watches
from app.dependencies import Session
from app.market.needs import Need
from app.web.board_need import asked_of, query_of, written
from app.web.looker import Looker, looking
from app.web.pages import page
from app.web.routing import go, is_part, pages

router = pages("board")


@dataclass(frozen=True, slots=True)
class Shown:
    """A watch that is on, and where its need is shown."""

    id: UUID
    need: Need
    until: datetime
    query: str


async def watches_on(session: AsyncSession, caller: Caller) -> Sequence[Shown]:
    """The caller's own that the board can show."""
    if not caller.may(Action.WATCH):
        return []
    needs = [(each, Need.model_validate(each.need)) for each in await watches.on(session, caller)]
    return [
        Shown(each.id, need, each.until, query_of(need, written(need.near)))
        for each, need in needs
        if need.category is not None
    ]


async def _answer(request: Request, session: AsyncSession, looker: Looker, query: str) -> Response:
    if is_part(request):
        return page(request, "board/_watches.html", watches=await watches_on(session, looker.caller), query=query)
    return go(request, f"/board?{query}")


@router.post("/board/watches")
async def start(request: Request, looker: Annotated[Looker, looking(Action.WATCH)], session: Session) -> Response:
    """Watch for what the board is asked for. Another for the same need would tell the same twice."""
    asked = await asked_of(request, session, looker.caller)
    if all(each.need != asked.need for each in await watches_on(session, looker.caller)):
        await watches.start(session, looker.caller, asked.need, None)
    return await _answer(request, session, looker, asked.query)


@router.post("/board/watches/{watch_id}/end")
async def end(
    request: Request, looker: Annotated[Looker, looking(Action.WATCH)], session: Session, watch_id: UUID
) -> Response:
    """End a watch before its time."""
    asked = await asked_of(request, session, looker.caller)
    await watches.end(session, looker.caller, watch_id)
    return await _answer(request, session, looker, asked.query)
