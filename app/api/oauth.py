"""OAuth 2 client credentials (RFC 6749, 4.4) for systems that want them: a key for an access token.

Written here because the servers that libraries offer are synchronous and keep clients and tokens in a shape of their
own; what a confidential client needs of the protocol is this page. A stock client tests it.
"""

from base64 import b64decode
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote_plus
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from app.access.permissions import SCOPES
from app.access.secrets import Found, find_secret
from app.access.tokens import UnknownScope, issue_token
from app.api.errors import documented, note_refusal
from app.dependencies import TOKEN_PATH, House, address_of, body_of, state_of

router = APIRouter(tags=["oauth"])

_MOST_FIELDS = 20


class TokenOut(BaseModel):
    """An access token, to be sent as `Authorization: Bearer <token>`; `expires_in` is in seconds."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the kind of a token, and none itself
    expires_in: int
    scope: str


class TokenErrorOut(BaseModel):
    """Why there is no token (RFC 6749, 5.2)."""

    error: Literal[
        "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
        "invalid_scope",
    ]  # fmt: skip
    error_description: str


class ServerOut(BaseModel):
    """What an OAuth client needs to know of this server (RFC 8414)."""

    issuer: str
    token_endpoint: str
    grant_types_supported: list[str] = ["client_credentials"]
    response_types_supported: list[str] = []
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic", "client_secret_post"]
    scopes_supported: list[str] = list(SCOPES)


class _Refused(Exception):
    """The request gets no token."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error = error
        self.description = description


_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {
                        "grant_type": {"type": "string", "enum": ["client_credentials"]},
                        "scope": {"type": "string", "description": "Scopes with spaces between; all of the key's."},
                        "client_id": {"type": "string", "description": "The key's id, if not sent by Basic."},
                        "client_secret": {"type": "string", "description": "The key itself, if not sent by Basic."},
                    },
                }
            }
        },
    }
}


@router.post(
    TOKEN_PATH,
    response_model=TokenOut,
    responses={
        **documented(413, 429, 503),
        400: {"description": "No token; `error` says why", "model": TokenErrorOut},
        401: {"description": "The client is not known: `invalid_client`", "model": TokenErrorOut},
    },
    openapi_extra=_FORM,
)
async def issue(request: Request, house: House) -> Response:
    """Get an access token for a key: `client_id` is its id, `client_secret` the key.

    A token is the same caller as its key, within the scopes asked for. It lasts an hour at most, no longer than its
    key, and ends within a second when that is revoked.
    """
    house.limits.check("token", address_of(request))
    try:
        fields = await _fields(request)
        client_id, secret = _credentials(request, fields)
        if fields.get("grant_type") != "client_credentials":
            error = "unsupported_grant_type" if "grant_type" in fields else "invalid_request"
            raise _Refused(error, "Send grant_type=client_credentials.")
        async with house.database.transaction(None, "oauth") as session:
            found = _known(await find_secret(session, secret), client_id)
        async with house.database.transaction(found.caller.program_id, str(found.caller.id)) as session:
            token, caller, until = await issue_token(session, found, fields.get("scope", "").split())
    except _Refused as refused:
        if refused.error == "invalid_client":
            note_refusal(request, 401, refused.error)
        return _refusal(refused)
    except UnknownScope:
        return _refusal(_Refused("invalid_scope", "This key does not have every scope that was asked for."))
    lasts = max(int((until - datetime.now(UTC)).total_seconds()), 0)
    given = TokenOut(access_token=token, expires_in=lasts, scope=" ".join(sorted(caller.scopes or ())))
    return JSONResponse(given.model_dump())


@router.get("/.well-known/oauth-authorization-server")
async def describe(request: Request) -> ServerOut:
    """Where tokens are to be had, for OAuth clients that ask (RFC 8414)."""
    issuer = state_of(request).site.origin
    return ServerOut(issuer=issuer, token_endpoint=issuer + TOKEN_PATH)


async def _fields(request: Request) -> dict[str, str]:
    """The form's fields. Raises _Refused for another kind of body, and for a field sent twice."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise _Refused("invalid_request", "Send a form: Content-Type: application/x-www-form-urlencoded.")
    try:
        pairs = parse_qsl((await body_of(request)).decode(), errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise _Refused("invalid_request", "The form can't be read.") from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise _Refused("invalid_request", "Send each field once.")
    return fields


def _credentials(request: Request, fields: dict[str, str]) -> tuple[str, str]:
    """The client's id and secret, from Basic or from the form. Raises _Refused."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if not scheme:
        return fields.get("client_id", ""), fields.get("client_secret", "")
    if "client_secret" in fields:
        raise _Refused("invalid_request", "Send the credentials by Basic or in the form, not both.")
    try:
        if scheme.lower() != "basic":
            raise ValueError("another scheme")
        client_id, _, secret = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        raise _Refused(
            "invalid_client", "The Authorization header is not Basic with a client's id and secret."
        ) from None
    # RFC 6749, 2.3.1: both are form-encoded before they are joined.
    return unquote_plus(client_id), unquote_plus(secret)


def _known(found: Found | None, client_id: str) -> Found:
    """What the secret belongs to, if that is a key of this id. Raises _Refused, with one sentence for every reason."""
    try:
        named = UUID(client_id)
    except ValueError:
        named = None
    if found is None or found.token or found.caller.id != named:
        raise _Refused("invalid_client", "No key of this id and secret opens here.")
    return found


def _refusal(refused: _Refused) -> Response:
    unknown = refused.error == "invalid_client"
    headers = {"WWW-Authenticate": 'Basic realm="openberth"'} if unknown else None
    body = {"error": refused.error, "error_description": refused.description}
    return JSONResponse(body, 401 if unknown else 400, headers)
