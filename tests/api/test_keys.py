"""Keys over the API: made, shown once, narrowed, listed, rotated and revoked."""

import asyncio
import itertools
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx import Response
from sqlalchemy import text

from app.access.roles import Role
from app.core.database import when_committed
from app.dependencies import State
from tests.support import Program, new_program

NOBODY = "01900000-0000-7000-8000-000000000000"


def asked(program: Program, **fields: Any) -> dict[str, Any]:
    """What to send for a key."""
    return {"organization_id": str(program.agency_id), "name": "A system", "role": "case_manager"} | fields


async def me(program: Program, secret: str) -> Response:
    """Who this secret is."""
    return await program.house.http.get("/v1/me", headers={"Authorization": f"Bearer {secret}"})


async def trail(program: Program, key_id: str) -> tuple[list[str], list[tuple[str, str]]]:
    """The events about a key, and the trail's entries with who did it."""
    async with program.house.owner.transaction(program.id, "tests") as session:
        told = await session.scalars(text("SELECT type FROM events WHERE subject_id = :id ORDER BY id"), {"id": key_id})
        kept = await session.execute(
            text("SELECT action, actor FROM audit WHERE subject_id = :id ORDER BY id"), {"id": key_id}
        )
        return list(told), [(row.action, row.actor) for row in kept]


async def own_id(program: Program, role: Role = Role.PROGRAM_MANAGER) -> str:
    """The id of the caller that a role's key is."""
    found: str = (await me(program, program.keys[role])).json()["id"]
    return found


async def everything_stored(program: Program) -> str:
    """Every row of the program in every table that has one, as text."""
    async with program.house.owner.transaction(program.id, "tests") as session:
        tables = list(
            await session.scalars(
                text(
                    "SELECT table_name FROM information_schema.columns"
                    " WHERE table_schema = 'public' AND column_name = 'program_id'"
                )
            )
        )
        rows: list[str] = []
        for table in tables:
            # A kept body is bytes: shown as text too, or a secret would hide in its hexadecimal.
            body = ", convert_from(t.body, 'UTF8')" if table == "idempotency" else ", ''"
            found = await session.execute(
                text(f"SELECT t::text{body} FROM {table} t WHERE program_id = :id"), {"id": program.id}
            )
            rows += [f"{row[0]} {row[1]}" for row in found]
    assert len(tables) > 10
    return "\n".join(rows)


async def test_a_key_is_made_and_opens_as_whom_it_was_made_for(program: Program) -> None:
    response = await program.call("POST", "/v1/keys", json=asked(program))
    assert response.status_code == 201
    made = response.json()
    assert response.headers["location"] == f"/v1/keys/{made['id']}"
    assert response.headers["cache-control"] == "no-store"
    assert re.fullmatch(r"openberth_[0-9a-z]{8}_[A-Za-z0-9_-]{43}", made["key"])
    assert made["key"].startswith(made["prefix"] + "_")
    caller = (await me(program, made["key"])).json()
    assert (caller["id"], caller["role"], caller["organization_id"], caller["scopes"]) == (
        made["id"], "case_manager", str(program.agency_id), None,
    )  # fmt: skip
    told, kept = await trail(program, made["id"])
    assert told == ["key.created"]
    assert kept == [("key.created", await own_id(program))]


async def test_a_secret_is_in_one_answer_and_nowhere_else(program: Program) -> None:
    made = await program.made("/v1/keys", asked(program))
    rotated = await program.call("POST", f"/v1/keys/{made['id']}/rotate", key="r", json={"overlap_minutes": 5})
    stored = await everything_stored(program)
    assert made["id"] in stored
    for secret in (made["key"], rotated.json()["key"]):
        hidden = secret[-20:]
        assert hidden not in stored
        assert hidden not in (await program.call("GET", "/v1/keys")).text
        assert hidden not in (await program.call("GET", f"/v1/keys/{made['id']}")).text


async def test_the_same_call_again_makes_no_second_key_and_shows_no_secret(program: Program) -> None:
    body = asked(program)
    first = await program.call("POST", "/v1/keys", key="k", json=body)
    secret, location = first.json()["key"], first.headers["location"]
    again = [await program.call("POST", "/v1/keys", key="k", json=body) for _ in range(2)]
    for response in again:
        assert response.status_code == 409
        assert response.json()["type"].endswith("/answer-not-kept")
        assert response.json()["location"] == location
        assert secret not in response.text
    assert again[0].content == again[1].content
    assert secret[-20:] not in await everything_stored(program)
    named = [key["name"] for key in (await program.call("GET", "/v1/keys")).json()["items"]]
    assert named.count("A system") == 1
    assert (await program.call("POST", "/v1/keys", key="k", json=asked(program, name="B"))).status_code == 409


async def test_racing_repeats_of_one_call_show_one_secret(program: Program) -> None:
    body = asked(program)
    answers = await asyncio.gather(*(program.call("POST", "/v1/keys", key="race", json=body) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert len({answer.json()["location"] for answer in answers if answer.status_code == 409}) == 1


async def test_a_refusal_is_kept_as_ever(program: Program) -> None:
    body = asked(program, organization_id=NOBODY)
    first = await program.call("POST", "/v1/keys", key="k", json=body)
    assert first.status_code == 422
    assert first.json()["errors"][0]["field"] == "organization_id"
    assert (await program.call("POST", "/v1/keys", key="k", json=body)).content == first.content


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"role": "partner_system"}, "body"),
        ({"role": "wizard"}, "role"),
        ({"name": ""}, "name"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "expires_at"),
    ],
)
async def test_what_makes_no_key_is_named(program: Program, fields: dict[str, Any], field: str) -> None:
    response = await program.call("POST", "/v1/keys", json=asked(program, **fields))
    assert response.status_code == 422
    assert [error["field"].partition(".")[0] for error in response.json()["errors"]] == [field]


async def test_an_operators_key_is_not_made_or_rotated_by_any_request(program: Program) -> None:
    made = await program.call("POST", "/v1/keys", json=asked(program, role="operator"))
    assert made.status_code == 403
    operator = await own_id(program, Role.OPERATOR)
    rotated = await program.call("POST", f"/v1/keys/{operator}/rotate", json={"overlap_minutes": 0})
    assert rotated.status_code == 403
    assert (await me(program, program.keys[Role.OPERATOR])).status_code == 200


async def test_another_programs_organization_and_keys_are_not_there(program: Program) -> None:
    other = await new_program(program.house)
    foreign = await own_id(other)
    made = await program.call("POST", "/v1/keys", json=asked(program, organization_id=str(other.agency_id)))
    assert made.status_code == 422
    for method, path, body in (
        ("GET", f"/v1/keys/{foreign}", None),
        ("POST", f"/v1/keys/{foreign}/revoke", None),
        ("POST", f"/v1/keys/{foreign}/rotate", {"overlap_minutes": 0}),
    ):
        assert (await program.call(method, path, json=body)).status_code == 404
    assert foreign not in (await program.call("GET", "/v1/keys", params={"limit": 200})).text
    assert (await me(other, other.keys[Role.PROGRAM_MANAGER])).status_code == 200


async def test_scopes_narrow_what_the_role_may_do(program: Program) -> None:
    scopes = ["openings:read", "claims:read", "openings:read"]
    made = await program.made("/v1/keys", asked(program, role="partner_system", scopes=scopes))
    assert made["scopes"] == ["claims:read", "openings:read"]
    headers = {"Authorization": f"Bearer {made['key']}"}
    assert (await program.house.http.get("/v1/openings", headers=headers)).status_code == 200
    assert (await program.house.http.get("/v1/claims", headers=headers)).status_code == 200
    refused = await program.house.http.post("/v1/participants", json={}, headers=headers)
    assert refused.status_code == 403
    assert "claims:read, openings:read" in refused.json()["detail"]
    assert (await me(program, made["key"])).json()["scopes"] == ["claims:read", "openings:read"]


async def test_keys_are_listed_newest_first_and_page_by_page(program: Program) -> None:
    made = [(await program.made("/v1/keys", asked(program, name=f"System {n}")))["id"] for n in range(3)]
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await program.call("GET", "/v1/keys", role=Role.OPERATOR, params=query)).json()
        assert len(page["items"]) <= 2
        seen += [key["id"] for key in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert seen[:3] == made[::-1]
    assert len(seen) == len(set(seen)) == len(Role) + 3


async def test_a_rotated_key_is_the_same_caller_and_its_old_secret_opens_until_the_overlap_ends(
    program: Program,
) -> None:
    made = await program.made("/v1/keys", asked(program))
    old = {"Authorization": f"Bearer {made['key']}"}
    opening = await program.opening(2)
    body = {"participant": await program.participant(), "items": [{"opening_id": opening["id"]}]}
    held = await program.house.http.post("/v1/claims", json=body, headers=old | {"Idempotency-Key": "mine"})
    assert held.status_code == 201

    rotated = (await program.call("POST", f"/v1/keys/{made['id']}/rotate", json={"overlap_minutes": 10})).json()
    ends = datetime.fromisoformat(rotated["previous_until"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < ends <= timedelta(minutes=10)
    assert rotated["key"] != made["key"]
    assert rotated["prefix"] != made["prefix"]
    new = {"Authorization": f"Bearer {rotated['key']}"}
    for headers in (old, new):
        assert (await program.house.http.get("/v1/me", headers=headers)).json()["id"] == made["id"]
        again = await program.house.http.post("/v1/claims", json=body, headers=headers | {"Idempotency-Key": "mine"})
        assert (again.status_code, again.content) == (201, held.content)
    claim = held.json()["claims"][0]
    confirmed = await program.house.http.post(f"/v1/claims/{claim['id']}/confirm", headers=new)
    assert confirmed.status_code == 200

    async with program.house.owner.transaction(program.id, "tests") as session:
        end = "UPDATE key_secrets SET expires_at = now() WHERE key_id = :id"
        await session.execute(text(end), {"id": made["id"]})
    await asyncio.sleep(1.05)
    assert (await me(program, made["key"])).status_code == 401
    assert (await me(program, rotated["key"])).status_code == 200
    told, kept = await trail(program, made["id"])
    assert told == ["key.created", "key.rotated"]
    assert kept[-1] == ("key.rotated", await own_id(program))


async def test_without_overlap_the_old_secret_ends_at_once(program: Program) -> None:
    made = await program.made("/v1/keys", asked(program))
    assert (await me(program, made["key"])).status_code == 200
    rotated = await program.made(f"/v1/keys/{made['id']}/rotate", {"overlap_minutes": 0})
    assert (await me(program, made["key"])).status_code == 401
    assert (await me(program, rotated["key"])).status_code == 200


async def test_rotating_again_cuts_the_overlap_before_short(program: Program) -> None:
    made = await program.made("/v1/keys", asked(program))
    second = await program.made(f"/v1/keys/{made['id']}/rotate", {"overlap_minutes": 60})
    third = await program.made(f"/v1/keys/{made['id']}/rotate", {"overlap_minutes": 0})
    assert [(await me(program, each["key"])).status_code for each in (made, second, third)] == [401, 401, 200]


async def test_a_revoked_key_opens_nothing_here_at_once_and_stays_revoked(program: Program) -> None:
    made = await program.made("/v1/keys", asked(program))
    rotated = await program.made(f"/v1/keys/{made['id']}/rotate", {"overlap_minutes": 60})
    assert (await me(program, rotated["key"])).status_code == 200
    revoked = await program.made(f"/v1/keys/{made['id']}/revoke", {}, Role.OPERATOR)
    assert revoked["revoked_at"] is not None
    assert [(await me(program, secret)).status_code for secret in (made["key"], rotated["key"])] == [401, 401]
    again = await program.made(f"/v1/keys/{made['id']}/revoke", {})
    assert again["revoked_at"] == revoked["revoked_at"]
    dead = await program.call("POST", f"/v1/keys/{made['id']}/rotate", json={"overlap_minutes": 0})
    assert dead.status_code == 409
    told, kept = await trail(program, made["id"])
    assert told == ["key.created", "key.rotated", "key.revoked"]
    assert kept[-1] == ("key.revoked", await own_id(program, Role.OPERATOR))


async def test_what_is_to_be_done_after_a_commit_is_not_done_without_one(program: Program) -> None:
    done: list[str] = []
    async with program.house.owner.transaction(program.id, "tests") as session:
        when_committed(session, lambda: done.append("committed"))
        assert done == []
    async with program.house.owner.transaction(program.id, "tests") as session:
        when_committed(session, lambda: done.append("rolled back"))
        await session.rollback()
    assert done == ["committed"]


async def test_a_key_of_the_old_format_still_opens_and_can_be_rotated(program: Program) -> None:
    old = "openberth_" + "x" * 43
    key_id = uuid4()
    async with program.house.owner.transaction(program.id, "tests") as session:
        await session.execute(
            text(
                "INSERT INTO keys (program_id, id, organization_id, role, hash)"
                " VALUES (:program, :id, :organization, 'evaluator', sha256(convert_to(:secret, 'UTF8')))"
            ),
            {"program": program.id, "id": key_id, "organization": program.agency_id, "secret": old + str(key_id)},
        )
    assert (await me(program, old + str(key_id))).json()["id"] == str(key_id)
    listed = (await program.call("GET", f"/v1/keys/{key_id}")).json()
    assert (listed["prefix"], listed["name"]) == (None, "")
    rotated = await program.made(f"/v1/keys/{key_id}/rotate", {"overlap_minutes": 1})
    assert (await me(program, rotated["key"])).json()["id"] == str(key_id)


async def test_every_answer_to_a_caller_says_what_is_left_to_them(program: Program) -> None:
    opening = await program.opening(2)
    answers = [
        await program.claim({"opening_id": opening["id"]}),
        await program.call("GET", "/v1/openings", role=Role.CASE_MANAGER),
        await program.call("GET", "/v1/keys", role=Role.CASE_MANAGER),
        await program.call("GET", f"/v1/claims/{NOBODY}", role=Role.CASE_MANAGER),
        await program.call("POST", "/v1/claims", role=Role.CASE_MANAGER),
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 403, 404, 400]
    left = []
    for answer in answers:
        assert answer.headers["ratelimit-policy"] == '"caller";q=20000;w=10'
        found = re.fullmatch(r'"caller";r=(\d+);t=(\d+)', answer.headers["ratelimit"])
        assert found is not None
        assert 0 < int(found[2]) <= 10
        left.append(int(found[1]))
    # Each request took one, unless a new window began meanwhile.
    assert all(after in {before - 1, 19_999} for before, after in itertools.pairwise(left))
    for path in ("/livez", "/openapi.json"):
        assert "ratelimit" not in (await program.house.http.get(path)).headers


async def test_the_last_use_is_stored_beside_the_request_and_once_a_minute(program: Program) -> None:
    house: State = program.house.app.state.house  # type: ignore[attr-defined]
    made = await program.made("/v1/keys", asked(program))
    path = f"/v1/keys/{made['id']}"
    assert (await program.call("GET", path)).json()["last_used_at"] is None
    await me(program, made["key"])
    await house.last_use.write(house.database)
    used = (await program.call("GET", path)).json()["last_used_at"]
    assert abs(datetime.now(UTC) - datetime.fromisoformat(used)) < timedelta(seconds=10)
    house.gate.forget(UUID(made["id"]))
    await me(program, made["key"])
    await house.last_use.write(house.database)
    assert (await program.call("GET", path)).json()["last_used_at"] == used
    assert (await trail(program, made["id"]))[0] == ["key.created"]
