"""Pictures of every page at a phone's, a tablet's and a desk's width, light and dark: `make screenshots`.

They are taken of the demonstration program on a database of its own, and are there to be looked at.
"""

import asyncio
import os
import re
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

from httpx import AsyncClient, TransportError
from playwright.async_api import Browser, Page, async_playwright

from app.access.roles import Role
from tests.web.conftest import installed

FOLDER = Path("screenshots")
WIDTHS = {"phone": (390, 844), "tablet": (820, 1180), "desktop": (1280, 860)}
PAGES: dict[Role, tuple[str, ...]] = {
    Role.CASE_MANAGER: (
        "/board?category=housing",
        "/claims",
        "/claims/CLAIM",
        "/claims/CLAIM/consent",
        "/claims/CLAIM/person",
        "/account",
    ),
    Role.PROVIDER: ("/desk",),
    Role.PROGRAM_MANAGER: ("/overview", "/manage/people", "/manage/rules"),
}
"""Which pages are taken as whom. CLAIM is one that `claimed` made."""


@asynccontextmanager
async def demonstration() -> AsyncIterator[tuple[str, str]]:
    """A server with the demonstration program: its address, and its people's password."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        # As root the server runs as someone else, who must be let in.
        Path(folder).chmod(0o755)
        environment = os.environ | {"OPENBERTH_DATA_DIR": f"{folder}/data"}
        arguments = [sys.executable, "-m", "app", "serve", "--demo", "--port", str(port)]
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(*arguments, env=environment, stdout=output, stderr=output)
        try:
            address = f"http://localhost:{port}"
            await _ready(f"http://127.0.0.1:{port}")
            found = re.search(r"case\.manager@example\.org\W+(\w+)", log.read_text())
            assert found, "the demonstration prints how its people sign in"
            yield address, found[1]
        finally:
            process.terminate()
            await process.wait()


async def _ready(address: str) -> None:
    async with asyncio.timeout(60), AsyncClient() as http:
        while True:
            try:
                if (await http.get(f"{address}/readyz")).status_code == 200:
                    return
            except TransportError:
                await asyncio.sleep(0.2)


async def _sign_in(page: Page, role: Role, password: str) -> None:
    await page.goto("/sign-in?program=demo")
    await page.fill("[name=email]", f"{role.value.replace('_', '.')}@example.org")
    await page.fill("[name=password]", password)
    await page.press("[name=password]", "Enter")
    await page.wait_for_url(lambda url: "/sign-in" not in url)


async def claimed(browser: Browser, address: str, password: str) -> str:
    """Have the case manager hold a bed, and hold and confirm another with a place in treatment: the confirmed one."""
    window = await browser.new_context(base_url=address)
    page = await window.new_page()
    await _sign_in(page, Role.CASE_MANAGER, password)
    housing = {"find": {"category": "housing", "needs": ["couples"]}}
    treatment = {"find": {"category": "treatment"}}
    made = {}
    for items in ([housing], [housing, treatment]):
        headers = {"Idempotency-Key": str(uuid4()), "Origin": address}
        someone = await page.context.request.post("/v1/participants", headers=headers, data={})
        body = {"participant": (await someone.json())["code"], "items": items}
        headers = {"Idempotency-Key": str(uuid4()), "Origin": address}
        answer = await page.context.request.post("/v1/claims", headers=headers, data=body)
        made = (await answer.json())["claims"][0]
    await page.context.request.post(f"/v1/claims/{made['id']}/confirm", headers={"Origin": address})
    await window.close()
    return str(made["id"])


async def _take(page: Page, path: str, name: str, claim: str = "") -> None:
    await page.goto(path.replace("CLAIM", claim))
    await page.wait_for_load_state("load")
    place = re.sub(r"\W+", "-", path).strip("-")
    await page.screenshot(path=FOLDER / f"{place}-{name}.png", full_page=True)


async def take_all(browser: Browser, address: str, password: str) -> None:
    """Every page, width and scheme."""
    claim = await claimed(browser, address, password)
    for device, (width, height) in WIDTHS.items():
        for scheme in ("light", "dark"):
            for role, paths in PAGES.items():
                window = await browser.new_context(
                    base_url=address,
                    viewport={"width": width, "height": height},
                    color_scheme=scheme,
                    locale="en-US",
                )
                page = await window.new_page()
                if role is Role.CASE_MANAGER:
                    await _take(page, "/sign-in", f"{device}-{scheme}")
                await _sign_in(page, role, password)
                for path in paths:
                    await _take(page, path, f"{device}-{scheme}", claim)
                await window.close()


async def main() -> None:
    """Take them into `screenshots/`."""
    FOLDER.mkdir(exist_ok=True)
    path = installed()
    async with demonstration() as (address, password), async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        await take_all(browser, address, password)
        await browser.close()
    sys.stdout.write(f"Look into {FOLDER.resolve()}.\n")


if __name__ == "__main__":
    asyncio.run(main())
