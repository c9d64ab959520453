"""Openings through HTTP: publishing within the window, and every change that their provider makes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import Response
from sqlalchemy import text

from app.access.roles import Role
from tests.support import Program


def at(**ahead: float) -> str:
    """A time from now."""
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat()


def minutes_from_now(when: str) -> float:
    """How far ahead a time is."""
    return (datetime.fromisoformat(when) - datetime.now(UTC)) / timedelta(minutes=1)


async def publish(program: Program, role: Role = Role.PROVIDER, **body: Any) -> Response:
    """Publish a bed."""
    if "service_id" not in body:
        body["service_id"] = (await program.service())["id"]
    return await program.call("POST", "/v1/openings", role=role, json={"unit": "bed", "units_total": 1} | body)


async def change(program: Program, opening: dict[str, Any], match: str | None = "*", **body: Any) -> Response:
    """PATCH an opening."""
    headers = {} if match is None else {"If-Match": match}
    path = f"/v1/openings/{opening['id']}"
    return await program.call("PATCH", path, role=Role.PROVIDER, json=body, headers=headers)


async def do(
    program: Program, opening: dict[str, Any], verb: str, role: Role = Role.PROVIDER, **request: Any
) -> Response:
    """Adjust, attest or withdraw."""
    return await program.call("POST", f"/v1/openings/{opening['id']}/{verb}", role=role, **request)


async def by_hand(program: Program, opening: dict[str, Any], changes: str) -> None:
    """Change an opening as the schema's owner."""
    async with program.house.owner.transaction(program.id, "tests") as session:
        await session.execute(text(f"UPDATE openings SET {changes} WHERE id = :id"), {"id": opening["id"]})


# Publishing.


async def test_a_published_opening_is_attested_by_that_and_on_the_board(program: Program) -> None:
    response = await publish(program, units_total=4)
    opening = response.json()
    assert response.status_code == 201
    assert response.headers["ETag"] == '"v1"'
    assert response.headers["Location"] == f"/v1/openings/{opening['id']}"
    assert (opening["units_total"], opening["units_taken"], opening["units_open"]) == (4, 0, 4)
    assert (opening["on_board"], opening["off_board_because"]) == (True, None)
    # A housing attestation is good for twelve hours.
    assert 719 < minutes_from_now(opening["fresh_until"]) <= 720


async def test_an_opening_beyond_the_window_is_refused_with_its_sentence(program: Program) -> None:
    response = await publish(program, starts_at=at(hours=25))
    assert response.status_code == 422
    [error] = response.json()["errors"]
    assert error["field"] == "starts_at"
    assert "must start within 24 hours" in error["message"]
    assert "immediacy window" in error["message"]
    assert (await publish(program, starts_at=at(hours=23))).status_code == 201


async def test_the_window_is_that_of_the_category(program: Program) -> None:
    training = await program.service("vocational")
    assert (await publish(program, service_id=training["id"], starts_at=at(days=29))).status_code == 201
    assert (await publish(program, service_id=training["id"], starts_at=at(days=31))).status_code == 422


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"ends_at": at(minutes=-1)}, "ends_at"),
        ({"starts_at": at(hours=2), "ends_at": at(hours=1)}, "body"),
        ({"minimum_age": 30, "maximum_age": 20}, "body"),
        ({"units_total": -1}, "units_total"),
        ({"units_total": 100_001}, "units_total"),
        ({"unit": "bunk"}, "unit"),
        ({"hold_minutes": 0}, "hold_minutes"),
        ({"attributes": {"dragons": "yes"}}, "attributes"),
        ({"attributes": {"pets": "maybe"}}, "attributes.pets"),
        ({"languages": ["Klingon!"]}, "languages"),
        ({"units_taken": 0}, "units_taken"),
        ({"starts_at": "2026-11-23T20:00:00"}, "starts_at"),
        ({"service_id": "01900000-0000-7000-8000-000000000000"}, "service_id"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_field(program: Program, body: dict[str, Any], field: str) -> None:
    response = await publish(program, **body)
    assert response.status_code == 422, response.text
    assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_a_service_that_is_not_active_has_no_openings(program: Program) -> None:
    service = await program.service(status="temporarily closed")
    response = await publish(program, service_id=service["id"])
    assert response.status_code == 422
    assert "temporarily closed" in response.json()["detail"]


async def test_a_word_is_good_as_asked_but_never_longer_than_the_program_allows(program: Program) -> None:
    longer = (await publish(program, fresh_until=at(days=30))).json()
    assert minutes_from_now(longer["fresh_until"]) <= 720
    shorter = (await publish(program, fresh_until=at(minutes=30))).json()
    assert minutes_from_now(shorter["fresh_until"]) <= 30


async def test_an_opening_starts_from_the_terms_of_its_service(program: Program) -> None:
    service = await program.service(
        minimum_age=18, maximum_age=24, languages=["en", "es"], attributes={"pets": "yes", "couples": "no"}
    )
    inherited = await program.opening(service=service)
    assert (inherited["minimum_age"], inherited["maximum_age"], inherited["languages"]) == (18, 24, ["en", "es"])
    assert inherited["attributes"] == {"pets": "yes", "couples": "no"}
    own = await program.opening(service=service, minimum_age=21, languages=["so"], attributes={"pets": "no"})
    assert (own["minimum_age"], own["maximum_age"], own["languages"]) == (21, 24, ["so"])
    assert own["attributes"] == {"pets": "no", "couples": "no"}


# Changing.


async def test_a_change_under_the_etag_that_was_read_is_made(program: Program) -> None:
    opening = await program.opening(2, service=await program.service(attributes={"pets": "yes"}))
    response = await change(program, opening, '"v1"', units_total=5, attributes={"couples": "no"})
    assert (response.status_code, response.headers["ETag"]) == (200, '"v2"')
    assert response.json() == await program.look(opening)
    assert response.json()["units_total"] == 5
    assert response.json()["attributes"] == {"pets": "yes", "couples": "no"}


async def test_a_claim_does_not_change_the_etag(program: Program) -> None:
    opening = await program.opening(2)
    await program.held(opening)
    assert (await change(program, opening, '"v1"', units_total=5)).status_code == 200


@pytest.mark.parametrize(("match", "status"), [('"v2"', 412), ('"v0"', 412), (None, 428), ("v1", 400), ('W/"v1"', 400)])
async def test_a_change_under_another_etag_is_refused(program: Program, match: str | None, status: int) -> None:
    opening = await program.opening(2)
    response = await change(program, opening, match, units_total=5)
    assert response.status_code == status
    assert (await program.look(opening))["units_total"] == 2


async def test_of_two_changes_to_what_both_read_the_second_is_refused(program: Program) -> None:
    opening = await program.opening(2)
    assert (await change(program, opening, '"v1"', units_total=3)).status_code == 200
    late = await change(program, opening, '"v1"', units_total=4)
    assert late.status_code == 412
    assert "version 2" in late.json()["detail"]


async def test_the_total_never_goes_below_what_is_taken(program: Program) -> None:
    opening = await program.opening(3)
    await program.held(opening, 2)
    for response in (
        await change(program, opening, units_total=1),
        await do(program, opening, "adjust", json={"by": -2}),
    ):
        assert response.status_code == 409
        problem = response.json()
        assert problem["type"].endswith("/below-taken")
        assert (problem["units_taken"], problem["units_total"]) == (2, 3)
    assert (await change(program, opening, units_total=2)).json()["units_open"] == 0


async def test_null_clears_what_can_be_left_out(program: Program) -> None:
    terms: dict[str, Any] = {
        "minimum_age": 18,
        "maximum_age": 24,
        "hold_minutes": 30,
        "starts_at": at(hours=1),
        "ends_at": at(days=2),
    }
    opening = await program.opening(**terms)
    cleared = (await change(program, opening, **dict.fromkeys(terms))).json()
    assert {name: cleared[name] for name in terms} == dict.fromkeys(terms)


@pytest.mark.parametrize("name", ["units_total", "languages", "attributes"])
async def test_null_does_not_clear_what_every_opening_has(program: Program, name: str) -> None:
    response = await change(program, await program.opening(), **{name: None})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == name


@pytest.mark.parametrize(
    ("there", "then", "field"),
    [
        ({}, {"starts_at": at(hours=25)}, "starts_at"),
        ({}, {"ends_at": at(minutes=-5)}, "ends_at"),
        ({"ends_at": at(hours=2)}, {"starts_at": at(hours=3)}, "ends_at"),
        ({"starts_at": at(hours=3)}, {"ends_at": at(hours=2)}, "ends_at"),
        ({"maximum_age": 20}, {"minimum_age": 21}, "minimum_age"),
    ],
)
async def test_a_change_is_held_to_the_rules_of_publishing(
    program: Program, there: dict[str, Any], then: dict[str, Any], field: str
) -> None:
    opening = await program.opening(**there)
    response = await change(program, opening, **then)
    assert response.status_code == 422, response.text
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert (await program.look(opening))["version"] == 1


async def test_ages_are_in_order_together_with_those_of_the_service(program: Program) -> None:
    service = await program.service(maximum_age=20)
    response = await publish(program, service_id=service["id"], minimum_age=21)
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == ["minimum_age"]


async def test_an_adjustment_needs_no_etag_and_is_a_new_version(program: Program) -> None:
    opening = await program.opening(2)
    await program.held(opening)
    more = await do(program, opening, "adjust", json={"by": 3})
    assert (more.status_code, more.headers["ETag"]) == (200, '"v2"')
    assert (more.json()["units_total"], more.json()["units_open"]) == (5, 4)
    assert (await do(program, opening, "adjust", json={"by": -4})).json()["units_open"] == 0
    too_many = await do(program, opening, "adjust", json={"by": 100_000})
    assert too_many.status_code == 422
    below_zero = await do(program, await program.opening(1), "adjust", json={"by": -2})
    assert below_zero.status_code == 409


# Attesting and withdrawing.


async def test_attesting_puts_a_stale_opening_back_on_the_board(program: Program) -> None:
    opening = await program.opening()
    await by_hand(program, opening, "fresh_until = now() - interval '1 ms'")
    stale = await program.look(opening)
    assert (stale["on_board"], stale["off_board_because"]) == (False, "stale")
    refused = await program.claim({"opening_id": opening["id"]})
    assert refused.json()["refused"][0]["reason"] == "stale"
    attested = await do(program, opening, "attest")
    assert (attested.status_code, attested.json()["on_board"]) == (200, True)
    # It is no change of what was published.
    assert attested.headers["ETag"] == '"v1"'
    await program.held(opening)


async def test_an_attestation_is_cut_to_what_the_program_allows(program: Program) -> None:
    opening = await program.opening()
    longer = (await do(program, opening, "attest", json={"fresh_until": at(days=30)})).json()
    assert 719 < minutes_from_now(longer["fresh_until"]) <= 720
    shorter = (await do(program, opening, "attest", json={"fresh_until": at(minutes=30)})).json()
    assert minutes_from_now(shorter["fresh_until"]) <= 30


async def test_a_withdrawn_opening_is_off_the_board_for_good_and_its_claims_stand(program: Program) -> None:
    opening = await program.opening(2)
    claim = await program.held(opening)
    first, second = [await do(program, opening, "withdraw") for _ in range(2)]
    assert (first.status_code, second.status_code, first.json()) == (200, 200, second.json())
    assert first.json()["off_board_because"] == "withdrawn"
    assert (await program.step(claim, "confirm")).status_code == 200
    refused = await program.claim({"opening_id": opening["id"]})
    assert refused.json()["refused"][0]["reason"] == "withdrawn"
    for late in (
        await do(program, opening, "attest"),
        await do(program, opening, "adjust", json={"by": 1}),
        await change(program, opening, units_total=3),
    ):
        assert (late.status_code, late.json()["type"].rsplit("/", 1)[1]) == (409, "conflict")


async def test_the_board_says_why_an_opening_is_off_it(program: Program) -> None:
    full, over = await program.opening(1), await program.opening(1)
    await program.held(full)
    await by_hand(program, over, "ends_at = now() - interval '1 ms'")
    assert (await program.look(full))["off_board_because"] == "full"
    assert (await program.look(over))["off_board_because"] == "ended"


# Whose.


async def test_only_its_own_organization_publishes_and_changes(program: Program) -> None:
    service = await program.service(organization_id=str(program.agency_id))
    assert (await publish(program, service_id=service["id"])).status_code == 403
    opening = await program.opening(service=service)
    for refused in (
        await change(program, opening, units_total=9),
        await do(program, opening, "adjust", json={"by": 1}),
        await do(program, opening, "attest"),
        await do(program, opening, "withdraw"),
    ):
        assert refused.status_code == 403
        assert "own organization" in refused.json()["detail"]
    assert (await program.look(opening)) == opening


async def test_a_provider_sees_all_of_its_openings_and_nobody_elses(program: Program) -> None:
    service = await program.service()
    mine = [(await program.opening(units, service=service))["id"] for units in (0, 1, 2)]
    path = f"/v1/organizations/{program.provider_id}/openings"
    listed = (await program.call("GET", path, role=Role.PROVIDER, params={"limit": 2})).json()
    rest = (await program.call("GET", path, role=Role.PROVIDER, params={"cursor": listed["next"]})).json()
    assert [each["id"] for each in listed["items"] + rest["items"]] == mine
    assert rest["next"] is None
    await program.opening(service=await program.service(organization_id=str(program.agency_id)))
    elsewhere = await program.call("GET", f"/v1/organizations/{program.agency_id}/openings", role=Role.PROVIDER)
    assert elsewhere.json()["items"] == []


async def test_an_opening_that_does_not_exist_is_not_found(program: Program) -> None:
    nowhere = {"id": "01900000-0000-7000-8000-000000000000"}
    assert (await program.call("GET", f"/v1/openings/{nowhere['id']}")).status_code == 404
    assert (await change(program, nowhere, units_total=1)).status_code == 404
    assert (await do(program, nowhere, "withdraw")).status_code == 404
