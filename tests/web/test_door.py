"""Signing in and the account as plain HTTP: what is refused, in which words, and where one comes out."""

import re
from uuid import uuid4

import pytest
from httpx import Response
from sqlalchemy import text

from tests.browser import ORIGIN, PASSWORD, Browser, Known, invited, joined, slug_of, with_totp
from tests.support import House, Program


@pytest.fixture
def browser(house: House) -> Browser:
    return Browser(house)


async def sent(browser: Browser, path: str, *, page: str = "/sign-in", **fields: str) -> Response:
    """A form of one of our pages."""
    headers = {"Origin": ORIGIN, "Referer": ORIGIN + page, "Accept": "text/html"}
    return await browser.http.post(path, data=fields, headers=headers)


async def long_ago(house: House, person: Known) -> None:
    """Have this person have signed in an hour ago."""
    async with house.owner.transaction(person.program.id, "tests") as session:
        age = text("UPDATE sessions SET created_at = now() - interval '1 h' WHERE person_id = :id")
        await session.execute(age, {"id": person.id})


def password_of(person: Known, **fields: str) -> dict[str, str]:
    return {"program": person.slug, "email": person.email, "password": PASSWORD} | fields


async def test_the_program_is_asked_first_and_remembered(browser: Browser, program: Program) -> None:
    slug = await slug_of(program)
    first = await browser.get("/sign-in?return_to=/account")
    assert 'id="program"' in first.text
    assert "openberth_program" not in first.headers.get("set-cookie", "")
    assert 'id="email"' in (await browser.get(f"/sign-in?program={slug}")).text
    assert 'id="email"' in (await browser.get("/sign-in")).text
    assert f'value="{slug}"' in (await browser.get("/sign-in?change=true")).text
    wrong = await browser.get("/sign-in?program=Not+a+program")
    assert wrong.status_code == 422
    assert "program-wrong" in wrong.text
    assert 'id="email"' in (await browser.get("/sign-in")).text


async def test_nobody_is_sent_to_another_site(browser: Browser, program: Program) -> None:
    person = await joined(browser, program)
    for back in ("https://evil.example", "//evil.example", "/\\evil.example"):
        page = await browser.get("/sign-in", params={"program": person.slug, "return_to": back})
        assert 'name="return_to" value="/"' in page.text
        assert "evil.example" not in page.text
    response = await sent(browser, "/sign-in", **password_of(person, return_to="//evil.example"))
    assert (response.status_code, response.headers["location"]) == (303, "/")


async def test_after_too_many_tries_it_says_how_long_to_wait(house: House, browser: Browser, program: Program) -> None:
    person = await invited(program)
    for _ in range(5):
        response = await sent(browser, "/sign-in", **password_of(person, password="wrong"))
        assert response.status_code == 401
    async with house.owner.transaction(None, "tests") as session:
        wait = (
            "UPDATE sign_in_failures SET barred_until = now() + interval '95 s' WHERE last_at > now() - interval '1 s'"
        )
        await session.execute(text(wait))
    response = await sent(browser, "/sign-in", **password_of(person))
    assert response.status_code == 429
    assert 60 < int(response.headers["retry-after"]) <= 95
    assert "<strong>Too many tries.</strong> Wait" in response.text
    assert re.search(r"Wait [6-9]\d seconds, and try again\.", response.text)


async def test_it_says_the_same_whether_there_is_an_account_or_not(house: House, program: Program) -> None:
    person = await joined(Browser(house), program)
    said = []
    for fields in (
        password_of(person, password="wrong"),
        password_of(person, email="nobody@example.org"),
        password_of(person, program="no-such-program"),
    ):
        response = await sent(Browser(house), "/sign-in", **fields)
        assert response.status_code == 401
        said.append(response.text.partition('role="alert">')[2].partition("</div>")[0])
    assert said[0]
    assert said == [said[0]] * 3


async def test_what_strangers_send_is_refused_in_words(browser: Browser, program: Program) -> None:
    slug = await slug_of(program)
    for path, fields in (
        ("/sign-in", {"program": slug, "email": "a\x00b", "password": "c"}),
        ("/sign-in", {"program": slug, "email": "a", "password": "\x00"}),
        ("/sign-in", {"program": slug}),
        ("/sign-in/passkey", {"program": slug, "credential": "not json"}),
        ("/sign-in/passkey", {"program": slug, "credential": "[]"}),
        ("/invitation", {"token": "\x00"}),
        ("/invitation/passkey", {"program": slug, "token": "a", "credential": "{}", "name": ""}),
    ):
        response = await sent(browser, path, **fields)
        assert response.status_code == 422, (path, response.text)
        assert "<h1>Something has to be put right</h1>" in response.text
    for path, fields, status in (
        ("/sign-in/passkey", {"program": slug, "credential": "{}"}, 401),
        ("/sign-in/code", {"code": "000000"}, 200),
        ("/invitation", {"token": "x" * 100}, 401),
        ("/invitation/password", {"program": slug, "token": "x", "password": PASSWORD}, 401),
        ("/invitation/passkey", {"program": slug, "token": "x", "credential": "{}", "name": "x"}, 401),
    ):
        response = await sent(browser, path, **fields)
        assert response.status_code == status, (path, response.text)
        assert "<h1>" in response.text


async def test_five_wrong_codes_end_the_sign_in(browser: Browser, program: Program) -> None:
    person = await with_totp(browser, program)
    asked = await sent(browser, "/sign-in", **password_of(person, return_to="/account"))
    assert asked.headers["location"] == "/sign-in/code?return_to=/account"
    assert "Your code" in (await browser.get(asked.headers["location"])).text
    for _ in range(5):
        response = await sent(browser, "/sign-in/code", code="000000", return_to="/account")
        assert "Look at the code again" in response.text
    await browser.get(f"/sign-in?program={person.slug}")
    over = await sent(browser, "/sign-in/code", code=person.code(), return_to="/account")
    assert over.status_code == 401
    assert "Start again here" in over.text
    assert 'id="email"' in over.text
    assert '<input type="hidden" name="return_to" value="/account">' in over.text


async def test_an_invitation_is_good_once_and_says_so(house: House, program: Program) -> None:
    person = await invited(program)
    fields = {"program": person.slug, "token": person.token, "password": PASSWORD}
    welcome = await sent(Browser(house), "/invitation", token=f" {ORIGIN}/invitation#{person.token} ")
    assert "Welcome, Robin Alder" in welcome.text
    assert "Case manager" in welcome.text
    assert welcome.headers["cache-control"] == "no-store"
    short = await sent(Browser(house), "/invitation/password", **(fields | {"password": "short"}))
    assert short.status_code == 422
    assert "12 letters or more" in short.text.partition("password-wrong")[2]
    first = Browser(house)
    assert (await sent(first, "/invitation/password", **fields)).status_code == 303
    assert await first.signed_in()
    for path in ("/invitation", "/invitation/password"):
        again = await sent(Browser(house), path, **fields)
        assert again.status_code == 401
        assert "Ask your program manager for a new one" in again.text


CHANGES: list[tuple[str, str, dict[str, str]]] = [
    ("GET", "/account/app", {}),
    ("POST", "/account/app", {}),
    ("GET", "/account/app/code", {}),
    ("POST", "/account/app/code", {"code": "000000"}),
    ("POST", "/account/app/recovery-codes", {}),
    ("POST", "/account/app/remove", {}),
    ("GET", "/account/passkeys/new", {}),
    ("POST", "/account/passkeys/new", {"credential": "{}", "name": "x"}),
    ("GET", f"/account/passkeys/{uuid4()}/remove", {}),
    ("POST", f"/account/passkeys/{uuid4()}/remove", {}),
]


async def test_what_one_signs_in_with_is_changed_soon_after_signing_in_alone(
    house: House, browser: Browser, program: Program
) -> None:
    person = await with_totp(browser, program)
    await long_ago(house, person)
    for method, path, fields in CHANGES:
        if method == "GET":
            response, back = await browser.get(path), path
        else:
            response, back = await sent(browser, path, page="/account/app?x=1", **fields), "/account/app%3Fx%3D1"
        assert response.status_code == 303, path
        assert response.headers["location"] == f"/sign-in?return_to={back}&again=true"
    page = await browser.get(f"/sign-in?program={person.slug}&again=true")
    assert "first show that it is you" in page.text
    factors = (await browser.get("/v1/account")).json()["factors"]
    assert (factors["totp"], factors["recovery_codes_left"]) == (True, 10)


async def test_whoever_has_no_password_signs_in_again_to_choose_one(
    house: House, browser: Browser, program: Program
) -> None:
    person = await joined(browser, program)
    await long_ago(house, person)
    assert (await browser.get("/account/password")).status_code == 200
    async with house.owner.transaction(program.id, "tests") as session:
        await session.execute(text("DELETE FROM passwords WHERE person_id = :id"), {"id": person.id})
    response = await browser.get("/account/password")
    assert response.headers["location"] == "/sign-in?return_to=/account/password&again=true"


async def test_a_refused_change_changes_nothing(house: House, browser: Browser, program: Program) -> None:
    """The page is shown, and not the problem: what the database had done by then must be undone all the same."""
    await joined(browser, program)
    before = browser.session
    options = (await browser.done("/v1/account/passkeys/options"))["options"]
    assert options["challenge"]
    refused = await sent(browser, "/account/passkeys/new", credential="{}", name="x")
    assert refused.status_code == 422
    async with house.owner.transaction(program.id, "tests") as session:
        # The challenge that was taken up is there again.
        kinds = list(
            await session.scalars(text("SELECT kind FROM challenges WHERE program_id = :id"), {"id": program.id})
        )
    assert kinds == ["new_passkey"]
    assert browser.session == before


async def test_only_ones_own_sessions_are_ended(house: House, program: Program) -> None:
    mine, theirs = Browser(house), Browser(house)
    await joined(mine, program)
    await joined(theirs, program)
    [session] = (await theirs.get("/v1/account/sessions")).json()["items"]
    response = await sent(mine, f"/account/sessions/{session['id']}/end", page="/account")
    assert response.status_code == 404
    assert await theirs.signed_in()


async def test_who_is_signed_out_comes_back_to_the_form(browser: Browser) -> None:
    response = await sent(browser, "/sign-out", page="/account")
    assert response.headers["location"] == "/sign-in?return_to=/account"
    # A referrer of elsewhere is nowhere to come back to.
    headers = {"Origin": ORIGIN, "Referer": "https://evil.example/x"}
    response = await browser.http.post("/sign-out", headers=headers)
    assert response.headers["location"] == "/sign-in?return_to=/"


async def test_the_other_services_failures_are_pages_to_people_and_problems_to_programs(browser: Browser) -> None:
    path = "/v1/sign-in/openid/callback?state=x&code=y"
    page = await browser.get(path, headers={"Accept": "text/html,*/*"})
    assert page.status_code == 401
    assert "<h1>That did not sign you in</h1>" in page.text
    assert (await browser.get(path)).json()["type"].endswith("/not-signed-in")
    missing = await browser.get("/v1/sign-in/openid/callback", headers={"Accept": "text/html"})
    assert missing.status_code == 422
    assert "<h1>" in missing.text


async def test_an_address_that_only_takes_forms_is_no_page_to_open(browser: Browser) -> None:
    page = await browser.get("/sign-in/passkey", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert "There is no such page" in page.text
    assert (await browser.get("/sign-in/passkey")).status_code == 405


@pytest.mark.parametrize(("chosen", "theme"), [("dark", 'data-theme="dark"'), ("light", 'data-theme="light"')])
async def test_the_appearance_that_was_chosen_stays(browser: Browser, chosen: str, theme: str) -> None:
    answer = await sent(browser, "/appearance", appearance=chosen, return_to="/sign-in")
    assert answer.headers["location"] == "/sign-in"
    assert theme in (await browser.get("/sign-in")).text
    await sent(browser, "/appearance", appearance="system", return_to="/sign-in")
    assert "data-theme" not in (await browser.get("/sign-in")).text
    browser.http.cookies.set("openberth_appearance", "x><script>", domain="house.example")
    assert "data-theme" not in (await browser.get("/sign-in")).text
