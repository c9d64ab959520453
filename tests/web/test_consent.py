"""Consent on the phone: refused at the field that lacks, signed by name or by drawing, told to the desk, taken back."""

import re
from typing import Any

import pytest
from httpx import Response
from playwright.async_api import Page, expect

from app.access.roles import Role
from app.casework.identity import KINDS
from app.casework.terms import ELEMENTS, STATEMENTS
from app.web import consent_words
from app.web.consent_words import KIND, MISSING
from tests.casework.people import IDENTITY, consent, meet, someone
from tests.support import Program
from tests.web.claiming import Worker, shelter
from tests.web.conftest import SignIn, Site, faults

NAME = IDENTITY["name"]


@pytest.fixture
async def worker(site: Site, town: Program, sign_in: SignIn) -> Worker:
    """A case manager with a phone."""
    return Worker(site, town, await sign_in(Role.CASE_MANAGER))


async def coming(worker: Worker) -> dict[str, Any]:
    """A confirmed claim for somebody whose identity is written down."""
    who = await someone(worker.town)
    opening = await worker.town.opening(service=await shelter(worker.town))
    [claim] = await worker.claims(opening, participant=who["code"])
    await worker.town.step(claim, "confirm")
    return claim | {"who": who}


def test_pages_say_all_that_the_signed_text_says() -> None:
    assert consent_words.STATEMENTS == STATEMENTS
    assert dict(KIND) == {kind: words for kind, (words, _) in KINDS.items()}
    # A phone names no intermediary.
    assert {each.field for each in ELEMENTS} - {"intermediary.members"} <= set(MISSING)


async def test_an_element_left_out_is_refused_at_its_field_and_then_the_desk_learns_the_name(worker: Worker) -> None:
    claim = await coming(worker)
    assert (await meet(worker.town, claim))["withheld"] == "no_consent"
    page = worker.opened.page
    await page.goto(f"/claims/{claim['id']}")
    await page.get_by_role("link", name="Take a consent").click()
    await expect(page.get_by_label("Their name")).to_have_value(NAME)
    await expect(page.get_by_role("checkbox", name="A provider")).to_be_checked()
    await expect(page.get_by_role("checkbox", name="An agency")).to_be_checked()
    await page.get_by_role("button", name="I agree").click()
    await expect(page.get_by_role("alert")).to_contain_text("Not recorded yet")
    links = page.get_by_role("alert").get_by_role("link")
    assert await links.all_inner_texts() == [MISSING["information.kinds"], MISSING["signature"]]
    await links.first.click()
    assert await page.evaluate("document.activeElement.id") == "information-kinds"
    assert await faults(page) == []
    for kind in ("your name", "your birth date"):
        await page.get_by_role("checkbox", name=kind, exact=True).check()
    await page.get_by_label("Type your name").fill(NAME)
    await page.get_by_role("button", name="I agree").click()
    await expect(page.get_by_role("status").filter(has_text="The consent is recorded")).to_be_visible()
    await expect(page.get_by_text("Counts now")).to_be_visible()
    met = await meet(worker.town, claim)
    assert met["identity"]["name"] == NAME
    assert met["identity"]["birth_date"] == IDENTITY["birth_date"]
    assert met["identity"]["pronouns"] is None
    # Nothing of a person was ever in an address.
    assert not re.search("Canaria|Quill|1987", page.url)


LACKING: dict[str, dict[str, Any]] = {
    "patient": {"patient": " "},
    "disclosers": {"disclosers": []},
    "information.words": {"words": ""},
    "recipients": {"recipients": []},
    "purpose": {"purpose": ""},
    "revocation": {"revocation": ""},
    "expiry": {"ends": "date", "day": ""},
    "signature": {"name": ""},
    "signature.drawing": {"drawing": "<script>"},
    "signature.authority": {"by": "representative"},
    "signed_on": {"signed_on": "2199-01-01"},
    "text_version": {"text_version": "2001-01"},
}


async def filled(page: Page, path: str) -> dict[str, Any]:
    """The form as it is filled in, with what a person would choose."""
    await page.goto(path)
    fields: list[list[str]] = await page.evaluate("[...new FormData(document.querySelector('main form'))]")
    form: dict[str, Any] = {}
    for name, value in fields:
        form[name] = (
            [*form[name], value] if name in form else [value] if name in {"recipients", "disclosers"} else value
        )
    return form | {"kinds": ["name"], "name": NAME}


async def send(worker: Worker, path: str, form: dict[str, Any]) -> Response:
    """Send the form with the person's cookies."""
    cookies = await worker.opened.page.context.cookies()
    headers = {
        "Origin": worker.site.address,
        "Host": worker.site.address.removeprefix("http://"),
        "Cookie": "; ".join(f"{each['name']}={each['value']}" for each in cookies),
    }
    return await worker.site.http.post(path, data=form, headers=headers)


async def test_each_element_is_refused_at_its_own_field(worker: Worker) -> None:
    claim = await coming(worker)
    path = f"/claims/{claim['id']}/consent"
    form = await filled(worker.opened.page, path)
    for field, change in LACKING.items():
        response = await send(worker, path, form | change)
        assert response.status_code == 422, field
        anchor = field.replace(".", "-")
        assert re.findall('<li><a href="#([^"]+)"', response.text) == [anchor], field
        assert f'id="{anchor}-wrong"' in response.text, field
        assert f' id="{anchor}"' in response.text, field
    # And the same form, once nothing lacks, is taken; tapped twice, once.
    for _ in range(2):
        response = await send(worker, path, form)
        assert (response.status_code, response.headers["location"]) == (
            303,
            f"/claims/{claim['id']}/person?done=consent",
        )
    listed = await worker.town.call("GET", f"/v1/participants/{claim['who']['id']}/consents", role=Role.CASE_MANAGER)
    assert len(listed.json()["items"]) == 1


async def test_a_signature_is_drawn_and_printed_with_the_copy(worker: Worker) -> None:
    claim = await coming(worker)
    page = worker.opened.page
    await page.goto(f"/claims/{claim['id']}/consent")
    await page.get_by_role("checkbox", name="your name", exact=True).check()
    pad = page.locator(".draw svg")
    await pad.scroll_into_view_if_needed()
    box = await pad.bounding_box()
    assert box
    await page.mouse.move(box["x"] + 20, box["y"] + 60)
    await page.mouse.down()
    for step in range(1, 12):
        await page.mouse.move(box["x"] + 20 + 20 * step, box["y"] + (30 if step % 2 else 80))
    await page.mouse.up()
    drawn = await page.locator(".draw path").get_attribute("d")
    assert drawn
    assert drawn.startswith("M")
    assert drawn.count("L") >= 10
    await page.get_by_role("button", name="I agree").click()
    await page.get_by_role("link", name=re.compile("Consent of")).click()
    assert await page.locator(".drawn path").get_attribute("d") == drawn
    copy = await page.inner_text(".copy")
    for words in ("signature drawn", NAME, "A provider", STATEMENTS[0][:40]):
        assert words in copy
    await expect(page.get_by_role("button", name="Print it for them")).to_be_visible()
    await page.emulate_media(media="print")
    await expect(page.locator(".noprint").first).to_be_hidden()


async def test_it_is_taken_back_and_the_accounting_still_says_who_was_told(worker: Worker) -> None:
    claim = await coming(worker)
    made = await consent(worker.town, claim["who"])
    await meet(worker.town, claim)
    page = worker.opened.page
    await page.goto(f"/claims/{claim['id']}/consents/{made['id']}")
    await page.get_by_text("They take it back").click()
    await page.get_by_role("button", name="Yes, it is taken back").click()
    await expect(page.get_by_text("Taken back", exact=True)).to_be_visible()
    assert (await meet(worker.town, claim))["withheld"] == "no_consent"
    await page.get_by_role("link", name="To whom was it told?").click()
    told = await page.inner_text("main ol")
    assert "A provider" in told
    assert "your birth date" in told
    assert await faults(page) == []


async def test_what_it_ends_with_has_happened(worker: Worker) -> None:
    claim = await coming(worker)
    made = await consent(worker.town, claim["who"])
    page = worker.opened.page
    await page.goto(f"/claims/{claim['id']}/consents/{made['id']}")
    await page.get_by_text("What it ends with has happened").click()
    await page.get_by_label("What happened?").fill("Moved in with an aunt")
    await page.get_by_role("button", name="Yes, end it").click()
    await expect(page.get_by_text("Ended", exact=True)).to_be_visible()
    # Another person's claim leads to none of it.
    other = await coming(worker)
    assert (await page.context.request.get(f"/claims/{other['id']}/consents/{made['id']}")).status == 404


async def test_who_someone_is_is_written_down_and_found_by_it(worker: Worker) -> None:
    who = await someone(worker.town)
    opening = await worker.town.opening(2)
    [claim] = await worker.claims(opening, participant=who["code"])
    page = worker.opened.page
    await page.goto(f"/claims/{claim['id']}/person")
    await expect(page.get_by_label("Phone")).to_have_value("(206) 555-0142")
    await page.get_by_label("Phone").fill("12")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_label("Phone")).to_have_attribute("aria-invalid", "true")
    await page.get_by_label("Phone").fill("206 555 0177")
    await page.get_by_label("Pronouns").fill("they/them")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Written down.")).to_be_visible()
    path = f"/v1/participants/{who['id']}/identity"
    kept = (await worker.town.call("GET", path, role=Role.CASE_MANAGER)).json()
    assert kept["pronouns"] == "they/them"
    assert {each["value"] for each in kept["contacts"]} == {
        "206 555 0177", "Siskin.Q@example.org", "Bluethroat Drop-in",
    }  # fmt: skip
    # What the phone doesn't ask for is as it was.
    assert kept["identifiers"] == IDENTITY["identifiers"]
    assert kept["emergency_contacts"][0]["name"] == "Ortolan Reed"
    # Someone new with the same number is somebody known.
    [again] = await worker.claims(opening)
    await page.goto(f"/claims/{again['id']}/person")
    await page.get_by_label("Phone").fill("(206) 555-0177")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Somebody is known by the same already")).to_be_visible()
    assert who["code"] in await page.inner_text("main")
    await page.goto("/claims/who")
    await page.get_by_role("button", name="Look").click()
    await expect(page.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    await page.get_by_label("E-mail").fill("siskin.q@example.org")
    await page.get_by_role("button", name="Look").click()
    await expect(page.locator(".code.huge")).to_have_text(who["code"])
    assert page.url.endswith("/claims/who")


async def test_without_javascript_it_is_signed_by_name(site: Site, town: Program, sign_in: SignIn) -> None:
    worker = Worker(site, town, await sign_in(Role.OUTREACH_WORKER, java_script_enabled=False))
    claim = await coming(worker)
    page = worker.opened.page
    await page.goto(f"/claims/{claim['id']}/consent")
    await expect(page.locator(".draw")).to_be_hidden()
    await page.get_by_role("checkbox", name="your name", exact=True).check()
    await page.get_by_role("radio", name="I sign for someone else").check()
    await page.get_by_label("Type your name").fill("Ortolan Reed")
    await page.get_by_label("Why you may sign for them").fill("guardian")
    await page.get_by_role("radio", name="Until the end of a day").check()
    await page.get_by_label("The last day").fill("2100-05-01")
    await page.get_by_role("button", name="I agree").click()
    await expect(page.get_by_text("The consent is recorded")).to_be_visible()
    assert (await meet(town, claim))["identity"]["name"] == NAME
    await page.get_by_role("link", name=re.compile("Consent of")).click()
    copy = await page.inner_text(".copy")
    assert "Ortolan Reed, for the patient, as guardian" in copy
    # Midnight in the program's own zone.
    assert "2100-05-02 0" in copy


@pytest.mark.parametrize("locale", ["en-US", "es-MX"])
async def test_axe_finds_nothing_in_any_state(site: Site, town: Program, sign_in: SignIn, locale: str) -> None:
    worker = Worker(site, town, await sign_in(Role.CASE_MANAGER, locale=locale, width=320))
    page = worker.opened.page
    claim = await coming(worker)
    made = await consent(town, claim["who"])
    base = f"/claims/{claim['id']}"
    for path in ("/person", "/consent", f"/consents/{made['id']}", "/accounting"):
        await page.goto(base + path)
        if path == "/consent":
            await page.click("main form button.main")
            await page.wait_for_selector("#summary")
        assert await faults(page) == []
        if locale == "en-US":  # Colours are the same in every language.
            await page.emulate_media(color_scheme="dark")
            assert await faults(page) == []
            await page.emulate_media(color_scheme="light")
        assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"{path} is too wide"
