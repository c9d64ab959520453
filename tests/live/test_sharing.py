"""Sharing: who asks the same while an answer waits for its turn shares it; nobody gets one begun before they came."""

import asyncio

import pytest

from app.delivery.sharing import Sharing


async def test_who_comes_while_an_answer_is_being_found_gets_the_next() -> None:
    sharing = Sharing[int](at_once=1)
    begun = 0
    go = asyncio.Event()

    async def find() -> int:
        nonlocal begun
        begun += 1
        mine = begun
        await go.wait()
        return mine

    first = asyncio.create_task(sharing.get("k", find))
    await asyncio.sleep(0.01)
    rest = [asyncio.create_task(sharing.get("k", find)) for _ in range(50)]
    await asyncio.sleep(0.01)
    # One who leaves takes it from nobody.
    rest.pop().cancel()
    go.set()
    assert await first == 1
    assert set(await asyncio.gather(*rest)) == {2}
    assert await sharing.get("k", find) == 3


async def test_what_goes_wrong_is_told_to_all_who_share_it_and_to_nobody_after() -> None:
    sharing = Sharing[int](at_once=1)

    async def broken() -> int:
        raise ConnectionError("gone")

    async def whole() -> int:
        return 7

    both = [asyncio.create_task(sharing.get("k", broken)) for _ in range(2)]
    for task in both:
        with pytest.raises(ConnectionError):
            await task
    assert await sharing.get("k", whole) == 7
