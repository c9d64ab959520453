"""My claims: what one holds, most urgent first, live; and what is over."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Request
from fastapi.responses import Response, StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.access.roles import Action
from app.delivery.views import Wanted
from app.dependencies import Session
from app.market.own_claims import past
from app.web.live import number_now, stream
from app.web.looker import Looker, looking, signed_in
from app.web.my_claims_shown import SECTIONS, listed, shown
from app.web.pages import language_of, page
from app.web.routing import pages

router = pages("my claims")

Worker = Annotated[Looker, looking(Action.STEER_CLAIM)]
Whose = Literal["mine", "ours"]
A_PAGE = 20
"""How many past claims a page has."""


async def claims_part(request: Request, session: AsyncSession, looker: Looker, whose: Whose) -> Response:
    """The claims that go on, as the part that htmx puts in place of itself."""
    return page(request, "claims/_claims.html", whose=whose, sections=await _sections(request, session, looker, whose))


async def _sections(request: Request, session: AsyncSession, looker: Looker, whose: Whose) -> list[tuple[str, Any]]:
    found = await listed(session, looker.caller, datetime.now(UTC), mine=whose == "mine")
    speak = language_of(request).gettext
    return [(speak(SECTIONS[name]), together) for name, together in found]


@router.get("/claims")
async def my_claims(request: Request, looker: Worker, session: Session, whose: Whose = "mine") -> Response:
    """What one holds, or all that one's organization does."""
    number = await number_now(session, looker.caller)
    sections = await _sections(request, session, looker, whose)
    return page(request, "claims/claims.html", whose=whose, sections=sections, number=number)


@router.get("/claims/now")
async def now(request: Request, looker: Worker, session: Session, whose: Whose = "mine") -> Response:
    """The same without the page around it."""
    return await claims_part(request, session, looker, whose)


@router.get("/claims/live")
async def live(
    request: Request,
    caller: Annotated[Caller, signed_in(Action.STEER_CLAIM)],
    after: Annotated[int, Query(ge=0, le=2**62)],
) -> StreamingResponse:
    """Says that claims of one's organization have changed, as they do: what shows them asks for them again."""
    wanted = Wanted(own_organization=True, own_claims=True, resume_after=after)
    return await stream(request, caller, wanted, _changed)


def _changed(message: dict[str, Any]) -> str:
    if message["type"] == "snapshot":
        return "claims"
    return "claims" if any("claim" in item for item in message.get("items", ())) else ""


@router.get("/claims/past")
async def over(
    request: Request, looker: Worker, session: Session, whose: Whose = "mine", before: UUID | None = None
) -> Response:
    """The claims that are over, newest first; `before`: those made before this one."""
    found = await past(session, looker.caller, mine=whose == "mine", before=before, limit=A_PAGE + 1)
    following = found[A_PAGE - 1]["id"] if len(found) > A_PAGE else None
    claims = await shown(session, looker.caller, found[:A_PAGE])
    return page(request, "claims/past.html", whose=whose, claims=claims, following=following)
