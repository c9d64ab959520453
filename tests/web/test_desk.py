"""The desk in a browser: one tap each, and changes that come by themselves."""

import asyncio
import re

import pytest
from playwright.async_api import expect
from sqlalchemy import text

from app.access.roles import Role
from app.market import received
from app.web import desk_view
from tests.support import Program
from tests.web.conftest import SignIn, Site, faults
from tests.web.desk import RINGS, at_desk, confirmed, later, number, stale, state


async def test_one_tap_adds_a_unit_or_takes_one_away(sign_in: SignIn, town: Program) -> None:
    opening = await town.opening(2)
    await town.held(opening)
    page = (await at_desk(sign_in)).page
    await expect(number(page, opening)).to_have_text("1")
    more, fewer = page.locator(f"#more-{opening['id']}"), page.locator(f"#less-{opening['id']}")
    for _ in range(3):
        await more.click()
    await expect(number(page, opening)).to_have_text("4")
    await fewer.click()
    await expect(number(page, opening)).to_have_text("3")
    await expect(fewer).to_be_focused()
    assert (await town.look(opening))["units_total"] == 4
    for _ in range(3):
        await fewer.click()
    await expect(number(page, opening)).to_have_text("0")
    # The last one is somebody's.
    await fewer.click()
    await expect(page.locator("#notices")).to_contain_text("More places than that are taken")
    assert (await town.look(opening))["units_total"] == 1
    await more.click()
    await expect(page.locator("#notices")).to_be_empty()


async def test_one_tap_attests_everything_and_what_is_due_leads(sign_in: SignIn, town: Program) -> None:
    fine, gone, withdrawn = [await town.opening(3) for _ in range(3)]
    await stale(town, gone)
    await town.made(f"/v1/openings/{withdrawn['id']}/withdraw", {})
    page = (await at_desk(sign_in)).page
    cards = page.locator(".opening")
    assert [await cards.nth(at).get_attribute("id") for at in range(3)] == [
        f"opening-{each['id']}" for each in (gone, fine, withdrawn)
    ]
    off = page.locator(f"#opening-{gone['id']} .state")
    await expect(off).to_have_text(re.compile(r"Off the board since .*: attest to put it back\."))
    await expect(page.locator(f"#opening-{withdrawn['id']} .state")).to_contain_text("Taken off the board")
    before = (await town.look(fine))["fresh_until"]
    await page.click("#attest-all")
    await expect(off).to_contain_text("True until")
    assert (await town.look(gone))["on_board"] is True
    assert (await town.look(fine))["fresh_until"] > before
    assert (await town.look(withdrawn))["off_board_because"] == "withdrawn"


async def test_a_stale_opening_comes_back_alone_with_one_tap(sign_in: SignIn, town: Program) -> None:
    first, second = [await town.opening(3) for _ in range(2)]
    await stale(town, first)
    await stale(town, second)
    page = (await at_desk(sign_in)).page
    await page.click(f"#attest-{second['id']}")
    await expect(page.locator(f"#opening-{second['id']} .state")).to_contain_text("True until")
    assert (await town.look(first))["off_board_because"] == "stale"


async def test_a_claim_appears_by_itself_and_rings(sign_in: SignIn, town: Program) -> None:
    opening = await town.opening(9)
    opened = await at_desk(sign_in)
    page = opened.page
    await page.add_init_script(RINGS)
    async with page.expect_response("**/desk/live*"):
        await page.reload()
    # A browser lets nothing be heard before somebody has touched the page.
    await expect(page.locator("#sound")).to_have_text("Turn on sound")
    await page.click("h1")
    await expect(page.locator("#sound")).to_have_text("Sound on")
    found = await town.claim(
        {"find": {"category": "housing", "units": 2, "language": "es", "household": "adults_without_children"}}
    )
    assert found.status_code == 409, "the opening serves nobody in particular"

    for rung in (2, 4):
        await town.held(opening, 3)
        await page.wait_for_function("count => rings === count", arg=rung)
    claim = await town.held(opening, 2)
    card = page.locator(f"#claim-{claim['id']}")
    await expect(card).to_contain_text(claim["participant"])
    await page.wait_for_function("() => rings === 6")
    await expect(card).to_contain_text("2 beds")
    await expect(card).to_contain_text("Held until")
    await expect(number(page, opening)).to_have_text("1")
    await expect(page.locator("#aloud")).to_have_text(re.compile("New claim: "))
    await page.click("#sound")
    await page.reload()
    await expect(page.locator("#sound")).to_have_text("Sound off")
    await page.click("h1")
    async with page.expect_response("**/desk/live*"):
        await page.reload()
    await page.click("h1")
    quiet = (await town.claim({"opening_id": opening["id"]})).json()["claims"][0]
    await expect(page.locator(f"#claim-{quiet['id']}")).to_be_visible()
    assert await page.evaluate("rings") == 0


async def test_what_the_worker_needs_is_shown_and_nothing_of_where(sign_in: SignIn, town: Program) -> None:
    service = await town.service(attributes={"pets": "yes"}, languages=["es"], latitude=47.6062, longitude=-122.3321)
    await town.opening(3, service=service)
    need = {"category": "housing", "needs": ["pets"], "language": "es", "near": "47.6101,-122.3301", "within_km": 5}
    claim = (await town.claim({"find": need})).json()["claims"][0]
    page = (await at_desk(sign_in)).page
    card = page.locator(f"#claim-{claim['id']}")
    await expect(card).to_contain_text("Pets welcome")
    await expect(card).to_contain_text("Speaks Spanish")
    assert "47.6101" not in await page.content()


async def test_a_desk_that_does_not_show_all_says_so(
    sign_in: SignIn, town: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((desk_view, "MOST"), (desk_view, "MOST_CLAIMS"), (received, "MOST")):
        monkeypatch.setattr(module, name, 2)
    openings = [await town.opening(2) for _ in range(2)]
    await town.held(openings[0])
    page = (await at_desk(sign_in)).page
    assert "are shown" not in await page.inner_text("main")
    third = await town.opening(2)
    for opening in (openings[0], third):
        await town.held(opening)
    await expect(page.locator(".openings")).to_contain_text("The first 2 are shown")
    await expect(page.locator(".coming")).to_contain_text("The newest 2 are shown")
    await expect(page.locator("#openings > li")).to_have_count(2)


async def test_two_desks_see_what_each_other_does(sign_in: SignIn, town: Program) -> None:
    opening = await town.opening(3)
    claim = await confirmed(town, opening)
    one, two = (await at_desk(sign_in)).page, (await at_desk(sign_in)).page
    await asyncio.gather(one.click(f"#more-{opening['id']}"), two.click(f"#more-{opening['id']}"))
    for page in (one, two):
        await expect(number(page, opening)).to_have_text("4")
    # Both have the person arrive: done once, and no error for either.
    await asyncio.gather(*(page.click(f"#arrive-{claim['id']}") for page in (one, two)))
    await asyncio.gather(later(one), later(two))
    for page in (one, two):
        await expect(page.locator(f"#complete-{claim['id']}")).to_be_visible()
        await expect(page.locator("#notices")).to_be_empty()
    # What one can no longer do, since the other did something else, is explained.
    other = await confirmed(town, opening)
    await expect(two.locator(f"#arrive-{other['id']}")).to_be_visible()
    await two.click(f"#no-show-{other['id']}")
    await town.step(other, "arrive")
    await expect(one.locator(f"#complete-{other['id']}")).to_be_visible()
    await later(two)
    await expect(two.locator("#notices")).to_contain_text("This has changed meanwhile")
    await expect(two.locator(f"#complete-{other['id']}")).to_be_visible()


async def test_time_alone_changes_the_desk(sign_in: SignIn, town: Program) -> None:
    claim = await town.held(await town.opening(1))
    page = (await at_desk(sign_in)).page
    await expect(page.locator(f"#claim-{claim['id']}")).to_be_visible()
    async with town.house.owner.transaction(town.id, "tests") as session:
        sooner = "UPDATE claims SET hold_until = clock_timestamp() + interval '500 ms' WHERE id = :id"
        await session.execute(text(sooner), {"id": claim["id"]})
    await page.reload()
    await expect(page.locator(f"#claim-{claim['id']}")).to_have_count(0)
    await page.click("#ended summary")
    await expect(page.locator(f"#ended-{claim['id']}")).to_contain_text("Ran out")


async def test_the_desk_says_when_it_no_longer_hears(sign_in: SignIn, town: Program) -> None:
    await town.opening(1)
    opened = await at_desk(sign_in)
    page = opened.page
    await page.route("**/desk/live*", lambda route: route.abort())
    async with page.expect_event("requestfailed"):
        await page.reload()
    await page.clock.fast_forward(3_100)
    await expect(page.locator("#unheard")).to_be_visible()
    await page.unroute("**/desk/live*")
    await page.clock.fast_forward(15_000)
    await expect(page.locator("#unheard")).to_be_hidden()
    opened.wrong.clear()


async def test_keys_alone_do_a_shift(sign_in: SignIn, town: Program) -> None:
    opening = await town.opening(2)
    claim = await confirmed(town, opening)
    page = (await at_desk(sign_in)).page

    async def to(id: str) -> None:
        for _ in range(60):
            await page.keyboard.press("Tab")
            if await page.evaluate("document.activeElement.id") == id:
                return
        raise AssertionError(f"no key leads to {id}")

    await to("attest-all")
    await page.keyboard.press("Enter")
    await expect(page.locator("#attest-all")).to_be_focused()
    await to(f"arrive-{claim['id']}")
    await page.keyboard.press("Enter")
    await later(page)
    await expect(page.locator(f"#claim-{claim['id']}")).to_be_focused()
    await to(f"complete-{claim['id']}")
    await page.keyboard.press("Enter")
    await page.clock.fast_forward(1_000)
    await page.keyboard.press("Enter")
    await expect(page.locator(f"#complete-{claim['id']}")).to_be_focused()
    await page.focus("#attest-all")
    await to(f"more-{opening['id']}")
    await page.keyboard.press("Space")
    await expect(number(page, opening)).to_have_text("2")
    await to(f"off-{opening['id']}")
    await page.keyboard.press("Enter")
    await to(f"withdraw-{opening['id']}")
    await page.keyboard.press("Enter")
    await expect(page.locator(f"#opening-{opening['id']} .state")).to_contain_text("Taken off the board")


async def test_without_javascript_all_of_it_works(sign_in: SignIn, town: Program) -> None:
    opening = await town.opening(3)
    await stale(town, opening)
    page = (await at_desk(sign_in, java_script_enabled=False)).page
    await page.click("#attest-all")
    claim, gone = await confirmed(town, opening), await town.held(opening)
    await page.click(f"#more-{opening['id']}")
    assert await number(page, opening).inner_text() == "2"
    await page.click(f"#ask-who-{claim['id']}")
    assert "not agreed to tell you their name" in await page.inner_text("main")
    await page.click("text=Hide")
    await page.click(f"#arrive-{claim['id']}")
    assert await state(town, claim) == "arrived"
    await page.click(f"#complete-{claim['id']}")
    assert await state(town, claim) == "completed"
    await page.click(f"#declining-{gone['id']}")
    await page.click(f"#barred-{gone['id']}")
    assert await state(town, gone) == "declined"
    await page.click(f"#off-{opening['id']}")
    await page.click(f"#withdraw-{opening['id']}")
    assert "Taken off the board" in await page.inner_text("main")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "es-MX"])
async def test_axe_finds_nothing_on_a_busy_desk(sign_in: SignIn, town: Program, scheme: str, locale: str) -> None:
    opened = await at_desk(sign_in, width=320, color_scheme=scheme, locale=locale)
    page = opened.page
    assert await faults(page) == [], "with nothing there"
    service = await town.service(attributes={"pets": "yes"}, languages=["es"])
    opening = await town.opening(4, service=service)
    old, gone, full = [await town.opening(1, service=service) for _ in range(3)]
    await stale(town, old)
    await town.made(f"/v1/openings/{gone['id']}/withdraw", {})
    await town.held(full)
    coming, here = await confirmed(town, opening), await confirmed(town, opening)
    for verb in ("arrive", "complete"):
        await town.step(here, verb)
    await town.held(opening)
    await town.claim({"find": {"category": "housing", "needs": ["pets"], "language": "es"}})
    await page.reload()
    await page.click(f"#declining-{coming['id']}")
    await page.click(f"#off-{opening['id']}")
    await page.click("#ended summary")
    assert await faults(page) == []
    await page.click(f"#less-{full['id']}")
    await expect(page.locator("#notices h2")).to_be_visible()
    await page.click(f"#arrive-{coming['id']}")
    await expect(page.locator(f"#undo-steps-{coming['id']}")).to_be_visible()
    assert await faults(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


async def test_the_desk_is_its_own_organizations(site: Site, sign_in: SignIn, town: Program) -> None:
    other = await town.made("/v1/organizations", {"name": "Another house"})
    service = await town.made(
        "/v1/services", {"organization_id": other["id"], "name": "Their beds", "category": "housing"}
    )
    theirs = await town.opening(2, service=service)
    claim = await confirmed(town, theirs)
    opened = await at_desk(sign_in)
    assert "Their beds" not in await opened.page.content()
    headers = {"Origin": site.address}
    for path in (
        f"openings/{theirs['id']}/attest",
        f"openings/{theirs['id']}/withdraw",
        f"claims/{claim['id']}/arrive",
    ):
        refused = await opened.page.request.post(f"/desk/{path}", headers=headers)
        assert refused.status in {403, 404}, path
    assert (await opened.page.request.post("/desk/attest", headers=headers)).ok
    assert (await town.look(theirs))["attested_at"] == theirs["attested_at"]
    worker = await sign_in(Role.CASE_MANAGER)
    assert (await worker.page.request.get("/desk")).status == 403
