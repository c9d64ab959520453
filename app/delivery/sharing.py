"""Sharing: one answer for all who ask the same at the same time."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Sharing(Generic[T]):
    """Finds few answers at a time. Whoever asks the same while an answer waits for its turn shares it; one that is
    being found already may be too old for them."""

    def __init__(self, at_once: int) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._due: dict[Hashable, asyncio.Task[T]] = {}

    async def get(self, key: Hashable, find: Callable[[], Awaitable[T]]) -> T:
        """An answer that is looked for from now on. Raises what `find` raises, to everyone who shares it."""
        due = self._due.get(key)
        if due is None:
            due = self._due[key] = asyncio.create_task(self._find(key, find))
        # Shielded: one who leaves must not take it from the others.
        return await asyncio.shield(due)

    async def _find(self, key: Hashable, find: Callable[[], Awaitable[T]]) -> T:
        try:
            await self._turns.acquire()
        finally:
            # Begun: whoever comes now gets the next.
            del self._due[key]
        try:
            return await find()
        finally:
            self._turns.release()
