"""Claims: hold open places in one call, and say what becomes of them."""

import re
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import Field, ValidationError, model_validator
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp, ExceptionHandler, Receive, Scope, Send

from app.access.callers import Caller
from app.access.idempotency import Asked
from app.access.roles import Action
from app.api.errors import ProblemOut, documented
from app.api.fields import Cursor, In, Limit, Line, Moment, Out, Page, Yes, id_from_cursor, id_or_code, to_cursor
from app.api.routing import face
from app.core.problems import BadRequest
from app.dependencies import (
    RequiredKey,
    Session,
    answer,
    body_of,
    caller_of,
    desk_of,
    required_key,
    requires,
)
from app.market import claims
from app.market.calls import Call, Wanted
from app.market.needs import MAX_UNITS, Need
from app.market.vocabulary import (
    DECLINE_REASONS,
    DECLINE_REASONS_VERSION,
    Category,
    ClaimState,
    ReferralResult,
    Unit,
)

MAX_ITEMS = 10
ASKED = "openberth.asked"
"""Where a request's scope keeps what it asks."""
JSON_TYPE = re.compile(r"application/([a-z0-9.+-]+\+)?json\s*(;|$)", re.IGNORECASE)

router = face("claims")
Worker = Annotated[Caller, requires(Action.STEER_CLAIM)]
Provider = Annotated[Caller, requires(Action.RECEIVE_CLAIM)]
Reader = Annotated[Caller, requires(Action.READ_CLAIMS)]


class FindIn(Need):
    """Any opening that meets a need; the best that is still open is taken."""

    category: Category


class ItemIn(In):
    """One thing to hold: units of a named opening, or of any that can be found."""

    opening_id: UUID | None = None
    units: Annotated[int, Field(ge=1, le=MAX_UNITS, strict=True)] = 1
    find: FindIn | None = None

    @model_validator(mode="after")
    def _one_of(self) -> "ItemIn":
        if (self.opening_id is None) == (self.find is None):
            raise ValueError("give either opening_id or find")
        if self.find is not None and "units" in self.model_fields_set:
            raise ValueError("with find, say how many units inside it: find.units")
        return self


class ClaimIn(In):
    """What to hold, and for whom. All of it is held, or none."""

    participant: Annotated[
        Line | None,
        Field(
            description="A participant's id or code. Left out, the call is nobody's: all its claims show a one-time"
            " code, and no identity, consent or disclosure can ever hang on them. An organization that serves"
            " survivors of domestic violence must leave it out."
        ),
    ] = None
    items: Annotated[list[ItemIn], Field(min_length=1, max_length=MAX_ITEMS)]


class ClaimOut(Out):
    """A claim. `participant` is a code: who that is, a provider learns by consent once it is confirmed.

    A call without a participant, or one that ends on a confidential opening, is anonymous as a whole: `participant` is
    then a one-time code, of three groups where a participant's has two. Nothing here leads from it to a person, so give
    it to them.
    """

    id: UUID
    bundle_id: UUID
    opening_id: UUID
    service_id: UUID
    organization_id: UUID
    category: Category
    unit: Unit
    participant: str
    units: int
    state: ClaimState
    held_at: Moment
    hold_until: Moment
    extensions: int
    confirmed_at: Moment | None
    arrived_at: Moment | None
    ended_at: Moment | None
    reason: str | None
    referral_result: Annotated[
        ReferralResult | None,
        Field(description="HUD coordinated-entry result: 1 accepted, 2 client rejected, 3 provider rejected."),
    ]
    replaces_id: UUID | None


class BundleOut(Out):
    """What one call holds."""

    bundle_id: UUID
    claims: list[ClaimOut]


class AlternativeOut(Out):
    """An opening that could be claimed this second. `relaxed` names the one filter that it doesn't meet."""

    item: Annotated[int, Field(description="For which of the call's items.")]
    opening_id: UUID
    service_id: UUID
    service_name: str
    organization_id: UUID
    organization_name: str
    category: Category
    unit: Unit
    units_open: int
    fresh_until: Moment
    distance_km: float | None
    confidential: Annotated[bool, Field(description="Claiming it is anonymous: by a one-time code.")]
    relaxed: str | None
    why: str


class RefusedItem(Out):
    """An item that could not be held."""

    item: int
    reason: str
    detail: str
    unmet_need_id: UUID


class NoOpeningOut(ProblemOut):
    """Nothing is held. What was asked for is recorded as an unmet need, without the person."""

    unmet_need_id: UUID | None = None
    refused: list[RefusedItem] = []
    alternatives: list[AlternativeOut] = []


class WrongStateOut(ProblemOut):
    """The claim's state doesn't allow the step; `state` is what it is now."""

    state: ClaimState | None = None


class DeclineIn(In):
    """Why the provider declines. With `replace`, the person is given the next best place at once, not offered it."""

    reason: Annotated[
        str,
        Field(
            max_length=60,
            description=f"List {DECLINE_REASONS_VERSION}.",
            json_schema_extra={"enum": [*DECLINE_REASONS]},
        ),
    ]
    replace: Yes = False


class DeclinedOut(ClaimOut):
    """The declined claim, and what the person has instead."""

    replaced: Annotated[bool, Field(description="The person holds another place already.")]
    replacement: Annotated[ClaimOut | None, Field(description="That claim, if you may see it.")]
    alternatives: list[AlternativeOut]


class ReasonOut(Out):
    """A reason for declining, and the HUD referral result that it is reported as."""

    code: str
    words: str
    referral_result: ReferralResult
    place_gone: Annotated[bool, Field(description="The place didn't exist: the opening's total goes down.")]


class ReasonsOut(Out):
    """The reasons of one version of the list."""

    version: str
    items: list[ReasonOut]


async def claimed(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer `POST /v1/claims`: caller, key and body are read as `claim`'s signature says, without FastAPI's machinery
    around a call, which costs more than the claim itself. Raises problems, as every route does."""
    request = Request(scope, receive)
    caller = await caller_of(request)
    caller.require(Action.CLAIM)
    key = await required_key(request)
    raw = await body_of(request)
    scope[ASKED] = Asked("POST", scope["path"], raw)
    if not JSON_TYPE.match(request.headers.get("content-type", "")):
        raise BadRequest("Send the body as JSON, with Content-Type: application/json.")
    try:
        body = ClaimIn.model_validate_json(raw)
    except ValidationError as error:
        errors = [{**each, "loc": ("body", *each["loc"])} for each in error.errors(include_url=False)]
        raise RequestValidationError(errors) from None
    response = await claim(request, caller, key, body)
    await response(scope, receive, send)


class DeskRoute(APIRoute):
    """The route of `claim`: what it takes is in OpenAPI, and `claimed` answers it."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What `DeskDoor` leaves: another method, or a path under a prefix."""
        await (claimed if scope["method"] == "POST" else super().handle)(scope, receive, send)


desk_router = face("claims", DeskRoute)
"""The one unsafe route that keeps its answer itself: at the desk, with the batch."""


@desk_router.post(
    "/claims",
    status_code=201,
    response_model=BundleOut,
    responses=documented(s409=NoOpeningOut),
)
async def claim(
    request: Request,
    caller: Annotated[Caller, requires(Action.CLAIM)],
    key: RequiredKey,
    body: ClaimIn,
) -> Response:
    """Hold everything that is asked for, or nothing and say what is open instead.

    Without a `participant`, or where any of it is confidential, the whole call is anonymous: its claims show a one-time
    code and no participant. A caller whose organization serves survivors of domestic violence names none (422).
    `find` chooses a confidential place only for a need that says `survivors`.
    A `201` has been committed. The same key and body get the same answer for ever.
    """
    wanted = tuple(
        Wanted(item.units, opening_id=item.opening_id) if item.find is None else Wanted(item.find.units, need=item.find)
        for item in body.items
    )
    participant = None if body.participant is None else id_or_code(body.participant)
    call = Call(caller, key, request.scope[ASKED], participant, wanted)
    return answer(await desk_of(request, caller).claim(call))


class DeskDoor:
    """`POST /v1/claims`, before the router and what it wraps every message in: that is paid for by every claim."""

    def __init__(self, app: ASGIApp, handlers: Mapping[Any, ExceptionHandler]) -> None:
        """`handlers`: the application's own, for what is raised at the desk."""
        self._app = app
        self._desk = ExceptionMiddleware(claimed, {each: handlers[each] for each in handlers if each is not Exception})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The claim, or whatever else is asked for."""
        if scope["type"] == "http" and scope["path"] == "/v1/claims" and scope["method"] == "POST":
            scope["route"] = desk_router.routes[0]  # As the router would leave it, for the log.
            await self._desk(scope, receive, send)
        else:
            await self._app(scope, receive, send)


@router.get("/claims")
async def list_claims(
    caller: Reader,
    session: Session,
    state: ClaimState | None = None,
    opening_id: UUID | None = None,
    bundle_id: UUID | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[ClaimOut]:
    """The claims that you may see, newest first: your organization's own, and those on its openings."""
    found = await claims.list_claims(
        session,
        caller,
        state=state,
        opening_id=opening_id,
        bundle_id=bundle_id,
        before=id_from_cursor(cursor),
        limit=limit + 1,
    )
    following = to_cursor(found[limit - 1]["id"]) if len(found) > limit else None
    return Page[ClaimOut].model_validate({"items": found[:limit], "next": following})


@router.get("/claims/{claim_id}", responses=documented(404))
async def read_claim(caller: Reader, session: Session, claim_id: UUID) -> ClaimOut:
    """One claim."""
    return ClaimOut.model_validate(await claims.get_claim(session, caller, claim_id))


@router.get("/decline-reasons")
async def list_decline_reasons(caller: Reader) -> ReasonsOut:
    """The coded reasons for declining a claim."""
    return ReasonsOut.model_validate({"version": DECLINE_REASONS_VERSION, "items": list(DECLINE_REASONS.values())})


@router.post("/claims/{claim_id}/decline", responses=documented(404, s409=WrongStateOut))
async def decline(caller: Provider, session: Session, claim_id: UUID, body: DeclineIn) -> DeclinedOut:
    """The provider can't keep its word. The person is offered, or given, the next best place in the same moment."""
    declined = await claims.decline(session, caller, claim_id, body.reason, replace=body.replace)
    return DeclinedOut.model_validate(
        declined.claim
        | {
            "replaced": declined.replaced,
            "replacement": declined.replacement,
            "alternatives": declined.alternatives,
        }
    )


@router.post("/claims/{claim_id}/extend", responses=documented(404, s409=WrongStateOut))
async def extend(caller: Worker, session: Session, claim_id: UUID) -> ClaimOut:
    """Start the hold's time again from now, as often as the program allows."""
    return ClaimOut.model_validate(await claims.extend(session, caller, claim_id))


async def _step(session: Any, caller: Caller, claim_id: UUID, verb: str) -> ClaimOut:
    return ClaimOut.model_validate(await claims.step(session, caller, claim_id, verb))


_STEP: dict[str, Any] = {"responses": documented(404, s409=WrongStateOut)}


@router.post("/claims/{claim_id}/confirm", **_STEP)
async def confirm(caller: Worker, session: Session, claim_id: UUID) -> ClaimOut:
    """The person is coming. The place no longer lapses."""
    return await _step(session, caller, claim_id, "confirm")


@router.post("/claims/{claim_id}/release", **_STEP)
async def release(caller: Worker, session: Session, claim_id: UUID) -> ClaimOut:
    """The place isn't needed any more, and is open again at once."""
    return await _step(session, caller, claim_id, "release")


@router.post("/claims/{claim_id}/arrive", **_STEP)
async def arrive(caller: Provider, session: Session, claim_id: UUID) -> ClaimOut:
    """The person has arrived: a promise kept."""
    return await _step(session, caller, claim_id, "arrive")


@router.post("/claims/{claim_id}/no-show", **_STEP)
async def no_show(caller: Provider, session: Session, claim_id: UUID) -> ClaimOut:
    """The person didn't come. The place is open again."""
    return await _step(session, caller, claim_id, "no-show")


@router.post("/claims/{claim_id}/complete", **_STEP)
async def complete(caller: Provider, session: Session, claim_id: UUID) -> ClaimOut:
    """The stay, treatment or training is over. The place is open again."""
    return await _step(session, caller, claim_id, "complete")
