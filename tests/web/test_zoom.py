"""At 200 %: text alone at twice its size, and the whole page, on every main page for whoever it is for."""

import pytest
from playwright.async_api import Page

from app.access.roles import Role
from tests.support import Program
from tests.web.claiming import Worker, shelter
from tests.web.conftest import SignIn, Site, faults

PAGES = {
    Role.CASE_MANAGER: ("/board", "/claims", "/account"),
    Role.PROVIDER: ("/desk",),
    Role.PROGRAM_MANAGER: ("/overview", "/manage", "/manage/rules", "/manage/people"),
}

CUT = """() => {
  const pushed = (each) => each
    && (["auto", "scroll"].includes(getComputedStyle(each).overflowX) || pushed(each.parentElement));
  const shown = (each) => each.checkVisibility() && !each.closest(".aloud, .skip") && !pushed(each);
  const words = [...document.querySelectorAll("main *, header *")].filter((each) => shown(each)
    && [...each.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim()));
  const said = (each) => `${each.tagName}.${each.className} ${each.textContent.trim().slice(0, 40)}`;
  const out = words.filter((each) => each.getBoundingClientRect().right > innerWidth + 1
    || each.getBoundingClientRect().left < -1);
  const clipped = words.filter((each) => getComputedStyle(each).overflow !== "visible"
    && (each.scrollWidth > each.clientWidth + 1 || each.scrollHeight > each.clientHeight + 1));
  const sideways = document.documentElement.scrollWidth > innerWidth ? ["sideways"] : [];
  return [...sideways, ...out.map(said), ...clipped.map(said)];
}"""
"""What can't be seen whole: words beyond the window's edge, or clipped by what they stand in; but for what is in a row
or a table that can be pushed sideways by itself."""


async def furnish(site: Site, town: Program, sign_in: SignIn) -> Worker:
    """Somebody with a claim, in a town that has something open."""
    service = await shelter(town)
    opening = await town.opening(3, service=service)
    worker = Worker(site, town, await sign_in(Role.CASE_MANAGER, width=1280))
    await worker.claims(opening)
    return worker


async def doubled(page: Page) -> None:
    """Twice the text, as a browser's own setting for its size."""
    client = await page.context.new_cdp_session(page)
    await client.send("Page.setFontSizes", {"fontSizes": {"standard": 32, "fixed": 26}})


@pytest.mark.parametrize(("width", "text"), [(1280, True), (640, False), (640, True)])
async def test_at_twice_the_size_all_of_it_is_there(
    site: Site, town: Program, sign_in: SignIn, width: int, text: bool
) -> None:
    worker = await furnish(site, town, sign_in)
    wrong: dict[str, list[str]] = {}
    page = worker.opened.page
    for role, paths in PAGES.items():
        if role is not Role.CASE_MANAGER:
            page = (await sign_in(role)).page
        await page.set_viewport_size({"width": width, "height": 800})
        if text:
            await doubled(page)
        for path in paths:
            await page.goto(path)
            assert (await page.evaluate("getComputedStyle(document.documentElement).fontSize")) == (
                "32px" if text else "16px"
            )
            wrong[path] = [*await page.evaluate(CUT), *await faults(page)]
    await page.context.clear_cookies()
    await page.goto("/sign-in")
    wrong["/sign-in"] = [*await page.evaluate(CUT), *await faults(page)]
    assert {path: found for path, found in wrong.items() if found} == {}
