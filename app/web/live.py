"""Pages that change by themselves: the live stream as parts of a page, for htmx to put in their places."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.delivery.listener import Ended
from app.delivery.log import extent
from app.delivery.views import Wanted
from app.dependencies import passport_of, state_of

EVENTS = "text/event-stream"
_END = "event: end\ndata: %s\n\n"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

Render = Callable[[dict[str, Any]], str]
"""Turns a message of the stream (app/delivery/messages.py) into parts of the page, each with `hx-swap-oob`; empty:
nothing to show of it."""


async def number_now(session: AsyncSession, caller: Caller) -> int:
    """The log's number before what this transaction reads next: whoever resumes after it misses nothing of that."""
    return (await extent(session, caller.program_id)).latest


async def stream(request: Request, caller: Caller, wanted: Wanted, render: Render) -> StreamingResponse:
    """Server-sent events `parts`, each with the number it is true at, and `end` when a page should be loaded anew.

    Raises Busy, and what asking for the caller raises.
    """
    last = request.headers.get("last-event-id", "")
    if last.isdecimal():
        wanted = wanted.model_copy(update={"resume_after": int(last)})
    listening = state_of(request).hub.listen(caller, wanted, passport_of(request))
    # Entered here, so that what is wrong is still answered as a problem and not as a broken stream.
    first, listener = await listening.__aenter__()

    async def parts() -> AsyncIterator[str]:
        try:
            for text in first:
                yield event(text, listener.told)
            while True:
                frame = await listener.next()
                yield event(frame.text, frame.number)
        except Ended as ended:
            yield _END % ended.word
        finally:
            await listening.__aexit__(None, None, None)

    def event(text: str, number: int | None) -> str:
        shown = render(orjson.loads(text))
        # A heartbeat moves the number on, so that whoever connects again asks for little.
        lines = "".join(f"data: {line}\n" for line in shown.splitlines())
        return f"id: {number}\nevent: {'parts' if shown else 'heartbeat'}\n{lines or 'data:'}\n\n"

    return StreamingResponse(parts(), media_type=EVENTS, headers=_HEADERS)


def signed_out() -> Response:
    """The stream of somebody whose session is over: it ends with the word that a live one ends with then. To a page
    for signing in a browser would say that it is no stream, and try again for good."""
    return Response(_END % "unauthorized", media_type=EVENTS, headers=_HEADERS)
