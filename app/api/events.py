"""The ordered log as pages: for whoever polls, and to look back."""

from time import monotonic
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request
from pydantic import Field

from app.access.callers import Caller
from app.access.roles import Action
from app.api.errors import documented
from app.api.fields import Moment, Out
from app.api.routing import face
from app.core.problems import Gone, Invalid
from app.delivery.log import Entry, Extent, extent, read
from app.delivery.views import MAX_NUMBER
from app.delivery.vocabulary import KINDS, VERSION
from app.dependencies import caller_of, requires, state_of

router = face("live")

LOOK_SECONDS = 5.0
"""How often a long poll reads the log though nobody said that it has grown."""


class EventOut(Out):
    """An event. Its payload by type, and what each means, is in openapi/asyncapi.json."""

    number: Annotated[int, Field(description="Its place in the program's log, without gaps and in commit order.")]
    type: Annotated[str, Field(examples=["opening.changed"])]
    version: Annotated[int, Field(description="Of the payload.")]
    at: Moment
    subject_id: Annotated[UUID, Field(description="What it is about: an opening, a claim, …")]
    data: Annotated[dict[str, Any], Field(description="The payload: ids and counts.")]


class EventsOut(Out):
    """A page of the log. Numbers that are missing are of events that are not for you."""

    items: list[EventOut]
    next: Annotated[int, Field(description="Ask for what comes after this next, whether there were items or not.")]
    latest: Annotated[int, Field(description="The newest number of all.")]


def _types(given: str | None) -> frozenset[str] | None:
    if given is None:
        return None
    types = frozenset(name.strip() for name in given.split(",") if name.strip())
    if unknown := sorted(types - KINDS.keys()):
        raise Invalid.at("types", f"{', '.join(map(repr, unknown))}: the types are {', '.join(KINDS)}.")
    return types


def _out(entry: Entry) -> EventOut:
    kind = KINDS.get(entry.type)
    return EventOut(
        number=entry.number,
        type=entry.type,
        version=kind.version if kind else VERSION,
        at=entry.at,
        subject_id=entry.subject_id,
        data=entry.data,
    )


async def _page(request: Request, caller: Caller, after: int, limit: int) -> tuple[Extent, list[Entry]]:
    """The next numbers. Raises Gone. A transaction of its own: none is open while the poll sleeps."""
    database = state_of(request).database
    async with database.transaction(caller.program_id, str(caller.id), reads=True, steady=True) as session:
        found = await extent(session, caller.program_id)
        if after > found.latest:
            raise Gone(
                f"The log ends at {found.latest}: it is not the one you read. Take a snapshot.", latest=found.latest
            )
        if not found.holds_all_after(after):
            raise Gone(
                f"The log begins at {found.oldest} by now. Take a snapshot, such as a search, and go on after"
                f" {found.latest}.",
                oldest=found.oldest,
                latest=found.latest,
            )
        return found, list(await read(session, caller.program_id, after, limit))


@router.get("/events", responses=documented(410))
async def read_events(
    request: Request,
    caller: Annotated[Caller, requires(Action.READ_EVENTS)],
    after: Annotated[int, Query(ge=0, le=MAX_NUMBER, description="The last number you have; 0 for the beginning.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many numbers to look through.")] = 200,
    wait: Annotated[float, Query(ge=0, le=30, description="Seconds to hold the answer until there is something.")] = 0,
    types: Annotated[str | None, Query(max_length=1000, description="Only these types, separated by commas.")] = None,
) -> EventsOut:
    """What happened after a number, in order, as far as you may see it."""
    chosen = _types(types)
    until = monotonic() + wait
    while True:
        found, entries = await _page(request, caller, after, limit)
        items = [_out(entry) for entry in entries if (chosen is None or entry.type in chosen) and entry.seen_by(caller)]
        after = entries[-1].number if entries else after
        left = until - monotonic()
        if items or left <= 0 or await request.is_disconnected():
            return EventsOut(items=items, next=after, latest=found.latest)
        if after == found.latest:
            await state_of(request).hub.news(caller.program_id, min(left, LOOK_SECONDS))
            # A key may have been revoked while the poll slept.
            caller = await caller_of(request)
            caller.require(Action.READ_EVENTS)
