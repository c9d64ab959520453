"""What the desk does with whoever comes: one tap each, which can be taken back for a moment."""

import asyncio
import re

from playwright.async_api import expect

from tests.casework.people import IDENTITY, consent, someone
from tests.support import Program
from tests.web.conftest import SignIn, faults
from tests.web.desk import at_desk, confirmed, later, number, state


async def test_an_arrival_is_sent_once_it_can_no_longer_be_undone(sign_in: SignIn, town: Program) -> None:
    claim = await confirmed(town, await town.opening(2))
    page = (await at_desk(sign_in)).page
    arrived = page.locator(f"#arrive-{claim['id']}")
    undo = page.locator(f"#undo-steps-{claim['id']}")
    await arrived.click()
    await expect(undo).to_have_text(re.compile(r"Arrived — undo \(\d\)"))
    await expect(undo).to_be_focused()
    # What others change meanwhile does not take it from under the finger.
    await page.clock.pause_at((await page.evaluate("Date.now()") + 100) / 1000)
    other = await town.held(await town.opening(1))
    for _ in range(300):
        # As long as it takes, of which the page notices little.
        await page.clock.run_for(5)
        if await page.locator(f"#claim-{other['id']}").is_visible():
            break
        await asyncio.sleep(0.1)
    await expect(page.locator(f"#claim-{other['id']}")).to_be_visible()
    await expect(undo).to_be_visible()
    await page.clock.fast_forward(1_000)
    await undo.click()
    await page.clock.resume()
    await expect(arrived).to_be_focused()
    await later(page)
    assert await state(town, claim) == "confirmed"
    await arrived.click()
    await page.clock.run_for(600)
    assert await state(town, claim) == "confirmed"
    await later(page)
    await expect(page.locator(f"#complete-{claim['id']}")).to_be_visible()
    assert await state(town, claim) == "arrived"
    await expect(page.locator(f"#claim-{claim['id']}")).to_be_focused()


async def test_a_double_tap_is_one(sign_in: SignIn, town: Program) -> None:
    claim = await confirmed(town, await town.opening(2))
    page = (await at_desk(sign_in)).page
    await page.dblclick(f"#arrive-{claim['id']}")
    await later(page)
    await expect(page.locator(f"#complete-{claim['id']}")).to_be_visible()
    assert await state(town, claim) == "arrived"


async def test_leaving_the_page_sends_at_once(sign_in: SignIn, town: Program) -> None:
    claim = await confirmed(town, await town.opening(2))
    page = (await at_desk(sign_in)).page
    await page.click(f"#no-show-{claim['id']}")
    await expect(page.locator(f"#undo-steps-{claim['id']}")).to_be_visible()
    await page.goto("/account")
    await page.goto("/desk")
    await expect(page.locator(f"#ended-{claim['id']}")).to_have_text(re.compile("Did not come"))


async def test_without_a_connection_nothing_looks_done(sign_in: SignIn, town: Program) -> None:
    claim = await confirmed(town, await town.opening(2))
    opened = await at_desk(sign_in)
    page = opened.page
    await page.context.set_offline(True)
    await page.click(f"#arrive-{claim['id']}")
    await later(page)
    steps = page.locator(f"#steps-{claim['id']}")
    await expect(steps).to_contain_text("Not sent: there is no connection.")
    assert await state(town, claim) == "confirmed"
    await page.context.set_offline(False)
    await expect(page.locator(f"#complete-{claim['id']}")).to_be_visible()
    assert await state(town, claim) == "arrived"
    # The browser's own complaints that it is offline.
    opened.wrong.clear()


async def test_an_error_of_something_in_between_is_no_answer(sign_in: SignIn, town: Program) -> None:
    opening = await town.opening(2)
    claim = await confirmed(town, opening)
    page = (await at_desk(sign_in)).page
    await page.route("**/arrive", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    await page.click(f"#arrive-{claim['id']}")
    await later(page)
    await expect(page.locator(f"#steps-{claim['id']}")).to_contain_text("Not sent")
    await expect(number(page, opening)).to_have_text("1")
    await page.unroute("**/arrive")
    await page.click(f"#steps-{claim['id']} >> text=Send again")
    await expect(page.locator(f"#complete-{claim['id']}")).to_be_visible()


async def test_a_decline_has_its_reason_and_finds_another_place(sign_in: SignIn, town: Program) -> None:
    opening = await town.opening(2)
    kept = await confirmed(town, opening)
    other = await town.made("/v1/organizations", {"name": "Another house"})
    service = await town.made(
        "/v1/services", {"organization_id": other["id"], "name": "Its beds", "category": "housing"}
    )
    await town.opening(1, service=service)
    claim = await town.held(opening)
    page = (await at_desk(sign_in)).page
    await page.click(f"#declining-{claim['id']}")
    # Read anew meanwhile, and nothing that was opened or unticked falls back.
    await page.uncheck(f"#replace-{claim['id']}")
    await town.held(await town.opening(1))
    await expect(page.locator("#coming .claim")).to_have_count(3)
    assert not await page.is_checked(f"#replace-{claim['id']}")
    await page.check(f"#replace-{claim['id']}")
    await page.click(f"#place_no_longer_available-{claim['id']}")
    await expect(page.locator(f"#undo-steps-{claim['id']}")).to_contain_text("Declined — undo")
    await later(page)
    await expect(page.locator(f"#claim-{claim['id']}")).to_have_count(0)
    found = (await town.call("GET", "/v1/claims")).json()["items"]
    assert {each["state"] for each in found if each["id"] == claim["id"]} == {"declined"}
    [again] = [each for each in found if each["replaces_id"] == claim["id"]]
    assert (again["state"], again["organization_id"]) == ("held", other["id"])
    # The place that was not there is off the total.
    await expect(number(page, opening)).to_have_text("0")
    assert (await town.look(opening))["units_total"] == 1
    # For a person who won't come no place is held elsewhere.
    await page.click(f"#declining-{kept['id']}")
    await page.click(f"#in_hospital-{kept['id']}")
    await later(page)
    await expect(page.locator(f"#claim-{kept['id']}")).to_have_count(0)
    found = (await town.call("GET", "/v1/claims")).json()["items"]
    assert not [each for each in found if each["replaces_id"] == kept["id"]]


async def test_who_is_coming_is_told_on_a_tap_and_accounted_for(sign_in: SignIn, town: Program) -> None:
    who = await someone(town)
    await consent(town, who)
    claim = await confirmed(town, await town.opening(2), participant=who["code"])
    page = (await at_desk(sign_in)).page
    accounting = f"/v1/participants/{who['id']}/disclosures"
    assert IDENTITY["name"] not in await page.content()
    assert (await town.call("GET", accounting)).json()["items"] == []
    await page.click(f"#ask-who-{claim['id']}")
    told = page.locator(f"#who-{claim['id']}")
    await expect(told).to_contain_text(IDENTITY["name"])
    await expect(told).to_contain_text("42 CFR part 2")
    await expect(told).to_be_focused()
    assert len((await town.call("GET", accounting)).json()["items"]) == 1
    # It stays while the desk is read anew, and that tells nobody anew.
    await town.held(await town.opening(1))
    await expect(page.locator("#coming .claim")).to_have_count(2)
    await expect(told).to_contain_text(IDENTITY["name"])
    assert await faults(page) == []
    await page.click(f"#hide-{claim['id']}")
    await expect(page.locator(f"#ask-who-{claim['id']}")).to_be_focused()
    assert IDENTITY["name"] not in await page.content()
    assert len((await town.call("GET", accounting)).json()["items"]) == 1
