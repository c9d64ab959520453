"""The ways in besides a passkey, in a real browser: password and code, another service, an invitation's password."""

import time
from collections.abc import Iterator
from uuid import uuid4

import pyotp
import pytest
import segno
from playwright.async_api import Browser as Chromium
from playwright.async_api import Page, expect

from app.access.roles import Role
from tests.browser import PASSWORD, invited
from tests.issuer import Issuer, running
from tests.support import Program
from tests.web.conftest import SignIn, Site, accept
from tests.web.door import alarm, type_password, visiting


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """An identity provider with pages of its own."""
    with running() as issuer:
        yield issuer


async def set_up(town: Program, issuer: Issuer) -> None:
    body = {"name": "City Hall", "issuer": issuer.address, "client_id": "openberth", "client_secret": "a-secret"}
    response = await town.call("PUT", "/v1/sign-in/providers/city", json=body)
    assert response.status_code == 200, response.text


async def with_app(page: Page) -> tuple[str, list[str]]:
    """Set an authenticator app up on the account's pages: its secret, and the recovery codes."""
    await page.goto("/account")
    await page.click("text=Set up an app")
    await page.click("main form button")
    await page.click("summary")
    secret = "".join((await page.inner_text(".secret")).split())
    link = await page.get_attribute("a[href^='otpauth:']", "href")
    assert link is not None
    assert secret in link
    drawn = await page.get_attribute(".picture svg path[stroke]", "d")
    assert drawn is not None
    # What a camera reads in the picture is this link.
    assert drawn in segno.make(link, micro=False, error="m").svg_inline(border=4)
    await page.fill("#code", "000000")
    await page.press("#code", "Enter")
    assert "not the code" in await page.inner_text("#code-wrong")
    # The step before, so that the code of now is still good; typed in two groups, as the app shows it.
    code = pyotp.TOTP(secret).at(int(time.time()) - 30)
    await page.fill("#code", f"{code[:3]} {code[3:]}")
    await page.press("#code", "Enter")
    await expect(page.locator(".codes li")).to_have_count(10)
    return secret, await page.locator(".codes li").all_inner_texts()


async def test_a_code_after_the_password_and_one_from_paper_without_scripts(sign_in: SignIn, site: Site) -> None:
    opened = await sign_in(Role.CASE_MANAGER, java_script_enabled=False)
    page, person = opened.page, opened.person
    secret, codes = await with_app(page)
    await page.click("text=I have kept them")
    assert "10 recovery codes left" in await page.inner_text("main")

    await page.click("text=Sign out >> nth=0")
    await page.wait_for_url("**/sign-in")
    await page.goto("/account/password")
    await type_password(page, person)
    assert await page.inner_text("h1") == "Your code"
    await page.fill("#code", "000000")
    await page.press("#code", "Enter")
    assert "Look at the code again" in await alarm(page)
    await page.fill("#code", pyotp.TOTP(secret).now())
    await page.press("#code", "Enter")
    await page.wait_for_url(f"{site.address}/account/password")

    await page.goto("/account")
    await page.click("text=Sign out >> nth=0")
    await page.wait_for_url("**/sign-in")
    await type_password(page, person)
    await page.click("summary")
    # As people copy it by hand.
    await page.fill("#recovery-code", codes[3].lower().replace("-", " "))
    await page.press("#recovery-code", "Enter")
    await page.wait_for_url(lambda url: "/sign-in" not in url)
    await page.goto("/account")
    assert "9 recovery codes left" in await page.inner_text("main")

    await page.click("text=Change the app")
    await page.click("text=Make new codes")
    await expect(page.locator(".codes li")).to_have_count(10)
    await page.goto("/account/app")
    await page.click("summary")
    await page.click("text=Stop using it")
    assert "without the app" in await page.inner_text("[role=status].good")


async def test_in_by_another_service_and_to_the_page_one_wanted(
    site: Site, chromium: Chromium, town: Program, issuer: Issuer
) -> None:
    await set_up(town, issuer)
    person, stranger, subject = await invited(town), uuid4().hex, uuid4().hex
    await issuer.knows(subject, email=person.email, email_verified=True)
    await issuer.knows(stranger, email="stranger@example.org", email_verified=True)
    async with visiting(chromium, site) as page:
        await page.goto("/account")
        await page.fill("#program", person.slug)
        await page.press("#program", "Enter")
        for who in (stranger, subject):
            await page.click("text=Sign in with City Hall")
            await page.wait_for_url(f"{issuer.address}/**")
            await page.fill("[name=sub]", who)
            await page.press("[name=sub]", "Enter")
            await page.wait_for_url(f"{site.address}/**")
            if who == stranger:
                # A page, and no JSON.
                assert await page.inner_text("h1") == "That did not sign you in"
                await page.goto("/account")
        assert page.url == f"{site.address}/account"
        assert person.email in await page.inner_text("main")
        assert "Another service" in await page.inner_text("main")


async def test_everything_by_password_without_scripts(site: Site, chromium: Chromium, town: Program) -> None:
    person = await invited(town)
    async with visiting(chromium, site, java_script_enabled=False) as page:
        await page.goto(f"/invitation#{person.token}")
        await page.fill("#token", f"{site.address}/invitation#{person.token}")
        await page.press("#token", "Enter")
        assert await page.inner_text("h1") == "Welcome, Robin Alder"
        await expect(page.locator("text=Accept with a passkey")).to_be_hidden()
        await page.fill("#password", "password12345")
        await page.press("#password", "Enter")
        assert "Too easy to guess" in await page.inner_text("#password-wrong")
        await page.fill("#password", PASSWORD)
        await page.press("#password", "Enter")
        await page.wait_for_url(lambda url: "/invitation" not in url)

        await page.goto("/account/password")
        await page.fill("#old-password", "not this one")
        await page.fill("#password", "four barges under a bridge")
        await page.click("text=Save")
        assert "not your password" in await page.inner_text("#old-password-wrong")
        await page.fill("#old-password", PASSWORD)
        await page.fill("#password", "four barges under a bridge")
        await page.click("text=Save")
        assert "password is changed" in await page.inner_text("[role=status].good")

        async with page.expect_navigation():
            await page.click("text=Dark")
        assert await page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
        async with page.expect_navigation():
            await page.click("text=Like this device")
        assert await page.get_attribute("html", "data-theme") is None
        await page.goto("/account/passkeys/new")
        await expect(page.locator(".scriptless")).to_be_visible()

        await page.goto("/account")
        await page.click("text=Sign out >> nth=0")
        await page.wait_for_url("**/sign-in")
        await page.context.clear_cookies()
        await page.goto("/account")
        await page.fill("#program", "Not A Program")
        await page.press("#program", "Enter")
        assert "no spaces" in await page.inner_text("#program-wrong")
        await page.fill("#program", f" {person.slug.upper()} ")
        await page.press("#program", "Enter")
        await type_password(page, person, "four barges under a bridge")
        await page.wait_for_url(f"{site.address}/account")


async def test_by_the_keyboard_alone(site: Site, chromium: Chromium, town: Program) -> None:
    person = await invited(town)
    await accept(site, person)
    async with visiting(chromium, site) as page:
        await page.goto("/sign-in?return_to=/account")
        keys = page.keyboard
        # Where one types first has the focus already.
        await keys.type(person.slug)
        await keys.press("Enter")
        await expect(page.locator("#email")).to_be_visible()
        await _tab_to(page, "email")
        await keys.type(person.email)
        await _tab_to(page, "password")
        await keys.type(PASSWORD)
        await keys.press("Enter")
        await page.wait_for_url(f"{site.address}/account")
        await _tab_to(page, "Add a passkey")
        await keys.press("Enter")
        await page.wait_for_url("**/account/passkeys/new")
        await page.goto("/account")
        await _tab_to(page, "Sign out")
        await keys.press("Enter")
        await page.wait_for_url("**/sign-in")


async def _tab_to(page: Page, name: str) -> None:
    """Press Tab until what has this id or these words has the focus, and shows that it has."""
    for _ in range(30):
        await page.keyboard.press("Tab")
        focused = "document.activeElement"
        if name in await page.evaluate(f"[{focused}.id, {focused}.textContent.trim()]"):
            assert await page.evaluate(f"getComputedStyle({focused}).outlineStyle") == "solid"
            return
    raise AssertionError(f"the keyboard does not reach {name}")


async def test_nothing_is_left_after_signing_out(site: Site, sign_in: SignIn) -> None:
    opened = await sign_in(Role.CASE_MANAGER)
    page, person = opened.page, opened.person
    await page.goto("/account")
    await page.evaluate(
        "async () => { localStorage.left = 'x'; await (await caches.open('left')).put('/left', new Response('x')); }"
    )
    cleared = page.expect_response(lambda response: response.url.endswith("/sign-out"))
    async with cleared as answered:
        await page.click("text=Sign out >> nth=0")
    await page.wait_for_url("**/sign-in")
    assert await (await answered.value).header_value("clear-site-data") == '"cache", "storage"'
    left = "async () => [localStorage.length, (await caches.keys()).length]"
    assert await page.evaluate(left) == [0, 0]
    # Chromium does not clear what a tab keeps. Pages keep nothing there, and htmx the path of the page that is shown.
    assert await page.evaluate("Object.values(sessionStorage)") == ["/sign-in"]
    await page.go_back()
    await page.wait_for_load_state()
    assert "/sign-in" in page.url
    assert person.email not in await page.content()
    names = {cookie["name"] for cookie in await page.context.cookies()}
    assert "openberth_session" not in names
    assert all(person.email not in cookie["value"] for cookie in await page.context.cookies())


async def test_elsewhere_and_everywhere(site: Site, sign_in: SignIn, chromium: Chromium) -> None:
    opened = await sign_in(Role.CASE_MANAGER)
    page, person = opened.page, opened.person
    async with visiting(chromium, site) as other:
        await other.goto(f"/sign-in?program={person.slug}&return_to=/account")
        await type_password(other, person)
        await other.wait_for_url(f"{site.address}/account")
        await page.goto("/account")
        # Here and there.
        await expect(page.locator("#sessions ~ ul li")).to_have_count(2)
        await page.click("[aria-label^='Sign out of'] >> nth=0")
        assert "signed out there" in await page.inner_text("[role=status].good")
        await other.reload()
        assert "/sign-in" in other.url

        await type_password(other, person)
        await other.wait_for_url(f"{site.address}/account")
        await other.click("text=Sign out everywhere")
        await other.wait_for_url("**/sign-in")
        await page.reload()
        assert "/sign-in" in page.url


@pytest.mark.parametrize("dropped", [False, True], ids=["told", "asks again"])
@pytest.mark.parametrize(
    ("path", "role"), [("/board", Role.CASE_MANAGER), ("/claims", Role.CASE_MANAGER), ("/desk", Role.PROVIDER)]
)
async def test_a_page_that_is_open_leads_to_signing_in(
    site: Site, sign_in: SignIn, path: str, role: Role, dropped: bool
) -> None:
    page = (await sign_in(role)).page
    if dropped:
        # The session is over while the stream is not there: the phone slept, say. It asks again, and is no one's.
        await page.context.route(f"**{path}/live*", lambda route: route.abort())
    await page.goto(path)
    [session] = [each for each in await page.context.cookies() if each["name"] == "openberth_session"]
    # From elsewhere: this browser has its cookie still, which is good for nothing any more.
    assert (await page.request.post("/v1/sign-out/everywhere", headers={"Origin": site.address})).ok
    await page.context.add_cookies([{"name": session["name"], "value": session["value"], "url": site.address}])
    if dropped:
        await page.context.unroute(f"**{path}/live*")
    await page.wait_for_url(f"**/sign-in?return_to={path}")
