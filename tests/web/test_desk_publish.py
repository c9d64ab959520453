"""Publishing an opening from the desk in seconds, changing its terms, adding a service."""

from time import monotonic
from typing import Any

import pytest
from playwright.async_api import expect

from app.access.roles import Role
from tests.support import Program
from tests.web.conftest import SignIn, Site, faults

TERMS: dict[str, Any] = {"minimum_age": 18, "languages": ["en", "es"], "attributes": {"pets": "yes", "couples": "no"}}


async def published(town: Program) -> list[dict[str, Any]]:
    """The provider's openings, as published."""
    found = await town.call("GET", f"/v1/organizations/{town.provider_id}/openings")
    items: list[dict[str, Any]] = found.json()["items"]
    return items


async def test_an_opening_like_the_last_is_published_in_seconds(sign_in: SignIn, town: Program) -> None:
    service = await town.service(name="Night beds")
    first = await town.opening(7, service=service, hold_minutes=45, **TERMS)
    page = (await sign_in(Role.PROVIDER, width=820)).page
    await page.goto("/desk")
    begun = monotonic()
    await page.click("#new")
    await page.click("#send")
    await expect(page.locator(".opening")).to_have_count(2)
    assert monotonic() - begun < 20
    [second] = [each for each in await published(town) if each["id"] != first["id"]]
    for name in ("service_id", "unit", "units_total", "hold_minutes", *TERMS):
        assert second[name] == first[name], name
    assert second["on_board"] is True


async def test_more_is_behind_more(sign_in: SignIn, town: Program) -> None:
    await town.service(name="Day beds")
    beds = await town.service(name="Night beds", attributes={"pets": "yes"})
    page = (await sign_in(Role.PROVIDER)).page
    await page.goto("/desk")
    await page.click("#first")
    await page.click("text=Day beds")
    await page.click("text=Night beds")
    await page.fill("#units_total", "4")
    await page.select_option("#unit", "room")
    await page.click("#more summary")
    await page.fill("#ends_at", "2099-01-05T08:30")
    await page.fill("#minimum_age", "21")
    await page.fill("#maximum_age", "20")
    for name, answer in (("couples", "yes"), ("pets", "unknown"), ("no_curfew", "no")):
        await page.check(f"[name=is_{name}][value={answer}]", force=True)
    await page.click("#send")
    await expect(page.locator("[role=alert]")).to_contain_text("serve nobody")
    assert await faults(page) == []
    assert await page.input_value("#units_total") == "4"
    await page.fill("#maximum_age", "")
    await page.click("#send")
    await expect(page.locator(".opening")).to_have_count(1)
    [made] = await published(town)
    assert (made["service_id"], made["unit"], made["units_total"]) == (beds["id"], "room", 4)
    # The program's place has this hour, in winter eight before UTC.
    assert made["ends_at"] == "2099-01-05T16:30:00Z"
    assert (made["minimum_age"], made["maximum_age"]) == (21, None)
    assert made["attributes"] == {"couples": "yes", "pets": "unknown", "no_curfew": "no"}


async def test_a_form_sent_twice_publishes_once(site: Site, sign_in: SignIn, town: Program) -> None:
    service = await town.service()
    request = (await sign_in(Role.PROVIDER)).page.request
    form = {"service": service["id"], "unit": "bed", "units_total": "2", "key": "d0ub1e"}
    for _ in range(2):
        answer = await request.post("/desk/new", form=form, headers={"Origin": site.address})
        assert answer.ok
    assert len(await published(town)) == 1
    wrong = await request.post(
        "/desk/new", form=form | {"key": "other", "units_total": "many"}, headers={"Origin": site.address}
    )
    assert wrong.status == 422
    assert 'aria-invalid="true"' in await wrong.text()


async def test_a_rule_is_told_in_the_language_of_the_page(site: Site, sign_in: SignIn, town: Program) -> None:
    service = await town.service()
    request = (await sign_in(Role.PROVIDER)).page.request
    form = {"service": service["id"], "unit": "bed", "units_total": "-1", "starts_at": "2199-01-01T08:00"}
    headers = {"Origin": site.address, "Accept-Language": "es-MX"}
    few = await request.post("/desk/new", form=form, headers=headers)
    late = await request.post("/desk/new", form=form | {"units_total": "1"}, headers=headers)
    assert (few.status, late.status) == (422, 422)
    assert "escriba 0 o más." in await few.text()
    assert "plazo de este programa para «Vivienda»" in await late.text()
    assert await published(town) == []


async def test_terms_that_somebody_else_changed_meanwhile_are_shown_beside_ones_own(
    sign_in: SignIn, town: Program
) -> None:
    opening = await town.opening(5, **TERMS)
    page = (await sign_in(Role.PROVIDER)).page
    await page.goto("/desk")
    await page.click(f"#terms-{opening['id']}")
    await page.fill("#units_total", "6")
    await page.fill("#minimum_age", "")
    change = {"units_total": 9, "attributes": {"pets": "no"}}
    changed = await town.call("PATCH", f"/v1/openings/{opening['id']}", json=change, headers={"If-Match": '"v1"'})
    assert changed.status_code == 200, changed.text
    await page.click("#send")
    rows = await page.locator("[role=alert] tbody tr").all_inner_texts()
    assert [row.split("\t") for row in rows] == [
        ["How many in all", "9", "6"],
        ["Youngest age", "18", "–"],
        ["Pets welcome", "No", "No"],
    ]
    assert (await town.look(opening))["units_total"] == 9
    assert await faults(page) == []
    await page.click("#send")
    await expect(page.locator(".big")).to_have_text("6")
    now = await town.look(opening)
    assert (now["units_total"], now["minimum_age"], now["attributes"]) == (6, None, {"pets": "no", "couples": "no"})


async def test_terms_that_nobody_else_touched_are_saved(sign_in: SignIn, town: Program) -> None:
    opening = await town.opening(5, **TERMS)
    await town.held(opening, 2)
    page = (await sign_in(Role.PROVIDER)).page
    await page.goto(f"/desk/openings/{opening['id']}")
    await page.fill("#units_total", "1")
    await page.click("#send")
    await expect(page.locator("[role=alert]")).to_contain_text("the total can't be 1")
    await page.fill("#units_total", "3")
    await page.check("[name=is_couples][value=yes]", force=True)
    await page.click("#send")
    await expect(page.locator(".big")).to_have_text("1")
    now = await town.look(opening)
    assert (now["units_total"], now["attributes"]) == (3, {"pets": "yes", "couples": "yes"})
    assert now["languages"] == ["en", "es"]


async def test_a_new_organization_says_what_it_offers_and_publishes(sign_in: SignIn, town: Program) -> None:
    page = (await sign_in(Role.PROVIDER, java_script_enabled=False)).page
    await page.goto("/desk")
    await page.click("#first")
    await page.fill("#name", "Night shelter")
    await page.fill("#address_1", "1 Harbor Way")
    await page.fill("#latitude", "47.6")
    await page.click("#send")
    assert "latitude and longitude together" in await page.inner_text("[role=alert]")
    await page.fill("#longitude", "-122.3")
    await page.click("#send")
    await page.fill("#units_total", "12")
    await page.click("#send")
    assert await page.inner_text(".big") == "12"
    [service] = (await town.call("GET", "/v1/services")).json()["items"]
    place = (await town.call("GET", f"/v1/locations/{service['location_id']}", role=Role.CASE_MANAGER)).json()
    assert (place["address_1"], place["latitude"], place["masked"]) == ("1 Harbor Way", 47.6, False)


async def test_a_safe_house_stays_hidden(sign_in: SignIn, town: Program) -> None:
    page = (await sign_in(Role.PROVIDER)).page
    await page.goto("/desk/services/new")
    await page.fill("#name", "Safe house")
    await page.fill("#address_1", "5 Quiet Street")
    await page.check("#serves_survivors")
    await page.click("#send")
    await page.click("#send")
    await expect(page.locator(".opening")).to_contain_text("Safe house: by one-time codes")
    [service] = (await town.call("GET", "/v1/services")).json()["items"]
    place = (await town.call("GET", f"/v1/locations/{service['location_id']}", role=Role.CASE_MANAGER)).json()
    assert (place["address_1"], place["masked"]) == (None, True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "es-MX"])
async def test_axe_finds_nothing_on_the_forms(sign_in: SignIn, town: Program, scheme: str, locale: str) -> None:
    page = (await sign_in(Role.PROVIDER, width=320, color_scheme=scheme, locale=locale)).page
    await town.service(name="Day beds")
    opening = await town.opening(5, **TERMS)
    for path in ("/desk/new", f"/desk/openings/{opening['id']}", "/desk/services/new"):
        await page.goto(path)
        for more in await page.query_selector_all("#more:not([open]) > summary"):
            await more.click()
        assert await faults(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
