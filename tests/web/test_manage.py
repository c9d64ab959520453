"""What a program manager keeps by hand, in a browser: each change does what it says, and each error is at its field."""

import re
from datetime import datetime
from typing import Any

import pytest
from playwright.async_api import Page

from app.access.permissions import SCOPES
from app.access.retention import KINDS
from app.access.roles import Role
from app.market.policy import MarketPolicy
from app.market.vocabulary import Category
from app.web.manage_forms import RulesForm, filled_in, policy_of
from app.web.words import KEPT, SCOPE
from tests.support import Program
from tests.web.conftest import SignIn, Site, faults


@pytest.fixture
async def manager(sign_in: SignIn) -> Page:
    """A program manager's browser, without scripts: all of this must work so."""
    return (await sign_in(Role.PROGRAM_MANAGER, width=1280, java_script_enabled=False)).page


async def fill(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        await page.fill(f"[name='{name}']", value)


async def test_somebody_is_invited_changed_and_ended(manager: Page, town: Program, site: Site) -> None:
    page = manager
    await page.goto("/manage/people")
    await page.click("text=Invite somebody")
    await fill(page, name="Kai Moss", email="kai.moss@example.org")
    await page.select_option("[name=role]", "case_manager")
    await page.select_option("[name=organization_id]", str(town.agency_id))
    await page.click("main form button")
    link = await page.input_value("#once")
    assert "/invitation#" in link
    body = {"token": link.partition("#")[2], "password": "seven lanterns drift past"}
    accepted = await site.http.post("/v1/invitations/accept/password", json=body, headers={"Origin": site.address})
    assert accepted.status_code == 200, accepted.text
    assert (await site.http.get("/v1/me", headers=_from(site))).json()["role"] == "case_manager"

    await page.click("text=All people")
    await page.click("text=Kai Moss")
    await page.select_option("[name=role]", "outreach_worker")
    await page.click("main form button:text-is('Change')")
    await page.wait_for_url("**?done=changed")
    assert "Peer outreach worker" in await page.inner_text("dl.facts")
    assert (await site.http.get("/v1/me", headers=_from(site))).status_code == 401, "signed out by another role"
    await page.click("summary:has-text('End their access')")
    await page.click("button:has-text('End their access')")
    await page.wait_for_url("**?done=ended")
    assert "Ended" in await page.inner_text("main")
    site.http.cookies.clear()


def _from(site: Site) -> dict[str, str]:
    return {"Host": site.address.removeprefix("http://")}


async def test_each_error_is_at_its_field_and_nothing_typed_is_lost(manager: Page, town: Program) -> None:
    page = manager
    await page.goto("/manage/people")
    sent = await page.request.post(
        "/manage/people",
        form={"name": "  ", "email": "nowhere", "role": "operator", "organization_id": str(town.agency_id)},
        headers={"Origin": page.url.partition("/manage")[0]},
    )
    assert sent.status == 422
    await page.set_content(await sent.text())
    for name, words in (("name", "Fill this in."), ("email", "Give an e-mail address")):
        field = page.locator(f"#{name}")
        assert await field.get_attribute("aria-invalid") == "true"
        described = (await field.get_attribute("aria-describedby") or "").split()[0]
        assert words in await page.inner_text(f"#{described}")
    assert await page.input_value("#email") == "nowhere"


async def test_a_key_that_is_made_here_opens_and_one_that_is_revoked_does_not(
    manager: Page, town: Program, site: Site
) -> None:
    page = manager
    await page.goto("/manage/keys")
    await page.click("summary:has-text('Make a key')")
    await fill(page, name="The shelter's own system", expires_on="2030-01-31")
    await page.select_option("[name=role]", "partner_system")
    await page.select_option("[name=organization_id]", str(town.provider_id))
    await page.click("main form button")
    assert "tick what the key" in (await page.inner_text("[role=alert]")).lower()
    await page.check("[name=scopes][value='openings:read']", force=True)
    await page.click("main form button")
    first = await page.input_value("#once")
    assert await opens(site, first, "/v1/openings") == 200
    assert await opens(site, first, "/v1/claims") == 403, "its scope reaches no claim"

    await page.click("text=All keys")
    await page.click("text=The shelter's own system")
    assert "See what is open" in await page.inner_text("dl.facts")
    await page.click("summary:has-text('Give it a new secret')")
    await fill(page, hours="0")
    await page.click("button:has-text('Give it a new secret')")
    second = await page.input_value("#once")
    assert (await opens(site, first, "/v1/openings"), await opens(site, second, "/v1/openings")) == (401, 200)
    await page.click("text=All keys")
    await page.click("text=The shelter's own system")
    await page.click("summary:has-text('Revoke it')")
    await page.click("button:has-text('Revoke it')")
    await page.wait_for_url("**?done=revoked")
    assert await opens(site, second, "/v1/openings") == 401


async def test_a_form_for_a_key_that_is_sent_twice_makes_one_and_the_later_answer_opens(
    manager: Page, town: Program, site: Site
) -> None:
    await manager.goto("/manage/keys")
    before = len((await town.call("GET", "/v1/keys")).json()["items"])
    form: dict[str, str | float | bool] = {
        "nonce": await manager.get_attribute("[name=nonce]", "value") or "",
        "name": "A system", "role": "case_manager", "organization_id": str(town.agency_id),
    }  # fmt: skip
    secrets = []
    for _ in range(2):
        answer = await manager.request.post("/manage/keys", form=form, headers={"Origin": site.address})
        secrets += re.findall(r'id="once"[^>]* value="([^"]+)"', await answer.text())
    assert [await opens(site, secret, "/v1/claims") for secret in secrets] == [401, 200]
    assert len((await town.call("GET", "/v1/keys")).json()["items"]) == before + 1


async def opens(site: Site, key: str, path: str) -> int:
    """What is answered to a key."""
    return (await site.http.get(path, headers={"Authorization": f"Bearer {key}"})).status_code


async def test_rules_that_are_set_here_hold_for_the_next_claim(manager: Page, town: Program) -> None:
    page = manager
    opening = await town.opening(3)
    before = await town.held(opening)
    await page.goto("/manage/rules")
    await page.click("summary:has-text('Housing')")
    await fill(page, **{"housing.hold_minutes": "", "max_active_holds": "40"})
    await page.click("text=Set the rules")
    wrong = page.locator("[id='housing.hold_minutes']")
    assert await wrong.get_attribute("aria-invalid") == "true"
    await fill(page, **{"housing.hold_minutes": "17", "housing.fresh_hours": "0.5"})
    await page.click("text=Set the rules")
    await page.wait_for_url("**?done=changed")
    assert "Held for 17 min" in await page.inner_text("summary:has-text('Housing')")
    program = (await town.call("GET", "/v1/program")).json()["policy"]
    assert program["categories"]["housing"]["fresh_minutes"] == 30
    assert program["max_active_holds"] == 40
    # A worker's process may know the old rules for a second.
    await page.wait_for_timeout(1100)
    after = await town.held(opening)
    assert minutes(before) == pytest.approx(90, abs=0.1)
    assert minutes(after) == pytest.approx(17, abs=0.1)


def minutes(claim: dict[str, Any]) -> float:
    """How long a hold lasts."""
    until, at = (datetime.fromisoformat(claim[name]) for name in ("hold_until", "held_at"))
    return (until - at).total_seconds() / 60


async def test_organizations_places_and_services_are_added(manager: Page, town: Program) -> None:
    page = manager
    await page.goto("/manage/organizations")
    await page.click("summary:has-text('Add an organization')")
    await fill(page, name="Cedar House", website="https://cedar.example.org")
    await page.click("main form button")
    await page.wait_for_url("**?done=added")
    await page.click("summary:has-text('Add a location')")
    await fill(page, address_1="1 Main St", city="Kent", latitude="47.38")
    await page.click("form[action$=locations] button")
    assert "latitude and longitude together" in await page.inner_text("[role=alert]")
    await fill(page, longitude="-122.23")
    await page.click("form[action$=locations] button")
    await page.wait_for_url("**?done=added")
    await page.click("summary:has-text('Add a service')")
    await fill(page, name="Beds at Cedar", minimum_age="30", maximum_age="20")
    await page.check("[name=attributes][value=pets]", force=True)
    await page.select_option("[name=location_id]", label="1 Main St, Kent")
    await page.click("form[action$=services] button")
    assert "youngest age" in await page.inner_text("[role=alert]")
    assert await page.is_checked("[name=attributes][value=pets]")
    await fill(page, maximum_age="")
    await page.click("form[action$=services] button")
    await page.wait_for_url("**?done=added")
    [service] = (await town.call("GET", "/v1/services")).json()["items"]
    assert (service["name"], service["attributes"], service["minimum_age"]) == ("Beds at Cedar", {"pets": "yes"}, 30)
    assert service["location_id"]


async def test_how_long_what_is_kept_and_who_vouches_for_people(manager: Page, town: Program) -> None:
    page = manager
    await page.goto("/manage/keeping")
    sent: dict[str, str | float | bool] = {
        name: "" if kind.days is None else str(kind.days) for name, kind in KINDS.items()
    }
    origin = {"Origin": page.url.partition("/manage")[0]}
    refused = await page.request.post("/manage/keeping", form=sent | {"trail": "3"}, headers=origin)
    assert refused.status == 422
    await fill(page, events="30")
    await page.check("[name=legal_hold]")
    await page.click("main form button")
    await page.wait_for_url("**?done=changed")
    kept = (await town.call("GET", "/v1/program")).json()["retention"]
    assert (kept["days"]["events"], kept["legal_hold"]) == (30, True)
    assert kept["days"]["trail"] == KINDS["trail"].days

    await page.goto("/manage/sign-in")
    await page.click("summary:has-text('Set a provider up')")
    await fill(page, name="County", slug="county", client_id="here", client_secret="s3cret-of-ours")
    await fill(page, issuer="https://accounts.example.org/?of=ours")
    await page.click("main form button")
    assert await page.inner_text("#issuer-wrong")
    assert "s3cret-of-ours" not in await page.content()


@pytest.mark.parametrize(("scheme", "locale"), [("light", "es-MX"), ("dark", "en-US")])
async def test_axe_finds_nothing(town: Program, sign_in: SignIn, scheme: str, locale: str) -> None:
    opened = await sign_in(Role.PROGRAM_MANAGER, color_scheme=scheme, locale=locale, width=320)
    page = opened.page
    key = (await town.call("GET", "/v1/keys")).json()["items"][0]
    for path in (
        "/manage/people", f"/manage/people/{opened.person.id}", "/manage/organizations",
        f"/manage/organizations/{town.provider_id}", "/manage/keys", f"/manage/keys/{key['id']}", "/manage/rules",
        "/manage/sign-in", "/manage/keeping?done=changed",
    ):  # fmt: skip
        await page.goto(path)
        await page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
        assert await faults(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
    # With errors, and with what is shown once.
    await page.goto("/manage/keys")
    await page.evaluate("document.querySelector('main details').open = true")
    await page.fill("[name=name]", "A system")
    await page.select_option("[name=role]", "partner_system")
    await page.click("main form button")
    await page.wait_for_selector("[role=alert]")
    assert await faults(page) == []
    await page.select_option("[name=role]", "case_manager")
    await page.click("main form button")
    await page.wait_for_selector("#once")
    assert await faults(page) == []
    await page.wait_for_selector("[data-copy]:not([hidden])")


async def test_the_pages_are_for_program_managers_alone(sign_in: SignIn) -> None:
    page = (await sign_in(Role.EVALUATOR)).page
    for path in ("", "/people", "/organizations", "/keys", "/rules", "/sign-in", "/keeping"):
        assert (await page.request.get(f"/manage{path}")).status == 403, path


def test_every_scope_and_every_kind_has_words() -> None:
    assert set(SCOPE) == set(SCOPES)
    assert set(KEPT) == set(KINDS)


def test_what_a_form_shows_of_a_policy_it_sends_back_unchanged() -> None:
    policies: list[dict[str, Any]] = [
        {},
        {"max_extensions": 0, "max_active_holds": 3},
        {"categories": {"food": {"immediacy_hours": 5, "fresh_minutes": 1, "hold": {"until": "20:30"}}}},
        {"categories": {"housing": {"immediacy_hours": 7, "fresh_minutes": 61, "hold": {"minutes": 5}}}},
    ]
    for given in policies:
        policy = MarketPolicy.model_validate(given).complete()
        fields = filled_in(policy)
        form = RulesForm.model_validate({"name": "A", "time_zone": "UTC"} | fields)
        back, wrong = policy_of(fields, form)
        assert wrong == {}
        assert set(back.model_dump(exclude_unset=True)) == given.keys(), "what is usual is not stored"
        back = back.complete()
        for category in Category:
            assert back.rules(category) == policy.rules(category)
        assert (back.max_extensions, back.max_active_holds) == (policy.max_extensions, policy.max_active_holds)
