"""The session of a person who has signed in: fixed by nobody, forged by nobody, over when it is over."""

import time
from uuid import UUID

import pytest
from sqlalchemy import text

from app.core.settings import Settings
from app.main import create_app
from tests.browser import ORIGIN, Browser, Known, joined
from tests.support import House, Program

SESSION = "__Host-openberth_session"


@pytest.fixture
async def browser(house: House) -> Browser:
    return Browser(house)


@pytest.fixture
async def person(house: House, program: Program) -> Known:
    """A person with a password who has not signed in in any browser of the test."""
    return await joined(Browser(house), program)


async def test_a_token_planted_before_signing_in_is_worth_nothing(house: House, person: Known) -> None:
    attacker, victim = Browser(house), Browser(house)
    await attacker.sign_in(person)
    planted = attacker.session
    assert planted is not None
    victim.http.cookies.set(SESSION, planted, domain="house.example")
    await victim.sign_in(person)
    assert victim.session not in {None, planted}
    assert await victim.signed_in()
    # What the victim's browser had before is over: whoever planted it is out.
    assert not await attacker.signed_in()


async def test_every_sign_in_has_a_session_of_its_own(house: House, person: Known) -> None:
    tokens = set()
    for _ in range(3):
        browser = Browser(house)
        await browser.sign_in(person)
        tokens.add(browser.session)
    assert len(tokens) == 3


async def test_a_cookie_stolen_before_signing_out_opens_nothing_after(house: House, person: Known) -> None:
    browser, thief = Browser(house), Browser(house)
    await browser.sign_in(person)
    thief.http.cookies.set(SESSION, browser.session or "", domain="house.example")
    assert await thief.signed_in()
    assert (await browser.done("/v1/sign-out"))["ended"] == 1
    assert browser.session is None
    assert not await thief.signed_in()


async def test_within_a_second_it_opens_nothing_in_another_process_either(
    house: House, shared_database: str, person: Known
) -> None:
    browser = Browser(house)
    await browser.sign_in(person)
    app = create_app(Settings(database_url=shared_database, pool_size=2, public_url=ORIGIN), loops=False)
    async with app.router.lifespan_context(app):
        thief = Browser(house, app=app)
        thief.http.cookies.set(SESSION, browser.session or "", domain="house.example")
        assert await thief.signed_in()
        await browser.done("/v1/sign-out")
        deadline = time.monotonic() + 1.1
        while await thief.signed_in():
            assert time.monotonic() < deadline
        assert not await thief.signed_in()


async def test_signing_out_everywhere_and_elsewhere(house: House, person: Known) -> None:
    here, there, elsewhere = Browser(house), Browser(house), Browser(house)
    for each in (here, there, elsewhere):
        await each.sign_in(person)
    listed = (await here.get("/v1/account/sessions")).json()["items"]
    # Joining made one too.
    assert len(listed) == 4
    assert [each["device"] for each in listed] == ["Firefox on Windows"] * 4
    assert [each["current"] for each in listed].count(True) == 1
    assert here.address not in str(listed)
    theirs = next(each for each in (await there.get("/v1/account/sessions")).json()["items"] if each["current"])
    assert (await here.done(f"/v1/account/sessions/{theirs['id']}/end"))["ended"] == 1
    assert [await each.signed_in() for each in (here, there, elsewhere)] == [True, False, True]
    assert (await here.done("/v1/sign-out/everywhere"))["ended"] == 3
    assert [await each.signed_in() for each in (here, there, elsewhere)] == [False, False, False]


async def test_nobody_ends_anothers_session(house: House, program: Program, person: Known) -> None:
    browser, other = Browser(house), Browser(house)
    await browser.sign_in(person)
    await joined(other, program)
    session_id = (await browser.get("/v1/account/sessions")).json()["items"][0]["id"]
    assert (await other.post(f"/v1/account/sessions/{session_id}/end")).status_code == 404
    assert await browser.signed_in()


@pytest.mark.parametrize("column", ["idle_until", "expires_at"])
async def test_a_session_runs_out_idle_and_at_all(house: House, person: Known, column: str) -> None:
    browser = Browser(house)
    await browser.sign_in(person)
    async with house.owner.transaction(person.program.id, "tests") as session:
        run_out = f"UPDATE sessions SET {column} = now() - interval '1 ms' WHERE person_id = :id"
        await session.execute(text(run_out), {"id": person.id})
    assert (await browser.get("/v1/me", headers={"X-Unattended": "true"})).status_code == 401
    assert not await browser.signed_in()


async def test_use_moves_the_idle_end_on_once_a_minute_and_never_past_the_end(house: House, person: Known) -> None:
    browser = Browser(house)
    await browser.sign_in(person)

    async def change(what: str) -> None:
        async with house.owner.transaction(person.program.id, "tests") as session:
            await session.execute(text(f"UPDATE sessions SET {what} WHERE person_id = :id"), {"id": person.id})
        house.app.state.house.sessions.forget({UUID(person.id)})

    async def minutes() -> float:
        async with house.owner.transaction(person.program.id, "tests") as session:
            found = await session.scalar(
                text(
                    "SELECT max(extract(epoch FROM idle_until - clock_timestamp()) / 60) FROM sessions"
                    " WHERE person_id = :id"
                ),
                {"id": person.id},
            )
            assert found is not None
            return float(found)

    await change("idle_until = now() + interval '5 min', seen_at = now() - interval '50 s'")
    assert await browser.signed_in()
    assert 4 < await minutes() < 5.1
    await change("seen_at = now() - interval '61 s'")
    # What a page asks by itself is answered, and is no use.
    assert (await browser.get("/v1/me", headers={"X-Unattended": "true"})).status_code == 200
    assert 4 < await minutes() < 5.1
    assert await browser.signed_in()
    assert 29 < await minutes() < 30.1
    await change("seen_at = now() - interval '61 s', expires_at = now() + interval '7 min'")
    assert await browser.signed_in()
    assert 6 < await minutes() < 7.1


async def test_a_sessions_token_is_no_key_and_a_key_is_no_sessions_token(house: House, person: Known) -> None:
    browser = Browser(house)
    await browser.sign_in(person)
    header = {"Authorization": f"Bearer {browser.session}"}
    assert (await Browser(house).get("/v1/me", headers=header)).status_code == 401
    other = Browser(house)
    other.http.cookies.set(SESSION, next(iter(person.program.keys.values())), domain="house.example")
    assert not await other.signed_in()


# Whose page it is.

FORGED = [None, "null", "https://evil.example", "http://house.example", "https://house.example.evil.example",
          "https://house.example:8443", "https://sub.house.example"]  # fmt: skip


@pytest.mark.parametrize("origin", FORGED)
async def test_another_sites_page_can_not_act_with_the_cookie(house: House, person: Known, origin: str | None) -> None:
    browser = Browser(house)
    await browser.sign_in(person)
    for method, path in (
        ("POST", "/v1/participants"),
        ("POST", "/v1/claims"),
        ("POST", "/v1/sign-out"),
        ("DELETE", "/v1/account/totp"),
        ("PATCH", "/v1/program"),
    ):
        response = await browser.send(method, path, {}, origin)
        assert response.status_code == 403, (method, path, response.text)
        assert response.json()["type"].endswith("/cross-site")
    assert await browser.signed_in()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}, 201),
        ({"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, 403),
    ],
)
async def test_what_the_browser_says_of_the_page(
    house: House, person: Known, headers: dict[str, str], status: int
) -> None:
    browser = Browser(house)
    await browser.sign_in(person)
    response = await browser.http.post("/v1/participants", json={}, headers=headers)
    assert response.status_code == status


async def test_a_key_needs_no_page_even_beside_a_cookie(house: House, person: Known) -> None:
    browser = Browser(house)
    await browser.sign_in(person)
    key = next(iter(person.program.keys.values()))
    headers = {"Authorization": f"Bearer {key}", "Origin": "https://evil.example"}
    response = await browser.http.post("/v1/participants", json={"no": "sense"}, headers=headers)
    assert not response.json()["type"].endswith("/cross-site")


@pytest.mark.parametrize("origin", FORGED)
async def test_another_sites_page_can_not_sign_its_visitor_in(
    browser: Browser, person: Known, origin: str | None
) -> None:
    body = {"program": person.slug, "email": person.email, "password": person.password}
    response = await browser.post("/v1/sign-in/password", body, origin)
    assert response.status_code == 403
    assert browser.session is None
