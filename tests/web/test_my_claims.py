"""My claims in a browser: holds that run out in front of one, steps, declines that show by themselves."""

from uuid import uuid4

import pytest
from playwright.async_api import Page, expect

from app.access.roles import Role
from tests.support import Program
from tests.survivors import shelter as refuge
from tests.web.claiming import Worker, lasting, shelter
from tests.web.conftest import SignIn, Site, faults


@pytest.fixture
async def worker(site: Site, town: Program, sign_in: SignIn) -> Worker:
    """A case manager with a phone."""
    return Worker(site, town, await sign_in(Role.CASE_MANAGER))


async def test_a_hold_runs_out_in_front_of_the_user(worker: Worker) -> None:
    [claim] = await worker.claims(await worker.town.opening(service=await shelter(worker.town)))
    page = worker.opened.page
    await page.goto("/claims")
    card = page.locator(f"#claim-{claim['id']}")
    # What is left is by the server's clock: hours at first, and then, shortened meanwhile, seconds.
    await expect(card.locator("[data-left]")).to_contain_text("1:")
    await lasting(worker.town, claim, 7)
    await expect(card.locator("[data-left]")).to_contain_text("00:0")
    await expect(card.get_by_role("button", name="Confirm")).to_be_visible()
    another = card.get_by_role("link", name="Find another")
    await expect(another).to_be_visible(timeout=20_000)
    await expect(another).to_have_attribute("href", "/board?category=housing")
    await expect(card.get_by_role("button", name="Confirm")).to_be_hidden()
    # And the server says so too.
    await expect(card).to_have_attribute("data-state", "expired")
    await expect(page.get_by_role("heading", name="Look for another place")).to_be_visible()
    await expect(page.locator("#aloud")).to_have_text("Harbor night shelter: Ran out")


async def test_a_card_turns_without_the_network(worker: Worker) -> None:
    [claim] = await worker.claims(await worker.town.opening(service=await shelter(worker.town)))
    await lasting(worker.town, claim, 7)
    page = worker.opened.page
    await page.goto("/claims")
    card = page.locator(f"#claim-{claim['id']}")
    await expect(card.get_by_role("button", name="Confirm")).to_be_visible()
    await page.route("**/claims/now*", lambda route: route.abort())
    await page.route("**/claims/live*", lambda route: route.abort())
    await expect(card).to_have_attribute("data-state", "lapsed", timeout=20_000)
    await expect(card.get_by_role("link", name="Find another")).to_be_visible()
    await expect(card.get_by_role("button", name="Confirm")).to_be_hidden()
    worker.opened.wrong.clear()  # The network was gone on purpose.


async def test_confirmed_it_shows_the_way(worker: Worker) -> None:
    [claim] = await worker.claims(await worker.town.opening(service=await shelter(worker.town)))
    page = worker.opened.page
    await page.goto("/claims")
    await page.get_by_role("button", name="Confirm").click()
    way = page.get_by_role("link", name="Directions")
    await expect(way).to_have_attribute("href", "geo:47.604500,-122.335500?q=47.604500,-122.335500")
    assert await worker.state(claim) == "confirmed"
    await page.get_by_role("link", name="Harbor night shelter").first.click()
    await expect(page.locator("h1")).to_have_text("Harbor night shelter")
    told = await page.inner_text("main")
    for words in (
        claim["participant"], "101 Alaskan Way", "Seattle, WA, 98104", "English, Spanish", "blue door",
        "Doors open at 18:00", "A lock for the locker",
    ):  # fmt: skip
        assert words in told
    phone = page.get_by_role("link", name="+1 206 555 0100")
    await expect(phone).to_have_attribute("href", "tel:+12065550100;ext=7")
    assert "openstreetmap.org" in (await page.get_by_role("link", name="Map").get_attribute("href") or "")


async def test_a_masked_place_is_shown_to_nobody(worker: Worker) -> None:
    town = worker.town
    owner = {"organization_id": str(town.provider_id)}
    place = {"address_1": "7 Hidden Lane", "city": "Tacoma", "latitude": 47.2529, "longitude": -122.44, "masked": True}
    location = await town.made("/v1/locations", owner | place)
    service = await town.service(location_id=location["id"])
    [claim] = await worker.claims(await town.opening(service=service))
    await town.step(claim, "confirm")
    page = worker.opened.page
    for path in ("/claims", f"/claims/{claim['id']}"):
        await page.goto(path)
        content = await page.content()
        assert "stays secret" in content
        for secret in ("Hidden Lane", "Tacoma", "geo:", "47.2529", "openstreetmap"):
            assert secret not in content


async def test_a_decline_that_replaces_shows_by_itself(worker: Worker) -> None:
    first = await worker.town.opening(service=await shelter(worker.town))
    [claim] = await worker.claims(first)
    await worker.town.opening(service=await shelter(worker.town, "Second house"))
    page = worker.opened.page
    await page.goto("/claims")
    await expect(page.get_by_role("link", name="Harbor night shelter")).to_be_visible()
    body = {"reason": "place_no_longer_available", "replace": True}
    assert (await worker.town.step(claim, "decline", Role.PROVIDER, json=body)).json()["replaced"] is True
    await expect(page.get_by_role("link", name="Second house")).to_be_visible()
    await expect(page.locator(f"#claim-{claim['id']}")).to_have_count(0)
    await expect(page.locator("#aloud")).to_have_text("Second house: Held")
    await page.get_by_role("link", name="in place of one that was declined").click()
    await expect(page.get_by_text("The place is gone")).to_be_visible()
    await page.get_by_role("link", name="They hold another place").click()
    await expect(page.locator("h1")).to_have_text("Second house")


async def test_a_decline_offers_what_is_open_and_it_is_claimed_in_one_tap(worker: Worker) -> None:
    town = worker.town
    [claim] = await worker.claims(await town.opening(service=await shelter(town)))
    page = worker.opened.page
    await page.goto(f"/claims/{claim['id']}")
    other = await town.opening(service=await shelter(town, "Second house"))
    await town.step(claim, "decline", Role.PROVIDER, json={"reason": "place_no_longer_available"})
    await page.get_by_role("button", name="Claim Second house").click()
    await expect(page.locator("h1")).to_have_text("Second house")
    await expect(page.locator(".code.huge")).to_have_text(claim["participant"])
    assert (await town.look(other))["units_taken"] == 1
    # Tried again, from a page that is old by now: nothing is taken, and the page says what is open instead.
    answer = await worker.post(f"/claims/{claim['id']}/again", opening_id=other["id"], key=str(uuid4()))
    assert answer.headers["location"].endswith("?refused=no-opening")
    await page.goto(answer.headers["location"])
    await expect(page.get_by_role("alert")).to_contain_text("Somebody was first")
    await expect(page.get_by_role("heading", name="Nothing like it is open just now")).to_be_visible()


async def test_tapping_twice_gives_more_time_once(worker: Worker) -> None:
    [claim] = await worker.claims(await worker.town.opening())
    for _ in range(2):
        answer = await worker.post(f"/claims/{claim['id']}/extend", view="list", extended="0")
        assert answer.status == 303
    assert (await worker.town.call("GET", f"/v1/claims/{claim['id']}")).json()["extensions"] == 1


async def test_a_step_that_comes_too_late_leads_to_where_the_claim_stands(worker: Worker) -> None:
    [claim] = await worker.claims(await worker.town.opening(service=await shelter(worker.town)))
    page = worker.opened.page
    await page.goto(f"/claims/{claim['id']}")
    await worker.town.step(claim, "release")
    answer = await worker.post(f"/claims/{claim['id']}/confirm", view="list")
    assert (answer.status, answer.headers["location"]) == (303, f"/claims/{claim['id']}?refused=wrong-state")
    await page.goto(answer.headers["location"])
    await expect(page.get_by_role("alert")).to_contain_text("This has changed meanwhile")
    await expect(page.locator("h1 + .tag")).to_have_text("Released")


async def test_bundles_stand_together_and_the_most_urgent_lead(worker: Worker) -> None:
    town = worker.town
    opening = await town.opening(5, service=await shelter(town))
    [later] = await worker.claims(opening)
    [one, two] = await worker.claims(opening, await town.opening(service=await town.service("treatment")))
    await lasting(town, two, 600)
    page = worker.opened.page
    await page.goto("/claims")
    ids = await page.eval_on_selector_all(".claim", "all => all.map(each => each.id)")
    assert ids == [f"claim-{each['id']}" for each in (two, one, later)]
    await expect(page.locator(".bundle").first.get_by_text("2 places together")).to_be_visible()
    # One tap confirms the bundle, and nothing else.
    await page.get_by_role("button", name="Confirm all 2").click()
    await expect(page.locator("#claims h2").first).to_have_text("Held: confirm in time")
    await expect(page.locator(f"#claim-{two['id']}")).to_have_attribute("data-state", "confirmed")
    assert [await worker.state(each) for each in (one, two, later)] == ["confirmed", "confirmed", "held"]
    # The team's are more than one's own.
    other = await town.held(opening)
    await expect(page.locator(f"#claim-{other['id']}")).to_have_count(0)
    await page.goto("/claims?whose=ours")
    await expect(page.locator(".claim")).to_have_count(4)


async def test_by_keyboard_alone_and_nothing_opened_is_lost_when_news_come(worker: Worker) -> None:
    town = worker.town
    opening = await town.opening(3, service=await shelter(town))
    [claim] = await worker.claims(opening)
    page = worker.opened.page
    await page.goto("/claims")
    await _tab_to(page, f"release-{claim['id']}")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Yes, release it")).to_be_visible()
    [other] = await worker.claims(opening)
    await expect(page.locator(f"#claim-{other['id']}")).to_be_visible()
    await expect(page.get_by_role("button", name="Yes, release it")).to_be_visible()
    assert await page.evaluate("document.activeElement.id") == f"release-{claim['id']}"
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator(f"#claim-{claim['id']}")).to_have_attribute("data-state", "released")
    assert await worker.state(claim) == "released"
    await _tab_to(page, f"confirm-{other['id']}")
    await page.keyboard.press("Enter")
    await expect(page.locator(f"#claim-{other['id']}")).to_have_attribute("data-state", "confirmed")


async def _tab_to(page: Page, id: str) -> None:
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.id") == id:
            return
    raise AssertionError(f"Tab never comes to {id}")


async def test_without_javascript(site: Site, town: Program, sign_in: SignIn) -> None:
    worker = Worker(site, town, await sign_in(Role.OUTREACH_WORKER, java_script_enabled=False))
    page = worker.opened.page
    opening = await town.opening(3, service=await shelter(town))
    [kept] = await worker.claims(opening)
    [given_back] = await worker.claims(opening)
    await page.goto("/claims")
    held = page.locator(f"#claim-{kept['id']}")
    assert "until" in await held.inner_text()
    await held.get_by_role("button", name="More time").click()
    await held.get_by_role("button", name="Confirm").click()
    await expect(held.get_by_role("link", name="Directions")).to_be_visible()
    other = page.locator(f"#claim-{given_back['id']}")
    await other.locator("summary").click()
    await other.get_by_role("button", name="Yes, release it").click()
    assert [await worker.state(each) for each in (kept, given_back)] == ["confirmed", "released"]
    await page.get_by_role("link", name="Past claims").click()
    await expect(page.locator("main")).to_contain_text(given_back["participant"])


async def test_past_claims_come_in_pages(worker: Worker) -> None:
    opening = await worker.town.opening(30)
    made = [(await worker.claims(opening))[0] for _ in range(22)]
    for each in made:
        await worker.town.step(each, "release")
    page = worker.opened.page
    await page.goto("/claims/past")
    await expect(page.locator(".past > li")).to_have_count(20)
    await page.get_by_role("link", name="Older").click()
    await expect(page.locator(".past > li")).to_have_count(2)
    await expect(page.get_by_role("link", name="Older")).to_have_count(0)


async def test_a_refuges_claim_shows_a_code_and_nothing_of_a_person(worker: Worker) -> None:
    [claim] = await worker.claims(await refuge(worker.town), participant="")
    page = worker.opened.page
    await page.goto(f"/claims/{claim['id']}")
    assert claim["participant"] in await page.inner_text("main")
    for words in ("Take a consent", "Who they are"):
        await expect(page.get_by_text(words)).to_have_count(0)
    for path in ("person", "consent", "accounting"):
        assert (await page.context.request.get(f"/claims/{claim['id']}/{path}")).status == 404


async def test_a_refuges_staff_see_nothing_that_names_people(site: Site, town: Program, sign_in: SignIn) -> None:
    own = await town.made("/v1/organizations", {"name": "A refuge", "serves_survivors": True})
    worker = Worker(site, town, await sign_in(Role.CASE_MANAGER, organization_id=own["id"]))
    [claim] = await worker.claims(await town.opening(service=await shelter(town)), participant="")
    page = worker.opened.page
    for path in ("/claims", f"/claims/{claim['id']}"):
        await page.goto(path)
        for words in ("Take a consent", "Who they are", "Is someone known already?"):
            await expect(page.get_by_text(words)).to_have_count(0)
    for path in ("/claims/who", *(f"/claims/{claim['id']}/{each}" for each in ("person", "consent", "accounting"))):
        assert (await page.context.request.get(path)).status == 403


async def test_another_organizations_claims_are_not_there(site: Site, town: Program, sign_in: SignIn) -> None:
    other = await town.made("/v1/organizations", {"name": "Another agency"})
    worker = Worker(site, town, await sign_in(Role.CASE_MANAGER, organization_id=other["id"]))
    claim = await town.held(await town.opening())
    get = worker.opened.page.context.request.get
    for path in ("", "/now", "/person", "/consent", "/accounting"):
        assert (await get(f"/claims/{claim['id']}{path}")).status == 404
    for step in ("confirm", "release", "extend", "again"):
        form = {"view": "one", "extended": "0", "opening_id": claim["opening_id"], "key": str(uuid4())}
        assert (await worker.post(f"/claims/{claim['id']}/{step}", **form)).status == 404
    assert await worker.state(claim) == "held"


async def test_whoever_is_signed_out_elsewhere_is_asked_to_sign_in(worker: Worker) -> None:
    opening = await worker.town.opening(2)
    [claim] = await worker.claims(opening)
    page = worker.opened.page
    await page.goto("/claims")
    await expect(page.locator(f"#claim-{claim['id']}")).to_be_visible()
    assert (await worker.post("/sign-out")).status == 303
    # The next news are not for them.
    await worker.town.step(claim, "confirm")
    await page.wait_for_url("**/sign-in?**")


@pytest.mark.parametrize("locale", ["en-US", "es-MX"])
async def test_axe_finds_nothing_in_any_state(site: Site, town: Program, sign_in: SignIn, locale: str) -> None:
    worker = Worker(site, town, await sign_in(Role.CASE_MANAGER, locale=locale, width=320))
    page = worker.opened.page
    opening = await town.opening(9, service=await shelter(town))
    await page.goto("/claims")
    assert await faults(page) == []
    [held], [coming], [gone], [declined], [missed] = [await worker.claims(opening) for _ in range(5)]
    await worker.claims(opening, await town.opening(service=await town.service("treatment")))
    await town.opening(service=await shelter(town, "Second house"))
    await town.step(coming, "confirm")
    await town.step(missed, "confirm")
    await town.step(missed, "no-show")
    await town.lapse(gone)
    await town.step(declined, "decline", json={"reason": "barred"})
    paths = ["/claims", "/claims/past", "/claims/who"]
    paths += [f"/claims/{each['id']}" for each in (held, coming, gone, declined)]
    for path in paths:
        await page.goto(path)
        for ask in await page.locator(".ask > summary").all():
            await ask.click()
        assert await faults(page) == []
        if locale == "en-US":  # Colours are the same in every language.
            await page.emulate_media(color_scheme="dark")
            assert await faults(page) == []
            await page.emulate_media(color_scheme="light")
        assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"{path} is too wide"
