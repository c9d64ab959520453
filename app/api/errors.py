"""How errors leave the house: problem documents for whatever went wrong, and never a stack trace."""

import logging
from functools import partial
from typing import Any

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.core.metrics import REFUSED
from app.core.problems import MEDIA_TYPE, BadRequest, Busy, Invalid, NotFound, Problem
from app.core.rendering import to_json
from app.dependencies import CALLER, LIMIT_HEADERS, PERSON, address_of

log = logging.getLogger(__name__)

_WATCHED = frozenset({401, 403, 429, 502})
"""What the door, the permission table and the quotas answer, and what is answered for an identity provider at fault."""


class FieldError(BaseModel):
    """One field at fault."""

    field: str = Field(examples=["items.0.units"])
    message: str


class ProblemOut(BaseModel):
    """A problem (RFC 9457). `detail` says what to do; `errors` names the fields at fault."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] = []


_TITLES = {
    400: "Malformed request",
    401: "No valid key",
    403: "The caller's role may not do this",
    404: "No such thing that the caller may see",
    409: "The present state doesn't allow it",
    410: "Not there any more: made unreadable for good, or older than the log goes back",
    412: "Changed since the ETag in If-Match",
    413: "The body is too large",
    422: "Understood but not acceptable; `errors` names the fields",
    428: "If-Match is missing",
    429: "Too many requests, or too many failures from here; try again after Retry-After seconds",
    502: "The identity provider can't be reached or trusted",
    503: "Too busy or not reachable; try again after Retry-After seconds",
}


def documented(*statuses: int, **models: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these problems; `s409=Model` gives one a model of its own."""
    own = {int(name[1:]): model for name, model in models.items()}
    return {
        status: {"description": _TITLES[status], "model": own.get(status, ProblemOut)} for status in (*statuses, *own)
    }


def openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with problems under their own media type: FastAPI puts them under the answer's."""
    if app.openapi_schema is None:
        document = FastAPI.openapi(app)
        for path in document["paths"].values():
            for operation in path.values():
                for status, response in operation["responses"].items():
                    content = response.get("content", {})
                    schema = next(iter(content.values()), None)
                    if int(status) >= 400 and _is_problem(document, schema):
                        response["content"] = {MEDIA_TYPE: schema}
    assert app.openapi_schema is not None, "FastAPI keeps the document"
    return app.openapi_schema


def _is_problem(document: dict[str, Any], content: dict[str, Any] | None) -> bool:
    """Whether this is JSON of a problem: OAuth has errors of its own kind."""
    if content is None:
        return False
    model = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
    return {"type", "title", "status", "detail"} <= set(model["properties"])


def rendered(problem: Problem) -> Response:
    """The response that carries a problem."""
    return Response(to_json(problem.document()), problem.status, problem.headers, MEDIA_TYPE)


def answered(request: Request, problem: Problem) -> Response:
    """A problem as whoever asked can read it: a person gets a page."""
    if request.scope.get(PERSON) or _wants_page(request):
        page: Response = request.app.state.problem_page(request, problem)
        return page
    return rendered(problem)


def _wants_page(request: Request) -> bool:
    """Whether a browser was sent to an address that is neither a page nor the API's."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/")


def from_validation(error: RequestValidationError) -> Problem:
    """The problem that a validation error is: which fields, and what is wrong with each."""
    errors = []
    for each in error.errors():
        if each["type"] == "json_invalid":
            return BadRequest(f"The body is not JSON: {each['ctx']['error']}.")
        where = [str(part) for part in each["loc"]]
        field = ".".join(where[1:]) or where[0]
        message = each["msg"].removeprefix("Value error, ")
        if each["type"] == "extra_forbidden":
            message = "There is no such field here: /openapi.json names those there are"
        errors.append({"field": _cut(field, 200), "message": _cut(message[:1].upper() + message[1:], 1500)})
    detail = "; ".join(f"{each['field']}: {each['message']}" for each in errors[:5])
    return Invalid(f"The request can't be accepted. {_cut(detail, 2000)}", errors=errors[:50])


def _cut(words: str, most: int) -> str:
    """At most so much: names that were sent are repeated in an error, and may be of any length."""
    return words if len(words) <= most else f"{words[:most]} …"


def install(app: FastAPI) -> None:
    """Make every error of the application a problem document, and say so in OpenAPI."""
    app.openapi = partial(openapi, app)  # type: ignore[method-assign]

    @app.exception_handler(Problem)
    async def problem(request: Request, error: Problem) -> Response:
        note_refusal(request, error.status, error.slug)
        return answered(request, error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return answered(request, from_validation(error))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404 or (error.status_code == 405 and _wants_page(request)):
            # To a person, an address that only takes forms is none to open.
            return answered(
                request, NotFound(f"Nothing is served at {request.url.path}. The API is described at /openapi.json.")
            )
        document = {
            "type": "about:blank",
            "title": str(error.detail),
            "status": error.status_code,
            "detail": f"{error.detail}.",
        }
        return Response(to_json(document), error.status_code, error.headers, MEDIA_TYPE)

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, error: ClientDisconnect) -> Response:
        return rendered(BadRequest("The connection closed before the body was complete."))

    _install_database(app)

    @app.exception_handler(Exception)
    async def last_resort(request: Request, error: Exception) -> Response:
        response = _unexpected(request, error)
        # Starlette answers what nobody handled outside of every middleware, `WithLimits` too.
        response.raw_headers.extend(request.scope.get(LIMIT_HEADERS, ()))
        return response


def _install_database(app: FastAPI) -> None:
    """The same for what the database answers, or doesn't."""

    @app.exception_handler(PoolTimeout)
    @app.exception_handler(OperationalError)
    @app.exception_handler(InterfaceError)
    @app.exception_handler(asyncpg.InterfaceError)
    @app.exception_handler(asyncpg.PostgresConnectionError)
    @app.exception_handler(asyncpg.CannotConnectNowError)
    @app.exception_handler(OSError)
    async def unreachable(request: Request, error: Exception) -> Response:
        log.warning("%s %s: the database can't be reached: %r", request.method, _route(request), error)
        return answered(
            request,
            Busy(
                "The database can't be reached just now. Try again, with the same Idempotency-Key.",
                retry_after=2,
            ),
        )

    @app.exception_handler(DBAPIError)
    async def database(request: Request, error: DBAPIError) -> Response:
        if error.connection_invalidated or _passes(error.orig):
            return await unreachable(request, error)
        return _unexpected(request, error)

    @app.exception_handler(asyncpg.PostgresError)
    async def bare_database(request: Request, error: asyncpg.PostgresError) -> Response:
        return await unreachable(request, error) if _passes(error) else _unexpected(request, error)


def _unexpected(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, _route(request), exc_info=error)
    return answered(
        request, Unexpected("Something went wrong here; it has been logged. Nothing of the request was done.")
    )


def _route(request: Request) -> str:
    """The path as the route has it, for the log: the request's own may hold anything that was sent."""
    return getattr(request.scope.get("route"), "path", "?")


def note_refusal(request: Request, status: int, slug: str) -> None:
    """Count a refusal that may be somebody trying doors, and log it: who, where from and what. Others are nothing.

    Past a quota it is only counted: a flood must not drown the log.
    """
    if status not in _WATCHED:
        return
    REFUSED.labels(str(status)).inc()
    if status == 429:
        return
    caller = request.scope.get(CALLER)
    log.warning(
        "refused %s %s: %d %s, caller %s, address %s",
        request.method,
        _route(request),
        status,
        slug,
        caller.id if caller else "unknown",
        address_of(request),
    )


def _passes(error: BaseException | None) -> bool:
    """Whether PostgreSQL refused for a reason that passes by itself, told by its SQLSTATE.

    Connections (08), conflicts between transactions (40), resources (53), a lock not had in time (55P03), and a
    server that is starting or stopping (57P).
    """
    return str(getattr(error, "sqlstate", "")).startswith(("08", "40", "53", "55P03", "57P"))


class Unexpected(Problem):
    """500: a fault of ours."""

    status = 500
    slug = "unexpected"
    title = "A fault of the server"
