"""Bundles that cross each other's openings, through two processes: whole or not at all, and never a deadlock."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from httpx import Response

from app.access.roles import Role
from app.core.database import Database
from tests import books
from tests.races.conftest import Pair
from tests.serving import served
from tests.support import new_program

# So that a failure can be run again as it was.
SEED = 20261123


async def claim_crosswise(pair: Pair, bundles: list[list[dict[str, Any]]]) -> list[Response]:
    """All bundles at once, now at the one server, now at the other, each for a participant of its own."""
    codes = await pair.people(len(bundles))
    return await asyncio.gather(
        *(
            pair.side(number).claim(*items, participant=code)
            for number, (items, code) in enumerate(zip(bundles, codes, strict=True))
        )
    )


def item(opening: dict[str, Any], units: int = 1) -> dict[str, Any]:
    return {"opening_id": opening["id"], "units": units}


async def test_two_openings_from_both_ends_hold_as_many_bundles_as_fit(pair: Pair) -> None:
    first, second = await pair.here.opening(7), await pair.here.opening(9)
    there = [item(first), item(second)]
    back = [item(second), item(first)]
    answers = await claim_crosswise(pair, [there, there, back, back] * 15)
    assert Counter(answer.status_code for answer in answers) == {201: 7, 409: 53}
    assert [(await pair.here.look(each))["units_taken"] for each in (first, second)] == [7, 7]


async def test_many_bundles_of_many_units_are_whole_or_nothing(pair: Pair) -> None:
    draw = random.Random(SEED)
    openings = [await pair.here.opening(draw.randint(4, 12)) for _ in range(6)]
    bundles = [
        [item(opening, draw.randint(1, 3)) for opening in draw.sample(openings, draw.randint(2, 4))] for _ in range(100)
    ]
    answers = await claim_crosswise(pair, bundles)
    assert {answer.status_code for answer in answers} == {201, 409}
    taken: dict[str, int] = defaultdict(int)
    for asked, answer in zip(bundles, answers, strict=True):
        if answer.status_code == 201:
            got = [{"opening_id": c["opening_id"], "units": c["units"]} for c in answer.json()["claims"]]
            assert got == asked
            for each in asked:
                taken[each["opening_id"]] += each["units"]
    stored = await pair.ask("SELECT id, units_taken FROM openings WHERE program_id = $1", pair.here.id)
    assert {str(row["id"]): row["units_taken"] for row in stored} == {o["id"]: taken[o["id"]] for o in openings}


@pytest.fixture
async def apart(own_database: str, tmp_path: Path) -> AsyncIterator[tuple[Pair, AsyncExitStack]]:
    """Two servers of this test's own, and what ends them: the database counts deadlocks once they have gone."""
    async with AsyncExitStack() as stack:
        owner = Database(own_database, pool_size=2, as_owner=True)
        stack.push_async_callback(owner.close)
        first, second = [
            await stack.enter_async_context(served(own_database, tmp_path / f"{nr}.log", owner=owner))
            for nr in range(2)
        ]
        program = await new_program(first)
        yield Pair(own_database, program, replace(program, house=second)), stack


async def test_every_kind_of_writer_at_once_and_no_deadlock(apart: tuple[Pair, AsyncExitStack]) -> None:
    pair, servers = apart
    draw = random.Random(SEED)
    service = await pair.here.service()
    openings = [await pair.here.opening(12, service=service) for _ in range(5)]
    codes = await pair.people(70)

    async def worker(number: int) -> list[Response]:
        side, items = pair.side(number), [item(o) for o in draw.sample(openings, draw.randint(1, 3))]
        if number % 5 == 0:
            items = [*items, {"find": {"category": "housing"}}]
        held = await side.claim(*items, participant=codes[number])
        if held.status_code != 201:
            return [held]
        verbs = [draw.choice(["confirm", "release", "extend", "decline"]) for _ in held.json()["claims"]]
        gone = {"reason": "place_no_longer_available", "replace": True}
        steps = (
            pair.side(number + nr).step(claim, verb, json=gone if verb == "decline" else None)
            for nr, (claim, verb) in enumerate(zip(held.json()["claims"], verbs, strict=True))
        )
        return [held, *await asyncio.gather(*steps)]

    async def provider(number: int) -> list[Response]:
        side, path = pair.side(number), f"/v1/openings/{draw.choice(openings)['id']}"
        added = await side.call("POST", f"{path}/adjust", role=Role.PROVIDER, key=str(uuid4()), json={"by": 1})
        attested = await side.call("POST", f"{path}/attest", role=Role.PROVIDER)
        changed = await side.call(
            "PATCH", path, role=Role.PROVIDER, headers={"If-Match": "*"}, json={"attributes": {"pets": "yes"}}
        )
        return [added, attested, changed]

    rounds = await asyncio.gather(*map(worker, range(len(codes))), *map(provider, range(15)))
    statuses = Counter(answer.status_code for answers in rounds for answer in answers)
    assert statuses.keys() <= {200, 201, 409}, statuses
    assert statuses[200] > 15 < statuses[201]
    await books.check(pair.url)
    await servers.aclose()
    assert await deadlocks(pair.url) == 0


async def deadlocks(url: str) -> int:
    """How many the database has had. A session reports its own at the latest when it ends."""
    connection = await asyncpg.connect(url)
    try:
        counted: int = await connection.fetchval(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
    finally:
        await connection.close()
    return counted
