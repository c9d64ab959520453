"""The directory is edited through HTTP: what is changed is what is read, openings follow, no masked place gets out."""

from typing import Any
from uuid import UUID

import pytest
from httpx import Response
from sqlalchemy import text

from app.access.keys import create_key
from app.access.roles import Role
from tests.support import SEATTLE, Program
from tests.survivors import rows

Entry = dict[str, Any]

NOBODY = "01900000-0000-7000-8000-000000000000"
KINDS = ("organizations", "locations", "services")

ORGANIZATION: Entry = {
    "name": "Plymouth",
    "description": "Beds",
    "website": "https://example.org/",
    "email": "desk@example.org",
}
# With more digits than a time of day has, and words that no id can be read as: what is looked for must be the place.
PLACE: Entry = {
    "name": "The blue house",
    "location_type": "physical",
    "latitude": 47.6205137,
    "longitude": -122.3493172,
    "address_1": "400 Broad Street",
    "address_2": "Floor 2",
    "city": "Lake City",
    "state_province": "WA",
    "postal_code": "98109-4321",
    "country": "US",
}
ELSEWHERE: Entry = {
    "name": "The red house",
    "location_type": "virtual",
    "latitude": 47.6588214,
    "longitude": -122.3130467,
    "address_1": "7 Quiet Lane",
    "address_2": "Back door",
    "city": "Ravenna",
    "state_province": "OR",
    "postal_code": "98105-8765",
    "country": "CA",
}
SECRETS = [
    str(place[name])
    for place in (PLACE, ELSEWHERE)
    for name in ("name", "latitude", "longitude", "address_1", "address_2", "city", "postal_code")
]
SERVICE: Entry = {
    "name": "Night beds",
    "description": "Doors open late",
    "status": "active",
    "hud_project_type": 1,
    "eligibility_description": "Adults",
    "minimum_age": 18,
    "maximum_age": 65,
    "languages": ["en", "zh-Hant"],
    "attributes": {"pets": "yes"},
    "phones": [{"number": "+1 (206) 555-0100", "extension": "7", "description": "The desk"}],
    "schedules": [{"description": "Doors open at 18:00"}],
    "required_documents": [{"document": "A blanket of your own"}],
}
AS_THEY_ARE = {"organizations": ORGANIZATION, "locations": PLACE, "services": SERVICE}
ALL_CHANGED: dict[str, Entry] = {
    "organizations": {
        "name": "Plymouth Housing",
        "description": "Beds and meals",
        "website": "https://example.net/beds",
        "email": "night@example.net",
    },
    "locations": ELSEWHERE,
    "services": {
        "name": "Day beds",
        "description": "Doors open early",
        "status": "temporarily closed",
        "hud_project_type": 2,
        "eligibility_description": "Youth",
        "minimum_age": 16,
        "maximum_age": 24,
        "languages": ["so"],
        "attributes": {"pets": "no"},
        "phones": [{"number": "+1 206 555 0101", "extension": None, "description": None}],
        "schedules": [],
        "required_documents": [{"document": "Nothing"}, {"document": "But yourself"}],
    },
}
CLEARED = {
    "organizations": ["website", "email"],
    "locations": sorted(PLACE.keys() - {"location_type"}),
    "services": ["location_id", "hud_project_type", "eligibility_description", "minimum_age", "maximum_age"],
}


async def entries(program: Program) -> dict[str, Entry]:
    """An organization, a location of its own and a service there, by kind; the provider's key is theirs."""
    organization = await program.made("/v1/organizations", ORGANIZATION)
    await provider_of(program, organization)
    own = {"organization_id": organization["id"]}
    location = await program.made("/v1/locations", own | PLACE)
    service = await program.made("/v1/services", own | SERVICE | {"category": "housing", "location_id": location["id"]})
    return {"organizations": organization, "locations": location, "services": service}


async def provider_of(program: Program, organization: Entry) -> None:
    """From now on the provider's key belongs to this organization."""
    async with program.house.owner.transaction(program.id, "tests") as session:
        _, program.keys[Role.PROVIDER] = await create_key(session, program.id, organization["id"], Role.PROVIDER)


async def change(
    program: Program,
    kind: str,
    entry: Entry,
    facts: Entry,
    *,
    match: str | None = "*",
    role: Role = Role.PROVIDER,
    **request: Any,
) -> Response:
    """PATCH an entry."""
    headers = request.pop("headers", {}) | ({} if match is None else {"If-Match": match})
    return await program.call("PATCH", f"/v1/{kind}/{entry['id']}", role=role, headers=headers, json=facts, **request)


async def changed(program: Program, kind: str, entry: Entry, **facts: Any) -> Entry:
    """An entry after a change that must be made."""
    response = await change(program, kind, entry, facts)
    assert response.status_code == 200, response.text
    now: Entry = response.json()
    return now


async def read(program: Program, kind: str, entry: Entry, role: Role = Role.PROVIDER) -> Response:
    """GET an entry."""
    return await program.call("GET", f"/v1/{kind}/{entry['id']}", role=role)


async def found(program: Program, **query: Any) -> dict[str, Entry]:
    """What a case manager's search finds, by id."""
    response = await program.call("GET", "/v1/openings", role=Role.CASE_MANAGER, params=query)
    assert response.status_code == 200, response.text
    return {each["id"]: each for each in response.json()["items"]}


async def stored(program: Program, question: str, **values: Any) -> list[tuple[Any, ...]]:
    """Rows of the database, as the schema's owner sees it; `:program_id` is the program."""
    async with program.house.owner.transaction(program.id, "tests") as session:
        return [tuple(row) for row in await session.execute(text(question), {"program_id": program.id} | values)]


async def end(program: Program, opening: Entry) -> None:
    """Let an opening be over, as the schema's owner."""
    async with program.house.owner.transaction(program.id, "tests") as session:
        over = "UPDATE openings SET ends_at = now() - interval '1 ms' WHERE id = :id"
        await session.execute(text(over), {"id": opening["id"]})


async def written(program: Program) -> dict[str, str]:
    """Every row of the program but the keys, whose last use is noted now and then."""
    found = await rows(program)
    del found["keys"]
    return found


def refuses(response: Response, field: str) -> None:
    """Fail unless this is a problem that names the field."""
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in response.json()["errors"]] == [field]


# What is changed is what is read.


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_changed_is_what_is_read(program: Program, kind: str) -> None:
    entry = (await entries(program))[kind]
    response = await change(program, kind, entry, ALL_CHANGED[kind], match='"v1"')
    assert response.status_code == 200, response.text
    assert response.json() == entry | ALL_CHANGED[kind] | {"version": 2}
    for role in (Role.PROVIDER, Role.CASE_MANAGER):
        assert (await read(program, kind, entry, role)).json() == response.json()
    listed = (await program.call("GET", f"/v1/{kind}", params={"limit": 200})).json()["items"]
    assert response.json() in listed


@pytest.mark.parametrize("kind", KINDS)
async def test_every_answer_has_the_etag_of_the_version(program: Program, kind: str) -> None:
    own = {} if kind == "organizations" else {"organization_id": str(program.provider_id)}
    category = {"category": "housing"} if kind == "services" else {}
    made = await program.call("POST", f"/v1/{kind}", json=own | category | AS_THEY_ARE[kind])
    entry = made.json()
    assert (made.status_code, made.headers["ETag"], entry["version"]) == (201, '"v1"', 1)
    assert (await read(program, kind, entry)).headers["ETag"] == '"v1"'
    response = await change(program, kind, entry, {"name": "Another"}, match='"v1"', role=Role.PROGRAM_MANAGER)
    assert (response.headers["ETag"], response.json()["version"]) == ('"v2"', 2)
    assert (await read(program, kind, entry)).headers["ETag"] == '"v2"'


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("organizations", {"description": "Open all night"}),
        ("locations", {"city": "Ravenna"}),
        ("locations", {"masked": True}),
        ("services", {"description": "Open all night"}),
        ("services", {"attributes": {"couples": "no"}}),
    ],
)
async def test_what_is_left_out_stays(program: Program, kind: str, facts: Entry) -> None:
    entry = (await entries(program))[kind]
    expected = entry | facts | {"version": 2}
    if "attributes" in facts:
        expected["attributes"] = {"pets": "yes", "couples": "no"}
    assert await changed(program, kind, entry, **facts) == expected


@pytest.mark.parametrize("kind", KINDS)
async def test_a_change_of_nothing_is_none(program: Program, kind: str) -> None:
    there = await entries(program)
    entry = there[kind]
    await program.opening(service=there["services"])
    before = await written(program)
    for facts in ({}, AS_THEY_ARE[kind], {name: entry[name] for name in AS_THEY_ARE[kind]}):
        response = await change(program, kind, entry, facts, match='"v1"')
        assert (response.status_code, response.headers["ETag"], response.json()) == (200, '"v1"', entry)
    assert await written(program) == before


async def test_what_a_part_of_a_service_leaves_out_is_no_change_of_it(program: Program) -> None:
    phones = [{"number": "+1 206 555 0100"}]
    service = await program.service(phones=phones)
    assert (await changed(program, "services", service, phones=phones))["version"] == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_null_clears_what_can_be_left_out(program: Program, kind: str) -> None:
    entry = (await entries(program))[kind]
    cleared = await changed(program, kind, entry, **dict.fromkeys(CLEARED[kind]))
    assert cleared == entry | dict.fromkeys(CLEARED[kind]) | {"version": 2}


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        *[("organizations", name) for name in ("name", "description")],
        *[("locations", name) for name in ("location_type", "masked")],
        *[("services", name) for name in SERVICE if name not in CLEARED["services"]],
    ],
)
async def test_null_does_not_clear_what_every_entry_has(program: Program, kind: str, field: str) -> None:
    entry = (await entries(program))[kind]
    refuses(await change(program, kind, entry, {field: None}), field)
    assert (await read(program, kind, entry)).json() == entry


# Under which ETag.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("match", "status"),
    [(None, 428), ('"v2"', 412), ('"v0"', 412), ("v1", 400), ('W/"v1"', 400), ('"1"', 400), ("", 400)],
)
async def test_a_change_under_another_etag_is_refused(
    program: Program, kind: str, match: str | None, status: int
) -> None:
    entry = (await entries(program))[kind]
    response = await change(program, kind, entry, {"name": "Another"}, match=match)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert (await read(program, kind, entry)).json() == entry


@pytest.mark.parametrize("kind", KINDS)
async def test_of_two_changes_to_what_both_read_the_second_is_refused(program: Program, kind: str) -> None:
    entry = (await entries(program))[kind]
    first = await change(program, kind, entry, {"name": "First"}, match='"v1"')
    late = await change(program, kind, entry, {"name": "Second"}, match='"v1"')
    assert (first.status_code, late.status_code) == (200, 412)
    assert "version 2" in late.json()["detail"]
    assert (await read(program, kind, entry)).json() == first.json()


# What can not be.


@pytest.mark.parametrize(
    ("kind", "facts", "field"),
    [
        ("organizations", {"name": " "}, "name"),
        ("organizations", {"name": "A\u0000"}, "name"),
        ("organizations", {"website": "javascript:alert(1)"}, "website"),
        ("organizations", {"email": "nobody"}, "email"),
        ("organizations", {"serves_survivors": True}, "serves_survivors"),
        ("organizations", {"promises_kept": 99}, "promises_kept"),
        ("organizations", {"version": 9}, "version"),
        ("locations", {"name": ""}, "name"),
        ("locations", {"latitude": 47.6}, "body"),
        ("locations", {"longitude": None}, "body"),
        ("locations", {"latitude": None, "longitude": -122.3}, "body"),
        ("locations", {"latitude": 91, "longitude": 0}, "latitude"),
        ("locations", {"country": "usa"}, "country"),
        ("locations", {"location_type": "boat"}, "location_type"),
        ("locations", {"masked": 1}, "masked"),
        ("locations", {"organization_id": NOBODY}, "organization_id"),
        ("services", {"name": " "}, "name"),
        ("services", {"category": "food"}, "category"),
        ("services", {"serves_survivors": True}, "serves_survivors"),
        ("services", {"organization_id": NOBODY}, "organization_id"),
        ("services", {"location_id": NOBODY}, "location_id"),
        ("services", {"status": "open"}, "status"),
        ("services", {"hud_project_type": 15}, "hud_project_type"),
        ("services", {"minimum_age": 30, "maximum_age": 20}, "body"),
        ("services", {"minimum_age": 66}, "minimum_age"),
        ("services", {"maximum_age": 17}, "minimum_age"),
        ("services", {"attributes": {"dragons": "yes"}}, "attributes"),
        ("services", {"languages": ["x"]}, "languages"),
        ("services", {"phones": [{"number": "call us"}]}, "phones.0.number"),
        ("services", {"phones": [{"number": "206 555 0100", "fax": "1"}]}, "phones.0.fax"),
        ("services", {"schedules": [{"description": ""}]}, "schedules.0.description"),
    ],
)
async def test_what_can_not_be_is_refused_by_field(program: Program, kind: str, facts: Entry, field: str) -> None:
    entry = (await entries(program))[kind]
    before = await written(program)
    refuses(await change(program, kind, entry, facts), field)
    assert await written(program) == before


async def test_ages_may_move_past_those_that_were_when_both_are_given(program: Program) -> None:
    service = (await entries(program))["services"]
    moved = await changed(program, "services", service, minimum_age=70, maximum_age=80)
    assert (moved["minimum_age"], moved["maximum_age"]) == (70, 80)
    assert (await changed(program, "services", service, minimum_age=None))["maximum_age"] == 80


async def test_a_service_stays_at_locations_of_its_own_organization(program: Program) -> None:
    service = (await entries(program))["services"]
    theirs = await program.made("/v1/locations", {"organization_id": str(program.agency_id)})
    refuses(await change(program, "services", service, {"location_id": theirs["id"]}), "location_id")
    assert (await read(program, "services", service)).json() == service


# Whose.


@pytest.mark.parametrize("kind", KINDS)
async def test_only_its_own_organization_and_a_manager_change_an_entry(program: Program, kind: str) -> None:
    entry = (await entries(program))[kind]
    assert (await changed(program, kind, entry, name="By its own"))["name"] == "By its own"
    now = await change(program, kind, entry, {"name": "By a manager"}, role=Role.PROGRAM_MANAGER)
    assert (now.status_code, now.json()["name"]) == (200, "By a manager")
    for role in set(Role) - {Role.PROVIDER, Role.PROGRAM_MANAGER}:
        refused = await change(program, kind, entry, {"name": "By another"}, role=role)
        assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json"), role
    await provider_of(program, {"id": program.agency_id})
    refused = await change(program, kind, entry, {"name": "By another"})
    assert refused.status_code == 403
    assert "own organization" in refused.json()["detail"]
    assert (await read(program, kind, entry)).json() == now.json()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_partners_key_changes_what_its_scopes_reach(program: Program, kind: str) -> None:
    entry = (await entries(program))[kind]
    statuses = {}
    for scope in ("directory:read", "openings:write", "directory:write"):
        async with program.house.owner.transaction(program.id, "tests") as session:
            owner = UUID(entry.get("organization_id", entry["id"]))
            _, program.keys[Role.PARTNER_SYSTEM] = await create_key(
                session, program.id, owner, Role.PARTNER_SYSTEM, scopes=[scope]
            )
        response = await change(program, kind, entry, {"name": scope}, role=Role.PARTNER_SYSTEM)
        statuses[scope] = response.status_code
    assert statuses == {"directory:read": 403, "openings:write": 403, "directory:write": 200}
    assert (await read(program, kind, entry)).json() == entry | {"name": "directory:write", "version": 2}


async def test_a_manager_masks_a_place_but_changes_none_that_is_not_shown_to_them(program: Program) -> None:
    location = (await entries(program))["locations"]
    masked = await change(program, "locations", location, {"masked": True}, role=Role.PROGRAM_MANAGER)
    assert (masked.status_code, masked.json()["masked"]) == (200, True)
    assert [secret for secret in SECRETS if secret in masked.text] == []
    for facts in ({"masked": False}, {"city": "Ravenna"}, {}):
        refused = await change(program, "locations", location, facts, role=Role.PROGRAM_MANAGER)
        assert refused.status_code == 403
        assert "own organization" in refused.json()["detail"]
    assert (await read(program, "locations", location)).json() == location | {"masked": True, "version": 2}


@pytest.mark.parametrize("kind", KINDS)
async def test_another_programs_entry_is_not_there(program: Program, other_program: Program, kind: str) -> None:
    entry = (await entries(program))[kind]
    response = await change(other_program, kind, entry, {"name": "Ours"}, role=Role.PROGRAM_MANAGER)
    assert response.status_code == 404
    assert (await read(program, kind, entry)).json() == entry


# What it leaves behind.


@pytest.mark.parametrize(
    ("kind", "facts", "detail"),
    [
        ("organizations", {"name": "Plymouth Housing", "email": None}, {"name": "Plymouth Housing", "email": None}),
        ("locations", {"city": "Ravenna", "masked": False}, {"city": "(not shown)"}),
        ("locations", {"masked": True}, {"masked": True}),
        ("services", {"minimum_age": 21, "name": "Night beds"}, {"minimum_age": 21}),
    ],
)
async def test_what_changed_is_told_and_stands_in_the_trail(
    program: Program, kind: str, facts: Entry, detail: Entry
) -> None:
    entry = (await entries(program))[kind]
    await changed(program, kind, entry, **facts)
    me = (await program.call("GET", "/v1/me", role=Role.PROVIDER)).json()
    kept = (await program.call("GET", "/v1/trail", params={"subject_id": entry["id"]})).json()["items"]
    one = kind.removesuffix("s")
    assert [each["action"] for each in kept] == [f"{one}.changed", f"{one}.added"]
    assert (kept[0]["actor"], kept[0]["detail"]) == (me["id"], detail)
    told = await stored(
        program,
        "SELECT type, data FROM events WHERE program_id = :program_id AND subject_id = :id ORDER BY id",
        id=entry["id"],
    )
    assert told == [(f"{one}.added", {}), (f"{one}.changed", {})]


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
