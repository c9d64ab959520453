"""Entries of the directory as tests add, change and read them."""

from typing import Any

from httpx import Response
from sqlalchemy import text

from app.access.keys import create_key
from app.access.roles import Role
from tests.support import Program
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
