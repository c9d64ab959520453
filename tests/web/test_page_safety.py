"""What keeps pages from running, showing or sending what is none of theirs, and who was turned away from one."""

import logging

import pytest

from app.access.roles import Role
from tests.browser import ORIGIN, Browser, invited, joined
from tests.support import House, Program

SCRIPT = "\"'><script>alert(1)</script>"


@pytest.fixture
def browser(house: House) -> Browser:
    return Browser(house)


async def test_a_page_runs_our_own_files_alone_and_is_shown_in_no_other(browser: Browser, program: Program) -> None:
    await joined(browser, program)
    html = {"Accept": "text/html"}
    for path in ("/sign-in", "/account", "/board", "/manage", "/nowhere", "/claims/none", "/offline"):
        answer = await browser.get(path, headers=html)
        (policy,) = answer.headers.get_list("content-security-policy")
        allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
        assert allowed.pop("img-src") == "'self' data:", path
        none = {"default-src", "base-uri", "object-src", "frame-ancestors"}
        own = {"script-src", "style-src", "connect-src", "manifest-src", "worker-src", "form-action"}
        assert allowed == dict.fromkeys(none, "'none'") | dict.fromkeys(own, "'self'"), path
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "<script>" not in answer.text
        assert " style=" not in answer.text


async def test_what_people_write_is_shown_as_they_wrote_it_and_runs_nowhere(browser: Browser, program: Program) -> None:
    service = {"organization_id": str(program.provider_id), "name": SCRIPT, "category": "housing"}
    await program.opening(service=await program.made("/v1/services", service))
    person = await invited(program, name=SCRIPT)
    welcome = await browser.http.post("/invitation", data={"token": person.token}, headers={"Origin": ORIGIN})
    await browser.done("/v1/invitations/accept/password", {"token": person.token, "password": person.password})
    # The board escapes a service's name by hand, for speed; the person's is in each page's bar.
    pages = [welcome.text, *[(await browser.get(path)).text for path in ("/board", "/account", "/claims")]]
    for shown, times in zip(pages, (1, 2, 2, 1), strict=True):
        assert shown.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= times
        assert "<script>alert" not in shown
    asked = await browser.get("/board", params={"near": SCRIPT})
    assert asked.status_code == 422
    assert "<script>alert" not in asked.text


async def test_whoever_is_turned_away_from_a_page_is_in_the_log(
    browser: Browser, program: Program, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app")
    person = await joined(browser, program, Role.EVALUATOR)
    headers = {"Origin": "https://elsewhere.example", "Accept": "text/html"}
    away = await browser.get("/manage/people", headers={"Accept": "text/html"})
    forged = await browser.http.post("/sign-out", headers=headers)
    part = await browser.get("/board", headers={"HX-Request": "true"})
    assert [each.status_code for each in (away, forged, part)] == [403, 403, 403]
    assert all(each.headers["content-type"].startswith("text/html") for each in (away, forged, part))
    assert part.headers["hx-retarget"] == "#notices"
    lines = [each.getMessage() for each in caplog.records if each.getMessage().startswith("refused")]
    address = f"address {browser.address}"
    assert lines == [
        f"refused GET /manage/people: 403 forbidden, caller {person.id}, {address}",
        f"refused POST /sign-out: 403 cross-site, caller unknown, {address}",
        f"refused GET /board: 403 forbidden, caller {person.id}, {address}",
    ]
    assert ORIGIN not in caplog.text
