"""All that a route may ask for: Session, requires(Action), IdempotencyKey, IfMatch, the key ring, the desks."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Request, Response
from fastapi.openapi.models import OAuthFlowClientCredentials, OAuthFlows
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer, OAuth2
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.callers import Caller
from app.access.gate import Gate
from app.access.idempotency import Kept, begin, fingerprint, keep
from app.access.last_use import LastUse
from app.access.limits import Header as LimitHeader
from app.access.limits import Limits
from app.access.openid_sign_in import OpenIdDoor
from app.access.permissions import SCOPES
from app.access.roles import Action
from app.access.session_gate import SessionGate
from app.access.sessions import Lasting
from app.access.sign_in import Door
from app.access.site import SAFE_METHODS, Site
from app.core.database import Database
from app.core.keyring import Keyring
from app.core.problems import (
    MEDIA_TYPE,
    BadRequest,
    IdempotencyKeyRequired,
    NotKept,
    PreconditionRequired,
    Problem,
    TooLarge,
    Unauthorized,
)
from app.core.rendering import to_json
from app.core.settings import Settings
from app.delivery.hub import Hub
from app.delivery.listener import Passport
from app.market.desk import Desk, Desks
from app.program.overview import Overviews

bearer = HTTPBearer(auto_error=False, description="A key, or an access token got with one.")
"""Only describes the header in OpenAPI; `caller_of` reads it."""

TOKEN_PATH = "/v1/oauth/token"  # noqa: S105 - where tokens are got, and none itself
oauth = OAuth2(
    flows=OAuthFlows(
        clientCredentials=OAuthFlowClientCredentials(
            tokenUrl=TOKEN_PATH, scopes={scope: "; ".join(sorted(actions)) for scope, actions in SCOPES.items()}
        )
    ),
    description="An access token in place of the key: see docs/keys.md.",
    auto_error=False,
)
"""The other thing that the same header may carry."""

MAX_BODY_BYTES = 256 * 1024
"""More than the largest bundle takes, and little enough that nobody fills the memory with bodies."""

LIMIT_HEADERS = "openberth.limits"
"""Where a request's scope keeps the header fields that its answer gets besides its own: those of the site, and what is
left of the caller's quota."""

PERSON = "openberth.person"
"""Whether a request's scope says that a page was asked for: what goes wrong is told to a person then."""

UNATTENDED = "x-unattended"
"""The header of what a page asks by itself, without anybody there: no use of a session, which ends as if idle."""

CALLER = "openberth.caller"
"""Where a request's scope keeps its caller, for the log line of a refusal."""

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class WithLimits:
    """Puts on every answer, refusals too, what it tells a browser and the caller's rate limit.

    Plain ASGI, and the bytes made once: the claim goes through it.
    """

    def __init__(self, app: ASGIApp, always: Sequence[LimitHeader]) -> None:
        """`always`: the fields that go with every answer. A route that brings another policy replaces it there."""
        self.app = app
        self.always = always

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, with the header fields that `caller_of` left in the scope."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = scope[LIMIT_HEADERS] = list(self.always)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        await self.app(scope, receive, sending)


class State:
    """What the application keeps for its routes, at `app.state.house`."""

    def __init__(self, database: Database, desks: Desks, keyring: Keyring, limits: Limits, settings: Settings) -> None:
        lasting = Lasting(timedelta(minutes=settings.session_idle_minutes), timedelta(hours=settings.session_hours))
        self.database = database
        self.desks = desks
        self.keyring = keyring
        self.limits = limits
        self.last_use = LastUse()
        self.gate = Gate(database, limits, self.last_use)
        self.sessions = SessionGate(database, lasting.idle)
        self.site = Site(settings.public_url)
        self.sends_mail = settings.smtp_url is not None
        self.local_push = settings.allow_local_push
        self.local_issuers = settings.allow_local_issuers
        self.local_webhooks = settings.allow_local_webhooks
        self.door = Door(database, self.sessions, self.site, keyring, lasting)
        self.openid_door = OpenIdDoor(self.door, local=settings.allow_local_issuers)
        self.overviews = Overviews(database)
        self.hub = Hub(database, self.gate, self.sessions, most=settings.live_sockets)


def state_of(connection: HTTPConnection) -> State:
    """The application's state."""
    house: State = connection.app.state.house
    return house


def address_of(request: HTTPConnection) -> str:
    """Where the request came from. Behind a proxy uvicorn puts the client's address here, if it trusts the proxy."""
    client = request.scope.get("client")
    return client[0] if client else ""


House = Annotated[State, Depends(state_of)]


async def who(request: HTTPConnection) -> Caller:
    """Whose request or socket this is: the key's in `Authorization: Bearer <key>`, or else the person's whose session's
    cookie came along.

    A key anywhere else, such as in the URL, is not looked for: it would end in logs and histories. A cookie comes along
    with whatever page makes a browser call, so with it an unsafe call or a socket must come from a page of ours. Raises
    Unauthorized, CrossSite, TooManyRequests.
    """
    house = state_of(request)
    authorization = request.headers.get("authorization")
    if authorization is None and (token := request.cookies.get(house.site.session_cookie)):
        # A socket has no method: a browser adds the cookie to it, whoever's page it is, and asks nobody.
        if request.scope.get("method") not in SAFE_METHODS:
            house.site.require_own_page(request.headers)
        return await (house.sessions.held(token) if UNATTENDED in request.headers else house.sessions.person(token))
    scheme, _, secret = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise Unauthorized("Send your key as `Authorization: Bearer <key>`.")
    return await house.gate.caller(secret.strip(), address_of(request))


async def caller_of(request: HTTPConnection) -> Caller:
    """The caller, with this request counted. Raises Unauthorized, CrossSite, TooManyRequests."""
    caller = await who(request)
    request.scope[CALLER] = caller
    state_of(request).limits.count(caller.id, request.scope.setdefault(LIMIT_HEADERS, []))
    return caller


def passport_of(connection: HTTPConnection) -> Passport:
    """What this caller, who is known, showed to be let in: for it they are asked for while they stay connected."""
    authorization = connection.headers.get("authorization")
    if authorization is None:
        return Passport(connection.cookies[state_of(connection).site.session_cookie], is_session=True)
    return Passport(authorization.partition(" ")[2].strip())


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


async def limited(request: Request) -> Request:
    """The same request, its body read and found to be short enough. Raises TooLarge."""
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


Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def secret_answer(endpoint: Endpoint) -> Endpoint:
    """Marks a route that is told or answers a secret, or who somebody is: nothing of either is kept under a key.

    The call is still made once. Tried again, it answers 409 `answer-not-kept` with the `location` that the route gave:
    the fingerprint leaves out the body, from whose hash a name or a password could be guessed. A refusal is kept as
    ever.
    """
    endpoint.__dict__["secret_answer"] = True
    return endpoint


def _is_secret(endpoint: Any) -> bool:
    return bool(getattr(endpoint, "secret_answer", False))


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
    async with state_of(request).door.transaction(caller.program_id, str(caller.id), reads=reads) as session:
        key = None if reads else idempotency_key(request)
        if key is not None:
            # The precondition is part of what is asked: with another ETag it is another request.
            precondition = request.headers.get("if-match", "").encode()
            body = b"" if _is_secret(request.scope["endpoint"]) else await request.body()
            asked = fingerprint(request.method, request.url.path, body + precondition)
            if (kept := await begin(session, caller, key, asked)) is not None:
                raise Replay(kept)
            request.state.once = Once(session, caller, key, await session.begin_nested())
        yield session


Session = Annotated[AsyncSession, Depends(open_session, scope="function")]


def _not_kept(request: Request, response: Response) -> Kept:
    """What is kept in place of an answer that must not be."""
    location = response.headers.get("location", request.url.path)
    done = NotKept(
        "This call was done when it was first sent. What its answer showed is shown once and not kept:"
        f" go on from {location}.",
        location=location,
    )
    return Kept(done.status, to_json(done.document()))


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
                response = await handle(request if request.method == "GET" else await limited(request))
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
                secret = _is_secret(self.endpoint)
                kept = Kept(response.status_code, bytes(response.body), response.headers.get("etag"))
                await keep(taken.session, taken.caller, taken.key, _not_kept(request, response) if secret else kept)
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


async def keyring_of(request: Request) -> Keyring:
    """The key ring of this server."""
    return state_of(request).keyring


Ring = Annotated[Keyring, Depends(keyring_of)]


def desk_of(request: Request, caller: Caller) -> Desk:
    """The desk of the caller's program."""
    return state_of(request).desks.of(caller.program_id)
