"""Whoever sends is killed at every step it takes: nothing is lost, nothing overtakes, and little is sent twice."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.live.office import Partner, new_partner, numbered, opened, stir
from tests.live.receiver import OK, Received, Receiver, receiving

ROOT = Path(__file__).parent.parent.parent
NAMED = ["before a try", "while a try is under way", "answered", "committed"]
STEPS = [*map(str, range(1, 31)), *NAMED, *NAMED]
"""Every statement and commit of a step: what came of tries, what is new, what is leased. And around what is sent."""


@asynccontextmanager
async def doomed(url: str, *lasts: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Processes that kill themselves at these steps, and all of them at the latest when this context ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.live.doomed",
        url,
        *lasts,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        # The whole group, which is theirs alone.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def slowish(_: Receiver, __: Received, ___: asyncio.StreamWriter) -> bytes | None:
    """Takes its time, so that a try can be cut off while it is under way."""
    await asyncio.sleep(0.05)
    return OK


async def stirring(partner: Partner, openings: list[dict[str, Any]]) -> None:
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
        stirred = asyncio.create_task(stirring(partner, await stir(partner, 6, 0)))
        async with doomed(own_database, *STEPS) as dying:
            assert dying.stdout is not None
            while line := await asyncio.wait_for(dying.stdout.readline(), 60):
                died.append(line.decode().strip())
                assert not stirred.done(), stirred.exception()
        stirred.cancel()
        await asyncio.gather(stirred, return_exceptions=True)
        await stack.enter_async_context(doomed(own_database, "0"))
        await asyncio.sleep(1)
        numbers = await partner.numbers(0, "opening.changed")
        await receiver.until_numbers(numbers, 60)
        deliveries = await partner.ended(webhook)
    assert len(died) == len(STEPS)
    assert set(NAMED) <= set(died)
    assert len(set(died)) > 15, set(died)
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
        await stack.enter_async_context(doomed(own_database, "0", "0", "0"))
        await stir(partner, 8, 8)
        numbers = await numbered(partner, 64, "opening.changed")
        await receiver.until_numbers(numbers, 40)
        await partner.ended(webhook)
    receiver.require_order()
    assert len(receiver.received) == len(numbers)
    assert receiver.most_under_way <= 4
