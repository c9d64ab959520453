"""Spreading gives way to whoever wants the process, and to nobody else."""

import asyncio
from time import thread_time

import pytest

from app.delivery.pace import Pace


async def spread(pace: Pace) -> bool:
    """To a thousand listeners, who take no time: whether others wanted the process."""
    pace.begin()
    for _ in range(3):
        await pace.step()
    await pace.rest()
    return pace.pressed


async def requests() -> None:
    """Whoever answers one has the next."""
    while True:
        until = thread_time() + 4 * Pace.PRESSING
        while thread_time() < until:
            pass
        await asyncio.sleep(0)


# A loop of their own: in the one that all tests share, other servers' loops want the process too.
@pytest.mark.asyncio(loop_scope="function")
async def test_it_is_pressed_while_others_work_and_not_afterwards() -> None:
    pace = Pace()
    assert not await spread(pace)
    others = asyncio.create_task(requests())
    assert await spread(pace)
    others.cancel()
    await asyncio.wait([others])
    assert not await spread(pace)


@pytest.mark.asyncio(loop_scope="function")
async def test_a_rest_ends_when_nobody_wants_the_process_any_more() -> None:
    pace = Pace()
    pace.LONGEST_REST = 3600.0
    others = asyncio.create_task(requests())
    asyncio.get_running_loop().call_later(0.05, others.cancel)
    # As if spreading had taken an hour.
    pace._took = 3600.0
    async with asyncio.timeout(30):
        assert await spread(pace)
