"""Two server processes over one database, for all that is live; and a program of each test's own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from sqlalchemy import text

from app.core.database import Database
from tests.conftest import Clone
from tests.live.office import Office, Partner, new_partner, opened
from tests.serving import Served, served
from tests.support import Program, new_program


@dataclass(frozen=True, slots=True)
class Servers:
    """The two processes, and the owner's address of their database."""

    url: str
    here: Served
    there: Served


@pytest.fixture(scope="package")
async def servers(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Servers]:
    """Two processes. Each has no more connections than a pool may be small."""
    logs = tmp_path_factory.mktemp("live")
    async with clone() as url, AsyncExitStack() as stack:
        owner = Database(url, pool_size=4, as_owner=True)
        stack.push_async_callback(owner.close)
        here = await stack.enter_async_context(served(url, logs / "here.log", owner=owner, pool_size=2))
        there = await stack.enter_async_context(served(url, logs / "there.log", owner=owner, pool_size=2))
        yield Servers(url, here, there)


@pytest.fixture
async def lively(servers: Servers) -> Program:
    """A program of this test's own, as the first process serves it."""
    return await new_program(servers.here)


@pytest.fixture(scope="package")
async def office(clone: Clone) -> AsyncIterator[Office]:
    """An application in this process, over a database in which nobody sends webhooks but whom a test starts."""
    async with clone() as url, opened(url) as office:
        yield office


@pytest.fixture
async def partner(office: Office) -> AsyncIterator[Partner]:
    """A partner system in a program of this test's own, whose webhooks are nobody's burden after it."""
    partner = await new_partner(office)
    yield partner
    async with office.house.owner.transaction(partner.program.id, "tests") as session:
        await session.execute(text("DELETE FROM webhooks WHERE program_id = :id"), {"id": partner.program.id})
