"""All that a route may ask for: Session, requires(Action), IdempotencyKey, IfMatch, the desks."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction
from starlette.requests import HTTPConnection
from starlette.types import Message

from app.access.callers import Caller
from app.access.idempotency import Kept, begin, fingerprint, keep
from app.access.keys import Gate
from app.access.roles import Action
from app.core.database import Database
from app.core.problems import (
    MEDIA_TYPE,
    BadRequest,
    IdempotencyKeyRequired,
    PreconditionRequired,
    Problem,
    TooLarge,
    Unauthorized,
)
from app.core.rendering import to_json
from app.delivery.hub import Hub
from app.market.desk import Desk, Desks

bearer = HTTPBearer(auto_error=False, description="A key made by `openberth key create`.")
"""Only describes the header in OpenAPI; `caller_of` reads it."""

MAX_BODY_BYTES = 256 * 1024
"""More than the largest bundle takes, and little enough that nobody fills the memory with bodies."""

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class State:
    """What the application keeps for its routes, at `app.state.house`."""

    def __init__(self, database: Database, desks: Desks, *, live_sockets: int = 10_000) -> None:
        self.database = database
        self.desks = desks
        self.gate = Gate(database)
        self.hub = Hub(database, self.gate, most=live_sockets)


def state_of(connection: HTTPConnection) -> State:
    """The application's state."""
    house: State = connection.app.state.house
    return house


async def caller_of(connection: HTTPConnection) -> Caller:
    """The caller, from `Authorization: Bearer <key>`, of a request or a socket. Raises Unauthorized."""
    scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise Unauthorized("Send your key as `Authorization: Bearer <key>`.")
    return await state_of(connection).gate.caller(secret.strip())


def requires(action: Action) -> Any:
    """A dependency: the caller, if the permission table lets them do `action`."""

    async def permitted(request: Request) -> Caller:
        caller = await caller_of(request)
        caller.require(action)
        request.state.caller = caller
        return caller

    return Depends(permitted)


async def body_of(request: Request) -> bytes:
    """The body. Raises TooLarge before more than the limit is read; FastAPI's own limit answers in plain text."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise TooLarge(f"The body is longer than {MAX_BODY_BYTES // 1024} KiB.")
        parts.append(part)
    return b"".join(parts)


async def _limited(request: Request) -> Request:
    """The same request, its body read and found to be short enough."""
    body = await body_of(request)

    async def received() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(request.scope, received)


def idempotency_key(request: Request) -> str | None:
    """The request's `Idempotency-Key`, None without one. Raises BadRequest for one that can't be kept."""
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise BadRequest("An Idempotency-Key is 1 to 255 visible ASCII characters; a UUID is a good one.")
    return key


async def required_key(
    request: Request,
    idempotency_key_header: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="Required. Repeat the call with the same key and body until an answer arrives.",
        ),
    ] = None,
) -> str:
    """The `Idempotency-Key` of a call that must have one. Raises IdempotencyKeyRequired, BadRequest."""
    key = idempotency_key(request)
    if key is None:
        raise IdempotencyKeyRequired(
            "Send an Idempotency-Key header, such as a new UUID, and the same one when you try again:"
            " so a claim whose answer got lost is never made twice."
        )
    return key


RequiredKey = Annotated[str, Depends(required_key)]


class Once:
    """A request under its `Idempotency-Key`, with the savepoint that a refusal goes back to."""

    def __init__(self, session: AsyncSession, caller: Caller, key: str, savepoint: AsyncSessionTransaction) -> None:
        self.session = session
        self.caller = caller
        self.key = key
        self.savepoint = savepoint


class Replay(Exception):
    """The key already has its answer."""

    def __init__(self, kept: Kept) -> None:
        super().__init__("answered before")
        self.kept = kept


async def open_session(request: Request) -> AsyncIterator[AsyncSession]:
    """A transaction for the caller's program, committed before the answer leaves.

    An unsafe call with an `Idempotency-Key` takes its key here; `OnceRoute` keeps the answer.
    """
    caller: Caller = request.state.caller
    reads = request.method == "GET"
    async with state_of(request).database.transaction(caller.program_id, str(caller.id), reads=reads) as session:
        key = None if reads else idempotency_key(request)
        if key is not None:
            # The precondition is part of what is asked: with another ETag it is another request.
            precondition = request.headers.get("if-match", "").encode()
            asked = fingerprint(request.method, request.url.path, await request.body() + precondition)
            if (kept := await begin(session, caller, key, asked)) is not None:
                raise Replay(kept)
            request.state.once = Once(session, caller, key, await session.begin_nested())
        yield session


Session = Annotated[AsyncSession, Depends(open_session, scope="function")]


def answer(kept: Kept) -> Response:
    """A kept answer as a response: the same bytes every time."""
    media_type = MEDIA_TYPE if kept.status >= 400 else "application/json"
    return Response(kept.body, kept.status, {"ETag": kept.etag} if kept.etag else None, media_type)


class OnceRoute(APIRoute):
    """A route whose answer is kept under the call's `Idempotency-Key`, in the transaction of what it did.

    A refusal is kept too: what the call did is rolled back to the savepoint, and the key keeps the problem.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler around FastAPI's own; the session is still open when that returns."""
        handle: Callable[[Request], Awaitable[Response]] = super().get_route_handler()

        async def once(request: Request) -> Response:
            try:
                response = await handle(request if request.method == "GET" else await _limited(request))
            except Replay as replay:
                return answer(replay.kept)
            except Problem as problem:
                taken: Once | None = getattr(request.state, "once", None)
                if taken is None or problem.status >= 500:
                    raise
                await taken.savepoint.rollback()
                kept = Kept(problem.status, to_json(problem.document()))
                await keep(taken.session, taken.caller, taken.key, kept)
                return answer(kept)
            taken = getattr(request.state, "once", None)
            if taken is not None:
                kept = Kept(response.status_code, bytes(response.body), response.headers.get("etag"))
                await keep(taken.session, taken.caller, taken.key, kept)
            return response

        return once


async def if_match(
    request: Request,
    if_match_header: Annotated[
        str | None, Header(alias="If-Match", description="The ETag of what you are changing, or *.")
    ] = None,
) -> int | None:
    """The version in `If-Match`; None for `*`. Raises PreconditionRequired, BadRequest."""
    value = request.headers.get("if-match")
    if value is None:
        raise PreconditionRequired("Send the ETag that you last read as If-Match, so that no change gets lost.")
    if value.strip() == "*":
        return None
    match = re.fullmatch(r'"v(\d{1,9})"', value.strip())
    if match is None:
        raise BadRequest('If-Match must be an ETag as it was sent, such as "v3", or *.')
    return int(match[1])


IfMatch = Annotated[int | None, Depends(if_match)]


def etag(version: int) -> str:
    """The entity tag of a version."""
    return f'"v{version}"'


def desk_of(request: Request, caller: Caller) -> Desk:
    """The desk of the caller's program."""
    return state_of(request).desks.of(caller.program_id)
