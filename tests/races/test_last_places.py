"""Many more claimants than places, through two server processes: as many are held as there are places."""

import asyncio
from collections import Counter
from typing import Any

from httpx import Response

from tests.races.conftest import Pair

PLACES, CLAIMANTS = 50, 500


async def all_claim(pair: Pair, item: dict[str, Any]) -> list[Response]:
    """Everyone claims the same at once, each for a participant of their own, at one of the two servers."""
    codes = await pair.people(CLAIMANTS)
    return await asyncio.gather(*(pair.side(number).claim(item, participant=code) for number, code in enumerate(codes)))


def check_refusals(refusals: list[Response]) -> None:
    """Every refusal offers what is open instead, and has recorded a need of its own."""
    problems = [refusal.json() for refusal in refusals]
    assert all(problem["type"].endswith("/no-opening") for problem in problems)
    assert all(problem["alternatives"] for problem in problems)
    assert len({problem["unmet_need_id"] for problem in problems}) == len(problems)


async def test_500_claimants_for_50_places_over_two_processes(pair: Pair) -> None:
    opening = await pair.here.opening(PLACES)
    other = await pair.here.opening(1000)
    answers = await all_claim(pair, {"opening_id": opening["id"], "units": 1})
    assert Counter(answer.status_code for answer in answers) == {201: PLACES, 409: CLAIMANTS - PLACES}
    refusals = [answer for answer in answers if answer.status_code == 409]
    check_refusals(refusals)
    assert {each["opening_id"] for r in refusals for each in r.json()["alternatives"]} == {other["id"]}

    claims = [answer.json()["claims"][0]["id"] for answer in answers if answer.status_code == 201]
    stored = await pair.ask("SELECT id, state FROM claims WHERE program_id = $1", pair.here.id)
    assert {str(row["id"]) for row in stored} == set(claims)
    assert {row["state"] for row in stored} == {"held"}
    [sums] = await pair.ask(
        "SELECT (SELECT units_taken FROM openings WHERE program_id = $1 AND id = $2) AS taken,"
        " (SELECT count(*) FROM bundles WHERE program_id = $1) AS bundles,"
        " (SELECT count(*) FROM unmet_needs WHERE program_id = $1) AS unmet,"
        " (SELECT count(*) FROM events WHERE program_id = $1 AND type = 'claim.held') AS told",
        pair.here.id,
        opening["id"],
    )
    assert sums == {"taken": PLACES, "bundles": PLACES, "unmet": CLAIMANTS - PLACES, "told": PLACES}
    assert (await pair.there.look(opening))["units_open"] == 0


async def test_find_fails_only_when_nothing_that_fits_is_open(pair: Pair) -> None:
    service = await pair.here.service()
    openings = [await pair.here.opening(2, service=service) for _ in range(PLACES // 2)]
    find = {"find": {"category": "housing", "unit": "bed"}}
    codes = await pair.people(PLACES + 20)
    answers = await asyncio.gather(
        *(pair.side(number).claim(find, participant=code) for number, code in enumerate(codes))
    )
    # Many claimants find the same few best places; each who loses one must be given another, while there is one.
    assert Counter(answer.status_code for answer in answers) == {201: PLACES, 409: 20}
    held = Counter(a.json()["claims"][0]["opening_id"] for a in answers if a.status_code == 201)
    assert held == {opening["id"]: 2 for opening in openings}
