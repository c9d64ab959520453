"""Watches: all who watch hear at once, once, and nobody comes before another."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.access.keys import create_key
from app.access.roles import Role
from tests.live.board import dial, heard, latest, listening
from tests.support import Program

NEED = {"category": "housing", "needs": ["pets"], "units": 2}


async def watch(
    program: Program, need: dict[str, Any] | None = None, role: Role = Role.CASE_MANAGER, **more: Any
) -> dict[str, Any]:
    """A new watch."""
    return await program.made("/v1/watches", {"need": NEED if need is None else need, **more}, role)


async def matches(program: Program, role: Role = Role.CASE_MANAGER) -> list[dict[str, Any]]:
    """What watchers were told, as this role may hear it."""
    await latest(program)
    response = await program.call("GET", "/v1/events", role=role, params={"types": "watch.matched", "limit": 1000})
    return [item["data"] for item in response.json()["items"]]


async def pets(program: Program, units: int) -> dict[str, Any]:
    """An opening that fits, if it has the units."""
    return await program.opening(units, service=await program.service(attributes={"pets": "yes"}))


async def test_watchers_hear_of_what_appears_and_of_what_comes_free(lively: Program) -> None:
    started = await watch(lively)
    opening = await pets(lively, 2)
    await lively.opening(5)
    [first] = await matches(lively)
    assert (first["watch_id"], first["opening_ids"]) == (started["id"], [opening["id"]])
    claim = await lively.held(opening)
    assert len(await matches(lively)) == 1
    await lively.step(claim, "release")
    assert [each["opening_ids"] for each in await matches(lively)] == [[opening["id"]]] * 2


async def test_what_was_open_all_along_is_no_news(lively: Program) -> None:
    opening = await pets(lively, 5)
    await latest(lively)
    await watch(lively)
    await lively.made(f"/v1/openings/{opening['id']}/attest", {})
    await lively.made(f"/v1/openings/{opening['id']}/adjust", {"by": 3})
    await lively.step(await lively.held(opening), "release")
    assert await matches(lively) == []
    await lively.call("PATCH", f"/v1/openings/{opening['id']}", headers={"If-Match": "*"}, json={"units_total": 0})
    await lively.made(f"/v1/openings/{opening['id']}/adjust", {"by": 1})
    assert await matches(lively) == []
    await lively.made(f"/v1/openings/{opening['id']}/adjust", {"by": 1})
    assert len(await matches(lively)) == 1


async def test_what_has_become_what_was_watched_for_is_news(lively: Program) -> None:
    there = {"organization_id": str(lively.provider_id), "location_type": "physical"}
    location = await lively.made("/v1/locations", there | {"latitude": 48.5, "longitude": -122.3}, Role.PROVIDER)
    opening = await lively.opening(2, service=await lively.service(location_id=location["id"]))
    await latest(lively)
    by_terms = await watch(lively)
    by_place = await watch(lively, {"category": "housing", "near": "47.6,-122.3", "within_km": 5})
    any_match = {"If-Match": "*"}

    async def change(path: str, body: dict[str, Any]) -> None:
        response = await lively.call("PATCH", path, role=Role.PROVIDER, headers=any_match, json=body)
        assert response.status_code == 200, response.text

    await change(f"/v1/openings/{opening['id']}", {"hold_minutes": 30})
    assert await matches(lively) == []
    await change(f"/v1/openings/{opening['id']}", {"attributes": {"pets": "yes"}})
    assert [each["watch_id"] for each in await matches(lively)] == [by_terms["id"]]
    await change(f"/v1/locations/{location['id']}", {"latitude": 47.6, "longitude": -122.3})
    assert {each["watch_id"] for each in await matches(lively)} == {by_terms["id"], by_place["id"]}
    told = await matches(lively)
    # By another name it is no other opening.
    await change(f"/v1/locations/{location['id']}", {"city": "Seattle"})
    await change(f"/v1/services/{opening['service_id']}", {"name": "Night beds"})
    assert await matches(lively) == told


async def test_a_stale_opening_that_is_attested_again_is_news(lively: Program) -> None:
    opening = await pets(lively, 5)
    await latest(lively)
    await watch(lively)
    async with lively.house.owner.transaction(lively.id, "tests") as session:
        stale = "UPDATE openings SET fresh_until = clock_timestamp() WHERE id = :id"
        await session.execute(text(stale), {"id": opening["id"]})
    assert await matches(lively) == []
    await lively.made(f"/v1/openings/{opening['id']}/attest", {})
    assert len(await matches(lively)) == 1


async def test_all_watchers_hear_at_once_and_the_first_to_claim_has_it(lively: Program) -> None:
    for role in (Role.CASE_MANAGER, Role.OUTREACH_WORKER):
        await watch(lively, {"category": "housing"}, role)
    await latest(lively)
    sockets = [await dial(lively, role) for role in (Role.CASE_MANAGER, Role.OUTREACH_WORKER)]
    for socket in sockets:
        snapshot = await listening(socket, category="vocational")
        assert len(snapshot["watches"]) == 1
    opening = await lively.opening(1)

    async def told(socket: Any) -> dict[str, Any]:
        while True:
            for item in (await heard(socket)).get("items", []):
                if item["type"] == "watch.matched":
                    found: dict[str, Any] = item
                    return found

    first, second = await asyncio.gather(*(told(socket) for socket in sockets))
    assert first["watch"]["opening_ids"] == second["watch"]["opening_ids"] == [opening["id"]]
    assert abs(first["number"] - second["number"]) == 1
    assert first["watch"]["caller_id"] != second["watch"]["caller_id"]
    claims = await asyncio.gather(
        *(
            lively.claim({"opening_id": opening["id"], "units": 1}, role=role)
            for role in (Role.OUTREACH_WORKER, Role.CASE_MANAGER)
        )
    )
    assert sorted(claim.status_code for claim in claims) == [201, 409]
    await asyncio.gather(*(socket.close() for socket in sockets))


async def test_a_watch_ends_by_itself_or_when_its_owner_says_so(lively: Program) -> None:
    ended, lapsed = await watch(lively), await watch(lively)
    soon = (datetime.now(UTC) + timedelta(seconds=0.7)).isoformat()
    await watch(lively, until=soon)
    answer = await lively.call("DELETE", f"/v1/watches/{ended['id']}", role=Role.CASE_MANAGER)
    assert (answer.status_code, answer.json()["id"]) == (200, ended["id"])
    assert (await lively.call("DELETE", f"/v1/watches/{ended['id']}", role=Role.CASE_MANAGER)).status_code == 404
    await asyncio.sleep(0.8)
    on = (await lively.call("GET", "/v1/watches", role=Role.CASE_MANAGER)).json()["items"]
    assert [each["id"] for each in on] == [lapsed["id"]]
    await pets(lively, 2)
    assert [each["watch_id"] for each in await matches(lively)] == [lapsed["id"]]


async def test_it_lasts_a_shift_unless_said_otherwise_and_a_day_at_most(lively: Program) -> None:
    started = await watch(lively)
    lasts = datetime.fromisoformat(started["until"]) - datetime.fromisoformat(started["started_at"])
    assert lasts == timedelta(hours=12)
    for until in (timedelta(hours=25), timedelta(hours=-1)):
        body = {"need": {}, "until": (datetime.now(UTC) + until).isoformat()}
        response = await lively.call("POST", "/v1/watches", role=Role.CASE_MANAGER, json=body)
        assert response.status_code == 422
        assert response.json()["errors"][0]["field"] == "until"


async def test_a_watch_is_its_owners_alone(lively: Program) -> None:
    started = await watch(lively)
    async with lively.house.owner.transaction(lively.id, "tests") as session:
        _, colleague = await create_key(session, lively.id, lively.agency_id, Role.CASE_MANAGER)
    await pets(lively, 2)
    await latest(lively)
    headers = {"Authorization": f"Bearer {colleague}"}
    assert (await lively.call("GET", "/v1/watches", headers=headers)).json()["items"] == []
    assert (await lively.call("DELETE", f"/v1/watches/{started['id']}", headers=headers)).status_code == 404
    theirs = await lively.call("GET", "/v1/events", headers=headers, params={"limit": 1000})
    assert "watch." not in theirs.text
    assert len(await matches(lively)) == 1


async def test_a_need_that_is_none_is_refused(lively: Program) -> None:
    response = await lively.call("POST", "/v1/watches", role=Role.CASE_MANAGER, json={"need": {"category": "castle"}})
    assert response.status_code == 422


@pytest.mark.parametrize("need", [{}, {"category": "housing"}, {"near": "47.6,-122.3", "within_km": 3}])
async def test_a_watch_finds_what_a_search_finds(lively: Program, need: dict[str, Any]) -> None:
    started = await watch(lively, need)
    places: list[dict[str, Any]] = [
        {},
        {"latitude": 47.61, "longitude": -122.3},
        {"latitude": 48.5, "longitude": -122.3},
    ]
    for place in places:
        await lively.opening(1, service=await lively.service("housing", **place))
    told = {id for each in await matches(lively) if each["watch_id"] == started["id"] for id in each["opening_ids"]}
    found = (await lively.call("GET", "/v1/openings", params=need)).json()["items"]
    assert told == {each["id"] for each in found}
