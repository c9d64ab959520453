"""The application over a database of its own, to be driven from outside any event loop."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg
from httpx import ASGITransport, AsyncClient

from app.core.database import Database
from app.core.settings import Settings
from app.main import create_app
from tests.support import House

Result = TypeVar("Result")


@dataclass(frozen=True)
class World:
    """The application over a database of its own, driven from outside any event loop."""

    runner: asyncio.Runner
    house: House
    superuser: "asyncpg.Connection[Any]"

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of a coroutine."""
        return self.runner.run(work)


async def _open(stack: AsyncExitStack, url: str, superuser_url: str) -> tuple[House, "asyncpg.Connection[Any]"]:
    app = create_app(Settings(database_url=url, pool_size=5), loops=False)
    await stack.enter_async_context(app.router.lifespan_context(app))
    transport = ASGITransport(app, raise_app_exceptions=False)
    http = await stack.enter_async_context(AsyncClient(transport=transport, base_url="http://house"))
    owner = Database(url, pool_size=2, as_owner=True)
    stack.push_async_callback(owner.close)
    superuser = await asyncpg.connect(superuser_url)
    stack.push_async_callback(superuser.close)
    return House(app, http, owner), superuser


@contextmanager
def running_world(url: str, superuser_url: str) -> Iterator[World]:
    """A world on a loop of its own: Hypothesis calls each rule as a plain function."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        stack = AsyncExitStack()
        house, superuser = runner.run(_open(stack, url, superuser_url))
        try:
            yield World(runner, house, superuser)
        finally:
            runner.run(stack.aclose())
