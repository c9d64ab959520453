"""Writers that commit late and out of order, while several processes seal and are killed: nothing lost or doubled."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.access.chain import seal
from app.access.verify import verify
from tests.serving import ROOT
from tests.trail import WRITE, Trail, close, open_trail

SEED = 20261124
WRITERS, TURNS = 12, 25


@pytest.fixture
async def trail(own_database: str) -> AsyncIterator[Trail]:
    opened = await open_trail(own_database)
    yield opened
    await close(opened)


async def sealer(trail: Trail) -> asyncio.subprocess.Process:
    """A sealing process, at work."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.races.sealer", trail.url, str(trail.program_id)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 30) == b"sealing\n"
    return process


async def write(trail: Trail, number: int, written: list[int]) -> None:
    """Transactions of one writer: each draws ids, stays open for a while, and commits or, now and then, does not."""
    draw = random.Random(SEED + number)
    connection = await asyncpg.connect(trail.url)
    try:
        for _ in range(TURNS):
            transaction = connection.transaction()
            await transaction.start()
            ids = []
            for _ in range(draw.randint(1, 3)):
                rows = await connection.fetch(WRITE, trail.program_id, "test.raced", draw.randint(1, 40))
                ids += [row["id"] for row in rows]
                await asyncio.sleep(draw.choice([0, 0, 0.01, 0.2]))
            if draw.random() < 0.15:
                await transaction.rollback()
            else:
                await transaction.commit()
                written += ids
    finally:
        await connection.close()


async def out_of_order(trail: Trail) -> int:
    """How many entries were sealed after one with a higher id: 0 would mean that this race raced nothing."""
    entries = [entry for _, entry in await trail.seals()]
    highest = 0
    late = 0
    for entry in entries:
        late += entry < highest
        highest = max(highest, entry)
    return late


async def finish(trail: Trail, count: int) -> None:
    """Seal until so many are. What a killed process had open ends soon, but not at once, with its connection."""
    async with asyncio.timeout(20):
        while len(await trail.seals()) < count:
            await seal(trail.database, trail.program_id)


async def test_two_sealers_and_writers_that_commit_out_of_order(trail: Trail) -> None:
    written: list[int] = []
    sealers = [await sealer(trail), await sealer(trail)]
    try:
        await asyncio.gather(*(write(trail, number, written) for number in range(WRITERS)))
        # Neither process may have died of the other.
        assert [process.returncode for process in sealers] == [None, None]
    finally:
        for process in sealers:
            process.kill()
            await process.wait()
    await finish(trail, len(written))
    assert sorted(entry for _, entry in await trail.seals()) == sorted(written)
    assert await trail.whole()
    assert await out_of_order(trail) > 0
    verdict = await verify(trail.database, trail.program_id)
    assert (verdict.fault, verdict.links) == (None, len(written))


async def test_a_sealer_killed_in_the_middle_leaves_no_gap(trail: Trail) -> None:
    draw = random.Random(SEED)
    count = 0
    for _ in range(8):
        process = await sealer(trail)
        count += len(await trail.write(4000))
        await asyncio.sleep(draw.uniform(0.0, 0.08))
        process.kill()
        await process.wait()
    unsealed = count - len(await trail.seals())
    assert 0 < unsealed < count, "no kill fell into the middle, so this proved nothing"
    await finish(trail, count)
    assert await trail.whole()
    verdict = await verify(trail.database, trail.program_id)
    assert (verdict.fault, verdict.links) == (None, count)
