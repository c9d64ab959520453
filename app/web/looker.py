"""Who looks at a page: the person of the session, and what every page says of them."""

from dataclasses import dataclass
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Depends, Request
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.access.roles import Action
from app.core.problems import Unauthorized
from app.dependencies import Session, caller_of
from app.market.policy import zone

LOOKER = "openberth.looker"
"""Where a request's scope keeps who looks."""

_QUESTION = text(
    "SELECT people.name AS name, organizations.name AS organization, programs.name AS program, programs.time_zone"
    "  FROM people"
    "  JOIN organizations ON organizations.program_id = people.program_id AND organizations.id = people.organization_id"
    "  JOIN programs ON programs.program_id = people.program_id"
    " WHERE people.program_id = :program_id AND people.id = :id"
)


class SignedOut(Exception):
    """Nobody is signed in: the page for signing in comes next, and then this one."""


@dataclass(frozen=True, slots=True)
class Looker:
    """The person, what their organization and program are called, and the program's time zone."""

    caller: Caller
    name: str
    organization: str
    program: str
    zone: ZoneInfo

    def may(self, action: str) -> bool:
        """Whether the permission table lets them do this, by the action's name as `Action` has it."""
        return self.caller.may(Action[action])


async def look_up(request: Request, session: AsyncSession, caller: Caller) -> Looker:
    """Who looks at the page that answers this request, from now on."""
    row = (await session.execute(_QUESTION, {"program_id": caller.program_id, "id": caller.id})).one()
    found = Looker(caller, row.name, row.organization, row.program, zone(row.time_zone))
    request.scope[LOOKER] = found
    return found


def asking(action: Action) -> Any:
    """A dependency: the person who asks, if the permission table lets them do `action`; no transaction is opened.

    Raises SignedOut, Forbidden, TooManyRequests.
    """

    async def person(request: Request) -> Caller:
        try:
            caller = await caller_of(request)
        except Unauthorized:
            raise SignedOut from None
        if caller.session_id is None:
            # A key has no name to greet and no page of its own.
            raise SignedOut
        caller.require(action)
        request.state.caller = caller
        return caller

    return Depends(person)


def looking(action: Action) -> Any:
    """A dependency: who looks at a page, if the permission table lets them do `action`. Raises what `asking` does."""

    async def looker(request: Request, caller: Annotated[Caller, asking(action)], session: Session) -> Looker:
        return await look_up(request, session, caller)

    return Depends(looker)
