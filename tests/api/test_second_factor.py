"""Authenticator apps and recovery codes: each code once, few tries, and nothing of them in the clear."""

import asyncio

from sqlalchemy import text

from tests.browser import Browser, Known, joined, with_totp
from tests.support import House, Program


async def asked(house: House, person: Known) -> Browser:
    """A browser that has given the password and is asked for the second factor."""
    browser = Browser(house)
    response = await browser.sign_in(person)
    assert response.json() == {"signed_in": False, "second_factor": ["totp", "recovery_code"]}
    assert not await browser.signed_in()
    return browser


async def test_the_password_alone_opens_nothing_and_the_code_signs_in(house: House, program: Program) -> None:
    person = await with_totp(Browser(house), program)
    browser = await asked(house, person)
    assert (await browser.post("/v1/sign-in/totp", {"code": person.code()})).json()["signed_in"] is True
    factors = (await browser.get("/v1/account")).json()["factors"]
    assert factors == {
        "password": True,
        "totp": True,
        "passkeys": 0,
        "recovery_codes_left": 10,
        "openid": False,
    }


async def test_a_code_is_good_once(house: House, program: Program) -> None:
    person = await with_totp(Browser(house), program)
    first, second = await asked(house, person), await asked(house, person)
    code = person.code()
    answers = await asyncio.gather(*(each.post("/v1/sign-in/totp", {"code": code}) for each in (first, second)))
    assert sorted(answer.status_code for answer in answers) == [200, 401]
    third = await asked(house, person)
    assert (await third.post("/v1/sign-in/totp", {"code": code})).status_code == 401
    # Nor is the step before, once a later one was accepted.
    assert (await third.post("/v1/sign-in/totp", {"code": person.code(-1)})).status_code == 401
    assert (await third.post("/v1/sign-in/totp", {"code": person.code(1)})).status_code == 200


async def test_five_tries_a_challenge_even_at_once(house: House, program: Program) -> None:
    person = await with_totp(Browser(house), program)
    browser = await asked(house, person)
    wrong = [f"{int(person.code()) + n:06d}"[-6:] for n in range(3, 8)]
    answers = await asyncio.gather(*(browser.post("/v1/sign-in/totp", {"code": code}) for code in wrong))
    assert {answer.status_code for answer in answers} == {401}
    right = await browser.post("/v1/sign-in/totp", {"code": person.code()})
    assert right.status_code == 401
    assert "Start again" in right.json()["detail"]


async def test_a_new_challenge_brings_no_new_guesses(house: House, program: Program) -> None:
    """Who has the password but not the app gets five guesses in all, from wherever, and then waits."""
    person = await with_totp(Browser(house), program)
    statuses = []
    for _ in range(7):
        browser = await asked(house, person)
        statuses.append((await browser.post("/v1/sign-in/totp", {"code": "000000"})).status_code)
    assert statuses[:5] == [401] * 5
    assert 429 in statuses[5:]


async def test_the_answer_is_bound_to_the_browser(house: House, program: Program) -> None:
    person = await with_totp(Browser(house), program)
    await asked(house, person)
    other = await Browser(house).post("/v1/sign-in/totp", {"code": person.code()})
    assert other.status_code == 401


async def test_a_challenge_runs_out(house: House, program: Program) -> None:
    person = await with_totp(Browser(house), program)
    browser = await asked(house, person)
    async with house.owner.transaction(program.id, "tests") as session:
        lapse = text("UPDATE challenges SET expires_at = now() - interval '1 ms' WHERE person_id = :id")
        await session.execute(lapse, {"id": person.id})
    assert (await browser.post("/v1/sign-in/totp", {"code": person.code()})).status_code == 401


async def test_a_recovery_code_stands_in_once(house: House, program: Program) -> None:
    person = await with_totp(Browser(house), program)
    assert len(set(person.codes)) == 10
    code = person.codes[3]
    first, second = await asked(house, person), await asked(house, person)
    # However it is typed in again.
    typed = code.replace("-", " ").lower()
    answers = await asyncio.gather(
        *(each.post("/v1/sign-in/recovery-code", {"code": typed}) for each in (first, second))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 401]
    browser = first if await first.signed_in() else second
    assert (await browser.get("/v1/account")).json()["factors"]["recovery_codes_left"] == 9


async def test_anothers_code_and_an_old_one_are_none(house: House, program: Program) -> None:
    here = Browser(house)
    person, other = await with_totp(here, program), await with_totp(Browser(house), program)
    newer = (await here.done("/v1/account/recovery-codes"))["recovery_codes"]
    for code in (other.codes[0], person.codes[0], "AAAA-AAAA-AAAA-AAAA"):
        browser = await asked(house, person)
        assert (await browser.post("/v1/sign-in/recovery-code", {"code": code})).status_code == 401
    browser = await asked(house, person)
    assert (await browser.post("/v1/sign-in/recovery-code", {"code": newer[0]})).status_code == 200


async def test_an_app_counts_once_a_code_was_given_and_until_it_is_removed(house: House, program: Program) -> None:
    browser = Browser(house)
    person = await joined(browser, program)
    begun = await browser.post("/v1/account/totp")
    assert begun.headers["cache-control"] == "no-store"
    person.secret = begun.json()["secret"]
    assert f"secret={person.secret}" in begun.json()["uri"]
    assert (await Browser(house).sign_in(person)).json()["signed_in"] is True
    assert (await browser.post("/v1/account/totp/confirm", {"code": "000000"})).status_code == 422
    before = browser.session
    await browser.done("/v1/account/totp/confirm", {"code": person.code()})
    assert browser.session != before
    assert (await browser.post("/v1/account/totp")).status_code == 409
    await asked(house, person)
    assert (await browser.send("DELETE", "/v1/account/totp")).status_code == 200
    assert (await Browser(house).sign_in(person)).json()["signed_in"] is True


async def test_the_secret_is_sealed_for_its_person(house: House, program: Program) -> None:
    person, other = await with_totp(Browser(house), program), await with_totp(Browser(house), program)
    async with house.owner.transaction(program.id, "tests") as session:
        rows = await session.execute(text("SELECT secret FROM totp WHERE program_id = :id"), {"id": program.id})
        for row in rows:
            assert person.secret.encode() not in row.secret
        swap = text(
            "UPDATE totp SET secret = (SELECT secret FROM totp WHERE person_id = :other) WHERE person_id = :person"
        )
        await session.execute(swap, {"other": other.id, "person": person.id})
    # A sealed secret copied to another person's row opens for nobody.
    browser = await asked(house, person)
    person.secret = other.secret
    response = await browser.post("/v1/sign-in/totp", {"code": person.code()})
    assert response.status_code == 500
    assert not await browser.signed_in()
