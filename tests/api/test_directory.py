"""The directory through HTTP, and above all what it does not say of survivors' places."""

from typing import Any

import pytest
from sqlalchemy import text

from app.access.keys import create_key
from app.access.roles import Role
from tests.support import SEATTLE, Program

PLACE = {
    "name": "The blue house",
    "location_type": "physical",
    "latitude": 47.6205,
    "longitude": -122.3493,
    "address_1": "400 Broad Street",
    "address_2": "Floor 2",
    "city": "Lake City",
    "state_province": "WA",
    "postal_code": "98109",
    "country": "US",
}
SECRETS = ["blue house", "47.6205", "122.349", "Broad Street", "Floor 2", "Lake City", "98109"]


async def refuge(program: Program, *, survivors: bool, masked: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """An organization with a location, and a service there; the provider's key is that organization's."""
    facts = {"name": "A refuge", "serves_survivors": survivors}
    organization = await program.made("/v1/organizations", facts)
    async with program.house.owner.transaction(program.id, "tests") as session:
        _, program.keys[Role.PROVIDER] = await create_key(session, program.id, organization["id"], Role.PROVIDER)
    own = {"organization_id": organization["id"]}
    location = await program.made("/v1/locations", own | PLACE | {"masked": masked}, Role.PROVIDER)
    service = await program.service(location_id=location["id"], **own)
    return location, service


@pytest.mark.parametrize(("survivors", "masked"), [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("role", [Role.PROGRAM_MANAGER, Role.CASE_MANAGER, Role.EVALUATOR])
async def test_a_masked_place_is_in_no_answer_to_others(
    program: Program, survivors: bool, masked: bool, role: Role
) -> None:
    location, service = await refuge(program, survivors=survivors, masked=masked)
    full, opening = await program.opening(service=service), await program.opening(3, service=service)
    await program.held(full)
    paths = [
        f"/v1/locations/{location['id']}",
        "/v1/locations",
        f"/v1/locations?organization_id={location['organization_id']}",
        f"/v1/services/{service['id']}",
        "/v1/services",
        "/v1/organizations",
    ]
    if role is not Role.EVALUATOR:
        paths += ["/v1/openings", f"/v1/openings?near={SEATTLE}", f"/v1/openings/{opening['id']}", "/v1/claims"]
    answers = [(await program.call("GET", path, role=role)).text for path in paths]
    answers.append((await program.claim({"opening_id": full["id"]})).text)
    answers.append((await program.claim({"find": {"category": "housing", "near": SEATTLE}})).text)
    assert location["id"] in answers[0]
    assert [secret for secret in SECRETS for answer in answers if secret in answer] == []


async def test_an_unmet_need_that_named_a_masked_place_does_not_give_it_away(program: Program) -> None:
    _, service = await refuge(program, survivors=True, masked=False)
    full = await program.opening(service=service)
    await program.held(full)
    refused = (await program.claim({"opening_id": full["id"]})).json()
    async with program.house.owner.transaction(program.id, "tests") as session:
        find = text("SELECT row_to_json(u)::text FROM unmet_needs u WHERE id = :id")
        row = await session.scalar(find, {"id": refused["unmet_need_id"]})
    assert row is not None
    assert "near" not in row


async def test_events_do_not_say_where_a_masked_place_is(program: Program) -> None:
    _, service = await refuge(program, survivors=True, masked=False)
    await program.opening(service=service)
    async with program.house.owner.transaction(program.id, "tests") as session:
        told = await session.scalars(text("SELECT data::text FROM events WHERE program_id = :id"), {"id": program.id})
        assert [secret for data in told for secret in SECRETS if secret in data] == []


async def test_its_own_organization_sees_a_masked_place_whole(program: Program) -> None:
    location, _ = await refuge(program, survivors=True, masked=False)
    assert location["masked"]
    seen = (await program.call("GET", f"/v1/locations/{location['id']}", role=Role.PROVIDER)).json()
    assert {name: seen[name] for name in PLACE} == PLACE


async def test_an_open_place_is_shown_to_all(program: Program) -> None:
    location, _ = await refuge(program, survivors=False, masked=False)
    seen = (await program.call("GET", f"/v1/locations/{location['id']}", role=Role.CASE_MANAGER)).json()
    assert {name: seen[name] for name in PLACE} == PLACE


# What is added is what is read.


async def test_what_is_added_can_be_read_again_and_listed(program: Program) -> None:
    organization = await program.made(
        "/v1/organizations",
        {"name": " Plymouth ", "description": "Beds", "website": "https://example.org/", "email": "desk@example.org"},
    )
    assert (organization["name"], organization["honour_rate"]) == ("Plymouth", 0.9)
    own = {"organization_id": organization["id"]}
    location = await program.made("/v1/locations", own | PLACE)
    terms = {
        "name": "Night beds",
        "category": "housing",
        "hud_project_type": 1,
        "eligibility_description": "Adults",
        "minimum_age": 18,
        "maximum_age": 99,
        "languages": ["en", "zh-Hant"],
        "attributes": {"pets": "yes", "no_curfew": "unknown"},
        "phones": [{"number": "+1 (206) 555-0100", "extension": "7", "description": "The desk, day and night"}],
        "schedules": [{"description": "Doors open at 18:00"}],
        "required_documents": [{"document": "A blanket of your own, if you like"}],
    }
    service = await program.made("/v1/services", own | terms | {"location_id": location["id"]})
    assert {name: service[name] for name in terms} == terms
    for kind, entry in (("organizations", organization), ("locations", location), ("services", service)):
        one = await program.call("GET", f"/v1/{kind}/{entry['id']}", role=Role.CASE_MANAGER)
        assert (one.status_code, one.json()) == (200, entry)
        listed = (await program.call("GET", f"/v1/{kind}", params={"limit": 200})).json()["items"]
        assert entry in listed


async def test_a_place_of_which_half_is_said_to_be_unknown_is_one_without_a_point(program: Program) -> None:
    body = {"organization_id": str(program.provider_id), "latitude": None}
    location = await program.made("/v1/locations", body)
    assert (location["latitude"], location["longitude"]) == (None, None)


async def test_lists_can_be_narrowed_and_paged(program: Program) -> None:
    beds = [(await program.service())["id"] for _ in range(3)]
    seat = await program.service("vocational", organization_id=str(program.agency_id))

    async def listed(**params: Any) -> dict[str, Any]:
        page: dict[str, Any] = (await program.call("GET", "/v1/services", params=params)).json()
        return page

    assert [each["id"] for each in (await listed(category="vocational"))["items"]] == [seat["id"]]
    assert [each["id"] for each in (await listed(organization_id=str(program.agency_id)))["items"]] == [seat["id"]]
    first = await listed(limit=2)
    rest = await listed(limit=2, cursor=first["next"])
    assert [each["id"] for each in first["items"] + rest["items"]] == [*beds, seat["id"]]
    assert rest["next"] is None


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        ("organizations", {"name": " "}, "name"),
        ("organizations", {"name": "A", "website": "javascript:alert(1)"}, "website"),
        ("organizations", {"name": "A", "email": "nobody"}, "email"),
        ("organizations", {"name": "A\u0000"}, "name"),
        ("organizations", {"name": "A", "promises_kept": 99}, "promises_kept"),
        ("locations", {"latitude": 47.6}, "body"),
        ("locations", {"latitude": 91, "longitude": 0}, "latitude"),
        ("locations", {"country": "usa"}, "country"),
        ("services", {"name": "A", "category": "waitlist"}, "category"),
        ("services", {"name": "A", "category": "housing", "hud_project_type": 15}, "hud_project_type"),
        ("services", {"name": "A", "category": "housing", "minimum_age": 30, "maximum_age": 20}, "body"),
        ("services", {"name": "A", "category": "housing", "attributes": {"dragons": "yes"}}, "attributes"),
        ("services", {"name": "A", "category": "housing", "languages": ["x"]}, "languages"),
        ("services", {"name": "A", "category": "housing", "status": "open"}, "status"),
    ],
)
async def test_what_can_not_be_is_refused_by_field(
    program: Program, kind: str, body: dict[str, Any], field: str
) -> None:
    own = {} if kind == "organizations" else {"organization_id": str(program.provider_id)}
    response = await program.call("POST", f"/v1/{kind}", json=own | body)
    assert response.status_code == 422, response.text
    assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_one_adds_to_ones_own_organization_only(program: Program) -> None:
    other = {"organization_id": str(program.agency_id)}
    for path, body in (("/v1/locations", other), ("/v1/services", other | {"name": "A", "category": "housing"})):
        response = await program.call("POST", path, role=Role.PROVIDER, json=body)
        assert response.status_code == 403
        assert "own organization" in response.json()["detail"]


async def test_a_service_stands_at_a_location_of_its_own_organization(program: Program) -> None:
    theirs = await program.made("/v1/locations", {"organization_id": str(program.agency_id)})
    body = {
        "organization_id": str(program.provider_id),
        "name": "A",
        "category": "housing",
        "location_id": theirs["id"],
    }
    response = await program.call("POST", "/v1/services", json=body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "location_id"


async def test_another_programs_directory_is_not_there(program: Program, other_program: Program) -> None:
    service = await program.service(latitude=47.6, longitude=-122.3)
    for path in (
        f"/v1/services/{service['id']}",
        f"/v1/locations/{service['location_id']}",
        f"/v1/organizations/{program.provider_id}",
    ):
        assert (await other_program.call("GET", path)).status_code == 404
    listed = (await other_program.call("GET", "/v1/services")).json()["items"]
    assert listed == []
    body = {"organization_id": str(program.provider_id), "name": "A", "category": "housing"}
    assert (await other_program.call("POST", "/v1/services", json=body)).status_code == 422
