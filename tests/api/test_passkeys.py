"""Passkeys, made and used by an authenticator in software: alone enough, and only as WebAuthn says."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from tests.authenticator import Authenticator, b64, unb64
from tests.browser import ORIGIN, Browser, Known, invited, joined, with_totp
from tests.support import House, Program


async def with_passkey(browser: Browser, authenticator: Authenticator, program: Program) -> Known:
    """A person who has accepted an invitation with a passkey, signed in in this browser."""
    person = await invited(program)
    made = await browser.done("/v1/invitations/accept/passkey/options", {"token": person.token})
    credential = authenticator.create(made["options"])
    await browser.done("/v1/invitations/accept/passkey", {"token": person.token, "credential": credential})
    return person


async def options(browser: Browser, program: str) -> dict[str, Any]:
    """What a browser is given to sign in with a passkey."""
    answer: dict[str, Any] = (await browser.done("/v1/sign-in/passkey/options", {"program": program}))["options"]
    return answer


@pytest.fixture
def authenticator() -> Authenticator:
    return Authenticator(ORIGIN)


async def test_a_passkey_accepts_an_invitation_and_signs_in_alone(
    house: House, program: Program, authenticator: Authenticator
) -> None:
    person = await with_passkey(Browser(house), authenticator, program)
    browser = Browser(house)
    asked = await options(browser, person.slug)
    assert asked["userVerification"] == "required"
    assert asked["allowCredentials"] == []
    await browser.done("/v1/sign-in/passkey", {"credential": authenticator.get(asked)})
    account = (await browser.get("/v1/account")).json()
    assert account["id"] == person.id
    assert (account["factors"]["passkeys"], account["factors"]["password"]) == (1, False)
    assert UUID(bytes=unb64(authenticator.held[-1].user)) == UUID(person.id)
    # The account has no password, so none opens it.
    assert (await Browser(house).sign_in(person)).status_code == 401


async def test_it_signs_in_past_an_authenticator_app(
    house: House, program: Program, authenticator: Authenticator
) -> None:
    browser = Browser(house)
    person = await with_totp(browser, program)
    made = await browser.done("/v1/account/passkeys/options")
    before = browser.session
    await browser.done(
        "/v1/account/passkeys", {"credential": authenticator.create(made["options"]), "name": "Laptop"}, 201
    )
    assert browser.session != before
    other = Browser(house)
    asked = await options(other, person.slug)
    await other.done("/v1/sign-in/passkey", {"credential": authenticator.get(asked)})
    listed = (await other.get("/v1/account/passkeys")).json()["items"]
    assert [(each["name"], each["used_at"] is not None) for each in listed] == [("Laptop", True)]


async def test_an_answer_is_good_once_and_in_its_browser_alone(
    house: House, program: Program, authenticator: Authenticator
) -> None:
    person = await with_passkey(Browser(house), authenticator, program)
    browser, thief = Browser(house), Browser(house)
    credential = authenticator.get(await options(browser, person.slug))
    await options(thief, person.slug)
    assert (await thief.post("/v1/sign-in/passkey", {"credential": credential})).status_code == 401
    answers = await asyncio.gather(*(browser.post("/v1/sign-in/passkey", {"credential": credential}) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401]


async def test_a_counter_that_went_back_is_a_copy(house: House, program: Program, authenticator: Authenticator) -> None:
    person = await with_passkey(Browser(house), authenticator, program)
    for count, status in ((5, 200), (5, 401), (4, 401), (6, 200)):
        browser = Browser(house)
        credential = authenticator.get(await options(browser, person.slug), count=count)
        assert (await browser.post("/v1/sign-in/passkey", {"credential": credential})).status_code == status, count


@pytest.mark.parametrize("wrong", ["origin", "unverified", "signature", "unknown", "rp", "challenge", "nonsense"])
async def test_anything_else_is_refused_in_the_same_words(
    house: House, program: Program, authenticator: Authenticator, wrong: str
) -> None:
    person = await with_passkey(Browser(house), authenticator, program)
    browser = Browser(house)
    asked = await options(browser, person.slug)
    if wrong == "origin":
        authenticator.origin = "https://evil.example"
    elif wrong == "unverified":
        authenticator.flags = 0x01
    elif wrong == "rp":
        asked["rpId"] = "evil.example"
    elif wrong == "challenge":
        asked["challenge"] = b64(b"another challenge than was asked")
    credential = authenticator.get(asked)
    if wrong == "signature":
        signature = bytearray(unb64(credential["response"]["signature"]))
        signature[-1] ^= 1
        credential["response"]["signature"] = b64(bytes(signature))
    elif wrong == "unknown":
        credential["id"] = credential["rawId"] = b64(b"nobody's credential, 32 bytes...")
    elif wrong == "nonsense":
        credential = {"id": 7, "response": ["no", {"sense": None}]}
    response = await browser.post("/v1/sign-in/passkey", {"credential": credential})
    assert response.status_code == 401
    assert response.json()["detail"] == "This passkey is not known here."
    assert not await browser.signed_in()


async def test_the_options_do_not_tell_which_programs_or_accounts_there_are(
    house: House, program: Program, authenticator: Authenticator
) -> None:
    person = await with_passkey(Browser(house), authenticator, program)
    browser = Browser(house)
    here = await options(browser, person.slug)
    nowhere = await options(browser, "no-such-program")
    here.pop("challenge")
    nowhere.pop("challenge")
    assert here == nowhere
    credential = authenticator.get(await options(browser, "no-such-program"))
    response = await browser.post("/v1/sign-in/passkey", {"credential": credential})
    assert response.json()["detail"] == "This passkey is not known here."


@pytest.mark.parametrize("wrong", ["origin", "unverified", "challenge", "nonsense"])
async def test_no_other_passkey_is_registered(
    house: House, program: Program, authenticator: Authenticator, wrong: str
) -> None:
    browser = Browser(house)
    await joined(browser, program)
    asked = (await browser.done("/v1/account/passkeys/options"))["options"]
    if wrong == "origin":
        authenticator.origin = "https://evil.example"
    elif wrong == "unverified":
        authenticator.flags = 0x01
    elif wrong == "challenge":
        asked["challenge"] = b64(b"another challenge than was asked")
    credential = authenticator.create(asked) if wrong != "nonsense" else {"rawId": 3, "response": None}
    response = await browser.post("/v1/account/passkeys", {"credential": credential, "name": "Mine"})
    assert response.status_code == 422
    assert (await browser.get("/v1/account/passkeys")).json()["items"] == []


async def test_a_challenge_of_one_person_makes_no_passkey_for_another(
    house: House, program: Program, authenticator: Authenticator
) -> None:
    browser, victim = Browser(house), Browser(house)
    await joined(browser, program)
    await joined(victim, program)
    asked = (await browser.done("/v1/account/passkeys/options"))["options"]
    cookie = browser.http.cookies["__Host-openberth_challenge"]
    victim.http.cookies.set("__Host-openberth_challenge", cookie, domain="house.example")
    response = await victim.post("/v1/account/passkeys", {"credential": authenticator.create(asked), "name": "Mine"})
    assert response.status_code == 422
    # Nor does a challenge to sign in make one.
    asked["challenge"] = (await options(browser, (await program.call("GET", "/v1/program")).json()["slug"]))[
        "challenge"
    ]
    response = await browser.post("/v1/account/passkeys", {"credential": authenticator.create(asked), "name": "Mine"})
    assert response.status_code == 401


async def test_the_only_way_in_is_not_removed(house: House, program: Program, authenticator: Authenticator) -> None:
    browser = Browser(house)
    person = await with_passkey(browser, authenticator, program)
    only = (await browser.get("/v1/account/passkeys")).json()["items"][0]["id"]
    assert (await browser.send("DELETE", f"/v1/account/passkeys/{only}")).status_code == 409
    # A first password needs no old one, right after signing in.
    await browser.done("/v1/account/password", {"password": person.password})
    assert (await browser.send("DELETE", f"/v1/account/passkeys/{only}")).status_code == 200
    assert (await browser.send("DELETE", f"/v1/account/passkeys/{only}")).status_code == 404
    other = Browser(house)
    credential = authenticator.get(await options(other, person.slug))
    assert (await other.post("/v1/sign-in/passkey", {"credential": credential})).status_code == 401
    assert (await other.sign_in(person)).status_code == 200


async def test_one_passkey_is_registered_once(house: House, program: Program, authenticator: Authenticator) -> None:
    browser = Browser(house)
    await joined(browser, program)
    asked = (await browser.done("/v1/account/passkeys/options"))["options"]
    credential = authenticator.create(asked)
    await browser.done("/v1/account/passkeys", {"credential": credential, "name": "Mine"}, 201)
    again = (await browser.done("/v1/account/passkeys/options"))["options"]
    assert [each["id"] for each in again["excludeCredentials"]] == [credential["id"]]
    assert (await browser.post("/v1/account/passkeys", {"credential": credential, "name": "x"})).status_code == 422
