"""Keys and problems through HTTP: who gets in, and what every problem looks like.

Who may do what then is in tests/expectations.py, and tried in test_every_route.py.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import Response
from sqlalchemy import text

from app.access.keys import create_key
from app.access.roles import Role
from tests.support import Program

NOBODY = "01900000-0000-7000-8000-000000000000"


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
