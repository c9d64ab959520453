"""Signing in with a password: the same words and the same time for every failure, and nothing left lying about."""

import logging
import statistics
import time
from uuid import uuid4

import pytest
from httpx import Response
from sqlalchemy import text

from app.core.settings import Settings
from app.main import create_app
from tests.browser import PASSWORD, Browser, Known, invited, joined
from tests.support import EVERY_ANSWER, House, Program

SESSION = "__Host-openberth_session"


@pytest.fixture
async def browser(house: House) -> Browser:
    return Browser(house)


@pytest.fixture
async def person(house: House, program: Program) -> Known:
    """A person with a password who has not signed in in any browser of the test."""
    return await joined(Browser(house), program)


def cookies(response: Response) -> dict[str, str]:
    """Each cookie that an answer sets, whole."""
    return {each.split("=", 1)[0]: each for each in response.headers.get_list("set-cookie")}


# Getting in.


async def test_the_right_password_signs_in_with_cookies_out_of_reach(browser: Browser, person: Known) -> None:
    response = await browser.sign_in(person)
    assert response.json() == {"signed_in": True, "second_factor": []}
    assert response.headers["cache-control"] == "no-store"
    for name in (SESSION, "__Host-openberth_device"):
        words = {part.strip().lower() for part in cookies(response)[name].split(";")[1:]}
        assert {"httponly", "secure", "samesite=lax", "path=/"} <= words
        assert not any(word.startswith("domain") for word in words)
    account = await browser.get("/v1/account")
    assert account.json()["email"] == person.email
    assert account.headers["cache-control"] == "no-store"


async def test_addresses_are_compared_without_capitals(browser: Browser, person: Known) -> None:
    person.email = person.email.upper()
    assert (await browser.sign_in(person)).status_code == 200


async def test_over_plain_http_cookies_are_neither_secure_nor_host_bound(
    house: House, shared_database: str, program: Program
) -> None:
    person = await joined(Browser(house), program)
    app = create_app(Settings(database_url=shared_database, pool_size=2), loops=False)
    async with app.router.lifespan_context(app):
        browser = Browser(house, app=app)
        body = {"program": person.slug, "email": person.email, "password": person.password}
        response = await browser.post("/v1/sign-in/password", body, origin="http://127.0.0.1:8000")
    cookie = cookies(response)["openberth_session"].lower()
    assert "secure" not in cookie
    assert "httponly" in cookie


@pytest.mark.parametrize("wrong", ["password", "email", "program", "invited", "elsewhere"])
async def test_every_failure_says_the_same(
    browser: Browser, person: Known, program: Program, other_program: Program, wrong: str
) -> None:
    body = {"program": person.slug, "email": person.email, "password": "not the right words"}
    if wrong == "email":
        body["email"] = "nobody@example.org"
    elif wrong == "program":
        body["program"] = "no-such-program"
    elif wrong == "invited":
        body["email"] = (await invited(program)).email
    elif wrong == "elsewhere":
        body["program"] = (await other_program.call("GET", "/v1/program")).json()["slug"]
        body["password"] = person.password
    response = await browser.post("/v1/sign-in/password", body)
    assert response.status_code == 401
    assert response.json() == {
        "type": "https://openberth.org/problems/not-signed-in",
        "title": "That did not sign you in",
        "status": 401,
        "detail": "The program, the e-mail address or the password is not right.",
    }
    assert "set-cookie" not in response.headers
    assert {name for name, _ in response.headers.raw} == {b"content-type", b"content-length"} | EVERY_ANSWER


async def test_an_unknown_account_takes_as_long_as_a_known_one(house: House, person: Known) -> None:
    async def seconds(email: str, program: str) -> float:
        browser = Browser(house)
        started = time.perf_counter()
        body = {"program": program, "email": email, "password": "not the right words"}
        assert (await browser.post("/v1/sign-in/password", body)).status_code == 401
        return time.perf_counter() - started

    await seconds(person.email, person.slug)
    known, unknown, nowhere = [], [], []
    for _ in range(15):
        known.append(await seconds(person.email, person.slug))
        unknown.append(await seconds(f"{uuid4().hex}@example.org", person.slug))
        nowhere.append(await seconds(person.email, "no-such-program"))
    # Without the hash for nobody an unknown account would be told no ten times as fast.
    for other in (unknown, nowhere):
        assert 0.6 < statistics.median(other) / statistics.median(known) < 1.6


async def test_the_trail_tells_of_failures_and_nothing_of_the_account(browser: Browser, person: Known) -> None:
    await browser.sign_in(person, "not the right words")
    person.email = "nobody@example.org"
    await browser.sign_in(person, "not the right words")
    async with person.program.house.owner.transaction(person.program.id, "tests") as session:
        query = "SELECT actor, subject_id, detail FROM audit WHERE program_id = :id AND action = 'sign_in.failed'"
        entries = (await session.execute(text(query), {"id": person.program.id})).all()
    assert [tuple(entry) for entry in entries] == [("sign-in", person.program.id, {"method": "password"})] * 2


# Choosing a password.


@pytest.mark.parametrize(
    "password",
    ["short words", "password1234", "qwertyuiop12", "aaaaaaaaaaaaaaaa", "robin alder!", "openberthopenberth"],
)
async def test_a_password_that_anyone_would_try_is_refused(browser: Browser, program: Program, password: str) -> None:
    person = await invited(program)
    response = await browser.post("/v1/invitations/accept/password", {"token": person.token, "password": password})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "password"
    assert password not in response.text
    # It was not used up by that.
    await browser.done("/v1/invitations/accept/password", {"token": person.token, "password": PASSWORD})


async def test_ones_own_address_is_no_password(browser: Browser, program: Program) -> None:
    person = await invited(program)
    response = await browser.post("/v1/invitations/accept/password", {"token": person.token, "password": person.email})
    assert response.status_code == 422


async def test_no_kind_of_character_is_demanded_and_long_ones_are_fine(browser: Browser, program: Program) -> None:
    person = await invited(program)
    person.password = "ünd dann kam ein pfau über den berg und noch einer " * 5
    await browser.done("/v1/invitations/accept/password", {"token": person.token, "password": person.password})
    # The same letters, typed as other code points.
    decomposed = person.password.replace("ü", "u\u0308")
    assert (await browser.sign_in(person, decomposed)).status_code == 200
    assert (await browser.sign_in(person, person.password[:-1])).status_code == 401


# What is stored and logged.


async def test_only_hashes_of_tokens_and_passwords_are_stored(house: House, person: Known) -> None:
    browser = Browser(house)
    await browser.sign_in(person)
    await browser.post("/v1/account/password", {"old_password": PASSWORD, "password": "forty-one paper boats"})
    secrets = [browser.session or "", browser.http.cookies["__Host-openberth_device"], PASSWORD, "forty-one paper"]
    async with house.owner.transaction(person.program.id, "tests") as session:
        names = await session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        for table in names.all():
            rows = await session.scalars(text(f"SELECT to_jsonb(t)::text FROM {table} t"))
            for row in rows:
                assert not [each for each in secrets if each in row or each.encode().hex() in row], table


async def test_no_log_line_has_a_secret_in_it(
    house: House, person: Known, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    browser = Browser(house)
    await browser.sign_in(person, "a wrong one to be logged")
    await browser.sign_in(person)
    await browser.get("/v1/account")
    key = next(iter(person.program.keys.values()))
    await browser.http.get("/v1/me", headers={"Authorization": f"Bearer {key}"})
    token = browser.session
    await browser.done("/v1/sign-out")
    out = caplog.text + "".join(capfd.readouterr())
    for secret in ("a wrong one to be logged", PASSWORD, token or "", key, person.token):
        assert secret not in out


# The account.


async def test_changing_the_password_needs_the_old_one_and_ends_other_sessions(house: House, person: Known) -> None:
    here, there = Browser(house), Browser(house)
    await here.sign_in(person)
    await there.sign_in(person)
    before = here.session
    new = "forty-one paper boats"
    for old in (None, "not the old one at all"):
        refused = await here.post("/v1/account/password", {"old_password": old, "password": new})
        assert refused.json()["errors"][0]["field"] == "old_password"
    answer = await here.done("/v1/account/password", {"old_password": person.password, "password": new})
    assert answer["password"] is True
    assert here.session != before
    assert [await here.signed_in(), await there.signed_in()] == [True, False]
    thief = Browser(house)
    thief.http.cookies.set(SESSION, before or "", domain="house.example")
    assert not await thief.signed_in()
    assert (await there.sign_in(person)).status_code == 401
    assert (await there.sign_in(person, new)).status_code == 200


async def test_what_one_signs_in_with_is_changed_soon_after_signing_in_only(house: House, person: Known) -> None:
    browser = Browser(house)
    await browser.sign_in(person)
    async with house.owner.transaction(person.program.id, "tests") as session:
        age = text("UPDATE sessions SET created_at = now() - interval '16 min' WHERE person_id = :id")
        await session.execute(age, {"id": person.id})
    for path in ("/v1/account/totp", "/v1/account/passkeys/options", "/v1/account/recovery-codes"):
        response = await browser.post(path)
        assert response.status_code == 403
        assert response.json()["type"].endswith("/sign-in-again")
    await browser.sign_in(person)
    assert (await browser.post("/v1/account/totp")).status_code == 200


async def test_a_key_has_no_account(program: Program) -> None:
    response = await program.call("GET", "/v1/account")
    assert response.status_code == 404
    assert "A key has no account" in response.json()["detail"]
