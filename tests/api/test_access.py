"""Keys, roles and refusals through HTTP: who gets in, who is told no and how, and what every problem looks like."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import Response
from sqlalchemy import text

from app.access.keys import create_key
from app.access.permissions import grants
from app.access.roles import Action, Role
from tests.support import Program

NOBODY = "01900000-0000-7000-8000-000000000000"

ROUTES: dict[Action, list[tuple[str, str]]] = {
    Action.READ_SELF: [("GET", "/v1/me")],
    Action.KEEP_ACCOUNT: [
        ("GET", "/v1/account"),
        ("POST", "/v1/account/password"),
        ("POST", "/v1/account/totp"),
        ("POST", "/v1/account/totp/confirm"),
        ("DELETE", "/v1/account/totp"),
        ("POST", "/v1/account/recovery-codes"),
        ("GET", "/v1/account/passkeys"),
        ("POST", "/v1/account/passkeys"),
        ("POST", "/v1/account/passkeys/options"),
        ("DELETE", f"/v1/account/passkeys/{NOBODY}"),
        ("GET", "/v1/account/sessions"),
        ("POST", f"/v1/account/sessions/{NOBODY}/end"),
        ("POST", "/v1/sign-out"),
        ("POST", "/v1/sign-out/everywhere"),
    ],
    Action.INVITE_PEOPLE: [
        ("GET", "/v1/people"),
        ("POST", "/v1/people"),
        ("GET", f"/v1/people/{NOBODY}"),
        ("PATCH", f"/v1/people/{NOBODY}"),
        ("POST", f"/v1/people/{NOBODY}/end"),
        ("POST", f"/v1/people/{NOBODY}/invite"),
    ],
    Action.SET_SIGN_IN: [
        ("GET", "/v1/sign-in/providers"),
        ("PUT", f"/v1/sign-in/providers/{NOBODY}"),
        ("DELETE", f"/v1/sign-in/providers/{NOBODY}"),
    ],
    Action.READ_PROGRAM: [("GET", "/v1/program")],
    Action.SET_POLICY: [("PATCH", "/v1/program")],
    Action.READ_DIRECTORY: [
        ("GET", f"/v1/{kind}{one}") for kind in ("organizations", "locations", "services") for one in ("", f"/{NOBODY}")
    ],
    Action.ADD_ORGANIZATION: [("POST", "/v1/organizations")],
    Action.EDIT_DIRECTORY: [("POST", "/v1/locations"), ("POST", "/v1/services")],
    Action.SEARCH: [("GET", "/v1/openings"), ("GET", f"/v1/openings/{NOBODY}")],
    Action.READ_EVENTS: [("GET", "/v1/events")],
    Action.WATCH: [("GET", "/v1/watches"), ("POST", "/v1/watches"), ("DELETE", f"/v1/watches/{NOBODY}")],
    Action.PUBLISH: [
        ("POST", "/v1/openings"),
        ("PATCH", f"/v1/openings/{NOBODY}"),
        ("GET", f"/v1/organizations/{NOBODY}/openings"),
        *[("POST", f"/v1/openings/{NOBODY}/{verb}") for verb in ("adjust", "attest", "withdraw")],
    ],
    Action.REFER: [("POST", "/v1/referrals")],
    Action.FOLLOW_REFERRAL: [("GET", "/v1/referrals/mine"), ("GET", f"/v1/referrals/mine/{NOBODY}")],
    Action.WORK_REFERRAL: [
        ("GET", "/v1/referrals"),
        ("GET", f"/v1/referrals/{NOBODY}"),
        *[("POST", f"/v1/referrals/{NOBODY}/{verb}") for verb in ("contact", "intake", "close")],
    ],
    Action.ADD_PARTICIPANT: [("POST", "/v1/participants")],
    Action.READ_PARTICIPANT: [
        ("GET", "/v1/participants"),
        ("GET", f"/v1/participants/{NOBODY}"),
        ("GET", f"/v1/participants/{NOBODY}/identity"),
    ],
    Action.EDIT_PARTICIPANT: [
        ("PUT", f"/v1/participants/{NOBODY}/identity"),
        ("DELETE", f"/v1/participants/{NOBODY}/identity"),
        ("PUT", f"/v1/participants/{NOBODY}/demographics"),
    ],
    Action.FIND_PARTICIPANT: [("POST", "/v1/participants/find")],
    Action.COUNT_PARTICIPANTS: [("GET", "/v1/demographics")],
    Action.KEEP_CONSENT: [
        ("GET", "/v1/consent-text"),
        ("POST", f"/v1/participants/{NOBODY}/consents"),
        ("GET", f"/v1/participants/{NOBODY}/consents"),
        ("GET", f"/v1/consents/{NOBODY}"),
        ("GET", f"/v1/consents/{NOBODY}/copy"),
        ("POST", f"/v1/consents/{NOBODY}/revoke"),
        ("POST", f"/v1/consents/{NOBODY}/end"),
    ],
    Action.READ_DISCLOSURES: [
        ("GET", f"/v1/participants/{NOBODY}/disclosures"),
        ("GET", f"/v1/participants/{NOBODY}/accounting"),
    ],
    Action.MEET: [("GET", f"/v1/claims/{NOBODY}/participant")],
    Action.CLAIM: [("POST", "/v1/claims")],
    Action.READ_CLAIMS: [("GET", "/v1/claims"), ("GET", f"/v1/claims/{NOBODY}"), ("GET", "/v1/decline-reasons")],
    Action.STEER_CLAIM: [("POST", f"/v1/claims/{NOBODY}/{verb}") for verb in ("confirm", "release", "extend")],
    Action.READ_TRAIL: [("GET", "/v1/trail"), ("GET", "/v1/trail/export")],
    Action.CHECK_TRAIL: [("GET", "/v1/trail/head"), ("GET", "/v1/trail/check")],
    Action.RECEIVE_CLAIM: [
        ("POST", f"/v1/claims/{NOBODY}/{verb}") for verb in ("decline", "arrive", "no-show", "complete")
    ],
    Action.MAKE_KEYS: [("POST", "/v1/keys"), ("POST", f"/v1/keys/{NOBODY}/rotate")],
    Action.REVOKE_KEYS: [("GET", "/v1/keys"), ("GET", f"/v1/keys/{NOBODY}"), ("POST", f"/v1/keys/{NOBODY}/revoke")],
}

OPEN = {
    ("POST", "/v1/oauth/token"),
    ("GET", "/v1/sign-in/choices"),
    ("POST", "/v1/sign-in/password"),
    ("POST", "/v1/sign-in/totp"),
    ("POST", "/v1/sign-in/recovery-code"),
    ("POST", "/v1/sign-in/passkey/options"),
    ("POST", "/v1/sign-in/passkey"),
    ("GET", f"/v1/sign-in/openid/{NOBODY}/{NOBODY}"),
    ("GET", "/v1/sign-in/openid/callback"),
    ("POST", "/v1/invitations/read"),
    ("POST", "/v1/invitations/accept/password"),
    ("POST", "/v1/invitations/accept/passkey/options"),
    ("POST", "/v1/invitations/accept/passkey"),
}
"""What is open to those who aren't signed in yet; tests/api/test_sign_in*.py say to whom, and how far."""


def is_problem(response: Response, status: int) -> bool:
    """Whether this is a whole problem document with a sentence in it."""
    document = response.json()
    return (
        response.status_code == document["status"] == status
        and response.headers["content-type"] == "application/problem+json"
        and {"type", "title", "detail"} <= set(document)
        and " " in document["detail"]
    )


async def with_header(program: Program, authorization: str | None) -> Response:
    """Read the program under this `Authorization`."""
    headers = {} if authorization is None else {"Authorization": authorization}
    return await program.house.http.get("/v1/program", headers=headers)


async def a_key(program: Program, change: str = "role = role", **fields: Any) -> str:
    """A new key, changed by hand before it was ever used."""
    async with program.house.owner.transaction(program.id, "tests") as session:
        key, secret = await create_key(session, program.id, program.agency_id, Role.CASE_MANAGER, **fields)
        await session.execute(text(f"UPDATE keys SET {change} WHERE id = :id"), {"id": key.id})
    return secret


# Keys.


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Bearer openberth_nobody", "Basic YTpi", "openberth_nobody"]
)
async def test_without_a_valid_key_nobody_gets_in(program: Program, authorization: str | None) -> None:
    response = await with_header(program, authorization)
    assert is_problem(response, 401)
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="openberth"'


@pytest.mark.parametrize(
    "change", ["revoked_at = now()", "expires_at = now()", "expires_at = now() - interval '1 day'"]
)
async def test_a_revoked_or_expired_key_opens_nothing(program: Program, change: str) -> None:
    response = await with_header(program, f"Bearer {await a_key(program, change)}")
    assert is_problem(response, 401)
    assert "unknown, expired or revoked" in response.json()["detail"]


async def test_a_key_opens_until_it_expires(program: Program) -> None:
    secret = await a_key(program, expires_at=datetime.now(UTC) + timedelta(hours=1))
    assert (await with_header(program, f"Bearer {secret}")).status_code == 200


async def test_the_scheme_is_written_in_any_case(program: Program) -> None:
    assert (await with_header(program, f"bearer {await a_key(program)}")).status_code == 200


async def test_a_revoked_key_stops_working_within_a_second(program: Program) -> None:
    secret = await a_key(program)
    assert (await with_header(program, f"Bearer {secret}")).status_code == 200
    async with program.house.owner.transaction(program.id, "tests") as session:
        revoke = text("UPDATE keys SET revoked_at = now() WHERE program_id = :id")
        await session.execute(revoke, {"id": program.id})
    # What the gate remembers is believed for one second.
    await asyncio.sleep(1.05)
    assert (await with_header(program, f"Bearer {secret}")).status_code == 401


async def test_a_secret_is_stored_nowhere(program: Program) -> None:
    secret = await a_key(program)
    async with program.house.owner.transaction(program.id, "tests") as session:
        rows = await session.scalars(
            text("SELECT to_jsonb(k)::text FROM keys k WHERE program_id = :id"), {"id": program.id}
        )
        assert [row for row in rows if secret in row or secret.encode().hex() in row] == []


# Roles.


def test_every_action_has_its_routes() -> None:
    assert set(ROUTES) <= set(Action)


@pytest.mark.parametrize("role", Role)
async def test_each_role_gets_past_exactly_what_the_table_allows(program: Program, role: Role) -> None:
    for action, routes in ROUTES.items():
        for method, path in routes:
            # What is asked makes no sense: whoever may ask is told so, and everyone else is told no first.
            response = await program.call(method, path, role=role, json=None if method == "GET" else {"no": "sense"})
            if grants(role, action):
                assert response.status_code not in {401, 403}, f"{role} {method} {path}: {response.text}"
            else:
                assert is_problem(response, 403), f"{role} {method} {path}: {response.text}"
                assert response.json()["detail"] == f"The role {role} may not {action}."


async def test_no_route_of_the_api_is_without_its_action(program: Program) -> None:
    described = (await program.house.http.get("/openapi.json")).json()["paths"]
    served = {
        (method.upper(), re.sub(r"\{[a-z_]+\}", NOBODY, path))
        for path, operations in described.items()
        for method in operations
        if path.startswith("/v1/")
    }
    # A stream has no end to compare: tests/live/test_permission.py asks it as every role.
    streams = {("GET", "/v1/live")}
    assert served == {route for routes in ROUTES.values() for route in routes} | OPEN | streams


async def test_police_and_prosecutors_learn_nothing_of_services_or_people(program: Program) -> None:
    claim = await program.held(await program.opening())
    for role in (Role.OFFICER, Role.PROSECUTOR, Role.COMMUNITY_MEMBER):
        for path in ("/v1/openings", "/v1/services", "/v1/claims", f"/v1/claims/{claim['id']}", "/v1/organizations"):
            response = await program.call("GET", path, role=role)
            assert response.status_code == 403
            assert claim["participant"] not in response.text


# Problems.


async def test_every_problem_is_a_problem_document(program: Program) -> None:
    answers = [
        (404, await program.call("GET", "/v1/nowhere")),
        (405, await program.call("DELETE", "/v1/program")),
        (404, await program.call("GET", f"/v1/openings/{NOBODY}")),
        (422, await program.call("GET", "/v1/openings/not-an-id")),
        (422, await program.call("POST", "/v1/participants", json=[])),
        (
            400,
            await program.call("POST", "/v1/participants", content=b"{", headers={"Content-Type": "application/json"}),
        ),
        (428, await program.call("PATCH", f"/v1/openings/{NOBODY}", json={})),
        (400, await program.call("PATCH", f"/v1/openings/{NOBODY}", json={}, headers={"If-Match": "new"})),
    ]
    for status, response in answers:
        assert is_problem(response, status), response.text


async def test_a_problem_names_every_field_at_fault(program: Program) -> None:
    body = {"unit": "bunk", "units_total": "many", "colour": "blue"}
    response = await program.call("POST", "/v1/openings", json=body)
    assert is_problem(response, 422)
    errors = {error["field"]: error["message"] for error in response.json()["errors"]}
    assert set(errors) == {"service_id", "unit", "units_total", "colour"}
    assert all(message[0].isupper() for message in errors.values())
    assert "units_total" in response.json()["detail"]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_whoever_runs_it_needs_no_key(program: Program, path: str) -> None:
    assert (await program.house.http.get(path)).status_code == 200
