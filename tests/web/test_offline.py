"""Bad signal: nothing is pretended, nothing is claimed twice, and nothing stays on a device that is nobody's."""

import re
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from tests.support import Program
from tests.web.claiming import shelter
from tests.web.conftest import Opened, SignIn, faults
from tests.web.test_board_taps import HELD, claim, live

UNSENT = "#unsent li"
LEFT = """async () => ({caches: (await caches.keys()).filter((name) => !name.startsWith("files ")),
  databases: (await indexedDB.databases()).length, storage: localStorage.length})"""
FORGOTTEN = "() => caches.keys().then((all) => !all.includes('kept') && !all.includes('outbox'))"


async def ready(sign_in: SignIn, path: str = "/board", **context: Any) -> Opened:
    """A case manager's board, all that is kept for a bad signal kept."""
    opened = await sign_in(**context)
    page = opened.page
    await live(page, path)
    await page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    await page.wait_for_function("() => caches.match('/kept/board').then(Boolean)")
    await page.wait_for_function("() => caches.open('kept').then((kept) => kept.match('/offline')).then(Boolean)")
    return opened


async def offline(opened: Opened, gone: bool = True) -> None:
    """Take the network away, or give it back. That the browser complains of it is no fault of ours."""
    await opened.page.context.set_offline(gone)
    if not gone:
        opened.wrong.clear()


async def taken(town: Program, opening: dict[str, Any]) -> int:
    """How many units of an opening are claimed."""
    count: int = (await town.look(opening))["units_taken"]
    return count


async def test_it_can_be_installed(sign_in: SignIn, town: Program) -> None:
    page = (await ready(sign_in)).page
    client = await page.context.new_cdp_session(page)
    manifest = await client.send("Page.getAppManifest")
    assert manifest["url"].endswith("/manifest.webmanifest")
    assert manifest["errors"] == []
    found = await client.send("Page.getInstallabilityErrors")
    # Tests run in a window that keeps nothing, where nothing is installed.
    assert [each["errorId"] for each in found["installabilityErrors"]] in ([], ["in-incognito"])


async def test_the_open_board_says_since_when_it_knows_nothing_and_sends_later(sign_in: SignIn, town: Program) -> None:
    opening = await town.opening(3)
    opened = await ready(sign_in)
    page = opened.page
    await offline(opened)
    notice = page.locator("#offline")
    await expect(notice).to_have_text(re.compile(r"^\s*No signal since \d+:\d\d.[AP]M\. What you see may be gone"))
    await page.click(claim(opening))
    await page.click(claim(opening))
    await expect(page.locator(UNSENT)).to_have_count(1)
    await expect(page.locator(UNSENT)).to_contain_text("Not sent yet, and nothing is held.")
    await expect(page.locator(f"#o-{opening['id']}")).to_contain_text("Not sent yet.")
    await expect(page.locator("#notices")).to_contain_text("Not sent yet.")
    await expect(page.locator(HELD)).to_have_count(0)
    assert await taken(town, opening) == 0
    await offline(opened, False)
    await expect(page.locator(UNSENT)).to_contain_text("Sent: the place is held.")
    await expect(page.locator("#notices")).to_contain_text("Sent: the place is held.")
    await expect(notice).to_be_hidden()
    await expect(page.locator(f"#o-{opening['id']} .waiting")).to_have_count(0)
    assert await taken(town, opening) == 1
    # It is the same claim that a press on the card leads to.
    await page.click(claim(opening))
    await page.wait_for_selector(HELD)
    assert await taken(town, opening) == 1
    await page.click(f"{UNSENT} >> text=My claims")
    await expect(page.locator("#claims")).to_contain_text("A service")


async def test_a_board_that_is_opened_without_a_signal_is_the_last_one(sign_in: SignIn, town: Program) -> None:
    service = await shelter(town)
    mine, lost = await town.opening(2, service=service), await town.opening(1)
    opened = await ready(sign_in, has_touch=True)
    page = opened.page
    await offline(opened)
    await page.goto("/board")
    await expect(page.locator("h1")).to_have_text("No signal")
    await expect(page.locator("#offline")).to_contain_text("No signal since")
    await expect(page.locator("#kept .opening")).to_have_count(2)
    for opening in (mine, lost):
        await page.tap(claim(opening))
    await expect(page.locator(UNSENT)).to_have_count(2)
    await town.held(lost)
    await offline(opened, False)
    # The board itself comes back, and says which of the two answers each has got.
    await page.wait_for_selector("#filters")
    waiting = page.locator(UNSENT)
    await expect(waiting.filter(has_text="Harbor night shelter")).to_contain_text("Sent: the place is held.")
    await expect(waiting.filter(has_text="A service")).to_contain_text("Sent: the place was no longer open.")
    await waiting.filter(has_text="A service").get_by_text("See what is open").click()
    await page.wait_for_url("**/board?category=housing")
    assert [await taken(town, each) for each in (mine, lost)] == [1, 1]
    await page.click(f"{UNSENT} >> text=All right >> nth=0")
    await expect(page.locator(UNSENT)).to_have_count(1)


async def test_an_answer_that_was_lost_is_the_same_claim(sign_in: SignIn, town: Program) -> None:
    opening = await town.opening(5)
    opened = await ready(sign_in)
    page = opened.page

    async def lose(route: Route) -> None:
        await route.fetch()
        await route.abort()

    await page.route("**/board/claims*", lose)
    await page.click(claim(opening))
    await expect(page.locator(UNSENT)).to_contain_text("No answer yet: it may be held or not.")
    assert await taken(town, opening) == 1, "the server knows of it"
    await page.unroute("**/board/claims*")
    await page.evaluate("dispatchEvent(new Event('online'))")
    await expect(page.locator(UNSENT)).to_contain_text("Sent: the place is held.")
    assert await taken(town, opening) == 1
    claims = (await town.call("GET", "/v1/claims")).json()["items"]
    assert len(claims) == 1
    opened.wrong.clear()


async def test_an_error_of_something_in_between_is_no_answer(sign_in: SignIn, town: Program) -> None:
    opening = await town.opening(1)
    opened = await ready(sign_in)
    page = opened.page
    await page.route("**/board/claims*", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    await page.click(claim(opening))
    await expect(page.locator(UNSENT)).to_contain_text("No answer yet")
    await expect(page.locator("#main")).not_to_contain_text("Bad gateway")
    await page.click(f"{UNSENT} >> text=Don’t send it")
    await expect(page.locator("#unsent")).to_be_hidden()
    await page.unroute("**/board/claims*")
    await page.evaluate("dispatchEvent(new Event('online'))")
    await page.click(claim(opening))
    await page.wait_for_selector(HELD)


async def test_too_late_it_is_not_sent(sign_in: SignIn, town: Program) -> None:
    opening = await town.opening(1)
    opened = await sign_in()
    page = opened.page
    await page.clock.install()
    await live(page)
    await offline(opened)
    await page.click(claim(opening))
    await expect(page.locator(UNSENT)).to_contain_text("Not sent yet")
    # A hold on a bed is for ninety minutes.
    await page.clock.fast_forward("01:31:00")
    await offline(opened, False)
    await page.clock.run_for(11_000)
    await expect(page.locator(UNSENT)).to_contain_text("Not sent: it was too late. Nothing is held.")
    assert await taken(town, opening) == 0


async def test_too_late_for_an_answer_it_says_that_nobody_knows(sign_in: SignIn, town: Program) -> None:
    opening = await town.opening(1)
    opened = await sign_in()
    page = opened.page
    await page.clock.install()
    await live(page)
    await page.route("**/board/claims*", lambda route: route.abort())
    await page.click(claim(opening))
    await expect(page.locator(UNSENT)).to_contain_text("No answer yet")
    await page.clock.fast_forward("01:31:00")
    await page.clock.run_for(11_000)
    await expect(page.locator(UNSENT)).to_contain_text("No answer came. It may be held: look in My claims.")
    opened.wrong.clear()


async def wait_unsent(page: Page, town: Program, opened: Opened) -> None:
    """Have a claim wait in the outbox."""
    opening = await town.opening(1)
    await live(page)
    await page.wait_for_function("() => caches.match('/kept/board').then(Boolean)")
    await offline(opened)
    await page.click(claim(opening))
    await expect(page.locator(UNSENT)).to_have_count(1)


async def test_after_signing_out_nothing_is_on_the_device(sign_in: SignIn, town: Program) -> None:
    opened = await ready(sign_in)
    page = opened.page
    await wait_unsent(page, town, opened)
    assert sorted((await page.evaluate(LEFT))["caches"]) == ["kept", "outbox"]
    await page.route("**/board/claims*", lambda route: route.abort())
    await offline(opened, False)
    await page.goto("/account")
    await expect(page.locator(UNSENT)).to_have_count(1)
    await page.click("text=Sign out >> nth=0")
    await page.wait_for_url("**/sign-in")
    await page.wait_for_function(FORGOTTEN)
    assert await page.evaluate(LEFT) == {"caches": [], "databases": 0, "storage": 0}
    assert await page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0
    opened.wrong.clear()


async def test_a_session_that_ended_by_itself_leaves_nothing_and_says_what_was_not_sent(
    sign_in: SignIn, town: Program
) -> None:
    opened = await ready(sign_in)
    page = opened.page
    await wait_unsent(page, town, opened)
    # The claim is the first to find out. Where the stream is, the page for signing in is next.
    await page.route("**/board/live*", lambda route: route.abort())
    await page.context.clear_cookies(name="openberth_session")
    await offline(opened, False)
    await expect(page.locator(UNSENT)).to_contain_text("Not sent: you are signed out. Nothing is held.")
    # Whoever is signed out and can't know it claims once more, from the board that was kept.
    await offline(opened)
    await page.goto("/board")
    await page.click("#kept .opening button.main")
    await expect(page.locator(UNSENT)).to_contain_text("Not sent yet")
    await offline(opened, False)
    await page.wait_for_url("**/sign-in**")
    await expect(page.locator("#forgotten")).to_contain_text("It is not sent any more.")
    await page.wait_for_function(FORGOTTEN)
    assert await page.evaluate(LEFT) == {"caches": [], "databases": 0, "storage": 0}
    opened.wrong.clear()


@pytest.mark.parametrize(("scheme", "locale"), [("light", "es-MX"), ("dark", "en-US")])
async def test_axe_finds_nothing_without_a_signal(sign_in: SignIn, town: Program, scheme: str, locale: str) -> None:
    await town.opening(2, service=await shelter(town))
    opened = await ready(sign_in, color_scheme=scheme, locale=locale, width=320)
    page = opened.page
    await offline(opened)
    sideways = "document.documentElement.scrollWidth > innerWidth"
    await page.click(".opening button.main")
    await expect(page.locator(UNSENT)).to_have_count(1)
    assert await faults(page) == []
    assert not await page.evaluate(sideways)
    await page.goto("/board")
    await expect(page.locator("#kept .opening")).to_have_count(1)
    await expect(page.locator(UNSENT)).to_have_count(1)
    assert await page.evaluate("getComputedStyle(document.querySelector('.opening')).display") == "flex", "styled"
    assert await page.evaluate("document.documentElement.lang") == locale[:2]
    assert await faults(page) == []
    assert not await page.evaluate(sideways)
    opened.wrong.clear()
