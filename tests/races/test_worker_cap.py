"""One worker's cap on active holds, raced through two processes: never exceeded."""

import asyncio
from collections import Counter

import pytest

from app.access.roles import Role
from tests.races.conftest import Pair

CAP = 5


async def cap_holds(pair: Pair, most: int | None) -> None:
    answer = await pair.here.call("PATCH", "/v1/program", json={"policy": {"max_active_holds": most}})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("together", [1, 2])
async def test_a_worker_never_holds_more_than_the_program_allows(pair: Pair, together: int) -> None:
    await cap_holds(pair, CAP)
    # Every call has openings of its own: their locks alone would not put the calls in a row.
    calls = [[await pair.here.opening(1) for _ in range(together)] for _ in range(24)]
    codes = await pair.people(len(calls))
    answers = await asyncio.gather(
        *(
            pair.side(number).claim(*({"opening_id": o["id"]} for o in openings), participant=code)
            for number, (openings, code) in enumerate(zip(calls, codes, strict=True))
        )
    )
    whole = CAP // together
    assert Counter(answer.status_code for answer in answers) == {201: whole, 409: len(calls) - whole}
    refused = [answer.json() for answer in answers if answer.status_code == 409]
    assert {(problem["type"].rsplit("/", 1)[1], problem["cap"]) for problem in refused} == {("too-many-holds", CAP)}
    [held] = await pair.ask("SELECT count(*) FROM claims WHERE program_id = $1 AND state = 'held'", pair.here.id)
    assert held["count"] == whole * together


async def test_the_cap_is_each_workers_own_and_a_confirmed_place_is_no_hold(pair: Pair) -> None:
    await cap_holds(pair, 1)
    openings = [await pair.here.opening(1) for _ in range(4)]
    codes = await pair.people(2)
    roles = [Role.CASE_MANAGER, Role.OUTREACH_WORKER] * 2
    answers = await asyncio.gather(
        *(
            pair.side(number // 2).claim({"opening_id": opening["id"]}, participant=codes[number % 2], role=role)
            for number, (opening, role) in enumerate(zip(openings, roles, strict=True))
        )
    )
    assert Counter(answer.status_code for answer in answers) == {201: 2, 409: 2}
    [won] = [answer for answer in answers[::2] if answer.status_code == 201]
    [left] = [opening for opening, answer in zip(openings[::2], answers[::2], strict=True) if answer is not won]
    assert (await pair.there.step(won.json()["claims"][0], "confirm")).status_code == 200
    again = await pair.there.claim({"opening_id": left["id"]}, participant=codes[0])
    assert again.status_code == 201
