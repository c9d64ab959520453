"""The board in a browser: three taps to a hold, two who go for one bed, a bundle, the keyboard alone, no scripts."""

import asyncio
import re
from typing import Any

from playwright.async_api import Page, expect

from app.access.roles import Role
from tests.support import Program
from tests.web.conftest import SignIn, faults

HELD = ".result[data-held]"
REFUSED = ".result[data-refused]"


async def live(page: Page, path: str = "/board") -> None:
    """Open the board and wait until its stream has begun: from then on it misses nothing."""
    async with page.expect_response(lambda response: "/board/live" in response.url):
        await page.goto(path)


def card(opening: dict[str, Any]) -> str:
    """The card of an opening."""
    return f"#o-{opening['id']}"


def claim(opening: dict[str, Any]) -> str:
    """Its button."""
    return f"#c-{opening['id']}"


async def of_treatment(town: Program, units: int = 1, name: str = "Intake", **answers: str) -> dict[str, Any]:
    """An opening of a treatment service that answers its attributes so."""
    return await town.opening(
        units, service=await town.service("treatment", name=name, attributes=answers), unit="intake_appointment"
    )


async def test_from_opening_the_board_to_a_hold_in_three_taps(sign_in: SignIn, town: Program) -> None:
    await of_treatment(town, moud_methadone="no")
    fits = await of_treatment(town, name="Same-day intake", moud_methadone="yes")
    page = (await sign_in(Role.CASE_MANAGER, has_touch=True)).page
    assert page.url.endswith("/board"), "signing in leads here"
    presses = ("label:has(#k-treatment)", "category=treatment"), ("label:has(#n-moud_methadone)", "moud_methadone")
    for chip, address in presses:
        await page.tap(chip)
        await page.wait_for_url(f"**{address}*")
        await expect(page.locator(".htmx-request")).to_have_count(0)
    await page.tap(claim(fits))
    await expect(page.locator(HELD)).to_contain_text("Held: Same-day intake")
    assert len(presses) + 1 <= 3
    assert (await town.look(fits))["units_taken"] == 1


async def test_two_go_for_the_last_bed_and_the_other_is_shown_what_is_open(sign_in: SignIn, town: Program) -> None:
    last, other = await town.opening(1), await town.opening(1)
    pages = [(await sign_in()).page, (await sign_in()).page]
    for page in pages:
        await live(page)
    await asyncio.gather(*(page.evaluate("id => document.querySelector(id).click()", claim(last)) for page in pages))
    for page in pages:
        await page.wait_for_selector(f"{HELD}, {REFUSED}")
    [winner] = [page for page in pages if await page.locator(HELD).count()]
    [loser] = [page for page in pages if page is not winner]
    assert await loser.evaluate("document.activeElement.textContent") == "Not held"
    # The alternative is there, in the card's own place, and takes one tap.
    await loser.click(f"{REFUSED} {claim(other)}")
    await expect(loser.locator(f"{REFUSED} {HELD}")).to_contain_text("Held until")
    assert [(await town.look(each))["units_taken"] for each in (last, other)] == [1, 1]


async def test_a_double_tap_claims_once(sign_in: SignIn, town: Program) -> None:
    opening = await town.opening(5)
    page = (await sign_in()).page
    await live(page)
    await page.dblclick(claim(opening))
    await page.wait_for_selector(HELD)
    assert (await town.look(opening))["units_taken"] == 1


async def test_the_hold_runs_out_in_front_of_ones_eyes(sign_in: SignIn, town: Program) -> None:
    opening = await town.opening(1)
    page = (await sign_in()).page
    await page.clock.install()
    await live(page)
    await page.click(claim(opening))
    countdown = page.locator("[data-countdown]")
    await expect(countdown).to_have_text(re.compile(r"^1:(30:0\d|29:\d\d)$"))
    await page.clock.fast_forward("01:31:00")
    await expect(countdown).to_have_text("Ran out")


async def test_a_bundle_is_gathered_and_claimed_whole(sign_in: SignIn, town: Program) -> None:
    bed = await town.opening(2)
    intake = await of_treatment(town, 2)
    page = (await sign_in()).page
    await live(page)
    await page.click(f"#a-{bed['id']}")
    await expect(page.locator("#tray-title")).to_have_text("Added: 1")
    await page.click("label:has(#k-treatment)")
    await page.click(f"#a-{intake['id']}")
    await expect(page.locator("#tray-title")).to_have_text("Added: 2")
    await page.click("#claim-all")
    await expect(page.locator(HELD)).to_contain_text("All held")
    await expect(page.locator("#tray")).to_be_hidden()
    assert [(await town.look(each))["units_taken"] for each in (bed, intake)] == [1, 1]
    # Nothing is left in it for the next person.
    await page.click("label:has(#k-housing)")
    await page.wait_for_selector(claim(bed))
    await expect(page.locator("#tray")).to_be_hidden()


async def test_with_the_keyboard_alone(sign_in: SignIn, town: Program) -> None:
    await town.opening(1)
    opening = await of_treatment(town)
    page = (await sign_in(width=1280)).page
    await live(page)

    async def tab_to(wanted: str) -> None:
        for _ in range(60):
            await page.keyboard.press("Tab")
            if await page.evaluate("wanted => document.activeElement.matches(wanted)", wanted):
                return
        raise AssertionError(f"Tab never comes to {wanted}")

    await tab_to("#k-housing")
    await page.keyboard.press("ArrowRight")
    await page.wait_for_selector(claim(opening))
    assert await page.evaluate("document.activeElement.id") == "k-treatment", "the focus stays where it was"
    await tab_to(claim(opening))
    await page.keyboard.press("Enter")
    await page.wait_for_selector(HELD)
    assert await page.evaluate("document.activeElement.textContent") == "Held: Intake"
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Confirm it next"


async def test_all_of_it_without_scripts(sign_in: SignIn, town: Program) -> None:
    bed = await town.opening(1)
    intake = await of_treatment(town, moud_methadone="yes")
    page = (await sign_in(java_script_enabled=False)).page
    await page.goto("/board")
    await page.click(f"#a-{bed['id']}")
    await page.check("#k-treatment", force=True)
    await page.click("#show")
    await page.click(f"#a-{intake['id']}")
    assert await page.inner_text("#tray-title") == "Added: 2"
    await page.click("#claim-all")
    assert await page.inner_text("h1") == "Held"
    said = await page.inner_text(HELD)
    [code] = re.findall(r"\b[0-9A-Z]{4}-[0-9A-Z]{4}\b", said.partition("More for")[0])
    # More for the same person: their code is in the page, and in no address.
    third = await town.opening(1)
    await page.click(f"text=More for {code}")
    assert code not in page.url
    assert f"For {code}" in await page.inner_text("#whom summary")
    await page.click("#whom summary")
    await page.click("#whom summary")
    await page.check("#k-housing", force=True)
    await page.click("#show")
    assert code not in page.url
    # Somebody else was first.
    other = await town.held(third)
    last = await town.opening(1)
    await page.click(claim(third))
    assert await page.inner_text("h1") == "Somebody was first"
    await page.click(claim(last))
    assert f"For {code}" in await page.inner_text(HELD)
    assert (await town.look(last))["units_taken"] == 1
    assert other["participant"] != code


async def states(page: Page, town: Program) -> list[str]:
    """Every state of the board, one after the other: what axe finds, and what is wider than the screen."""
    wrong: list[str] = []

    async def look(state: str) -> None:
        wrong.extend(f"{state}: {each}" for each in await faults(page))
        wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            wrong.append(f"{state} is {wide} px wider than the screen")

    answers = {"pets": "yes", "couples": "yes", "id_not_required": "no", "sobriety_not_required": "no"}
    service = await town.service(
        name="Harbor night shelter", attributes=answers, minimum_age=18, languages=["en", "es"]
    )
    first = await town.opening(2, service=service)
    last = await town.opening(1, service=service)
    other = await town.opening(1, service=service)
    await town.opening(1, service=await town.service(serves_survivors=True))
    await live(page, "/board?category=housing&units=1&age=30")
    await page.click("#more summary")
    await page.click("#whom summary")
    await look("results")
    await page.click("#whom summary")
    await page.click("#more summary")
    await page.click(f"#a-{first['id']}")
    await page.wait_for_selector("#tray:not([hidden])")
    await page.click("#tray-items summary")
    await look("bundle")
    await page.click(claim(first))
    await page.wait_for_selector(HELD)
    await look("held")
    await town.opening(1, service=service)
    await page.wait_for_selector("#news-button:not([hidden])")
    await town.held(other)
    await page.wait_for_selector(f"{card(other)}[data-gone]")
    await look("taken, and something new")
    await town.held(last)
    # At once: a card that is gone does not stay for long.
    await page.wait_for_selector(f"{card(last)}[data-gone]")
    await page.evaluate("id => document.querySelector(id).click()", claim(last))
    await page.wait_for_selector(REFUSED)
    await look("conflict")
    await live(page, "/board?category=legal&needs=peer_staff")
    await page.click("#watch")
    await page.wait_for_selector("[data-watch]")
    await look("nothing, and a watch")
    return wrong


async def test_axe_finds_nothing_in_any_state(sign_in: SignIn, town: Program) -> None:
    light = await sign_in(width=320, color_scheme="light", locale="en-US")
    assert await states(light.page, town) == []


async def test_axe_finds_nothing_in_the_dark_and_in_spanish(sign_in: SignIn, town: Program) -> None:
    dark = await sign_in(width=320, color_scheme="dark", locale="es-MX")
    assert await states(dark.page, town) == []
