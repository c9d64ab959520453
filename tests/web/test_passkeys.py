"""Passkeys on pages, in a real browser with a device in software: made, used, offered, named and removed."""

from playwright.async_api import Browser as Chromium
from playwright.async_api import expect

from app.access.roles import Role
from tests.browser import invited
from tests.support import Program
from tests.web.conftest import SignIn, Site
from tests.web.door import Phone, alarm, by_press_alone, visiting

_READY = "Make the passkey"


async def test_a_passkey_from_the_invitation_on(site: Site, chromium: Chromium, town: Program) -> None:
    person = await invited(town)
    async with visiting(chromium, site) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await Phone.of(page)
        # The link may be opened where its page is already; and its token is not in the history afterwards.
        await page.goto("/invitation")
        await page.goto(f"/invitation#{person.token}")
        await expect(page.locator("h1")).to_have_text("Welcome, Robin Alder")
        await page.go_back()
        assert page.url == f"{site.address}/invitation"
        await page.goto(f"/invitation#{person.token}")
        await page.click("text=Accept with a passkey")
        await page.wait_for_url(lambda url: "/invitation" not in url)
        assert not [url for url in asked if person.token in url], "the token stood in an address"

        await by_press_alone(page)
        await page.goto("/account")
        await page.click("text=Sign out >> nth=0")
        await page.wait_for_url("**/sign-in")
        await page.goto("/account")
        assert "return_to=/account" in page.url
        await page.click("text=Sign in with a passkey")
        await page.wait_for_url(f"{site.address}/account")
        assert person.email in await page.inner_text("main")
        assert "Last used" in await page.inner_text("main")


async def test_the_browser_offers_the_passkey_by_itself(site: Site, chromium: Chromium, town: Program) -> None:
    person = await invited(town)
    async with visiting(chromium, site) as page:
        await Phone.of(page)
        await page.goto(f"/invitation#{person.token}")
        await page.click("text=Accept with a passkey")
        await page.wait_for_url(lambda url: "/invitation" not in url)
        await page.context.clear_cookies(name="openberth_session")
        # The program is remembered, so nothing has to be typed or pressed.
        await page.goto("/account")
        await page.wait_for_url(f"{site.address}/account")
        assert person.email in await page.inner_text("main")


async def test_more_passkeys_in_the_account_and_fewer(sign_in: SignIn) -> None:
    opened = await sign_in(Role.CASE_MANAGER)
    page = opened.page
    phone = await Phone.of(page)
    await page.goto("/account")
    for name in ("Work phone", "Key on my ring"):
        await page.click("text=Add a passkey")
        await page.fill("#name", name)
        await page.click(f"text={_READY}")
        await page.wait_for_url("**/account?done=passkey")
        assert "Your new passkey is ready" in await page.inner_text("[role=status].good")
        assert name in await page.inner_text("main")
        if name == "Work phone":
            await page.click("text=Add a passkey")
            await page.click(f"text={_READY}")
            await expect(page.locator("form [role=alert]")).to_have_text(
                "This device has a passkey for you here already."
            )
            await page.goto("/account")
            await phone.another()
    await page.click("[aria-label='Remove the passkey Work phone']")
    assert await page.inner_text("h1") == "Remove the passkey Work phone?"
    await page.click("text=Remove it")
    await page.wait_for_url("**/account?done=passkey-removed")
    assert "Work phone" not in await page.inner_text("main")


async def test_the_only_way_in_is_not_removed(site: Site, chromium: Chromium, town: Program) -> None:
    person = await invited(town)
    async with visiting(chromium, site) as page:
        await Phone.of(page)
        await page.goto(f"/invitation#{person.token}")
        await page.click("text=Accept with a passkey")
        await page.wait_for_url(lambda url: "/invitation" not in url)
        await page.goto("/account")
        await page.click("text=Remove")
        await page.click("text=Remove it")
        assert "only way in" in await alarm(page)
        await page.goto("/account")
        await expect(page.locator("text=Remove")).to_have_count(1)


async def test_a_passkey_of_another_program_is_told_in_words(site: Site, chromium: Chromium, town: Program) -> None:
    person = await invited(town)
    async with visiting(chromium, site) as page:
        await Phone.of(page)
        await page.goto(f"/invitation#{person.token}")
        await page.click("text=Accept with a passkey")
        await page.wait_for_url(lambda url: "/invitation" not in url)
        await page.context.clear_cookies()
        await by_press_alone(page)
        await page.goto("/sign-in?program=elsewhere")
        await page.click("text=Sign in with a passkey")
        await page.wait_for_url("**/sign-in/passkey")
        assert "does not know that passkey" in await alarm(page)


async def test_a_device_without_a_passkey_says_so_and_the_password_is_there(
    site: Site, chromium: Chromium, town: Program
) -> None:
    async with visiting(chromium, site) as page:
        await Phone.of(page)
        await page.goto("/sign-in?program=anything")
        await page.click("text=Sign in with a passkey")
        await expect(page.locator("form [role=alert]")).to_have_text(
            "No passkey was used. Try again, or take another way."
        )
        await expect(page.locator("#password")).to_be_visible()
