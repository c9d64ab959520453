"""The directory is edited through HTTP: what is changed is what is read, under its ETag, by whom it belongs to."""

from uuid import UUID

import pytest

from app.access.keys import create_key
from app.access.roles import Role
from tests.entries import (
    ALL_CHANGED,
    AS_THEY_ARE,
    CLEARED,
    KINDS,
    NOBODY,
    SECRETS,
    SERVICE,
    Entry,
    change,
    changed,
    entries,
    provider_of,
    read,
    refuses,
    stored,
    written,
)
from tests.support import Program

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
