"""The program through HTTP: reading the rules in force, and changing what the market does by them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from httpx import Response
from sqlalchemy import text

from app.access.roles import Role
from app.market.desk import POLICY_SECONDS
from app.market.policy import MarketPolicy
from tests.support import Program

HOUSING = {"immediacy_hours": 24, "fresh_minutes": 720, "hold": {"minutes": 90}}


async def change(program: Program, **body: Any) -> Response:
    """PATCH the program."""
    return await program.call("PATCH", "/v1/program", json=body)


async def housing(program: Program, **rules: Any) -> None:
    """Set the rules of housing."""
    response = await change(program, policy={"categories": {"housing": HOUSING | rules}})
    assert response.status_code == 200, response.text


def length(claim: dict[str, Any]) -> timedelta:
    """How long a hold lasts from when it was made."""
    return datetime.fromisoformat(claim["hold_until"]) - datetime.fromisoformat(claim["held_at"])


@pytest.mark.parametrize("role", Role)
async def test_everyone_can_read_the_rules(program: Program, role: Role) -> None:
    response = await program.call("GET", "/v1/program", role=role)
    assert response.status_code == 200
    body = response.json()
    assert (body["id"], body["time_zone"]) == (str(program.id), "America/Los_Angeles")
    assert MarketPolicy.model_validate(body["policy"]) == MarketPolicy()


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.PROGRAM_MANAGER])
async def test_only_the_program_manager_sets_them(program: Program, role: Role) -> None:
    response = await program.call("PATCH", "/v1/program", role=role, json={"name": "Mine now"})
    assert response.status_code == 403
    assert response.json()["detail"] == f"The role {role} may not change the program's policy."


async def test_a_policy_replaces_the_one_before_and_defaults_fill_it_up(program: Program) -> None:
    await change(program, policy={"max_extensions": 5})
    after = (await change(program, policy={"categories": {"housing": HOUSING | {"immediacy_hours": 6}}})).json()
    assert after["policy"]["max_extensions"] == 2
    assert after["policy"]["categories"]["housing"]["immediacy_hours"] == 6
    assert after["policy"]["categories"]["vocational"]["immediacy_hours"] == 24 * 30
    assert (await program.call("GET", "/v1/program")).json() == after


async def test_what_is_left_out_stays(program: Program) -> None:
    await change(program, policy={"max_extensions": 5})
    after = (await change(program, name="LEAD", time_zone="America/Denver")).json()
    assert (after["name"], after["time_zone"], after["policy"]["max_extensions"]) == ("LEAD", "America/Denver", 5)


async def test_a_change_of_the_rules_leaves_its_event_and_its_entry(program: Program) -> None:
    response = await change(program, name="LEAD", policy={"max_extensions": 5})
    assert response.status_code == 200, response.text
    # Nothing changes, so nothing is told.
    await change(program, name="LEAD")
    async with program.house.owner.transaction(program.id, "tests") as session:
        told = await session.scalars(
            text("SELECT type FROM events WHERE program_id = :id AND subject_id = :id"), {"id": program.id}
        )
        [entry] = await session.execute(
            text("SELECT actor, action, detail FROM audit WHERE program_id = :id AND subject_id = :id"),
            {"id": program.id},
        )
        manager = await session.scalar(
            text("SELECT id::text FROM keys WHERE program_id = :id AND role = 'program_manager'"), {"id": program.id}
        )
    assert list(told) == ["program.changed"]
    assert (entry.actor, entry.action) == (manager, "program.changed")
    assert entry.detail == {"name": "LEAD", "policy": {"max_extensions": 5}}


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({"time_zone": "Pacific"}, "time_zone", "IANA"),
        ({"time_zone": "../../etc/passwd"}, "time_zone", "IANA"),
        ({"name": ""}, "name", "at least 1"),
        ({"policy": {"max_extensions": -1}}, "policy.max_extensions", "greater than or equal to 0"),
        ({"policy": {"max_active_holds": 0}}, "policy.max_active_holds", "greater than or equal to 1"),
        ({"policy": {"waitlist": True}}, "policy.waitlist", "no such field"),
        (
            {"policy": {"categories": {"housing": HOUSING | {"hold": {}}}}},
            "policy.categories.housing.hold",
            "either minutes or until",
        ),
        (
            {"policy": {"categories": {"housing": HOUSING | {"hold": {"until": "20:00Z"}}}}},
            "policy.categories.housing.hold",
            "without an offset",
        ),
        (
            {"policy": {"categories": {"housing": HOUSING | {"immediacy_hours": 0}}}},
            "policy.categories.housing.immediacy_hours",
            "greater than or equal to 1",
        ),
        ({"slug": "mine"}, "slug", "no such field"),
    ],
)
async def test_a_rule_that_makes_no_sense_is_refused_by_field(
    program: Program, body: dict[str, Any], field: str, says: str
) -> None:
    response = await change(program, **body)
    assert response.status_code == 422, response.text
    [error] = response.json()["errors"]
    assert error["field"] == field
    assert says in error["message"]


# What the market does by them. Each program is new, so that no desk remembers older rules.


async def test_the_immediacy_window_is_the_programs_own(program: Program) -> None:
    await housing(program, immediacy_hours=2)
    service = await program.service()
    starts_at = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    body = {"service_id": service["id"], "unit": "bed", "units_total": 1, "starts_at": starts_at}
    response = await program.call("POST", "/v1/openings", json=body)
    assert response.status_code == 422
    assert "within 2 hours" in response.json()["detail"]


async def test_a_place_beyond_a_window_that_was_narrowed_is_neither_found_nor_held(program: Program) -> None:
    starts_at = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    opening = await program.opening(starts_at=starts_at)
    await housing(program, immediacy_hours=2)
    assert (await program.call("GET", "/v1/openings")).json()["items"] == []
    named = await program.claim({"opening_id": opening["id"]})
    assert named.json()["refused"][0]["reason"] == "too_far_ahead"
    found = await program.claim({"find": {"category": "housing"}})
    assert (found.status_code, found.json()["alternatives"]) == (409, [])
    await housing(program, immediacy_hours=4)
    assert len((await program.call("GET", "/v1/openings")).json()["items"]) == 1


async def test_a_word_is_good_for_as_long_as_the_program_says(program: Program) -> None:
    await housing(program, fresh_minutes=15)
    opening = await program.opening()
    attested, until = (datetime.fromisoformat(opening[name]) for name in ("attested_at", "fresh_until"))
    assert until - attested == timedelta(minutes=15)


async def test_a_hold_lasts_as_the_program_says(program: Program) -> None:
    await housing(program, hold={"minutes": 45})
    assert length(await program.held(await program.opening())) == timedelta(minutes=45)
    assert length(await program.held(await program.opening(hold_minutes=10))) == timedelta(minutes=10)
    treatment = await program.opening(service=await program.service("treatment"))
    assert length(await program.held(treatment)) == timedelta(minutes=240)
    legal = await program.opening(service=await program.service("legal"))
    assert length(await program.held(legal)) == timedelta(minutes=240)


async def test_a_hold_until_a_local_time_ends_then_or_after_the_late_minutes(program: Program) -> None:
    await change(program, time_zone="America/Denver")
    await housing(program, hold={"until": "20:00", "late_minutes": 40})
    claim = await program.held(await program.opening())
    ends = datetime.fromisoformat(claim["hold_until"]).astimezone(ZoneInfo("America/Denver"))
    at_eight = (ends.hour, ends.minute, ends.second) == (20, 0, 0)
    assert length(claim) == timedelta(minutes=40) or (at_eight and length(claim) > timedelta(minutes=40))


async def test_the_number_of_extensions_is_the_programs(program: Program) -> None:
    await change(program, policy={"max_extensions": 0})
    refused = await program.step(await program.held(await program.opening()), "extend")
    assert (refused.status_code, "0 times" in refused.json()["detail"]) == (409, True)


async def test_a_worker_holds_no_more_at_once_than_the_program_allows(program: Program) -> None:
    await change(program, policy={"max_active_holds": 2})
    opening = await program.opening(9)
    item = {"opening_id": opening["id"]}
    first = await program.held(opening)
    too_many = await program.claim(item, item)
    assert too_many.status_code == 409
    assert too_many.json()["type"].endswith("/too-many-holds")
    assert too_many.json()["cap"] == 2
    await program.held(opening)
    assert (await program.claim(item)).status_code == 409
    # Another worker has a count of their own, and a confirmed claim is a hold no more.
    assert (await program.claim(item, role=Role.OUTREACH_WORKER)).status_code == 201
    await program.step(first, "confirm")
    assert (await program.claim(item)).status_code == 201
    assert (await program.look(opening))["units_taken"] == 4


async def test_new_rules_hold_for_claims_from_the_next_second_on(program: Program) -> None:
    opening = await program.opening(9)
    assert length(await program.held(opening)) == timedelta(minutes=90)
    await housing(program, hold={"minutes": 45})
    await asyncio.sleep(POLICY_SECONDS)
    assert length(await program.held(opening)) == timedelta(minutes=45)
