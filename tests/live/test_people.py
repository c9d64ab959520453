"""People who have signed in listen by their session's cookie, from pages of this origin, until they sign out."""

import asyncio
from collections.abc import AsyncIterator
from time import perf_counter
from typing import Any

import orjson
import pytest
from sqlalchemy import text
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from app.access.roles import Role
from app.core.settings import Settings
from app.main import create_app
from tests.browser import ORIGIN, Browser, joined
from tests.live.board import address, heard, latest, listening
from tests.live.conftest import Servers
from tests.support import Program

OURS = Settings(database_url="postgresql://").public_url
"""Where the server processes believe to be reached."""


@pytest.fixture
async def browser(servers: Servers, lively: Program) -> AsyncIterator[Browser]:
    """A person's browser, signed in at a server over the same database."""
    app = create_app(Settings(database_url=servers.url, pool_size=2, public_url=ORIGIN), loops=False)
    async with app.router.lifespan_context(app):
        browser = Browser(lively.house, app=app)  # type: ignore[arg-type]
        await joined(browser, lively)
        yield browser


def cookie(browser: Browser) -> dict[str, str]:
    """The cookie as the server processes, which are reached by plain http, have it."""
    return {"Cookie": f"openberth_session={browser.session}"}


def dialled(program: Program, browser: Browser, origin: str | None = OURS) -> connect:
    """A socket that a page of this origin opens."""
    return connect(address(program), additional_headers=cookie(browser), origin=origin)  # type: ignore[arg-type]


async def ended(socket: ClientConnection) -> dict[str, Any]:
    """The farewell, whatever is told before it."""
    while (message := await heard(socket))["type"] != "end":
        pass
    return message


async def test_a_page_of_ours_listens_by_the_cookie_until_the_person_signs_out(
    lively: Program, browser: Browser
) -> None:
    """Over both, a socket and server-sent events; signed out elsewhere, both end within a second."""
    await latest(lively)
    events: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()

    async def stream() -> None:
        kind = ""
        async with lively.house.http.stream("GET", "/v1/live", headers=cookie(browser)) as response:
            assert response.status_code == 200
            async for line in response.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    events.put_nowait((kind, orjson.loads(value)))

    streaming = asyncio.create_task(stream())
    async with dialled(lively, browser) as socket:
        assert (await listening(socket))["type"] == "snapshot"
        assert (await events.get())[0] == "snapshot"
        opening = await lively.opening()
        for message in (await heard(socket), (await events.get())[1]):
            assert message["items"][0]["opening_id"] == opening["id"]
        began = perf_counter()
        await browser.done("/v1/sign-out")
        assert ((await ended(socket))["code"], perf_counter() - began < 1) == (4001, True)
        async with asyncio.timeout(1):
            while (event := await events.get())[0] != "end":
                pass
            await streaming
        assert (event[1]["code"], event[1]["detail"]) == (4001, "You are signed out. Sign in again.")
    with pytest.raises(InvalidStatus) as refused:
        await dialled(lively, browser)
    assert refused.value.response.status_code == 401


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", OURS.replace("127.0.0.1", "localhost"), None])
async def test_no_other_page_listens_by_the_cookie(lively: Program, browser: Browser, origin: str | None) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await dialled(lively, browser, origin)
    assert refused.value.response.status_code == 403


async def test_nor_does_another_page_with_a_key(lively: Program) -> None:
    """A key in the first message is for pages of ours; a program sends the header, whatever it calls its origin."""
    with pytest.raises(InvalidStatus) as refused:
        await connect(address(lively), origin="https://elsewhere.example")  # type: ignore[arg-type]
    assert refused.value.response.status_code == 403
    key = f"Bearer {lively.keys[Role.CASE_MANAGER]}"
    async with connect(address(lively), origin=OURS) as socket:  # type: ignore[arg-type]
        assert (await listening(socket, authorization=key))["type"] == "snapshot"
    header = {"Authorization": key}
    async with connect(address(lively), additional_headers=header, origin="http://a.program") as socket:  # type: ignore[arg-type]
        assert (await listening(socket))["type"] == "snapshot"


async def test_listening_is_no_use_of_a_session_and_ends_with_it(lively: Program, browser: Browser) -> None:
    async with dialled(lively, browser) as socket:
        await listening(socket)
        async with lively.house.owner.transaction(lively.id, "tests") as session:
            await session.execute(
                text(
                    "UPDATE sessions SET seen_at = now() - interval '10 min', idle_until = now() + interval '2 s'"
                    " WHERE program_id = :id"
                ),
                {"id": lively.id},
            )
        assert (await ended(socket))["code"] == 4001


async def test_who_a_person_is_ends_their_sockets_when_it_changes(lively: Program, browser: Browser) -> None:
    async with dialled(lively, browser) as socket:
        await listening(socket)
        async with lively.house.owner.transaction(lively.id, "tests") as session:
            await session.execute(
                text("UPDATE people SET role = 'outreach_worker' WHERE program_id = :id"), {"id": lively.id}
            )
        assert (await ended(socket))["code"] == 4003
