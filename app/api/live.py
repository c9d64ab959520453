"""Live: a WebSocket and a stream of server-sent events on one path. First a snapshot, then every change."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Annotated, Any

import orjson
from fastapi import Depends, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from pydantic import ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.access.callers import Caller
from app.access.roles import Action
from app.api.errors import from_validation, rendered
from app.api.openings import need_of_query
from app.api.routing import face
from app.api.wire import push_of
from app.core.problems import BadRequest, Problem
from app.delivery.frames import message
from app.delivery.hub import Hub
from app.delivery.listener import Ended
from app.delivery.views import MAX_NUMBER, Wanted
from app.dependencies import caller_of, passport_of, requires, state_of, who
from app.market.needs import Need

router = face("live")

FIRST_SECONDS = 10.0
"""How long a socket may take to say what it wants."""
FIRST_BYTES = 16 * 1024

BAD_REQUEST = 4000
"""The close code for a first message that can't be accepted; the message before it names the fields."""


async def wanted_of_query(
    need: Annotated[Need, Depends(need_of_query)],
    own_organization: bool = False,
    own_claims: bool = False,
    resume_after: Annotated[int | None, Query(ge=0, le=MAX_NUMBER)] = None,
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", description="Sent by browsers that connect again.")
    ] = None,
) -> Wanted:
    """What a query string asks to listen for. `Last-Event-ID` is the younger of the two numbers."""
    if last_event_id is not None and last_event_id.isdecimal() and int(last_event_id) <= MAX_NUMBER:
        resume_after = int(last_event_id)
    return Wanted(**dict(need), own_organization=own_organization, own_claims=own_claims, resume_after=resume_after)


@router.get(
    "/live",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "openapi/asyncapi.json describes the events."}
    },
)
async def listen_to_events(
    request: Request,
    caller: Annotated[Caller, requires(Action.READ_EVENTS)],
    wanted: Annotated[Wanted, Depends(wanted_of_query)],
) -> StreamingResponse:
    """Server-sent events: `snapshot`, `changes`, `heartbeat`, `end`; each `id` is the number it is true at."""
    listening = state_of(request).hub.listen(caller, wanted, passport_of(request))
    # Entered here, so that what is wrong is still a problem document and not a broken stream.
    first, listener = await listening.__aenter__()

    async def stream() -> AsyncIterator[str]:
        try:
            for text in first:
                yield _event(text, listener.told)
            while True:
                frame = await listener.next()
                yield _event(frame.text, frame.number)
        except Ended as ended:
            yield _event(ended.text, None)
        finally:
            await listening.__aexit__(None, None, None)

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream(), media_type="text/event-stream", headers=headers)


def _event(text: str, number: int | None) -> str:
    """A message as a server-sent event, named by its type."""
    kind = text[9 : text.index('"', 9)]
    head = "" if number is None else f"id: {number}\n"
    return f"{head}event: {kind}\ndata: {text}\n\n"


class LiveSocket:
    """`WS /v1/live`, before the router and what it wraps every message in: that is paid for by thousands of sockets."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The socket, or whatever else is asked for."""
        if scope["type"] == "websocket" and scope["path"] == "/v1/live":
            await self._serve(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    @staticmethod
    async def _serve(scope: Scope, receive: Receive, send: Send) -> None:
        """Callers without a header or a cookie name their key in the first message.

        Only a page lacks the header, for browsers can't send it: it must be a page of ours, whoever's key it knows.
        """
        websocket = WebSocket(scope, receive, send)
        try:
            if "origin" in websocket.headers and "authorization" not in websocket.headers:
                state_of(websocket).site.require_own_page(websocket.headers)
            if known := _credentials(websocket):
                (await caller_of(websocket)).require(Action.READ_EVENTS)
        except Problem as problem:
            await websocket.send_denial_response(rendered(problem))
            return
        await websocket.accept()
        try:
            wanted = await _first(websocket)
            # Counted as a request once, here or above; it is asked again, for what a socket was told may be long ago.
            caller = await (who if known else caller_of)(websocket)
            caller.require(Action.READ_EVENTS)
            await _tell(websocket, caller, wanted)
        except Problem as problem:
            document = problem.document()
            await _close(websocket, message(document | {"type": "end", "problem": document["type"]}), _code(problem))
        except Ended as ended:
            await _close(websocket, ended.text, ended.code)
        except (WebSocketDisconnect, RuntimeError, OSError):
            # It is gone, which is its right; starlette and the server raise these for a message after that.
            return


async def _tell(websocket: WebSocket, caller: Caller, wanted: Wanted) -> None:
    """Everything, until it ends. Raises Ended, Problem, and what a socket that has gone raises."""
    hub = state_of(websocket).hub
    async with hub.listen(caller, wanted, passport_of(websocket), push_of(websocket.scope)) as (first, listener):
        for text in first:
            await websocket.send_text(text)
        gone = asyncio.create_task(_until_gone(websocket, listener.end))
        try:
            while True:
                await websocket.send_text((await listener.next()).text)
        finally:
            gone.cancel()


def _code(problem: Problem) -> int:
    codes = {401: Ended.UNAUTHORIZED, 403: Ended.FORBIDDEN, 503: 1013}
    return codes.get(problem.status, BAD_REQUEST)


async def _close(websocket: WebSocket, text: str, code: int) -> None:
    with suppress(WebSocketDisconnect, RuntimeError, OSError):
        await websocket.send_text(text)
        await websocket.close(code)


def _credentials(websocket: WebSocket) -> bool:
    """Whether the request itself says who is calling."""
    return "authorization" in websocket.headers or state_of(websocket).site.session_cookie in websocket.cookies


async def _first(websocket: WebSocket) -> Wanted:
    """What the first message asks for. An `authorization` in it stands for the header that browsers can't send.

    Raises BadRequest, Unauthorized, Invalid.
    """
    try:
        async with asyncio.timeout(FIRST_SECONDS):
            text = await websocket.receive_text()
    except TimeoutError:
        raise BadRequest(f"Say within {FIRST_SECONDS:.0f} seconds what you want; {{}} is everything open.") from None
    except KeyError:
        raise BadRequest("The first message is text: a JSON object.") from None
    try:
        asked = orjson.loads(text) if len(text) <= FIRST_BYTES else None
    except orjson.JSONDecodeError:
        asked = None
    if not isinstance(asked, dict):
        raise BadRequest("The first message is a JSON object that says what you want; {} is everything open.")
    authorization = asked.pop("authorization", None)
    if "authorization" not in websocket.headers and isinstance(authorization, str):
        # From here on the socket is as if it had come with the header.
        websocket.scope["headers"] = [
            *websocket.scope["headers"],
            (b"authorization", authorization.encode("latin-1", "replace")),
        ]
        del websocket.__dict__["_headers"]
    try:
        return Wanted.model_validate(asked)
    except ValidationError as error:
        raise from_validation(
            RequestValidationError([{**e, "loc": ("message", *e["loc"])} for e in error.errors()])
        ) from None


async def _until_gone(websocket: WebSocket, end: Any) -> None:
    """Wait for the client to leave, or to say something more, which nobody asked for."""
    received = await websocket.receive()
    if received["type"] == "websocket.disconnect":
        end(Ended(1000, "gone", "The client has left."))
    else:
        end(Ended(BAD_REQUEST, "bad_request", "One message says what you want. Open another socket for more."))


@contextmanager
def farewell(hub: Hub) -> Iterator[None]:
    """Send streams away as soon as the process is asked to end: the server waits for answers that are under way, and
    a stream never ends by itself."""
    loop = asyncio.get_running_loop()
    before: dict[int, Any] = {}

    def asked(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(hub.close)
        before[number](number, frame)

    for number in (int(signal.SIGTERM), int(signal.SIGINT)):
        handler = signal.getsignal(number)
        # Nothing to do where nobody listens for signals: under tests, or in a thread.
        if callable(handler) and handler is not signal.default_int_handler:
            with suppress(ValueError):
                before[number] = handler
                signal.signal(number, asked)
    try:
        yield
    finally:
        for number, handler in before.items():
            with suppress(ValueError):
                signal.signal(number, handler)
