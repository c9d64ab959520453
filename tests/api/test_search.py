"""Search through HTTP: every filter, the order and its reasons, what never appears, and the pages."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.access.roles import Role
from tests.support import SEATTLE, Program


async def search(program: Program, **params: Any) -> list[dict[str, Any]]:
    """What a case manager finds, best first."""
    response = await program.call("GET", "/v1/openings", role=Role.CASE_MANAGER, params=params)
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def ids(program: Program, **params: Any) -> list[str]:
    """The ids of what is found."""
    return [each["id"] for each in await search(program, **params)]


def at(**ahead: float) -> str:
    """A time from now."""
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat()


# The filters: each pair of openings differs in one thing, which the filter tells apart.

FILTERS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"unit": "room"}, {"unit": "bed"}, {"unit": "room"}),
    ({"units_total": 3}, {"units_total": 2}, {"units": 3}),
    ({"attributes": {"pets": "yes"}}, {"attributes": {"pets": "no"}}, {"needs": "pets"}),
    ({"attributes": {"pets": "yes"}}, {"attributes": {"pets": "unknown"}}, {"needs": "pets"}),
    ({"attributes": {"pets": "yes"}}, {}, {"needs": "pets"}),
    (
        {"attributes": {"pets": "yes", "couples": "yes"}},
        {"attributes": {"pets": "yes", "couples": "no"}},
        {"needs": "pets, couples"},
    ),
    ({"minimum_age": 18}, {"minimum_age": 19}, {"age": 18}),
    ({"maximum_age": 24}, {"maximum_age": 23}, {"age": 24}),
    ({}, {"maximum_age": 17}, {"age": 40}),
    (
        {"attributes": {"households_with_children": "yes"}},
        {"attributes": {"adults_without_children": "yes"}},
        {"household": "with_children"},
    ),
    ({"languages": ["en", "es"]}, {"languages": ["en"]}, {"language": "es"}),
    ({"languages": ["es"]}, {}, {"language": "es"}),
    ({"starts_at": at(hours=1)}, {"starts_at": at(hours=3)}, {"starts_by": at(hours=2)}),
    ({}, {"starts_at": at(hours=3)}, {"starts_by": at(hours=2)}),
    ({"ends_at": at(days=3)}, {"ends_at": at(days=1)}, {"lasts_until": at(days=2)}),
    ({}, {"ends_at": at(days=1)}, {"lasts_until": at(days=2)}),
]


@pytest.mark.parametrize(("fits", "differs", "asked"), FILTERS)
async def test_a_filter_keeps_what_fits_and_leaves_out_what_does_not(
    program: Program, fits: dict[str, Any], differs: dict[str, Any], asked: dict[str, Any]
) -> None:
    service = await program.service()
    right, other = [await program.opening(service=service, **{"units_total": 1} | terms) for terms in (fits, differs)]
    assert set(await ids(program)) == {right["id"], other["id"]}
    assert await ids(program, **asked) == [right["id"]]


async def test_a_category_is_found_alone(program: Program) -> None:
    bed = await program.opening()
    seat = await program.opening(service=await program.service("vocational"), unit="training_seat")
    assert await ids(program, category="housing") == [bed["id"]]
    assert await ids(program, category="vocational") == [seat["id"]]


async def test_a_distance_keeps_what_is_near_and_says_how_far_it_is(program: Program) -> None:
    near = await program.opening(service=await program.service(latitude=47.6152, longitude=-122.3321))
    await program.opening(service=await program.service(latitude=47.7, longitude=-122.3321))
    nowhere = await program.opening()
    [found] = await search(program, near=SEATTLE, within_km=2)
    assert found["id"] == near["id"]
    # A hundredth of a degree of latitude is 1.11 km, and this is nine tenths of one.
    assert found["why"]["distance_km"] == pytest.approx(1.0, abs=0.01)
    assert nowhere["id"] in await ids(program, near=SEATTLE)


# The order.


async def test_what_is_preferred_ranks_and_rules_nothing_out(program: Program) -> None:
    service = await program.service()
    both = await program.opening(service=service, attributes={"pets": "yes", "couples": "yes"})
    neither = await program.opening(service=service, attributes={"pets": "no"})
    one = await program.opening(service=service, attributes={"pets": "yes"})
    found = await search(program, prefers="pets,couples")
    assert [each["id"] for each in found] == [both["id"], one["id"], neither["id"]]
    assert [each["why"]["fit"] for each in found] == [1, 0.5, 0]
    assert "50% of what is preferred" in found[1]["why"]["sentence"]


async def test_the_nearer_comes_first(program: Program) -> None:
    places = {far: 47.6062 + far for far in (0.2, 0.001, 0.05)}
    made = {
        far: await program.opening(service=await program.service(latitude=latitude, longitude=-122.3321))
        for far, latitude in places.items()
    }
    assert await ids(program, near=SEATTLE) == [made[far]["id"] for far in sorted(made)]


async def test_what_was_attested_later_comes_first(program: Program) -> None:
    service = await program.service()
    old, new = await program.opening(service=service), await program.opening(service=service)
    async with program.house.owner.transaction(program.id, "tests") as session:
        earlier = text("UPDATE openings SET attested_at = attested_at - interval '5 hours' WHERE id = :id")
        await session.execute(earlier, {"id": old["id"]})
    found = await search(program)
    assert [each["id"] for each in found] == [new["id"], old["id"]]
    assert "ttested 5 h ago" in found[1]["why"]["sentence"]


async def test_a_provider_that_keeps_its_word_comes_first(program: Program) -> None:
    other = await program.made("/v1/organizations", {"name": "Another"})
    broken, kept = (
        await program.opening(2),
        await program.opening(service=await program.service(organization_id=other["id"])),
    )
    declined = await program.step(await program.held(broken), "decline", json={"reason": "place_entered_in_error"})
    assert declined.status_code == 200
    found = await search(program)
    assert [each["id"] for each in found] == [kept["id"], broken["id"]]
    assert [each["why"]["honour_rate"] for each in found] == [0.9, round(9 / 11, 4)]
    assert "honours 82% of its promises" in found[1]["why"]["sentence"]


async def test_every_result_says_why_it_ranks_there(program: Program) -> None:
    await program.opening(service=await program.service(latitude=47.61, longitude=-122.33))
    await program.opening()
    found = await search(program, near=SEATTLE)
    scores = [each["why"]["score"] for each in found]
    assert scores == sorted(scores, reverse=True)
    assert all(each["why"]["sentence"].endswith("of its promises.") for each in found)
    assert [each["why"]["distance_km"] is None for each in found] == [False, True]


# What never appears.


async def test_a_full_opening_does_not_appear_until_a_unit_is_free(program: Program) -> None:
    opening = await program.opening(1)
    claim = await program.held(opening)
    assert await ids(program) == []
    await program.step(claim, "release")
    assert [(each["id"], each["units_open"]) for each in await search(program)] == [(opening["id"], 1)]


@pytest.mark.parametrize(
    "change",
    [
        "fresh_until = now() - interval '1 ms'",
        "fresh_until = NULL",
        "ends_at = now() - interval '1 ms'",
        "withdrawn_at = now()",
        "units_total = 0",
        # The window of housing is 24 hours: nobody is shown a place that no claim can hold.
        "starts_at = now() + interval '25 hours'",
    ],
)
async def test_what_can_not_be_claimed_does_not_appear(program: Program, change: str) -> None:
    opening = await program.opening()
    assert await ids(program) == [opening["id"]]
    async with program.house.owner.transaction(program.id, "tests") as session:
        await session.execute(text(f"UPDATE openings SET {change} WHERE id = :id"), {"id": opening["id"]})
    assert await ids(program) == []
    found = await program.claim({"find": {"category": "housing"}})
    assert (found.status_code, found.json()["alternatives"]) == (409, [])
    named = await program.claim({"opening_id": opening["id"]})
    assert (named.status_code, named.json()["alternatives"]) == (409, [])


async def test_another_programs_openings_do_not_appear(program: Program, other_program: Program) -> None:
    opening = await program.opening()
    assert await ids(other_program) == []
    elsewhere = await other_program.call("GET", f"/v1/openings/{opening['id']}")
    assert elsewhere.status_code == 404


async def test_a_masked_place_shows_no_distance_and_no_city(program: Program) -> None:
    body = {"organization_id": str(program.provider_id), "latitude": 47.6062, "longitude": -122.3321, "city": "Seattle"}
    location = await program.made("/v1/locations", body | {"masked": True})
    opening = await program.opening(service=await program.service(location_id=location["id"]))
    [found] = await search(program, near=SEATTLE)
    assert (found["id"], found["city"], found["why"]["distance_km"]) == (opening["id"], None, None)
    assert "km" not in found["why"]["sentence"]
    # Nor can anyone circle in on it.
    assert await ids(program, near=SEATTLE, within_km=20_000) == []


async def test_a_shown_place_says_its_city(program: Program) -> None:
    body = {"organization_id": str(program.provider_id), "latitude": 47.6, "longitude": -122.3, "city": "Seattle"}
    location = await program.made("/v1/locations", body)
    await program.opening(service=await program.service(location_id=location["id"]))
    assert [each["city"] for each in await search(program)] == ["Seattle"]


# The pages.


@pytest.mark.parametrize("near", [{}, {"near": SEATTLE}])
async def test_pages_cover_everything_once_and_in_order(program: Program, near: dict[str, str]) -> None:
    service = await program.service(latitude=47.61, longitude=-122.33)
    for _ in range(7):
        await program.opening(service=service)
    # Equal in rank, so that the cursor has to break ties.
    async with program.house.owner.transaction(program.id, "tests") as session:
        same = text("UPDATE openings SET attested_at = now() WHERE program_id = :id")
        await session.execute(same, {"id": program.id})
    whole = await ids(program, **near)
    paged, cursor = [], None
    while True:
        params = near | {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await program.call("GET", "/v1/openings", params=params)).json()
        assert len(page["items"]) <= 3
        paged += [each["id"] for each in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(paged) == sorted(whole)
    assert len(set(paged)) == 7


@pytest.mark.parametrize("cursor", ["nonsense", "AAAA", "%00", "YXxifGM"])
async def test_a_cursor_that_is_none_is_refused(program: Program, cursor: str) -> None:
    response = await program.call("GET", "/v1/openings", params={"cursor": cursor})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "cursor"


@pytest.mark.parametrize(
    ("asked", "field", "says"),
    [
        ({"within_km": "3"}, "query", "within_km needs near"),
        ({"near": "47.6"}, "near", "LAT,LON"),
        ({"near": "91,0"}, "near", "less than or equal to 90"),
        ({"near": "nan,nan"}, "near", "less than or equal to 90"),
        ({"needs": "pets,dragons"}, "needs", "'dragons'"),
        ({"household": "couple"}, "household", "the households are"),
        ({"language": "Spanish"}, "language", "BCP 47"),
        ({"units": "0"}, "units", "greater than or equal to 1"),
        ({"starts_by": "2026-11-23T20:00:00"}, "starts_by", "timezone"),
    ],
)
async def test_a_filter_that_makes_no_sense_is_named(
    program: Program, asked: dict[str, str], field: str, says: str
) -> None:
    response = await program.call("GET", "/v1/openings", params=asked)
    assert response.status_code == 422, response.text
    [error] = [each for each in response.json()["errors"] if each["field"].startswith(field)][:1]
    assert says.lower() in error["message"].lower()
