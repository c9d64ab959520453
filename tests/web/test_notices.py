"""Being told: the choices in the account, and what the worker in the browser does with a message."""

import json
from typing import Any

import pytest
from playwright.async_api import Page, expect

from app.access.roles import Role
from tests.support import Program
from tests.web.conftest import Opened, SignIn, Site, faults

DONE = "[role=status].good"


async def chosen(opened: Opened) -> dict[str, Any]:
    """What the API says was chosen."""
    response = await opened.page.context.request.get("/v1/me/notices")
    found: dict[str, Any] = await response.json()
    return found


def channels(notices: dict[str, Any]) -> dict[str, tuple[bool, bool]]:
    """By kind that is theirs: by e-mail, in browsers."""
    return {each["kind"]: (each["email"], each["push"]) for each in notices["kinds"] if each["yours"]}


async def test_how_one_is_told_is_chosen_without_scripts(sign_in: SignIn) -> None:
    opened = await sign_in(java_script_enabled=False)
    page = opened.page
    await page.goto("/account")
    await page.uncheck("[name=email][value=claim_declined]")
    await page.check("[name=email][value=watch_matched]")
    await page.fill("#lapse_minutes", "20")
    await page.select_option("#told-language", "es")
    await page.fill("#begins", "22:00")
    await page.fill("#ends", "06:30")
    await page.click(".told >> text=Save")
    await expect(page.locator(DONE)).to_contain_text("Saved")
    notices = await chosen(opened)
    assert channels(notices) == {
        "claim_lapsing": (True, True),
        "claim_declined": (False, True),
        "watch_matched": (True, True),
    }
    assert (notices["lapse_minutes"], notices["language"]) == (20, "es")
    assert notices["quiet"] == {"begins": "22:00:00", "ends": "06:30:00"}
    # What was chosen is what the form shows, and can be taken back.
    assert not await page.is_checked("[name=email][value=claim_declined]")
    assert await page.input_value("#begins") == "22:00"
    await page.fill("#begins", "")
    await page.fill("#ends", "")
    await page.click(".told >> text=Save")
    await expect(page.locator(DONE)).to_contain_text("Saved")
    assert (await chosen(opened))["quiet"] is None


@pytest.mark.parametrize(
    "fields", [{"begins": "22:00"}, {"begins": "22:00", "ends": "22:00"}, {"lapse_minutes": "4"}, {"begins": "late"}]
)
async def test_what_makes_no_sense_is_refused(site: Site, sign_in: SignIn, fields: dict[str, Any]) -> None:
    opened = await sign_in()
    before = await chosen(opened)
    answer = await opened.page.context.request.post(
        "/account/notices", form=fields, headers={"Origin": site.address}, max_redirects=0
    )
    assert answer.status == 422
    assert await chosen(opened) == before


async def test_no_test_is_promised_that_can_not_arrive(site: Site, sign_in: SignIn) -> None:
    opened = await sign_in()
    for channel, status in (("email", 409), ("push", 409), ("pigeon", 422)):
        answer = await opened.page.context.request.post(
            "/account/notices/test", form={"channel": channel}, headers={"Origin": site.address}, max_redirects=0
        )
        assert answer.status == status
    assert (await chosen(opened))["recent"] == []


async def test_a_desk_is_asked_about_what_concerns_it(sign_in: SignIn) -> None:
    opened = await sign_in(Role.PROVIDER, color_scheme="dark", locale="es-MX", width=320)
    page = opened.page
    await page.goto("/account")
    kinds = await page.locator("[name=push]").evaluate_all("all => all.map((each) => each.value)")
    assert kinds == list(channels(await chosen(opened)))
    assert "attestation_due" in kinds
    await expect(page.locator("#lapse_minutes")).to_have_count(int("claim_lapsing" in kinds))
    assert await faults(page) == []


# A browser's push service is its maker's, and not to be had here: the subscription alone is not the real thing.
SERVICE = """() => {
  PushManager.prototype.subscribe = async function ({applicationServerKey, userVisibleOnly}) {
    if (!userVisibleOnly || !applicationServerKey) throw new Error("no key");
    const pair = await crypto.subtle.generateKey({name: "ECDH", namedCurve: "P-256"}, true, ["deriveBits"]);
    const text = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)))
      .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    const p256dh = text(await crypto.subtle.exportKey("raw", pair.publicKey));
    return {endpoint: "https://push.example/" + crypto.randomUUID(), keys: {p256dh, auth: text(new Uint8Array(16))}};
  };
}"""


async def test_a_browser_is_added_and_taken_away(sign_in: SignIn) -> None:
    opened = await sign_in()
    page = opened.page
    await page.context.grant_permissions(["notifications"])
    await page.goto("/account")
    await page.evaluate(SERVICE)
    await page.click("#tell-here button")
    await expect(page.locator(DONE)).to_contain_text("You are told in this browser from now on.")
    assert (await chosen(opened))["reach"]["push"] == {"available": True, "browsers": 1}
    # There is no mail server here: the browser is the one way, and a test goes there once a minute.
    await expect(page.locator("[name=channel]")).to_have_count(1)
    for _ in range(2):
        await page.click("[name=channel][value=push]")
        await expect(page.locator(DONE)).to_contain_text("A test is on its way.")
    assert [each["kind"] for each in (await chosen(opened))["recent"]] == ["test"]
    await page.click("[aria-label^='Don’t tell me in']")
    await expect(page.locator(DONE)).to_contain_text("no more")
    assert (await chosen(opened))["reach"]["push"]["browsers"] == 0


async def test_a_browser_that_may_tell_nothing_says_so(sign_in: SignIn) -> None:
    page = (await sign_in()).page
    await page.goto("/account")
    await page.evaluate("Notification.requestPermission = async () => 'denied'")
    await page.click("#tell-here button")
    await expect(page.locator("#tell-here [role=alert]")).to_contain_text("does not let Openberth tell you")


async def deliver(page: Page, site: Site, message: dict[str, str]) -> None:
    """Have the browser's worker get a message, as from its push service."""
    client = await page.context.new_cdp_session(page)
    found: list[str] = []
    client.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda seen: found.extend(each["registrationId"] for each in seen["registrations"]),
    )
    await client.send("ServiceWorker.enable")
    await page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    await client.send(
        "ServiceWorker.deliverPushMessage",
        {"origin": site.address, "registrationId": found[-1], "data": json.dumps(message)},
    )


async def test_a_message_is_shown_and_leads_to_its_page(site: Site, sign_in: SignIn, town: Program) -> None:
    page = (await sign_in()).page
    await page.context.grant_permissions(["notifications"])
    await page.goto("/account")
    await page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    told = {"title": "A hold lapses", "body": "1 bed until 9:40 PM", "url": "/claims", "tag": "t1", "lang": "en"}
    [worker] = page.context.service_workers
    # Whoever asks for what is shown while it is being shown makes Chromium forget it.
    await worker.evaluate(
        """() => {
          const show = registration.showNotification.bind(registration);
          self.shown = new Promise((done) => {
            registration.showNotification = (...all) => show(...all).then(done);
          });
        }"""
    )
    await deliver(page, site, told)
    await worker.evaluate("() => self.shown")
    shown = """() => navigator.serviceWorker.ready.then((worker) => worker.getNotifications())
      .then((all) => all.map(({title, body, tag, lang}) => ({title, body, tag, lang})))"""
    assert await page.evaluate(shown) == [{key: told[key] for key in ("title", "body", "tag", "lang")}]
    await worker.evaluate(
        """async () => {
          const [notification] = await registration.getNotifications();
          dispatchEvent(new NotificationEvent("notificationclick", {notification}));
        }"""
    )
    await page.wait_for_url("**/claims")
    assert await page.evaluate(shown) == []
