"""The board while the world goes on: what it shows is what is so, within a second; and how much it weighs."""

import asyncio
import re
from typing import Any

from playwright.async_api import Page, expect
from sqlalchemy import text

from app.web.assets import OWN, assets
from tests.support import Program
from tests.web.conftest import PATIENCE_MS, SignIn
from tests.web.test_board_taps import card, live

PICTURE = """() => Object.fromEntries([...document.querySelectorAll("#openings .opening:not([data-gone])")].map(
  (card) => [card.dataset.opening, Number(card.querySelector(".big").textContent)]))"""


async def picture(page: Page) -> dict[str, int]:
    """What the board shows as open."""
    shown: dict[str, int] = await page.evaluate(PICTURE)
    return shown


async def truth(town: Program) -> dict[str, int]:
    """What is open."""
    listed = (await town.call("GET", "/v1/openings?category=housing&limit=200")).json()["items"]
    return {each["id"]: each["units_open"] for each in listed}


async def numbered(town: Program) -> None:
    """Wait until the log has all that happened. Its relay rests nine times as long as it works, for the claims' sake:
    where eight others share two cores that alone takes seconds, and says nothing of the board."""
    async with asyncio.timeout(20):
        behind = True
        while behind:
            async with town.house.owner.transaction(None, "tests") as session:
                behind = town.id in set(await session.scalars(text("SELECT program_id FROM programs_behind()")))


async def test_changes_are_seen_in_place(sign_in: SignIn, town: Program) -> None:
    many, last = await town.opening(5), await town.opening(1)
    page = (await sign_in()).page
    await live(page)
    await town.held(many, 2)
    await numbered(town)
    await expect(page.locator(f"{card(many)} .big")).to_have_text("3", timeout=PATIENCE_MS)
    held = await town.held(last)
    await numbered(town)
    gone = page.locator(f"{card(last)}[data-gone]")
    await expect(gone).to_contain_text("Just taken", timeout=PATIENCE_MS)
    await expect(page.locator("#aloud")).to_contain_text("Just taken: A service")
    await town.step(held, "release")
    await numbered(town)
    await expect(gone).to_have_count(0, timeout=PATIENCE_MS)
    await expect(page.locator(f"{card(last)} button.main")).to_be_visible()


async def test_something_new_moves_nothing_and_comes_when_it_is_asked_for(sign_in: SignIn, town: Program) -> None:
    await town.opening(1, service=await town.service(attributes={"pets": "yes"}))
    page = (await sign_in()).page
    await live(page, "/board?category=housing&needs=pets")
    top = await page.locator(".opening").first.bounding_box()
    await town.opening(1, service=await town.service(attributes={"pets": "no"}))
    fits = await town.opening(1, service=await town.service(name="New place", attributes={"pets": "yes"}))
    await numbered(town)
    pill = page.locator("#news-button")
    await expect(pill).to_have_text("New: 1 · Show", timeout=PATIENCE_MS)
    assert await page.locator(".opening").first.bounding_box() == top
    await pill.click()
    await expect(page.locator(card(fits))).to_contain_text("New place")
    await expect(pill).to_be_hidden()
    assert await page.evaluate("document.activeElement.id") == "board-title"


async def test_what_was_attested_lately_is_so_no_longer_after_a_while(sign_in: SignIn, town: Program) -> None:
    opening = await town.opening(2)
    page = (await sign_in(locale="es-MX")).page
    await page.clock.install()
    await live(page)
    ago = page.locator(f"{card(opening)} [data-part=ago]")
    await expect(ago).to_have_text("Verificado ahora mismo")
    await page.clock.fast_forward("12:30")
    await expect(ago).to_have_text(re.compile(r"Verificado hace 1[2-9] minutos"))
    await town.made(f"/v1/openings/{opening['id']}/attest", {})
    await expect(ago).to_have_text("Verificado ahora mismo")


async def test_however_often_something_else_is_asked_for_there_is_one_stream(sign_in: SignIn, town: Program) -> None:
    opening = await town.opening(2, service=await town.service(attributes={"pets": "yes"}))
    page = (await sign_in()).page
    await live(page)
    # A browser has six connections to a server at once: a seventh stream would keep every claim from it.
    for _ in range(8):
        async with page.expect_response(lambda response: "/board/live" in response.url):
            await page.click("label:has(#n-pets)")
    await town.held(opening)
    await expect(page.locator(f"{card(opening)} .big")).to_have_text("1")
    await page.click(f"{card(opening)} button.main")
    await page.wait_for_selector(".result[data-held]")


async def test_a_card_that_went_makes_room_and_a_press_meant_for_it_counts_for_nothing(
    sign_in: SignIn, town: Program
) -> None:
    below, above = await town.opening(1), await town.opening(1)
    page = (await sign_in(height=1600)).page
    await page.clock.install()
    await live(page)
    first = page.locator(".opening").first
    top = await first.get_attribute("data-opening")
    lost, kept = (above, below) if top == above["id"] else (below, above)
    place = await page.locator(f"{card(kept)} button.main").bounding_box()
    await town.held(lost)
    await page.wait_for_selector(f"{card(lost)}[data-gone]")
    assert await page.locator(f"{card(kept)} button.main").bounding_box() == place, "nothing moved under the thumb"
    # From here on no time passes but what the test lets pass, however slow the machine.
    await page.clock.pause_at((await page.evaluate("Date.now()") + 500) / 1000)
    for _ in range(35):
        await page.clock.run_for(200)
        if not await page.locator(card(lost)).count():
            break
    await expect(page.locator(card(lost))).to_have_count(0)
    # Where a button has just come to lie under the thumb, its press is not taken.
    await page.click(f"{card(kept)} button.main")
    await page.clock.run_for(700)
    assert (await town.look(kept))["units_taken"] == 0
    await page.click(f"{card(kept)} button.main")
    await page.wait_for_selector(".result[data-held]")


async def test_a_watch_speaks_up(sign_in: SignIn, town: Program) -> None:
    page = (await sign_in()).page
    await live(page, "/board?category=legal")
    await page.click("#watch")
    await page.wait_for_selector("[data-watch]")
    await town.opening(1, service=await town.service("legal"), unit="intake_appointment")
    await numbered(town)
    await expect(page.locator("#notices")).to_contain_text("Something that you watch for is open.")
    await page.click("#notices a")
    await expect(page.locator(".opening")).to_have_count(1)


async def test_under_a_load_of_claims_the_picture_is_the_databases(sign_in: SignIn, town: Program) -> None:
    service = await town.service()
    openings = [await town.opening(1 + nr % 4, service=service) for nr in range(12)]
    page = (await sign_in(width=1280)).page
    await live(page)
    assert await picture(page) == await truth(town)

    async def busy(nr: int) -> None:
        for turn in range(8):
            answer = await town.claim({"opening_id": openings[(nr * 5 + turn * 7) % 12]["id"]})
            if answer.status_code == 201 and (nr + turn) % 3 == 0:
                await town.step(answer.json()["claims"][0], "release")

    await asyncio.gather(*(busy(nr) for nr in range(6)))
    expected = await truth(town)
    assert len(expected) < 12, "some went"
    await numbered(town)
    same = f"expected => Object.entries(({PICTURE})()).sort().join() === Object.entries(expected).sort().join()"
    try:
        await page.wait_for_function(same, arg=expected, timeout=PATIENCE_MS)
    finally:
        assert await picture(page) == expected


async def test_the_board_with_a_hundred_openings_weighs_little(sign_in: SignIn, town: Program) -> None:
    words = ("Harbor", "Cedar", "Rainier", "Union", "Pike")
    answers = ("yes", "no", "unknown")
    names = ("pets", "couples", "id_not_required", "sobriety_not_required", "step_free", "belongings", "no_curfew")

    async def published(nr: int) -> None:
        facts: dict[str, Any] = {
            "name": f"{words[nr % 5]} {('night shelter', 'family rooms', 'rest house')[nr % 3]} {nr}",
            "attributes": {name: answers[(nr + place * nr) % 3] for place, name in enumerate(names)},
            "languages": ["en", "es"][: 1 + nr % 2],
            "latitude": 47.5 + nr / 200,
            "longitude": -122.33,
        }
        service = await town.service(**facts)
        for units in range(4):
            await town.opening(1 + units, service=service, minimum_age=18 if units else None)

    for nr in range(25):
        await published(nr)
    page = (await sign_in()).page
    await page.goto("/account")
    client = await page.context.new_cdp_session(page)
    weights: dict[str, int] = {}
    addresses: dict[str, str] = {}
    client.on("Network.responseReceived", lambda seen: addresses.update({seen["requestId"]: seen["response"]["url"]}))
    client.on("Network.loadingFinished", lambda seen: weights.update({seen["requestId"]: seen["encodedDataLength"]}))
    await client.send("Network.enable")
    await client.send("Network.setCacheDisabled", {"cacheDisabled": True})
    await client.send("Network.setBypassServiceWorker", {"bypass": True})
    await live(page, "/board?near=47.6062,-122.3321")
    await expect(page.locator(".opening")).to_have_count(100)
    told = {addresses[id].rpartition("/")[2]: weight for id, weight in weights.items() if id in addresses}
    assert {"base.css", "board.css", "board.js", "htmx.js"} <= set(told)
    assert sum(weights.values()) < 120 * 1024, told


def test_our_scripts_are_small() -> None:
    ours = [assets().files[path.relative_to(OWN).as_posix()] for path in OWN.rglob("*.js")]
    assert sum(len(each.packed or each.body) for each in ours) < 15 * 1024
