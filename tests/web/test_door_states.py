"""Every state of the pages of the door and the account: axe finds nothing, and nothing is wider than a small phone."""

from typing import Literal

import pyotp
import pytest
from playwright.async_api import Browser as Chromium
from playwright.async_api import Page

from tests.browser import PASSWORD, invited
from tests.support import Program
from tests.web.conftest import Site, faults
from tests.web.door import Phone, type_password, visiting

Scheme = Literal["light", "dark"]


class Inspector:
    """Looks at the page as it is, in each of these schemes."""

    def __init__(self, page: Page, *schemes: Scheme) -> None:
        self.page = page
        self.schemes = schemes
        self.found: list[str] = []
        self.states = 0

    async def __call__(self, shown: str) -> None:
        """Look, once `shown` is there."""
        await self.page.wait_for_selector(shown)
        self.states += 1
        for scheme in self.schemes:
            await self.page.emulate_media(color_scheme=scheme)
            self.found += await faults(self.page)
        if await self.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            self.found.append(f"{self.page.url} ({shown}) is wider than the screen")


@pytest.mark.parametrize(("locale", "schemes"), [("en-US", ("light", "dark")), ("es-MX", ("dark",))])
async def test_axe_finds_nothing_in_any_state(
    site: Site, chromium: Chromium, town: Program, locale: str, schemes: tuple[Scheme, ...]
) -> None:
    person = await invited(town)
    small = {"width": 320, "height": 640}
    async with visiting(chromium, site, locale=locale, viewport=small) as page:
        look = Inspector(page, *schemes)
        phone = await Phone.of(page)
        await phone.touched(False)
        await page.goto("/sign-in?program=No+such")
        await look("#program-wrong")
        await page.goto(f"/sign-in?program={person.slug}&again=true")
        await look("#email")
        await type_password(page, person, "wrong")
        await look(".notice.bad")
        await page.goto("/invitation")
        await look("#token")
        await page.fill("#token", "nothing")
        await page.press("#token", "Enter")
        await look("[role=alert]")
        await page.goto(f"/invitation#{person.token}")
        await look("dl.facts")
        await page.fill("#password", "password12345")
        await page.press("#password", "Enter")
        await look("#password-wrong")
        await page.fill("#password", PASSWORD)
        await page.press("#password", "Enter")
        await page.wait_for_url(lambda url: "/invitation" not in url)

        await phone.touched()
        await page.goto("/account/passkeys/new")
        await look("#name")
        await page.click("button.grand")
        await page.wait_for_url("**/account?done=passkey")
        await look(".notice.good")
        await page.click(".things a[href$=remove]")
        await look("button.bad")
        await page.goto("/account/password")
        await page.fill("#old-password", "wrong")
        await page.fill("#password", PASSWORD)
        await page.press("#password", "Enter")
        await look("#old-password-wrong")

        await page.goto("/account/app")
        await look("form button.main")
        await page.click("form button.main")
        await page.click("summary")
        await look(".secret")
        secret = "".join((await page.inner_text(".secret")).split())
        await page.fill("#code", "000000")
        await page.press("#code", "Enter")
        await look("#code-wrong")
        await page.fill("#code", pyotp.TOTP(secret).now())
        await page.press("#code", "Enter")
        await look("[data-print]")
        await page.goto("/account/app")
        await page.click("summary")
        await look("form button.bad")

        await phone.touched(False)
        await page.context.clear_cookies(name="openberth_session")
        await page.goto("/sign-in")
        await type_password(page, person)
        await page.click("summary")
        await page.fill("#recovery-code", "wrong")
        await page.press("#recovery-code", "Enter")
        await look("#recovery-code")
        assert look.found == []
        assert look.states == 17
