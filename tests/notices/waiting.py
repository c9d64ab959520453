"""Waiting in tests."""

import asyncio
from collections.abc import Callable


async def until(true: Callable[[], object], seconds: float = 2) -> None:
    """Wait until something is true, but no longer than so many seconds."""
    async with asyncio.timeout(seconds):
        while True:
            if true():
                return
            await asyncio.sleep(0.02)
