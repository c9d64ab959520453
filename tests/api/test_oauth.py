"""OAuth 2 client credentials, by a stock client: what it gets, what it is refused, and when a token ends."""

import asyncio
from typing import Any

import pytest
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from httpx import ASGITransport, Response
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from app.access.permissions import SCOPES
from app.access.roles import Role
from app.access.tokens import UnknownScope, token_scopes
from app.dependencies import TOKEN_PATH
from tests.support import House, Program

scopes = st.frozensets(st.sampled_from(sorted(SCOPES)))


async def partner(program: Program, *held: str, **fields: Any) -> dict[str, Any]:
    """A partner system's key with these scopes."""
    body = {"organization_id": str(program.agency_id), "name": "Partner", "role": "partner_system"}
    return await program.made("/v1/keys", body | {"scopes": held or ("claims:read", "openings:read")} | fields)


def client(house: House, key: dict[str, Any], **options: Any) -> AsyncOAuth2Client:
    """Authlib's client, as a partner would set it up."""
    return AsyncOAuth2Client(
        key["id"], key["key"], transport=ASGITransport(house.app), base_url="http://house", **options
    )


async def ask(house: House, form: dict[str, str], **request: Any) -> Response:
    """One request of the token endpoint, by hand."""
    return await house.http.post(TOKEN_PATH, data=form, **request)


async def me(house: House, token: str) -> Response:
    """Who this token is."""
    return await house.http.get("/v1/me", headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_a_stock_client_gets_a_token_and_calls_with_it(house: House, program: Program, method: str) -> None:
    key = await partner(program)
    described = (await house.http.get("/.well-known/oauth-authorization-server")).json()
    assert described["issuer"] == "https://house.example", "whatever host the request names"
    assert method in described["token_endpoint_auth_methods_supported"]
    assert described["response_types_supported"] == []
    async with client(house, key, token_endpoint_auth_method=method, scope="openings:read") as system:
        token = await system.fetch_token(described["token_endpoint"], grant_type="client_credentials")
        assert (token["token_type"], token["scope"]) == ("Bearer", "openings:read")
        assert 3590 <= token["expires_in"] <= 3600
        caller = (await system.get("/v1/me")).json()
        assert (caller["id"], caller["role"], caller["scopes"]) == (key["id"], "partner_system", ["openings:read"])
        assert (await system.get("/v1/openings")).status_code == 200
        assert (await system.get("/v1/claims")).status_code == 403


async def test_without_asking_a_token_has_the_scopes_of_its_key(house: House, program: Program) -> None:
    key = await partner(program)
    async with client(house, key) as system:
        token = await system.fetch_token(TOKEN_PATH, grant_type="client_credentials")
    assert token["scope"] == "claims:read openings:read"


async def test_a_token_of_a_key_without_scopes_does_no_more_than_scopes_can_say(house: House, program: Program) -> None:
    caller = (await program.call("GET", "/v1/me")).json()
    form = {"grant_type": "client_credentials", "client_id": caller["id"]}
    answer = await ask(house, form | {"client_secret": program.keys[Role.PROGRAM_MANAGER]})
    assert answer.json()["scope"].split() == sorted(SCOPES)
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await house.http.get("/v1/keys", headers=headers)).status_code == 403


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_a_stock_client_learns_why_there_is_no_token(house: House, program: Program, method: str) -> None:
    key = await partner(program)
    options = {"token_endpoint_auth_method": method}
    async with client(house, key, scope="openings:write", **options) as system:
        with pytest.raises(OAuthError, match="invalid_scope"):
            await system.fetch_token(TOKEN_PATH, grant_type="client_credentials")
    async with client(house, key | {"key": key["key"] + "x"}, **options) as system:
        with pytest.raises(OAuthError, match="invalid_client"):
            await system.fetch_token(TOKEN_PATH, grant_type="client_credentials")
    async with client(house, key, **options) as system:
        with pytest.raises(OAuthError, match="unsupported_grant_type"):
            await system.fetch_token(TOKEN_PATH, grant_type="password", username="a", password="b")


async def test_each_refusal_is_of_its_kind_and_never_stored(house: House, program: Program) -> None:
    key = await partner(program)
    form = {"grant_type": "client_credentials", "client_id": key["id"], "client_secret": key["key"]}
    bearer = {"Authorization": f"Bearer {key['key']}"}
    broken = {"Authorization": "Basic %%%"}
    as_form = {"content-type": "application/x-www-form-urlencoded"}
    refused = {
        "no grant": (400, "invalid_request", await ask(house, {**form, "grant_type": ""})),
        "twice": (
            400, "invalid_request", await house.http.post(TOKEN_PATH, content="scope=a&scope=b", headers=as_form),
        ),
        "bytes": (400, "invalid_request", await house.http.post(TOKEN_PATH, content=b"scope=%ff", headers=as_form)),
        "json": (400, "invalid_request", await house.http.post(TOKEN_PATH, json=form)),
        "both": (400, "invalid_request", await ask(house, form, auth=(key["id"], key["key"]))),
        "no secret": (401, "invalid_client", await ask(house, {"grant_type": "client_credentials"})),
        "another's id": (401, "invalid_client", await ask(house, form | {"client_id": str(program.agency_id)})),
        "no id": (401, "invalid_client", await ask(house, form | {"client_id": "me"})),
        "a bearer": (401, "invalid_client", await ask(house, {"grant_type": "client_credentials"}, headers=bearer)),
        "no basic": (401, "invalid_client", await ask(house, {"grant_type": "client_credentials"}, headers=broken)),
    }  # fmt: skip
    for name, (status, error, answer) in refused.items():
        assert (answer.status_code, answer.json()["error"]) == (status, error), name
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "application/json"
        assert ("www-authenticate" in answer.headers) == (status == 401)
    # Whatever is wrong with a client, it is told the same.
    told = {refused[name][2].content for name in ("no secret", "another's id", "no id")}
    assert len(told) == 1


async def test_a_token_gets_no_further_token(house: House, program: Program) -> None:
    key = await partner(program)
    form = {"grant_type": "client_credentials", "client_id": key["id"]}
    token = (await ask(house, form | {"client_secret": key["key"]})).json()["access_token"]
    assert (await ask(house, form | {"client_secret": token})).json()["error"] == "invalid_client"


async def test_a_token_ends_with_its_key(house: House, program: Program) -> None:
    key = await partner(program)
    form = {"grant_type": "client_credentials", "client_id": key["id"], "client_secret": key["key"]}
    token = (await ask(house, form)).json()["access_token"]
    assert (await me(house, token)).status_code == 200
    await program.made(f"/v1/keys/{key['id']}/revoke", {})
    assert (await me(house, token)).status_code == 401
    assert (await ask(house, form)).json()["error"] == "invalid_client"


async def test_a_token_lasts_no_longer_than_the_secret_that_got_it(house: House, program: Program) -> None:
    key = await partner(program)
    form = {"grant_type": "client_credentials", "client_id": key["id"], "client_secret": key["key"]}
    leaked = (await ask(house, form)).json()["access_token"]
    new = (await program.made(f"/v1/keys/{key['id']}/rotate", {"overlap_minutes": 2}))["key"]
    brief = (await ask(house, form)).json()
    assert brief["expires_in"] <= 120
    assert (await me(house, brief["access_token"])).status_code == 200
    assert (await ask(house, form | {"client_secret": new})).json()["expires_in"] > 3500
    await program.made(f"/v1/keys/{key['id']}/rotate", {"overlap_minutes": 0})
    assert [(await me(house, token)).status_code for token in (leaked, brief["access_token"])] == [401, 401]


async def test_a_token_expires_and_is_swept_away_by_the_next(house: House, program: Program) -> None:
    key = await partner(program)
    form = {"grant_type": "client_credentials", "client_id": key["id"], "client_secret": key["key"]}
    token = (await ask(house, form)).json()["access_token"]
    async with house.owner.transaction(program.id, "tests") as session:
        await session.execute(text("UPDATE key_secrets SET expires_at = now() WHERE key_id = :id"), {"id": key["id"]})
    await asyncio.sleep(1.05)
    assert (await me(house, token)).status_code == 401
    await ask(house, form)
    async with house.owner.transaction(program.id, "tests") as session:
        count = text("SELECT count(*) FROM key_secrets WHERE key_id = :id")
        assert await session.scalar(count, {"id": key["id"]}) == 1
        entries = await session.execute(
            text("SELECT action, actor FROM audit WHERE subject_id = :id AND action LIKE 'token.%'"), {"id": key["id"]}
        )
        assert [tuple(row) for row in entries] == [("token.issued", key["id"])] * 2


@given(held=st.none() | scopes, wanted=scopes)
def test_a_token_never_reaches_further_than_its_key(held: frozenset[str] | None, wanted: frozenset[str]) -> None:
    reachable = frozenset(SCOPES) if held is None else held
    if wanted <= reachable:
        got = token_scopes(held, wanted)
        assert got <= reachable
        assert got == (wanted or reachable)
    else:
        with pytest.raises(UnknownScope):
            token_scopes(held, wanted)
