"""What follows from an edit of the directory: openings, and the silence about a place that is masked."""

import pytest

from app.access.roles import Role
from tests.entries import (
    ELSEWHERE,
    ORGANIZATION,
    PLACE,
    SECRETS,
    Entry,
    change,
    changed,
    end,
    entries,
    found,
    provider_of,
    read,
    refuses,
    stored,
)
from tests.support import SEATTLE, Program
from tests.survivors import rows

# What is not said of a masked place.


MASKINGS: dict[str, list[Entry]] = {
    "where it is": [{"masked": True}],
    "after it moved": [ELSEWHERE, {"masked": True}],
    "while it moves": [ELSEWHERE | {"masked": True}],
    "before it moves": [{"masked": True}, ELSEWHERE],
    "after it was shown again": [{"masked": True}, {"masked": False}, ELSEWHERE, {"masked": True}],
}


@pytest.mark.parametrize("steps", MASKINGS.values(), ids=MASKINGS)
async def test_a_place_that_is_masked_is_said_nowhere_any_more(program: Program, steps: list[Entry]) -> None:
    there = await entries(program)
    location, service = there["locations"], there["services"]
    opening, withdrawn, over = [await program.opening(2, service=service) for _ in range(3)]
    await program.held(opening)
    await program.made(f"/v1/openings/{withdrawn['id']}/withdraw", {})
    await end(program, over)
    assert (await found(program, near=SEATTLE))[opening["id"]]["why"]["distance_km"] > 0
    for facts in steps:
        assert (await change(program, "locations", location, facts)).status_code == 200
    near = (await found(program, near=SEATTLE))[opening["id"]]
    assert (near["why"]["distance_km"], near["city"]) == (None, None)
    assert await found(program, near=SEATTLE, within_km=20_000) == {}
    points = await stored(program, "SELECT latitude, longitude, on_earth FROM openings WHERE program_id = :program_id")
    assert points == [(None, None, None)] * 3
    trail = await program.call("GET", "/v1/trail", params={"action": "location."})
    assert len(trail.json()["items"]) == 1 + len(steps)
    shown = await read(program, "locations", location, Role.CASE_MANAGER)
    said = [trail.text, shown.text] + [row for table, row in (await rows(program)).items() if table != "locations"]
    assert [secret for secret in SECRETS for each in said if secret in each] == []


async def test_nothing_is_left_at_a_place_that_was_masked_after_a_service_moved_away(program: Program) -> None:
    there = await entries(program)
    service = there["services"]
    opening, withdrawn, over = [await program.opening(service=service) for _ in range(3)]
    await program.made(f"/v1/openings/{withdrawn['id']}/withdraw", {})
    await end(program, over)
    other = await program.made("/v1/locations", {"organization_id": service["organization_id"]} | ELSEWHERE)
    await changed(program, "services", service, location_id=other["id"])
    await changed(program, "locations", there["locations"], masked=True)
    points = await stored(program, "SELECT id::text, latitude FROM openings WHERE program_id = :program_id")
    assert [id for id, latitude in points if latitude == PLACE["latitude"]] == []
    assert dict(points)[opening["id"]] == ELSEWHERE["latitude"]


@pytest.mark.parametrize(("organizations", "services"), [(True, False), (False, True)])
async def test_where_survivors_are_served_stays_masked(program: Program, organizations: bool, services: bool) -> None:
    organization = await program.made("/v1/organizations", ORGANIZATION | {"serves_survivors": organizations})
    await provider_of(program, organization)
    own = {"organization_id": organization["id"]}
    location = await program.made("/v1/locations", own | PLACE | {"masked": True}, Role.PROVIDER)
    service = await program.service(location_id=location["id"], serves_survivors=services, **own)
    await program.opening(service=service)
    for facts in ({"masked": False}, ELSEWHERE | {"masked": False}):
        refuses(await change(program, "locations", location, facts), "masked")
    assert (await read(program, "locations", location)).json() == location
    # It moves all the same, and is not said then either.
    await changed(program, "locations", location, **ELSEWHERE)
    said = [row for table, row in (await rows(program)).items() if table != "locations"]
    assert [secret for secret in SECRETS for each in said if secret in each] == []


async def test_a_masked_place_that_serves_no_survivors_may_be_shown_again(program: Program) -> None:
    there = await entries(program)
    location = there["locations"]
    await changed(program, "locations", location, masked=True)
    opening = await program.opening(service=there["services"])
    assert (await found(program, near=SEATTLE))[opening["id"]]["why"]["distance_km"] is None
    await changed(program, "locations", location, masked=False)
    assert (await read(program, "locations", location, Role.CASE_MANAGER)).json() == location | {"version": 3}
    again = (await found(program, near=SEATTLE))[opening["id"]]
    assert (again["why"]["distance_km"], again["city"]) == (pytest.approx(2.04, abs=0.01), "Lake City")


async def test_a_service_for_survivors_moves_to_masked_places_only(program: Program) -> None:
    there = await entries(program)
    own = {"organization_id": there["organizations"]["id"]}
    service = await program.service(serves_survivors=True, **own)
    opening = await program.opening(service=service)
    refuses(await change(program, "services", service, {"location_id": there["locations"]["id"]}), "location_id")
    assert (await read(program, "services", service)).json() == service
    masked = await program.made("/v1/locations", own | PLACE | {"masked": True}, Role.PROVIDER)
    await changed(program, "services", service, location_id=masked["id"])
    seen = (await found(program, near=SEATTLE))[opening["id"]]
    assert (seen["why"]["distance_km"], seen["city"]) == (None, None)


# Openings follow.


async def test_openings_move_with_their_location(program: Program) -> None:
    there = await entries(program)
    opening = await program.opening(2, service=there["services"])
    claim = await program.held(opening)
    here = f"{PLACE['latitude']},{PLACE['longitude']}"
    assert (await found(program, near=here))[opening["id"]]["why"]["distance_km"] == 0
    await changed(program, "locations", there["locations"], **ELSEWHERE)
    moved = (await found(program, near=here))[opening["id"]]
    assert moved["why"]["distance_km"] == pytest.approx(5.05, abs=0.05)
    assert (moved["city"], moved["units_open"]) == ("Ravenna", 1)
    assert await found(program, near=here, within_km=5) == {}
    assert (await program.look(opening))["version"] == opening["version"] + 1
    assert (await program.step(claim, "confirm")).status_code == 200
    await changed(program, "locations", there["locations"], latitude=None, longitude=None)
    assert (await found(program, near=here))[opening["id"]]["why"]["distance_km"] is None


async def test_openings_move_with_their_service(program: Program) -> None:
    there = await entries(program)
    opening = await program.opening(service=there["services"])
    own = {"organization_id": there["organizations"]["id"]}
    other = await program.made("/v1/locations", own | ELSEWHERE)
    near = f"{ELSEWHERE['latitude']},{ELSEWHERE['longitude']}"
    for location_id, distance, city in ((other["id"], 0, "Ravenna"), (None, None, None)):
        await changed(program, "services", there["services"], location_id=location_id)
        seen = (await found(program, near=near))[opening["id"]]
        assert (seen["why"]["distance_km"], seen["city"]) == (distance, city)


async def test_openings_are_shown_with_the_names_of_now(program: Program) -> None:
    there = await entries(program)
    opening = await program.opening(service=there["services"])
    await changed(program, "services", there["services"], name="Day beds")
    await changed(program, "organizations", there["organizations"], name="Plymouth Housing")
    seen = (await found(program))[opening["id"]]
    assert (seen["service_name"], seen["organization_name"]) == ("Day beds", "Plymouth Housing")
    # Whoever changes the opening under the ETag of then does not know that.
    late = await program.call(
        "PATCH",
        f"/v1/openings/{opening['id']}",
        role=Role.PROVIDER,
        headers={"If-Match": '"v1"'},
        json={"units_total": 3},
    )
    assert late.status_code == 412


async def test_openings_that_are_not_concerned_stay_as_they_are(program: Program) -> None:
    there = await entries(program)
    own = {"organization_id": there["organizations"]["id"]}
    elsewhere = await program.made("/v1/locations", own | ELSEWHERE)
    beside = await program.opening(service=await program.service(location_id=elsewhere["id"], **own))
    withdrawn = await program.opening(service=there["services"])
    withdrawn = await program.made(f"/v1/openings/{withdrawn['id']}/withdraw", {})
    stranger = await program.opening(service=await program.service(latitude=47.6, longitude=-122.3))
    await changed(program, "locations", there["locations"], city="Ravenna")
    await changed(program, "services", there["services"], name="Day beds", status="inactive")
    for opening in (beside, withdrawn, stranger):
        assert await program.look(opening) == opening
    # What its organization is called is shown of every opening that is open.
    await changed(program, "organizations", there["organizations"], name="Plymouth Housing")
    assert (await program.look(beside))["version"] == beside["version"] + 1
    for opening in (withdrawn, stranger):
        assert await program.look(opening) == opening


@pytest.mark.parametrize("status", ["inactive", "defunct", "temporarily closed"])
async def test_a_service_that_is_no_longer_active_has_no_openings(program: Program, status: str) -> None:
    service = (await entries(program))["services"]
    openings = [await program.opening(2, service=service) for _ in range(2)]
    claim, lapsed = await program.held(openings[0]), await program.held(openings[1])
    await program.lapse(lapsed)
    await changed(program, "services", service, status=status)
    assert [(await program.look(each))["off_board_because"] for each in openings] == ["withdrawn"] * 2
    assert await found(program) == {}
    refused = await program.claim({"opening_id": openings[0]["id"]})
    assert refused.json()["refused"][0]["reason"] == "withdrawn"
    for verb in ("confirm", "arrive"):
        assert (await program.step(claim, verb)).status_code == 200
    again = {"service_id": service["id"], "unit": "bed", "units_total": 1}
    late = await program.call("POST", "/v1/openings", role=Role.PROVIDER, json=again)
    refuses(late, "service_id")
    assert status in late.json()["detail"]
    # What was withdrawn stays so when the service is active again: what is open then must be published.
    await changed(program, "services", service, status="active")
    assert [(await program.look(each))["off_board_because"] for each in openings] == ["withdrawn"] * 2
    new = await program.made("/v1/openings", again, Role.PROVIDER)
    assert set(await found(program)) == {new["id"]}


async def test_openings_keep_the_terms_that_they_were_published_with(program: Program) -> None:
    service = (await entries(program))["services"]
    opening = await program.opening(service=service)
    terms: Entry = {"minimum_age": 21, "maximum_age": 24, "languages": ["so"], "attributes": {"pets": "no"}}
    await changed(program, "services", service, **terms)
    assert await program.look(opening) == opening
    new = await program.opening(service=service)
    assert {name: new[name] for name in terms} == terms
