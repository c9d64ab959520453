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


def work(seconds: float) -> None:
    """Take the processor for so long."""
    until = thread_time() + seconds
    while thread_time() < until:
        pass


async def requests() -> None:
    """Whoever answers one has the next."""
    while True:
        work(4 * Pace.PRESSING)
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
async def test_one_long_request_does_not_press_it() -> None:
    pace = Pace()
    asyncio.get_running_loop().call_soon(work, 40 * Pace.PRESSING)
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
