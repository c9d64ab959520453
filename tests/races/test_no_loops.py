"""Nothing sweeps here: what has lapsed is over all the same, for every reader and every writer."""

import asyncio
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.access.roles import Role
from tests.support import Program

LAPSE = "UPDATE claims SET hold_until = clock_timestamp() + interval '30 ms' WHERE program_id = :p AND id = :id"


async def lapsed(program: Program, opening: dict[str, Any], units: int = 1) -> dict[str, Any]:
    """A claim whose hold has lapsed. The house that all tests share runs no background loop."""
    claim = await program.held(opening, units)
    async with program.house.owner.transaction(program.id, "tests") as session:
        await session.execute(text(LAPSE), {"p": program.id, "id": UUID(claim["id"])})
    await asyncio.sleep(0.05)
    return claim


async def state(program: Program, claim: dict[str, Any]) -> str:
    """What the table says."""
    async with program.house.owner.transaction(program.id, "tests") as session:
        found: str = await session.scalar(text("SELECT state FROM claims WHERE id = :id"), {"id": UUID(claim["id"])})
    return found


async def found(program: Program, **query: Any) -> dict[str, int]:
    """The openings that a search finds, each with its open units."""
    answer = await program.call("GET", "/v1/openings", role=Role.CASE_MANAGER, params=query)
    assert answer.status_code == 200, answer.text
    return {each["id"]: each["units_open"] for each in answer.json()["items"]}


async def test_every_reader_sees_a_lapsed_hold_as_expired(program: Program) -> None:
    opening = await program.opening(3)
    kept, over = await program.held(opening), await lapsed(program, opening, 2)
    assert await found(program, category="housing") == {opening["id"]: 2}
    assert await found(program, units=2) == {opening["id"]: 2}
    assert await found(program, units=3) == {}
    seen = await program.look(opening)
    assert (seen["units_taken"], seen["units_open"], seen["on_board"]) == (1, 2, True)
    own = await program.call("GET", f"/v1/organizations/{program.provider_id}/openings", role=Role.PROVIDER)
    assert [each["units_open"] for each in own.json()["items"]] == [2]

    read = (await program.call("GET", f"/v1/claims/{over['id']}")).json()
    assert (read["state"], read["ended_at"]) == ("expired", read["hold_until"])
    for wanted, claim in (("expired", over), ("held", kept)):
        listed = await program.call("GET", "/v1/claims", params={"state": wanted})
        assert [(each["id"], each["state"]) for each in listed.json()["items"]] == [(claim["id"], wanted)]
    # Nobody wrote it down: what was seen above was seen by the clock.
    assert await state(program, over) == "held"


async def test_a_lapsed_hold_takes_no_further_step(program: Program) -> None:
    for verb in ("confirm", "extend", "release", "decline", "arrive", "no-show", "complete"):
        over = await lapsed(program, await program.opening(1))
        body = {"reason": "unsafe"} if verb == "decline" else None
        answer = await program.step(over, verb, json=body)
        assert (answer.status_code, answer.json()["state"]) == (409, "expired"), verb
        assert answer.json()["type"].endswith("/wrong-state")


async def test_a_lapsed_place_is_claimed_at_once(program: Program) -> None:
    opening = await program.opening(2)
    over = await lapsed(program, opening, 2)
    assert (await program.held(opening, 2))["state"] == "held"
    assert await state(program, over) == "expired"


async def test_a_lapsed_place_is_found_and_claimed_at_once(program: Program) -> None:
    opening = await program.opening(1)
    await lapsed(program, opening)
    answer = await program.claim({"find": {"category": "housing"}})
    assert answer.status_code == 201
    assert answer.json()["claims"][0]["opening_id"] == opening["id"]


async def test_a_lapsed_place_is_offered_instead_of_a_full_one(program: Program) -> None:
    service = await program.service()
    full, freed = await program.opening(1, service=service), await program.opening(1, service=service)
    await program.held(full)
    await lapsed(program, freed)
    answer = await program.claim({"opening_id": full["id"]})
    assert answer.status_code == 409
    assert [each["opening_id"] for each in answer.json()["alternatives"]] == [freed["id"]]


async def test_a_provider_can_take_away_a_lapsed_place(program: Program) -> None:
    opening = await program.opening(2)
    await lapsed(program, opening, 2)
    path = f"/v1/openings/{opening['id']}/adjust"
    answer = await program.call("POST", path, role=Role.PROVIDER, json={"by": -2})
    assert (answer.status_code, answer.json()["units_total"]) == (200, 0)


async def test_a_lapsed_hold_does_not_count_against_its_worker(program: Program) -> None:
    await program.call("PATCH", "/v1/program", json={"policy": {"max_active_holds": 1}})
    await lapsed(program, await program.opening(1))
    kept = await program.claim({"opening_id": (await program.opening(1))["id"]})
    assert kept.status_code == 201
    second = await program.claim({"opening_id": (await program.opening(1))["id"]})
    assert second.status_code == 409
    assert second.json()["type"].endswith("/too-many-holds")
