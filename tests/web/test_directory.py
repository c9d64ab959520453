"""Changing what the directory says, in a browser: by a program manager for everybody, by a provider for its own."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.async_api import Page, expect

from app.access.roles import Role
from app.market.attributes import ATTRIBUTES
from app.market.directory import MOST_LINES, MOST_PHONES, STATUSES, Service
from app.web.directory_forms import ServiceForm, service_fields
from app.web.edited import edited
from tests.support import Program
from tests.web.conftest import SignIn, Site, faults

PLACE = {"name": "The annex", "address_1": "1 Main St", "city": "Kent", "latitude": 47.3809, "longitude": -122.2348}


@pytest.fixture
async def manager(sign_in: SignIn) -> Page:
    """A program manager's browser, without scripts: all of this must work so."""
    return (await sign_in(Role.PROGRAM_MANAGER, width=1280, java_script_enabled=False)).page


@pytest.fixture
async def provider(sign_in: SignIn) -> Page:
    """Provider staff's browser."""
    return (await sign_in(Role.PROVIDER)).page


async def at(town: Program, **facts: Any) -> dict[str, Any]:
    """A location of the provider's."""
    return await town.made("/v1/locations", {"organization_id": str(town.provider_id)} | PLACE | facts, Role.PROVIDER)


async def read(town: Program, kind: str, id: Any, role: Role = Role.PROVIDER) -> dict[str, Any]:
    """An entry as it is now."""
    found: dict[str, Any] = (await town.call("GET", f"/v1/{kind}/{id}", role=role)).json()
    return found


async def test_a_manager_changes_what_an_organization_says(manager: Page, town: Program) -> None:
    page = manager
    await page.goto(f"/manage/organizations/{town.provider_id}")
    await page.click("main p.row a.button")
    await page.fill("#name", "Cedar House")
    await page.fill("#website", "ftp://cedar.example.org")
    await page.click("#send")
    assert await page.get_attribute("#website", "aria-invalid") == "true"
    assert await page.input_value("#name") == "Cedar House"
    await page.fill("#website", "https://cedar.example.org")
    await page.fill("#description", "Beds,\nand breakfast")
    await page.click("#send")
    await page.wait_for_url(f"**/manage/organizations/{town.provider_id}?done=changed")
    assert await page.inner_text("h1") == "Cedar House"
    now = await read(town, "organizations", town.provider_id)
    assert (now["website"], now["description"]) == ("https://cedar.example.org/", "Beds,\nand breakfast")
    # Sent as it is shown, it changes nothing.
    await page.goto(f"/directory/organizations/{town.provider_id}")
    await page.click("#send")
    assert (await read(town, "organizations", town.provider_id))["version"] == now["version"] == 2


async def test_what_is_open_moves_with_its_place(manager: Page, town: Program) -> None:
    location = await at(town)
    opening = await town.opening(2, service=await town.service(location_id=location["id"]))
    page = manager
    await page.goto(f"/manage/organizations/{town.provider_id}")
    await page.click("a:text-is('The annex, 1 Main St, Kent')")
    await page.fill("#latitude", "")
    await page.click("#send")
    assert "latitude and longitude together" in await page.inner_text("[role=alert]")
    await page.fill("#latitude", "47.6062")
    await page.fill("#longitude", "-122.3321")
    await page.click("#send")
    await page.wait_for_url("**?done=changed")
    found = (await town.call("GET", "/v1/openings?near=47.6062,-122.3321&within_km=1")).json()["items"]
    assert [each["id"] for each in found] == [opening["id"]]


async def test_a_provider_says_what_people_on_their_way_must_know(provider: Page, town: Program) -> None:
    phone = {"number": "+1 206 555 0100", "extension": "7", "description": "The desk"}
    service = await town.service(phones=[phone], attributes={"pets": "no", "couples": "yes"})
    page = provider
    await page.goto("/desk/services/new")
    await page.click(f"a[href$='{service['id']}']:text-is('Change')")
    assert await page.get_attribute("nav a[href='/desk']", "aria-current") == "page"
    await page.fill("#phone_1_number", "call us")
    await page.fill("#schedules", "Doors open at 18:00\n\nLast entry at 23:00")
    await page.fill("#required_documents", "Nothing")
    await page.check("[name=is_pets][value=yes]", force=True)
    await page.click("#send")
    await expect(page.locator("#phones-wrong")).to_be_visible()
    assert await page.is_checked("[name=is_pets][value=yes]")
    await page.fill("#phone_1_number", "206 555 0101")
    await page.click("#send")
    await page.wait_for_url("**/desk/services/new?done=changed")
    now = await read(town, "services", service["id"])
    assert now["phones"] == [phone, {"number": "206 555 0101", "extension": None, "description": None}]
    assert now["schedules"] == [{"description": "Doors open at 18:00"}, {"description": "Last entry at 23:00"}]
    assert now["required_documents"] == [{"document": "Nothing"}]
    assert now["attributes"] == {"pets": "yes", "couples": "yes"}
    # A row that is emptied is a phone that is gone.
    await page.goto(f"/directory/services/{service['id']}")
    for part in ("number", "extension", "description"):
        await page.fill(f"#phone_0_{part}", "")
    await page.click("#send")
    await page.wait_for_url("**?done=changed")
    assert [each["number"] for each in (await read(town, "services", service["id"]))["phones"]] == ["206 555 0101"]


async def test_a_service_that_is_closed_leaves_the_board_and_its_claims_stand(provider: Page, town: Program) -> None:
    service = await town.service()
    opening = await town.opening(3, service=service)
    claim = await town.held(opening)
    page = provider
    await page.goto(f"/directory/services/{service['id']}")
    await page.select_option("#status", "temporarily closed")
    await page.click("#send")
    await page.wait_for_url("**?done=changed")
    await expect(page.locator(".lines").first).to_contain_text("Closed for a while")
    assert (await town.look(opening))["off_board_because"] == "withdrawn"
    assert (await town.call("GET", f"/v1/claims/{claim['id']}")).json()["state"] == "held"
    await page.goto("/desk/new")
    assert page.url.endswith("/desk/services/new"), "nothing is published of it"


async def test_what_somebody_else_changed_meanwhile_is_shown_beside_ones_own(provider: Page, town: Program) -> None:
    here, there = await at(town), await at(town, name="The tower")
    service = await town.service(location_id=here["id"], attributes={"pets": "no"})
    page = provider
    await page.goto(f"/directory/services/{service['id']}")
    await page.fill("#name", "Beds at night")
    await page.select_option("#location_id", there["id"])
    change = {"name": "Night beds", "minimum_age": 21, "attributes": {"couples": "yes"}}
    path = f"/v1/services/{service['id']}"
    assert (await town.call("PATCH", path, json=change, headers={"If-Match": '"v1"'})).status_code == 200
    await page.click("#send")
    rows = await page.locator("[role=alert] tbody tr").all_inner_texts()
    places = [f"{name}, 1 Main St, Kent" for name in ("The annex", "The tower")]
    assert [row.split("\t") for row in rows] == [
        ["Name", "Night beds", "Beds at night"],
        ["Where", *places],
        ["From age", "21", "21"],
        ["Couples stay together", "Yes", "Yes"],
    ]
    assert await faults(page) == []
    assert (await read(town, "services", service["id"]))["location_id"] == here["id"]
    await page.click("#send")
    await page.wait_for_url("**?done=changed")
    now = await read(town, "services", service["id"])
    assert (now["name"], now["minimum_age"], now["location_id"]) == ("Beds at night", 21, there["id"])
    assert now["attributes"] == {"pets": "no", "couples": "yes"}


async def test_a_place_that_is_not_shown_is_its_own_organizations_to_change(
    sign_in: SignIn, site: Site, town: Program
) -> None:
    location = await at(town, masked=True)
    await town.service(location_id=location["id"])
    manager = (await sign_in(Role.PROGRAM_MANAGER)).page
    for path in ("/manage/organizations", f"/manage/organizations/{town.provider_id}"):
        await manager.goto(path)
        content = await manager.content()
        assert [secret for secret in ("annex", "Main St", "Kent", "47.3809") if secret in content] == []
    await expect(manager.locator("#locations + ul")).to_contain_text("A place that is not shown")
    address = f"/directory/locations/{location['id']}"
    form: dict[str, str | float | bool] = {"was": "{}", "version": "1", "city": "Elsewhere"}
    for asked in (
        await manager.request.get(address),
        await manager.request.post(address, form=form, headers={"Origin": site.address}),
    ):
        assert asked.status == 403
        assert "Main St" not in await asked.text()
    provider = (await sign_in(Role.PROVIDER)).page
    await provider.goto(address)
    assert await provider.input_value("#address_1") == "1 Main St"
    await provider.uncheck("[name=masked]")
    await provider.click("#send")
    await provider.wait_for_url("**?done=changed")
    assert (await read(town, "locations", location["id"], Role.CASE_MANAGER))["city"] == "Kent"


async def test_nobody_else_changes_anything(sign_in: SignIn, site: Site, town: Program) -> None:
    service = await town.service()
    location = await at(town)
    entries = {"services": service["id"], "locations": location["id"], "organizations": town.provider_id}
    form: dict[str, str | float | bool] = {"was": "{}", "version": "1", "name": "Ours now"}
    others = [
        await sign_in(Role.CASE_MANAGER),
        await sign_in(Role.PROVIDER, organization_id=str(town.agency_id)),
        await sign_in(Role.EVALUATOR),
    ]
    for other in others:
        for kind, id in entries.items():
            path = f"/directory/{kind}/{id}"
            asked = await other.page.request.get(path)
            sent = await other.page.request.post(path, form=form, headers={"Origin": site.address})
            assert (asked.status, sent.status) == (403, 403), path
    for kind, id in entries.items():
        assert (await read(town, kind, id))["version"] == 1


async def test_nothing_else_is_changed_here(provider: Page, town: Program) -> None:
    assert (await provider.request.get(f"/directory/people/{town.provider_id}")).status == 404
    assert (await provider.request.get("/directory/services/01900000-0000-7000-8000-000000000000")).status == 404


async def test_a_form_that_does_not_say_what_it_was_filled_in_for_changes_nothing(
    provider: Page, site: Site, town: Program
) -> None:
    for form in ({}, {"was": "[]", "version": "1"}, {"was": "{}", "version": "x"}, {"was": "{}"}):
        sent: dict[str, str | float | bool] = {"name": "Ours now", **form}
        address = f"/directory/organizations/{town.provider_id}"
        answer = await provider.request.post(address, form=sent, headers={"Origin": site.address})
        assert answer.status == 400
    assert (await read(town, "organizations", town.provider_id))["version"] == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["es-MX", "en-US"])
async def test_axe_finds_nothing(town: Program, sign_in: SignIn, scheme: str, locale: str) -> None:
    page = (await sign_in(Role.PROVIDER, color_scheme=scheme, locale=locale, width=320)).page
    location = await at(town)
    service = await town.service(location_id=location["id"], phones=[{"number": "206 555 0101"}])
    for path in (
        f"/directory/services/{service['id']}",
        f"/directory/locations/{location['id']}",
        f"/directory/organizations/{town.provider_id}",
        "/desk/services/new?done=changed",
    ):
        await page.goto(path)
        assert await faults(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
    await page.goto(f"/directory/services/{service['id']}")
    await page.fill("#phone_0_number", "call us")
    await page.click("#send")
    await page.wait_for_selector("#phones-wrong")
    assert await faults(page) == []


# The form itself.

LINE = st.text(st.characters(blacklist_categories=["C", "Z"]), min_size=1, max_size=20)
PHONE = st.fixed_dictionaries(
    {
        "number": st.from_regex(r"\+?[0-9][0-9 ().-]{1,20}[0-9]", fullmatch=True),
        "extension": st.none() | st.from_regex(r"[0-9]{1,10}", fullmatch=True),
        "description": st.none() | LINE,
    }
)
SERVICE = st.builds(
    Service,
    name=LINE,
    description=LINE,
    status=st.sampled_from(STATUSES),
    location_id=st.none() | st.uuids(),
    eligibility_description=st.none() | LINE,
    minimum_age=st.none() | st.integers(0, 60),
    maximum_age=st.none() | st.integers(61, 130),
    languages=st.lists(st.sampled_from(["en", "es", "zh-Hant"]), unique=True),
    attributes=st.dictionaries(st.sampled_from(sorted(ATTRIBUTES)), st.sampled_from(["yes", "no", "unknown"])),
    phones=st.lists(PHONE, max_size=MOST_PHONES),
    schedules=st.lists(st.fixed_dictionaries({"description": LINE}), max_size=MOST_LINES),
    required_documents=st.lists(st.fixed_dictionaries({"document": LINE}), max_size=MOST_LINES),
)


@given(SERVICE)
def test_what_a_form_shows_of_a_service_it_sends_back_unchanged(service: Service) -> None:
    fields = service_fields(service)
    facts = ServiceForm.model_validate(fields).changed(fields.keys())
    answers = facts.pop("attributes")
    assert {name: answers[name] for name in service.attributes} == service.attributes
    assert {answer for name, answer in answers.items() if name not in service.attributes} <= {"unknown"}
    assert facts == {name: getattr(service, name) for name in facts}
    assert set(facts) == set(ServiceForm.model_fields) - {"attributes"}


FORM = st.fixed_dictionaries(dict.fromkeys("abc", st.sampled_from(["", "x", "y", "z"])))


@given(was=FORM, now=FORM, typed=FORM, same=st.booleans())
def test_ones_own_changes_and_nobody_elses_are_written(
    was: dict[str, str], now: dict[str, str], typed: dict[str, str], same: bool
) -> None:
    now = was if same else now
    edit = edited(typed | {"was": json.dumps(was), "version": "1"}, now, 1 if same else 2)
    for name in "abc":
        assert edit.fields[name] == (now[name] if typed[name] == was[name] else typed[name])
    assert edit.mine == {name for name in "abc" if typed[name] != was[name]}
    assert bool(edit.both) == (bool(edit.mine) and not same)
    assert {name for name, _, _ in edit.both} <= {
        name for name in "abc" if typed[name] != was[name] or now[name] != was[name]
    }
