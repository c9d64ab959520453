"""Whoever sends is killed at every step it takes: nothing is lost, nothing overtakes, and little is sent twice."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.live.office import Partner, new_partner, numbered, opened, stir
from tests.live.receiver import OK, Received, Receiver, receiving

ROOT = Path(__file__).parent.parent.parent
AT_ONCE = 4
STEPS = 48
"""From the first statement to beyond the second step: what is new is taken and leased, sent, answered, written down."""


async def doomed(url: str, last: int) -> asyncio.subprocess.Process:
    """A process that kills itself at this step."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.live.doomed", url, str(last), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )


async def slowish(_: Receiver, __: Received, ___: asyncio.StreamWriter) -> bytes | None:
    """Takes its time, so that a try can be cut off while it is under way."""
    await asyncio.sleep(0.05)
    return OK


def batches() -> Iterator[range]:
    """Every step, a few processes at a time."""
    for first in range(1, STEPS + 1, AT_ONCE):
        yield range(first, min(first + AT_ONCE, STEPS + 1))


async def stirring(partner: Partner, openings: list[dict[str, Any]]) -> int:
    """Change openings until cancelled."""
    while True:
        for opening in openings:
            await partner.program.made(f"/v1/openings/{opening['id']}/adjust", {"by": 1})
            await asyncio.sleep(0.05)


@pytest.mark.timeout(400)
async def test_killed_at_every_step_nothing_is_lost_and_nothing_overtakes(own_database: str) -> None:
    died: list[str] = []
    async with AsyncExitStack() as stack:
        office = await stack.enter_async_context(opened(own_database))
        receiver = await stack.enter_async_context(receiving(slowish))
        await stack.enter_async_context(office.numbering())
        partner = await new_partner(office)
        webhook = await partner.webhook(receiver.url, types=["opening.changed"])
        stirred = asyncio.create_task(stirring(partner, await stir(partner, 3, 0)))
        for batch in batches():
            processes = [await doomed(own_database, last) for last in batch]
            for process in processes:
                said, _ = await asyncio.wait_for(process.communicate(), 60)
                assert process.returncode == -signal.SIGKILL, said
                died.append(said.decode().strip())
        stirred.cancel()
        await asyncio.gather(stirred, return_exceptions=True)
        last = await doomed(own_database, 0)
        stack.callback(last.kill)
        await asyncio.sleep(1)
        numbers = await partner.numbers(0, "opening.changed")
        assert numbers == await numbered(partner, len(numbers), "opening.changed")
        await receiver.until_numbers(numbers, 60)
        deliveries = await partner.ended(webhook)
        last.kill()
        await last.wait()
    assert {"before a try", "while a try is under way", "answered", "committed"} <= set(died)
    assert len(set(died)) > 20
    receiver.require_order()
    receiver.require_signed(webhook["secret"])
    assert {each["number"] for each in deliveries} == numbers
    assert {each["state"] for each in deliveries} == {"delivered"}
    twice = len(receiver.received) - len(numbers)
    cut_off = [each for delivery in deliveries for each in delivery["tries"] if each["ms"] is None]
    print(f"{len(died)} killed, {len(numbers)} events, {twice} sent twice, {len(cut_off)} tries cut off in the log")
    # A process has at most four tries under way.
    assert 0 < twice <= len(cut_off) <= 4 * len(died)


async def test_several_processes_send_each_event_once(own_database: str) -> None:
    async with AsyncExitStack() as stack:
        office = await stack.enter_async_context(opened(own_database))
        receiver = await stack.enter_async_context(receiving())
        await stack.enter_async_context(office.numbering())
        partner = await new_partner(office)
        webhook = await partner.webhook(receiver.url, types=["opening.changed"])
        processes = [await doomed(own_database, 0) for _ in range(3)]
        for process in processes:
            stack.callback(process.kill)
        await stir(partner, 8, 8)
        numbers = await numbered(partner, 64, "opening.changed")
        await receiver.until_numbers(numbers, 40)
        await partner.ended(webhook)
        for process in processes:
            process.kill()
            await process.wait()
    receiver.require_order()
    assert len(receiver.received) == len(numbers)
    assert receiver.most_under_way <= 4
