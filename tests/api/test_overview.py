"""The overview: every figure is what a slow and obvious count over the rows gives, and small numbers stay withheld."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from sqlalchemy import text

from app.access.roles import Role
from app.core.database import Database
from app.core.ids import first_id, new_id
from app.market.board import sample
from app.market.figures import OUTCOMES
from app.market.vocabulary import Category
from app.program.overview import last_week
from app.worker import sample_boards
from tests.ledger import open_ledger
from tests.support import House, Program

PLACES = {
    "Seattle 98104": (47.602, -122.332),
    "Seattle 98122": (47.611, -122.303),
    "Kent": (47.381, -122.235),
}
"""Areas, and where their one location is."""


async def rows(program: Program, statement: str) -> list[dict[str, Any]]:
    """Rows as the schema's owner sees them."""
    async with program.house.owner.transaction(program.id, "tests") as session:
        return [dict(row._mapping) for row in await session.execute(text(statement), {"id": program.id})]


async def overview(program: Program, role: Role = Role.PROGRAM_MANAGER, **params: Any) -> dict[str, Any]:
    response = await program.call("GET", "/v1/overview", role=role, params=params)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def housed(program: Program) -> list[dict[str, Any]]:
    """A service in each area, of a category each, with an opening; and one where nobody may know it."""
    openings = []
    for (area, (latitude, longitude)), category in zip(PLACES.items(), ("housing", "treatment", "food"), strict=True):
        city, _, postal_code = area.partition(" ")
        place = {"organization_id": str(program.provider_id), "latitude": latitude, "longitude": longitude}
        location = await program.made("/v1/locations", place | {"city": city, "postal_code": postal_code or None})
        service = await program.service(category, location_id=location["id"], attributes={"pets": "yes"})
        openings += [await program.opening(units, service=service) for units in (9, 4)]
    masked = await program.made(
        "/v1/locations", {"organization_id": str(program.provider_id), "city": "Hidden", "masked": True}
    )
    openings.append(await program.opening(5, service=await program.service(location_id=masked["id"])))
    return openings


async def lived(program: Program, openings: list[dict[str, Any]], dice: random.Random) -> None:
    """Holds that end in every way, and askings that could not be met."""
    ways: tuple[tuple[str, ...], ...] = (
        (), ("confirm",), ("confirm", "arrive"), ("confirm", "arrive", "complete"), ("release",),
        ("decline",), ("confirm", "no-show"), ("lapse",), ("confirm", "decline"),
    )  # fmt: skip
    for way in (*ways, *dice.choices(ways, k=8)):
        claim = await program.held(dice.choice(openings))
        for step in way:
            if step == "lapse":
                await program.lapse(claim)
                continue
            reason = dice.choice(["unsafe", "barred", "place_no_longer_available"])
            body: dict[str, Any] = (
                {"json": {"reason": reason, "replace": dice.random() < 0.5}} if step == "decline" else {}
            )
            response = await program.step(claim, step, **body)
            assert response.status_code == 200, response.text
            if another := response.json().get("replacement"):
                for further in ("confirm", "arrive"):
                    assert (await program.step(another, further)).status_code == 200
    for _ in range(12):
        find: dict[str, Any] = {
            "category": dice.choice(["housing", "legal"]),
            "needs": dice.sample(["pets", "couples", "hiv"], k=2),
        }
        if dice.random() < 0.8:
            latitude, longitude = dice.choice([*PLACES.values(), (21.3, -157.8)])
            find["near"] = [latitude + dice.uniform(-0.004, 0.004), longitude]
        if dice.random() < 0.3:
            find["household"] = "with_children"
        response = await program.claim({"find": find | {"units": 900}})
        assert response.status_code == 409, response.text


def outcome(claim: dict[str, Any]) -> str:
    """How a hold ended, the obvious way."""
    if claim["state"] in {"arrived", "completed"}:
        return "arrived"
    if claim["state"] == "held" and claim["hold_until"] <= datetime.now(UTC):
        return "expired"
    return "under_way" if claim["state"] in {"held", "confirmed"} else claim["state"]


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_figure_is_what_counting_rows_gives(program: Program, seed: int) -> None:
    openings = await housed(program)
    await lived(program, openings, random.Random(seed))
    found = await overview(program)
    claims = await rows(program, "SELECT c.*, o.category FROM claims c JOIN openings o ON o.id = c.opening_id"
                                 " WHERE c.program_id = :id")  # fmt: skip
    by_id = {claim["id"]: claim for claim in claims}
    ends = Counter((claim["category"], outcome(claim)) for claim in claims)
    assert {(each["category"], each["outcome"]): each["claims"] for each in found["outcomes"]} == ends
    assert {end for _, end in ends} == set(OUTCOMES)
    reasons = Counter(claim["reason"] for claim in claims if claim["reason"])
    assert {each["reason"]: each["claims"] for each in found["declined"]} == reasons
    provider = {each["outcome"]: each["claims"] for each in found["providers"][0]["holds"]}
    assert provider == Counter(end for _, end in ends.elements())
    assert any(claim["replaces_id"] and claim["arrived_at"] for claim in claims)

    minutes: dict[str, list[float]] = {}
    for claim in claims:
        if claim["arrived_at"]:
            first = claim
            while first["replaces_id"]:
                first = by_id[first["replaces_id"]]
            taken = (claim["arrived_at"] - first["held_at"]).total_seconds() / 60
            minutes.setdefault(claim["category"], []).append(taken)
    assert {each["category"]: each["claims"] for each in found["from_hold_to_arrival"]} == {
        category: len(taken) for category, taken in minutes.items()
    }
    for each in found["from_hold_to_arrival"]:
        assert each["half"] == pytest.approx(median(minutes[each["category"]]))

    asked = await rows(program, "SELECT * FROM unmet_needs WHERE program_id = :id")
    assert sum(each["times"] for each in found["unmet"]["by_category"]) == len(asked) == 12
    counted = Counter(
        name
        for each in asked
        for name in {
            *each["filters"]["needs"],
            *(["households_with_children"] if "household" in each["filters"] else []),
        }
    )
    assert {each["of"]: each["times"] for each in found["unmet"]["by_need"]} == counted
    assert {each["of"]: each["times"] for each in found["unmet"]["by_area"]} == Counter(map(nearest, asked))
    assert found["unmet"]["places"][-1]["together"] == 12


def nearest(asked: dict[str, Any]) -> str:
    """The area that an asking is in: of those at most 25 km off, the nearest."""
    near = asked["filters"].get("near")
    if near is None or near[0] < 40:
        return ""
    return min(PLACES, key=lambda area: (PLACES[area][0] - near[0]) ** 2 + 0.45 * (PLACES[area][1] - near[1]) ** 2)


async def test_what_is_open_is_counted_by_category_and_area_and_kept_over_the_day(program: Program) -> None:
    openings = await housed(program)
    await program.held(openings[0], 2)
    lapsed = await program.held(openings[1])
    await program.lapse(lapsed)
    await program.call("POST", f"/v1/openings/{openings[2]['id']}/withdraw")
    async with program.house.owner.transaction(program.id, "tests") as session:
        stale = "UPDATE openings SET fresh_until = now() - interval '1 s' WHERE id = :id"
        await session.execute(text(stale), {"id": openings[4]["id"]})
        assert await sample(session) == 6
        assert await sample(session) == 0, "once in a quarter of an hour"
    found = await overview(program)
    now = {(each["category"], each["area"]): (each["openings"], each["units_open"]) for each in found["now"]}
    assert {key: value for key, value in now.items() if value[1]} == {
        ("housing", "Seattle 98104"): (2, 11),
        ("treatment", "Seattle 98122"): (1, 4),
        ("food", "Kent"): (1, 4),
        ("housing", ""): (1, 5),
    }
    day = {each["of"]: each["units_open"] for each in found["over_day"]["by_category"]}
    assert day == {"housing": 16, "treatment": 4, "food": 4}
    assert "Hidden" not in str(found)


async def test_figures_are_counted_once_a_minute_whoever_asks(program: Program) -> None:
    first = await overview(program)
    await program.opening(3)
    assert await overview(program) == first
    assert (await overview(program, days=3))["now"] != first["now"]


async def test_only_so_many_days_can_be_asked_for(program: Program) -> None:
    for days in (0, 93, "week"):
        assert (await program.call("GET", "/v1/overview", params={"days": days})).status_code == 422


async def test_the_loop_keeps_every_programs_board(own_database: str) -> None:
    connection = await asyncpg.connect(own_database)
    database = Database(own_database, pool_size=1)
    ledgers = [await open_ledger(connection) for _ in range(2)]
    await ledgers[0].opening(3)
    for _ in range(2):
        await sample_boards(database)
    for ledger, units in zip(ledgers, (3, 0), strict=True):
        kept = await connection.fetch("SELECT units_open FROM board_samples WHERE program_id = $1", ledger.program_id)
        assert [row[0] for row in kept] == [units], "what is not open is kept too: as nothing"
    await database.close()
    await connection.close()


# Without small numbers.

OLD_CLAIM = """
INSERT INTO claims (program_id, id, bundle_id, opening_id, organization_id, claimed_by, worker_organization_id, units,
                    state, held_at, hold_until)
SELECT program_id, :claim, :bundle, id, organization_id, id, organization_id, 1, 'held', :at, now() + interval '1 h'
  FROM openings WHERE id = :opening
"""


async def held_at(program: Program, opening: dict[str, Any], at: datetime, state: str) -> None:
    """A hold that was made at a moment of the past."""
    async with program.house.owner.transaction(program.id, "tests") as session:
        bundle = new_id()
        await session.execute(
            text(
                "INSERT INTO bundles (program_id, id, one_time_code, claimed_by, created_at)"
                " VALUES (:program, :id, :code, :id, :at)"
            ),
            {"program": program.id, "id": bundle, "at": at, "code": code()},
        )
        claim = UUID(int=first_id(at).int + random.getrandbits(60))
        values = {"claim": claim, "bundle": bundle, "opening": UUID(opening["id"]), "at": at}
        await session.execute(text(OLD_CLAIM), values)
        for step in {"released": ("released",), "arrived": ("confirmed", "arrived")}[state]:
            moved = "UPDATE claims SET state = :state, arrived_at = :at WHERE id = :id"
            at_last = at if step == "arrived" else None
            await session.execute(text(moved), {"state": step, "at": at_last, "id": claim})


def code() -> str:
    """A one-time code."""
    return "-".join("".join(random.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=4)) for _ in range(3))


@pytest.mark.parametrize("role", [Role.EVALUATOR, Role.ADVISORY_BOARD])
async def test_an_evaluator_sees_the_last_whole_week_and_no_small_number(program: Program, role: Role) -> None:
    opening = await program.opening(100)
    since, until = last_week(datetime.now(UTC), ZoneInfo("America/Los_Angeles"))
    for at, times, state in (
        (since, 11, "released"),
        (until - timedelta(seconds=1), 12, "arrived"),
        (until, 3, "arrived"),
        (since - timedelta(seconds=1), 4, "arrived"),
    ):
        for _ in range(times):
            await held_at(program, opening, at, state)
    await program.held(opening)
    found = await overview(program, role)
    assert (found["since"], found["until"]) == tuple(each.isoformat().replace("+00:00", "Z") for each in (since, until))
    assert found["now"] is None
    # The eleven that were released would be told by the total, if nothing but none were withheld beside them.
    assert {each["claims"] for each in found["outcomes"]} == {None, 12}
    assert len(found["outcomes"]) == len(Category) * len(OUTCOMES)
    assert found["providers"] == [] or found["providers"][0]["holds"] == []
    assert found["unmet"]["places"] == []
    assert found == await overview(program, role, days=1)
    whole = await overview(program, days=92)
    assert sum(each["claims"] for each in whole["outcomes"]) == 11 + 12 + 3 + 4 + 1


async def test_a_provider_reads_no_figures(program: Program, house: House) -> None:
    for role in (Role.PROVIDER, Role.CASE_MANAGER, Role.OPERATOR):
        assert (await program.call("GET", "/v1/overview", role=role)).status_code == 403
