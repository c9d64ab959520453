"""A claim that can't be held: what is open instead, which one filter had to give for it, and what is recorded."""

from typing import Any

import pytest
from sqlalchemy import text

from app.access.roles import Role
from tests.support import SEATTLE, Program


async def refused(program: Program, *items: dict[str, Any], **call: Any) -> dict[str, Any]:
    """The refusal of a call that can't be held."""
    response = await program.claim(*items, **call)
    assert response.status_code == 409, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["type"].endswith("/no-opening")
    return problem


async def unmet(program: Program, id: str) -> dict[str, Any]:
    """The unmet need as it is stored: every column."""
    async with program.house.owner.transaction(program.id, "tests") as session:
        row: dict[str, Any] | None = await session.scalar(
            text("SELECT to_jsonb(u) FROM unmet_needs u WHERE id = :id"), {"id": id}
        )
    assert row is not None
    return row


# Each opening fits but for the one filter named.
RELAXED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("within_km", {"latitude": 47.7, "longitude": -122.33}, {"near": SEATTLE, "within_km": 2}),
    ("unit", {}, {"unit": "room"}),
    ("units", {}, {"units": 3}),
    ("needs.pets", {"attributes": {"pets": "unknown", "couples": "yes"}}, {"needs": ["pets", "couples"]}),
    ("language", {"languages": ["en"]}, {"language": "es"}),
    ("lasts_until", {"ends_at": "{soon}"}, {"lasts_until": "{late}"}),
    ("starts_by", {"starts_at": "{late}"}, {"starts_by": "{soon}"}),
]


async def _moments(program: Program) -> dict[str, str]:
    async with program.house.owner.transaction(program.id, "tests") as session:
        row = (
            await session.execute(text("SELECT now() + interval '1 hour' AS soon, now() + interval '9 hours' AS late"))
        ).one()
    return {"soon": row.soon.isoformat(), "late": row.late.isoformat()}


def _filled(facts: dict[str, Any], moments: dict[str, str]) -> dict[str, Any]:
    return {name: value.format(**moments) if isinstance(value, str) else value for name, value in facts.items()}


@pytest.mark.parametrize(("relaxed", "facts", "need"), RELAXED)
async def test_an_alternative_says_which_one_filter_gave_and_can_be_claimed(
    program: Program, relaxed: str, facts: dict[str, Any], need: dict[str, Any]
) -> None:
    moments = await _moments(program)
    facts, need = _filled(facts, moments), _filled(need, moments)
    terms = {name: facts.pop(name) for name in ("starts_at", "ends_at") if name in facts}
    opening = await program.opening(2, service=await program.service(**facts), **terms)
    problem = await refused(program, {"find": {"category": "housing"} | need})
    assert problem["refused"][0]["reason"] == "nothing_open"
    [offered] = problem["alternatives"]
    assert (offered["opening_id"], offered["relaxed"], offered["units_open"]) == (opening["id"], relaxed, 2)
    assert offered["why"].endswith("of its promises.")
    assert "One alternative can be claimed now." in problem["detail"]
    assert (await program.claim({"opening_id": offered["opening_id"]})).status_code == 201


async def test_what_differs_in_two_filters_is_not_offered(program: Program) -> None:
    await program.opening(service=await program.service(languages=["en"]))
    find = {"category": "housing", "language": "es", "needs": ["pets"]}
    problem = await refused(program, {"find": find})
    assert problem["alternatives"] == []
    assert "recorded for planning, without the person" in problem["detail"]


@pytest.mark.parametrize("need", [{"age": 30}, {"household": "with_children"}])
async def test_who_is_asking_is_never_relaxed(program: Program, need: dict[str, Any]) -> None:
    await program.opening(service=await program.service(maximum_age=24))
    assert (await refused(program, {"find": {"category": "housing"} | need}))["alternatives"] == []


async def test_alternatives_to_a_named_opening_are_of_its_kind_and_the_nearest_first(program: Program) -> None:
    full = await program.opening(service=await program.service(latitude=47.6062, longitude=-122.3321))
    far = await program.opening(service=await program.service(latitude=47.7, longitude=-122.3321))
    near = await program.opening(service=await program.service(latitude=47.61, longitude=-122.3321))
    await program.opening(service=await program.service("treatment"))
    await program.held(full)
    problem = await refused(program, {"opening_id": full["id"]})
    assert problem["refused"][0]["detail"] == "It doesn't have that many units open any more."
    assert [each["opening_id"] for each in problem["alternatives"]] == [near["id"], far["id"]]
    assert [each["relaxed"] for each in problem["alternatives"]] == [None, None]
    assert problem["alternatives"][0]["distance_km"] == pytest.approx(0.42, abs=0.01)


async def test_no_more_than_five_are_offered_and_two_of_one_compromise(program: Program) -> None:
    service = await program.service(languages=["en"])
    for _ in range(7):
        await program.opening(service=service)
    full = await program.opening(service=service)
    await program.held(full)
    assert len((await refused(program, {"opening_id": full["id"]}))["alternatives"]) == 5
    spanish = await refused(program, {"find": {"category": "housing", "language": "es"}})
    assert [each["relaxed"] for each in spanish["alternatives"]] == ["language", "language"]


async def test_every_alternative_can_be_claimed_at_once(program: Program) -> None:
    service = await program.service()
    openings = [await program.opening(units, service=service) for units in (1, 1, 2, 0)]
    await program.held(openings[0])
    problem = await refused(program, {"opening_id": openings[0]["id"]})
    assert {each["opening_id"] for each in problem["alternatives"]} == {openings[1]["id"], openings[2]["id"]}
    for each in problem["alternatives"]:
        assert (await program.claim({"opening_id": each["opening_id"]})).status_code == 201


# What is recorded.


async def test_an_unmet_need_holds_what_was_asked_and_nobody(program: Program) -> None:
    person = await program.made("/v1/participants", {"reference": "Case 7 of Jo Doe"}, Role.CASE_MANAGER)
    find = {
        "category": "housing",
        "unit": "room",
        "units": 2,
        "near": "47.606209,-122.332069",
        "within_km": 5,
        "needs": ["pets"],
        "age": 40,
        "household": "adults_without_children",
        "language": "es",
    }
    problem = await refused(program, {"find": find}, participant=person["code"])
    row = await unmet(program, problem["unmet_need_id"])
    assert {name: row[name] for name in ("category", "unit", "units", "reason")} == {
        "category": "housing",
        "unit": "room",
        "units": 2,
        "reason": "nothing_open",
    }
    # About a kilometre: two decimals of a degree.
    assert row["filters"] == {
        "near": [47.61, -122.33],
        "within_km": 5,
        "needs": ["pets"],
        "age": 40,
        "household": "adults_without_children",
        "language": "es",
    }
    assert set(row) == {"program_id", "id", "at", "category", "unit", "units", "reason", "filters"}
    for secret in (person["id"], person["code"], "Jo Doe", "47.606209", "122.332069"):
        assert secret not in str(row)


async def test_a_refused_named_opening_is_recorded_as_the_need_it_stands_for(program: Program) -> None:
    service = await program.service(latitude=47.606209, longitude=-122.332069)
    full = await program.opening(service=service)
    await program.held(full)
    problem = await refused(program, {"opening_id": full["id"], "units": 3})
    row = await unmet(program, problem["unmet_need_id"])
    assert (row["category"], row["unit"], row["units"], row["reason"]) == ("housing", "bed", 3, "full")
    assert row["filters"] == {"near": [47.61, -122.33]}


async def test_the_trail_of_an_unmet_need_says_nothing_of_a_person(program: Program) -> None:
    code = await program.participant()
    problem = await refused(program, {"find": {"category": "legal"}}, participant=code)
    async with program.house.owner.transaction(program.id, "tests") as session:
        told = (
            await session.scalars(
                text("SELECT to_jsonb(e)::text FROM events e WHERE subject_id = :id"), {"id": problem["unmet_need_id"]}
            )
        ).all()
    assert len(told) == 1
    assert "need.unmet" in told[0]
    assert code not in told[0]


async def test_nothing_is_recorded_of_a_claim_that_is_held(program: Program) -> None:
    await program.held(await program.opening())
    async with program.house.owner.transaction(program.id, "tests") as session:
        count = await session.scalar(
            text("SELECT count(*) FROM unmet_needs WHERE program_id = :id"), {"id": program.id}
        )
    assert count == 0
