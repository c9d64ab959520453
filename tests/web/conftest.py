"""A server for browsers, Chromium itself, and people who are signed in."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import uvicorn
from httpx import AsyncClient
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect
from pydantic import SecretStr

from app.access.roles import Role
from app.core.database import Database
from app.core.settings import Settings
from app.main import create_app
from app.web.preferences import PROGRAM
from tests.browser import PASSWORD, Known, invited
from tests.conftest import Clone
from tests.support import MASTER_KEYS, House, Program, new_program

PATIENCE_MS = 30_000
"""How long a browser waits for what must appear."""
expect.set_options(timeout=PATIENCE_MS)


def installed() -> str:
    """Where Chromium is: the system's own, installed if it may be. Without one, these tests can't run."""
    if not (path := which("chromium") or which("chromium-browser")):
        if which("apt-get") and os.geteuid() == 0:
            for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
                subprocess.run(["apt-get", *command], check=True, stdin=subprocess.DEVNULL, capture_output=True)
            path = which("chromium")
        assert path or "CI" not in os.environ, "CI must prove the pages: apt-get install chromium"
    if path is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    return path


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium, headless."""
    path = await asyncio.to_thread(installed)
    async with async_playwright() as playwright:
        # Root, as in containers, has no sandbox.
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        await browser.close()


@dataclass(slots=True)
class Site(House):
    """The house, with an address on which browsers reach it."""

    address: str = ""


@pytest.fixture(scope="session")
async def site_database(clone: Clone) -> AsyncIterator[str]:
    """The owner's address of the pages' own database: the loops of a server go round every program in its own."""
    async with clone() as url:
        yield url


@pytest.fixture(scope="session")
async def site(site_database: str) -> AsyncIterator[Site]:
    """The application on a port of loopback, its background loops running."""
    # A kept connection must not be shut in the very moment in which a test uses it again.
    served = uvicorn.Config(
        "", host="127.0.0.1", port=0, log_level="warning", access_log=False, timeout_keep_alive=3600
    )
    server = uvicorn.Server(served)
    (listening := server.config.bind_socket()).listen(128)
    address = f"http://localhost:{listening.getsockname()[1]}"
    settings = Settings(
        database_url=site_database,
        pool_size=10,
        master_keys=SecretStr(MASTER_KEYS),
        rate_limit_address="100000/minute",
        rate_limit="100000/minute",
        public_url=address,
        allow_local_issuers=True,
    )
    app = create_app(settings)
    server.config.app = app
    server.config.lifespan = "on"
    serving = asyncio.create_task(server.serve([listening]))
    while not server.started:
        assert not serving.done(), "the server ended by itself"
        await asyncio.sleep(0.01)
    owner = Database(site_database, pool_size=2, as_owner=True)
    async with AsyncClient(base_url=address.replace("localhost", "127.0.0.1"), timeout=30) as http:
        yield Site(app, http, owner, address)
    server.should_exit = True
    await serving
    await owner.close()


@pytest.fixture
async def town(site: Site) -> Program:
    """A program of this test's own on the served site."""
    return await new_program(site)


@dataclass(slots=True)
class Opened:
    """A browser window of somebody's: its page, and everything in it that went wrong."""

    page: Page
    person: Known
    wrong: list[str]

    async def go(self, path: str) -> None:
        """Open a path."""
        await self.page.goto(path)


SignIn = Callable[..., Coroutine[Any, Any, Opened]]


@pytest.fixture
async def sign_in(site: Site, chromium: Browser, town: Program) -> AsyncIterator[SignIn]:
    """Signs a new person of a role in, in a browser of their own; a phone's unless `width` says otherwise.

    `context` is Playwright's: `locale`, `color_scheme`, `java_script_enabled` and so on. A test fails when a page said
    something went wrong in the console or raised an error.
    """
    opened: list[tuple[BrowserContext, Opened]] = []

    async def signed_in(
        role: Role = Role.CASE_MANAGER,
        *,
        width: int = 390,
        height: int = 844,
        program: Program | None = None,
        organization_id: str | None = None,
        **context: Any,
    ) -> Opened:
        place = program or town
        owner = organization_id or (place.provider_id if role is Role.PROVIDER else place.agency_id)
        person = await invited(place, role, organization_id=str(owner))
        seen = {"base_url": site.address, "viewport": {"width": width, "height": height}, "locale": "en-US"}
        window = await chromium.new_context(**(seen | context))
        window.set_default_timeout(PATIENCE_MS)
        # Whoever accepts an invitation is signed in. The forms for it have tests of their own.
        body = {"token": person.token, "password": PASSWORD}
        answer = await window.request.post(
            "/v1/invitations/accept/password", data=body, headers={"Origin": site.address}
        )
        assert answer.status == 200, await answer.text()
        await window.add_cookies([{"name": PROGRAM, "value": person.slug, "url": site.address}])
        page = await window.new_page()
        wrong = watched(page)
        await page.goto("/")
        opened.append((window, Opened(page, person, wrong)))
        return opened[-1][1]

    yield signed_in
    said = [each for _, one in opened for each in one.wrong]
    for window, _ in opened:
        await window.close()
    assert not said, said


_WEATHER = ("Failed to load resource", "[object Event]", "htmx:afterRequest,", "htmx:sendAbort,", "htmx:sendError,")
"""What a browser, and htmx of a stream or a request, say when an answer did not come, or was no longer waited for since
something else was asked meanwhile: neither is a fault of a page. An answer of failure is (`htmx:responseError`)."""


def watched(page: Page) -> list[str]:
    """What goes wrong in this page from now on: errors of scripts, and whatever its policy refused."""
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
    page.on(
        "console",
        lambda said: (
            wrong.append(f"{page.url}: {said.text}")
            if said.type == "error" and not said.text.startswith(_WEATHER)
            else None
        ),
    )
    return wrong


async def accept(site: Site, person: Known) -> None:
    """Have an invited person choose a password."""
    body = {"token": person.token, "password": PASSWORD}
    response = await site.http.post("/v1/invitations/accept/password", json=body, headers={"Origin": site.address})
    assert response.status_code == 200, response.text
    site.http.cookies.clear()


AXE = Path(__file__).parents[2] / "app" / "web" / "node_modules" / "axe-core" / "axe.min.js"
_WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


async def faults(page: Page) -> list[str]:
    """What axe-core finds on the page as it is now, by WCAG 2.2 AA and its best practices."""
    # Run from outside of the page: its own policy lets nothing in.
    await page.evaluate(AXE.read_text())
    found = await page.evaluate("rules => axe.run({runOnly: rules})", _WCAG)
    return [
        f"{page.url}: {each['id']}: {each['help']}: {[node['html'][:200] for node in each['nodes']][:4]}"
        for each in found["violations"]
    ]
