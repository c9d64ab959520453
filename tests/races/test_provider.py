"""A provider who takes places away while they are being claimed: never oversold, and what was answered was done."""

import asyncio
import random
from collections import Counter
from typing import Any
from uuid import uuid4

import asyncpg
from httpx import Response

from app.access.roles import Role
from tests import books
from tests.races.conftest import Pair

SEED = 20261123


async def claims(pair: Pair, opening: dict[str, Any], count: int) -> list[Response]:
    codes = await pair.people(count)
    return await asyncio.gather(
        *(pair.side(number).claim({"opening_id": opening["id"]}, participant=code) for number, code in enumerate(codes))
    )


async def change(pair: Pair, number: int, opening: dict[str, Any], **terms: Any) -> Response:
    headers = {"If-Match": terms.pop("version", "*")}
    path = f"/v1/openings/{opening['id']}"
    return await pair.side(number).call("PATCH", path, role=Role.PROVIDER, headers=headers, json=terms)


async def watch(pair: Pair, stop: asyncio.Event) -> int:
    """Look at the books again and again until told to stop: how often."""
    connection = await asyncpg.connect(pair.url)
    looks = 0
    try:
        while not stop.is_set():
            wrong = await books.faults(connection, "counts")
            assert not wrong, wrong
            looks += 1
            await asyncio.sleep(0.01)
    finally:
        await connection.close()
    return looks


async def test_adjustments_commute_with_claims_and_each_counts(pair: Pair) -> None:
    draw = random.Random(SEED)
    opening = await pair.here.opening(40)
    path = f"/v1/openings/{opening['id']}/adjust"
    steps = [draw.choice([-4, -2, -1, 1, 2]) for _ in range(40)]
    stop = asyncio.Event()
    watching = asyncio.create_task(watch(pair, stop))
    claimed, adjusted = await asyncio.gather(
        claims(pair, opening, 60),
        asyncio.gather(
            *(
                pair.side(nr).call("POST", path, role=Role.PROVIDER, key=str(uuid4()), json={"by": by})
                for nr, by in enumerate(steps)
            )
        ),
    )
    stop.set()
    assert await watching
    assert {answer.status_code for answer in claimed} <= {201, 409}
    assert {answer.status_code for answer in adjusted} <= {200, 409}
    for answer in adjusted:
        seen = answer.json()
        assert seen["units_taken"] <= seen["units_total"], seen
    done = [by for by, answer in zip(steps, adjusted, strict=True) if answer.status_code == 200]
    after = await pair.here.look(opening)
    assert after["units_total"] == 40 + sum(done)
    assert after["units_taken"] == Counter(answer.status_code for answer in claimed)[201]
    assert after["version"] == opening["version"] + len(done)


async def test_the_total_never_drops_below_what_is_taken(pair: Pair) -> None:
    opening = await pair.here.opening(50)
    stop = asyncio.Event()
    watching = asyncio.create_task(watch(pair, stop))
    claimed, changed = await asyncio.gather(
        claims(pair, opening, 60),
        asyncio.gather(*(change(pair, total, opening, units_total=total) for total in range(45, 5, -2))),
    )
    stop.set()
    assert await watching
    assert {answer.status_code for answer in changed} <= {200, 409}
    for answer in changed:
        if answer.status_code == 409:
            problem = answer.json()
            assert problem["type"].endswith("/below-taken")
            assert problem["units_taken"] > 0
    totals = {answer.json()["units_total"] for answer in changed if answer.status_code == 200}
    after = await pair.here.look(opening)
    assert after["units_total"] in totals | {50}
    assert after["units_taken"] == Counter(answer.status_code for answer in claimed)[201]


async def test_of_changes_to_one_version_one_wins(pair: Pair) -> None:
    opening = await pair.here.opening(5)
    answers = await asyncio.gather(
        *(change(pair, nr, opening, units_total=100 + nr, version='"v1"') for nr in range(10))
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 9}
    [won] = [answer.json() for answer in answers if answer.status_code == 200]
    after = await pair.here.look(opening)
    assert (after["units_total"], after["version"]) == (won["units_total"], 2)


async def test_no_claim_comes_after_the_withdrawal(pair: Pair) -> None:
    opening = await pair.here.opening(1000)
    withdraw = f"/v1/openings/{opening['id']}/withdraw"

    async def withdraw_soon() -> list[Response]:
        await asyncio.sleep(0.05)
        return list(
            await asyncio.gather(*(pair.side(nr).call("POST", withdraw, role=Role.PROVIDER) for nr in range(2)))
        )

    claimed, withdrawn = await asyncio.gather(claims(pair, opening, 80), withdraw_soon())
    assert {answer.status_code for answer in withdrawn} == {200}
    assert len({answer.json()["withdrawn_at"] for answer in withdrawn}) == 1
    assert {answer.status_code for answer in claimed} <= {201, 409}
    after = await claims_after(pair, opening)
    assert {answer.status_code for answer in after} == {409}
    [late] = await pair.ask(
        "SELECT count(*) FROM claims c JOIN openings o ON o.program_id = c.program_id AND o.id = c.opening_id"
        " WHERE o.program_id = $1 AND o.id = $2 AND c.held_at > o.withdrawn_at",
        pair.here.id,
        opening["id"],
    )
    assert late["count"] == 0


async def claims_after(pair: Pair, opening: dict[str, Any]) -> list[Response]:
    code = await pair.here.participant()
    return list(
        await asyncio.gather(*(pair.side(nr).claim({"opening_id": opening["id"]}, participant=code) for nr in range(4)))
    )


async def test_two_declines_of_one_claim_correct_the_count_once(pair: Pair) -> None:
    opening = await pair.here.opening(10)
    claim = await pair.here.held(opening, 3)
    reason = {"reason": "place_no_longer_available"}
    answers = await asyncio.gather(
        *(pair.side(nr).step(claim, "decline", role=Role.PROVIDER, json=reason) for nr in range(6))
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 5}
    after = await pair.here.look(opening)
    assert (after["units_total"], after["units_taken"]) == (7, 0)
    [kept] = await pair.ask(
        "SELECT promises_kept, promises_broken FROM organizations WHERE program_id = $1 AND id = $2",
        pair.here.id,
        pair.here.provider_id,
    )
    assert kept == {"promises_kept": 0, "promises_broken": 1}
