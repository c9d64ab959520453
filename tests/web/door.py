"""A browser of somebody who is not signed in yet, and the device in it that keeps their passkeys."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser as Chromium
from playwright.async_api import CDPSession, Page

from tests.browser import PASSWORD, Known
from tests.web.conftest import PATIENCE_MS, Site, watched


@asynccontextmanager
async def visiting(chromium: Chromium, site: Site, **context: Any) -> AsyncIterator[Page]:
    """A window of a browser of its own, a phone's. Fails when a page in it said that something went wrong."""
    seen = {"base_url": site.address, "viewport": {"width": 390, "height": 844}, "locale": "en-US"}
    window = await chromium.new_context(**(seen | context))
    window.set_default_timeout(PATIENCE_MS)
    page = await window.new_page()
    wrong = watched(page)
    yield page
    await window.close()
    assert not wrong, wrong


class Phone:
    """The device's own keeper of passkeys, behind a finger: Chromium's virtual authenticator.

    It answers as soon as it is asked once `touched`, and until then lets a question wait.
    """

    def __init__(self, devtools: CDPSession) -> None:
        self._devtools = devtools
        self._id = ""

    @classmethod
    async def of(cls, page: Page) -> "Phone":
        """The device that this window is on."""
        phone = cls(await page.context.new_cdp_session(page))
        await phone._devtools.send("WebAuthn.enable")
        await phone.another()
        return phone

    async def another(self) -> None:
        """Another device in place of the one before."""
        if self._id:
            await self._devtools.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": self._id})
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        made = await self._devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self._id = made["authenticatorId"]

    async def touched(self, yes: bool = True) -> None:
        """Whether a finger is on it."""
        body = {"authenticatorId": self._id, "enabled": yes}
        await self._devtools.send("WebAuthn.setAutomaticPresenceSimulation", body)


async def by_press_alone(page: Page) -> None:
    """Have a passkey be asked for by the button alone, from the next page on: a browser offers it by itself as well."""
    await page.add_init_script("PublicKeyCredential.isConditionalMediationAvailable = async () => false;")


async def type_password(page: Page, person: Known, password: str = PASSWORD) -> None:
    """Give an e-mail address and a password, and press Enter."""
    await page.fill("[name=email]", person.email)
    await page.fill("[name=password]", password)
    await page.press("[name=password]", "Enter")


async def alarm(page: Page) -> str:
    """What the page says went wrong."""
    return await page.inner_text(".notice[role=alert]")
