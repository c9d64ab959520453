"""The front door: signing in and out in a browser, languages, and what goes wrong shown to a person."""

import pytest
from playwright.async_api import Browser as Chromium

from app.access.roles import Role
from tests.web.conftest import SignIn, Site, faults, watched


async def test_one_signs_in_reads_who_one_is_and_signs_out(sign_in: SignIn) -> None:
    opened = await sign_in(Role.CASE_MANAGER)
    page = opened.page
    await page.goto("/account")
    assert await page.inner_text("h1") == "Account"
    assert "Robin Alder" in await page.inner_text("main")
    await page.click("text=Sign out")
    await page.wait_for_url("**/sign-in")
    await page.goto("/account")
    assert "return_to=/account" in page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "es-MX"])
async def test_axe_finds_nothing(sign_in: SignIn, scheme: str, locale: str) -> None:
    opened = await sign_in(Role.CASE_MANAGER, color_scheme=scheme, locale=locale, width=320)
    page = opened.page
    for path in ("/account", "/sign-in", "/nowhere"):
        await page.goto(path)
        assert await faults(page) == []
        wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{path} is wider than the screen"


async def test_a_wrong_password_is_told_in_words(site: Site, chromium: Chromium) -> None:
    window = await chromium.new_context(base_url=site.address, locale="en-US")
    page = await window.new_page()
    wrong = watched(page)
    await page.goto("/sign-in?program=nowhere")
    for name in ("email", "password"):
        await page.fill(f"[name={name}]", "nobody@example.org")
    await page.press("[name=password]", "Enter")
    assert "did not sign you in" in await page.inner_text(".notice[role=alert]")
    assert await page.input_value("[name=email]") == "nobody@example.org"
    assert wrong == []
    await window.close()


async def test_a_form_of_another_site_is_refused(site: Site) -> None:
    form = {"program": "a", "email": "b", "password": "c"}
    response = await site.http.post("/sign-in", data=form, headers={"Origin": "https://elsewhere.example"})
    assert response.status_code == 403
    assert "another site" in response.text


async def test_the_language_that_was_chosen_stays(site: Site) -> None:
    headers = {"Origin": site.address, "Host": site.address.removeprefix("http://")}
    response = await site.http.post("/language", data={"language": "es", "return_to": "/sign-in"}, headers=headers)
    assert response.status_code == 303
    shown = await site.http.get("/sign-in", headers=headers)
    assert '<html lang="es"' in shown.text
    site.http.cookies.clear()


@pytest.mark.parametrize("path", ["//elsewhere.example", "https://elsewhere.example", "/\\elsewhere.example", "/a\nb"])
async def test_nobody_is_sent_to_another_site(site: Site, path: str) -> None:
    response = await site.http.post(
        "/language", data={"language": "en", "return_to": path}, headers={"Origin": site.address}
    )
    assert response.headers["location"] == "/"
