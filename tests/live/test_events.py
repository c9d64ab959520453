"""`GET /v1/events`: who sees what, long polls, and the ends of the log."""

import asyncio
import re
from time import perf_counter
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from app.access.keys import create_key
from app.access.roles import Role
from app.delivery.vocabulary import KINDS
from tests.live.board import latest
from tests.live.conftest import Servers
from tests.support import Program


async def events(program: Program, role: Role = Role.PROGRAM_MANAGER, **query: Any) -> dict[str, Any]:
    """A page of the log, as this role."""
    response = await program.call("GET", "/v1/events", role=role, params=query)
    assert response.status_code == 200, response.text
    page: dict[str, Any] = response.json()
    return page


async def lives(program: Program) -> None:
    """Claims that go through every step, openings through every change."""
    opening = await program.opening(20)
    claims = [await program.held(opening) for _ in range(7)]
    for verb, claim in zip(("release", "extend", "confirm", "confirm", "confirm"), claims, strict=False):
        assert (await program.step(claim, verb)).status_code == 200
    for verb, claim in (("arrive", claims[2]), ("complete", claims[2]), ("no-show", claims[3])):
        assert (await program.step(claim, verb)).status_code == 200
    await program.step(claims[4], "decline", json={"reason": "unsafe"})
    await program.lapse(claims[5])
    await program.call("PATCH", f"/v1/openings/{opening['id']}", headers={"If-Match": "*"}, json={"units_total": 30})
    await program.made(f"/v1/openings/{opening['id']}/attest", {})
    assert (await program.claim({"opening_id": opening["id"], "units": 500})).status_code == 409
    watch = await program.made("/v1/watches", {"need": {}})
    await program.made(f"/v1/openings/{opening['id']}/adjust", {"by": 1})
    await program.opening(1)
    await latest(program)
    await program.call("DELETE", f"/v1/watches/{watch['id']}")
    await program.made(f"/v1/openings/{opening['id']}/withdraw", {})
    await program.call("PATCH", "/v1/program", json={"name": "Another name"})
    location = await program.made("/v1/locations", {"organization_id": str(program.provider_id)})
    for entry in (
        f"organizations/{program.provider_id}",
        f"locations/{location['id']}",
        f"services/{opening['service_id']}",
    ):
        renamed = await program.call("PATCH", f"/v1/{entry}", headers={"If-Match": "*"}, json={"name": "Another name"})
        assert renamed.status_code == 200, renamed.text
    await _let_in(program)
    await _referred(program)
    await _hooked(program)


async def _let_in(program: Program) -> None:
    """A key and a person, from the first day to the last."""
    whose = {"organization_id": str(program.agency_id), "role": "case_manager"}
    key = await program.made("/v1/keys", whose | {"name": "A system"})
    await program.made(f"/v1/keys/{key['id']}/rotate", {"overlap_minutes": 5})
    await program.made(f"/v1/keys/{key['id']}/revoke", {})
    invited = await program.made("/v1/people", whose | {"email": "robin@example.org", "name": "Robin"})
    joined = await program.house.http.post(
        "/v1/invitations/accept/password",
        json={"token": invited["token"], "password": "seven geese over water"},
        headers={"Origin": "http://127.0.0.1:8000"},
    )
    assert joined.status_code == 200, joined.text
    person = f"/v1/people/{invited['person']['id']}"
    assert (await program.call("PATCH", person, json={"name": "Robin R."})).status_code == 200
    await program.made(f"{person}/end", {})
    await program.made(f"{person}/invite", {})


async def _referred(program: Program) -> None:
    """Two people who are referred: one is taken in, one can't be found."""
    people = [{"kind": "community", "person": {"name": name}} for name in ("Jo", "Sam")]
    found, lost = [(await program.made("/v1/referrals", body, Role.OUTREACH_WORKER))["id"] for body in people]
    await program.made(f"/v1/referrals/{found}/contact", {})
    await program.made(f"/v1/referrals/{found}/intake", {"participant": await program.participant()})
    await program.made(f"/v1/referrals/{lost}/close", {"reason": "could_not_be_found"})


async def _hooked(program: Program) -> None:
    """A webhook that is sent nothing, and goes off when its caller's key is revoked; and one that is deleted."""
    whose = {"organization_id": str(program.agency_id), "role": "partner_system", "scopes": ["webhooks:write"]}
    key = await program.made("/v1/keys", whose | {"name": "A partner"})
    headers = {"Authorization": f"Bearer {key['key']}"}
    body = {"url": "https://partner.example.org/", "types": ["key.created"]}
    kept, deleted = [(await program.call("POST", "/v1/webhooks", headers=headers, json=body)).json() for _ in range(2)]
    path = f"/v1/webhooks/{kept['id']}"
    assert (await program.call("DELETE", f"/v1/webhooks/{deleted['id']}")).status_code == 200
    assert (await program.call("PATCH", path, json={"name": "Another"})).status_code == 200
    await program.made(f"{path}/rotate-secret", {})
    await program.made(f"{path}/pause", {})
    await program.made(f"{path}/resume", {"from": "now"})
    await program.made(f"/v1/keys/{key['id']}/revoke", {})
    found: dict[str, Any] = {"state": "on"}
    while found["state"] == "on":
        await asyncio.sleep(0.05)
        found = (await program.call("GET", path)).json()
    assert (found["state"], found["off_because"]) == ("off", "caller_ended")


async def test_every_type_is_written_as_it_is_described(lively: Program) -> None:
    await lives(lively)
    newest = await latest(lively)
    items = (await events(lively, limit=1000))["items"]
    assert [item["number"] for item in items] == list(range(1, newest + 1))
    assert {item["type"] for item in items} == set(KINDS), set(KINDS) - {item["type"] for item in items}
    for item in items:
        KINDS[item["type"]].payload.model_validate(item["data"])
        assert item["version"] == KINDS[item["type"]].version


async def test_every_type_that_a_trigger_can_write_is_described(shared_database: str) -> None:
    connection = await asyncpg.connect(shared_database)
    sources = await connection.fetch(
        "SELECT prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        " AND (prosrc LIKE '%INTO events%' OR proname = 'opening_change')"
    )
    arguments = await connection.fetch(
        "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal"
        " AND tgfoid IN ('leave_trace'::regproc, 'watches_changed'::regproc, 'directory_changed'::regproc)"
    )
    states = await connection.fetchval(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'ck_claims_state_known'"
    )
    await connection.close()
    said = " ".join(row[0] for row in [*sources, *arguments])
    types = set(re.findall(r"'([a-z]+\.[a-z_]+)'", said)) - {"openberth.program_id"}
    types |= {f"claim.{state}" for state in re.findall(r"'([a-z_]+)'", states)}
    assert types == set(KINDS)


async def test_no_event_says_who_a_participant_is(lively: Program) -> None:
    await lives(lively)
    code = await lively.participant()
    claim = await lively.claim({"opening_id": (await lively.opening())["id"], "units": 1}, participant=code)
    assert claim.status_code == 201
    await latest(lively)
    async with lively.house.owner.transaction(lively.id, "tests", reads=True) as session:
        people = [
            str(id)
            for id in await session.scalars(
                text("SELECT id FROM participants WHERE program_id = :id"), {"id": lively.id}
            )
        ]
    said = (await lively.call("GET", "/v1/events", params={"limit": 1000})).text
    assert code not in said
    told = [item for item in (await events(lively, limit=1000))["items"] if item["type"] != "participant.added"]
    assert not [person for person in people if person in str(told)]
    for role in set(Role) - {Role.PROGRAM_MANAGER}:
        answer = await lively.call("GET", "/v1/events", role=role, params={"limit": 1000})
        assert not [person for person in people if person in answer.text]


@pytest.mark.parametrize(
    "role", [Role.OFFICER, Role.PROSECUTOR, Role.COMMUNITY_MEMBER, Role.EVALUATOR, Role.ADVISORY_BOARD, Role.OPERATOR]
)
async def test_who_may_not_listen_hears_nothing(lively: Program, role: Role) -> None:
    for path in ("/v1/events", "/v1/live"):
        assert (await lively.call("GET", path, role=role)).status_code == 403


async def test_each_hears_what_they_could_have_read(lively: Program) -> None:
    claim = await lively.held(await lively.opening())
    await lively.made("/v1/watches", {"need": {}}, Role.CASE_MANAGER)
    await latest(lively)

    async def types(role: Role) -> set[str]:
        return {item["type"].partition(".")[0] for item in (await events(lively, role, limit=1000))["items"]}

    assert await types(Role.PROVIDER) == {"organization", "service", "opening", "claim"}
    assert await types(Role.CASE_MANAGER) == {"organization", "service", "opening", "claim", "watch"}
    assert await types(Role.OUTREACH_WORKER) == {"organization", "service", "opening", "claim"}
    # Of another agency's claims a worker hears as little as they read of them.
    async with lively.house.owner.transaction(lively.id, "tests") as session:
        _, lively.keys[Role.OUTREACH_WORKER] = await create_key(
            session, lively.id, lively.provider_id, Role.OUTREACH_WORKER
        )
    assert await types(Role.OUTREACH_WORKER) == {"organization", "service", "opening"}
    assert (await lively.call("GET", f"/v1/claims/{claim['id']}", role=Role.OUTREACH_WORKER)).status_code == 404


async def test_pages_follow_one_another_over_what_is_not_for_the_reader(lively: Program) -> None:
    for _ in range(3):
        await lively.held(await lively.opening())
    newest = await latest(lively)
    after, seen = 0, []
    while after < newest:
        page = await events(lively, Role.PROVIDER, after=after, limit=3, types="claim.held,opening.published")
        assert after < page["next"] <= after + 3
        assert page["latest"] == newest
        seen += [item["type"] for item in page["items"]]
        after = page["next"]
    assert sorted(seen) == ["claim.held"] * 3 + ["opening.published"] * 3
    assert await events(lively, Role.PROVIDER, after=newest) == {"items": [], "next": newest, "latest": newest}


async def test_an_unknown_type_is_refused_by_name(lively: Program) -> None:
    response = await lively.call("GET", "/v1/events", params={"types": "claim.held,claim.lost"})
    assert response.status_code == 422
    assert "'claim.lost'" in response.json()["detail"]


async def test_a_long_poll_answers_when_there_is_something(lively: Program, servers: Servers) -> None:
    newest = await latest(lively)
    poll = asyncio.create_task(events(lively, Role.PROVIDER, after=newest, wait=30, types="opening.published"))
    await asyncio.sleep(0.2)
    await lively.call("PATCH", "/v1/program", json={"name": "Not for a provider's filter"})
    await asyncio.sleep(0.2)
    assert not poll.done()
    began = perf_counter()
    await lively.opening()
    page = await poll
    assert perf_counter() - began < 20, "it answers when its time is up, not when there is something"
    assert [item["type"] for item in page["items"]] == ["opening.published"]


async def test_a_long_poll_without_news_answers_when_its_time_is_up(lively: Program) -> None:
    newest = await latest(lively)
    began = perf_counter()
    assert await events(lively, after=newest, wait=0.5) == {"items": [], "next": newest, "latest": newest}
    assert 0.4 < perf_counter() - began < 20


async def test_fifty_polls_hold_no_connection(lively: Program) -> None:
    """The server has two. Fifty that held one would time out, and the claim with them."""
    opening = await lively.opening()
    newest = await latest(lively)
    polls = [asyncio.create_task(events(lively, after=newest, wait=20, types="claim.held")) for _ in range(50)]
    await asyncio.sleep(0.5)
    await lively.held(opening)
    pages = await asyncio.gather(*polls)
    assert {len(page["items"]) for page in pages} == {1}


async def test_before_its_beginning_and_beyond_its_end_the_log_is_gone(lively: Program) -> None:
    await lively.opening()
    newest = await latest(lively)
    beyond = await lively.call("GET", "/v1/events", params={"after": newest + 1})
    assert (beyond.status_code, beyond.json()["type"].rpartition("/")[2]) == (410, "log-gone")
    assert "snapshot" in beyond.json()["detail"]
    await lively.opening()
    kept = await latest(lively)
    async with lively.house.owner.transaction(lively.id, "tests") as session:
        await session.execute(text("SELECT forget_events(clock_timestamp(), 100000)"))
    gone = await lively.call("GET", "/v1/events", params={"after": 0})
    assert (gone.status_code, gone.json()["latest"]) == (410, kept)
    assert (await events(lively, after=kept))["items"] == []


async def test_a_change_that_nobody_rang_for_is_numbered_within_seconds(lively: Program) -> None:
    newest = await latest(lively)
    async with lively.house.owner.transaction(lively.id, "psql") as session:
        await session.execute(text("UPDATE programs SET name = 'By hand' WHERE program_id = :id"), {"id": lively.id})
    page = await events(lively, after=newest, wait=10)
    assert [item["type"] for item in page["items"]] == ["program.changed"]
