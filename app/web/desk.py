"""The desk: what a provider has open, kept true with one tap; and what comes in, by itself."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from babel import Locale, UnknownLocaleError
from fastapi import Form, Query, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.roles import Action
from app.delivery.views import MAX_NUMBER, Wanted
from app.dependencies import Session
from app.market import openings
from app.market.vocabulary import DECLINE_REASONS
from app.web.desk_view import seen
from app.web.live import number_now, stream
from app.web.looker import Looker, looking
from app.web.pages import language_of, page
from app.web.routing import go, is_part, pages

router = pages("desk")

Publisher = Annotated[Looker, looking(Action.PUBLISH)]

THEIRS = ("could_not_be_reached", "no_longer_interested", "in_hospital", "incarcerated")
"""The reasons for which another place would be held for nobody: the person can't or won't come."""
OURS = tuple(code for code in DECLINE_REASONS if code not in THEIRS)
"""The reasons that lie with this place: another may well take the person."""


def _tongue(request: Request) -> Callable[[str], str]:
    """Says what a language is called, by its tag; one that nobody knows by its tag alone."""
    locale = language_of(request).locale

    def tongue(tag: str) -> str:
        try:
            return Locale.parse(tag, sep="-").get_display_name(locale) or tag
        except (UnknownLocaleError, ValueError):
            return tag

    return tongue


async def _shown(request: Request, looker: Looker, session: AsyncSession, template: str, **values: Any) -> Response:
    values |= await seen(session, looker.caller)
    return page(request, template, tongue=_tongue(request), ours=OURS, theirs=THEIRS, **values)


async def shown(request: Request, looker: Looker, session: AsyncSession) -> Response:
    """The desk after something was done at it: anew where htmx asked, else by way of its address."""
    if not is_part(request):
        return go(request, "/desk")
    return await _shown(request, looker, session, "desk/_desk.html")


@router.get("/desk")
async def desk(request: Request, looker: Publisher, session: Session) -> Response:
    """The desk, or what is on it."""
    if is_part(request):
        return await shown(request, looker, session)
    # The number first: whatever changes from here on is told, though it may be on the page already.
    number = await number_now(session, looker.caller)
    return await _shown(request, looker, session, "desk/desk.html", number=number)


@router.get("/desk/live")
async def live(request: Request, looker: Publisher, after: Annotated[int, Query(ge=0, le=MAX_NUMBER)]) -> Response:
    """Tells the desk that something of its organization has changed; the desk then reads it anew.

    What an event carries is less than a card shows, such as the code and the needs.
    """
    wanted = Wanted(own_organization=True, own_claims=True, resume_after=after)
    return await stream(request, looker.caller, wanted, lambda told: "" if told["type"] == "heartbeat" else "changed")


@router.post("/desk/attest")
async def attest_all(request: Request, looker: Publisher, session: Session) -> Response:
    """All still true."""
    await openings.attest_all(session, looker.caller)
    return await shown(request, looker, session)


@router.post("/desk/openings/{opening_id}/attest")
async def attest(request: Request, looker: Publisher, session: Session, opening_id: UUID) -> Response:
    """This one is still true."""
    await openings.attest(session, looker.caller, opening_id, None)
    return await shown(request, looker, session)


@router.post("/desk/openings/{opening_id}/adjust")
async def adjust(
    request: Request,
    looker: Publisher,
    session: Session,
    opening_id: UUID,
    by: Annotated[int, Form(ge=-1, le=1)],
) -> Response:
    """One more, or one fewer."""
    await openings.adjust(session, looker.caller, opening_id, by)
    return await shown(request, looker, session)


@router.post("/desk/openings/{opening_id}/withdraw")
async def withdraw(request: Request, looker: Publisher, session: Session, opening_id: UUID) -> Response:
    """Off the board for good."""
    await openings.withdraw(session, looker.caller, opening_id)
    return await shown(request, looker, session)
