"""Signing in with OpenID Connect against a real provider over HTTP, which is then made to lie in every way it could."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from httpx import Response
from joserfc.jwk import RSAKey
from pydantic import SecretStr
from sqlalchemy import text

from app.core.settings import Settings
from app.main import create_app
from tests.browser import Browser, Known, invited, joined, slug_of
from tests.issuer import Claims, Issuer, query, running
from tests.support import MASTER_KEYS, House, Program

SECRET = "a-client-secret-to-keep"


@pytest.fixture(scope="session")
def real_issuer() -> Iterator[Issuer]:
    with running() as issuer:
        yield issuer


@pytest.fixture
async def issuer(real_issuer: Issuer, program: Program) -> Issuer:
    """The provider, honest, and set up in the program."""
    real_issuer.reset()
    assert (await set_up(program, real_issuer)).status_code == 200
    return real_issuer


async def set_up(program: Program, issuer: Issuer, slug: str = "city", **fields: Any) -> Response:
    body = {"name": "City", "issuer": issuer.address, "client_id": "openberth", "client_secret": SECRET} | fields
    return await program.call("PUT", f"/v1/sign-in/providers/{slug}", json=body)


async def leave(browser: Browser, slug: str, return_to: str = "/") -> str:
    """Where the browser is sent to."""
    response = await browser.get(f"/v1/sign-in/openid/{slug}/city?return_to={quote(return_to, safe='')}")
    assert response.status_code == 303, response.text
    return response.headers["location"]


async def come_back(browser: Browser, url: httpx.URL) -> Response:
    """The browser at the address that the provider sent it back to."""
    assert url.copy_with(query=None) == "https://house.example/v1/sign-in/openid/callback"
    return await browser.get(f"{url.path}?{url.query.decode()}")


async def through(browser: Browser, issuer: Issuer, slug: str, subject: str | None, return_to: str = "/") -> Response:
    """The whole way there and back."""
    return await come_back(browser, await issuer.authorize(await leave(browser, slug, return_to), subject))


async def known_to(issuer: Issuer, person: Known, **claims: Any) -> str:
    """A subject of the provider's with this person's address, verified unless said otherwise."""
    subject = uuid4().hex
    await issuer.knows(subject, **({"email": person.email, "email_verified": True} | claims))
    return subject


def refused(response: Response) -> bool:
    """Whether nobody was signed in."""
    return response.status_code == 401 and "openberth_session" not in str(response.headers.get_list("set-cookie"))


async def test_the_first_time_a_verified_address_binds_and_then_only_the_subject_counts(
    house: House, program: Program, issuer: Issuer
) -> None:
    person = await invited(program)
    subject = await known_to(issuer, person, email=person.email.upper())
    browser = Browser(house)
    response = await through(browser, issuer, person.slug, subject, "/openings?near=1")
    assert response.status_code == 303, response.text
    assert response.headers["location"] == "/openings?near=1"
    account = (await browser.get("/v1/account")).json()
    assert (account["id"], account["factors"]["openid"]) == (person.id, True)

    # Another address at the provider: still the same person.
    await issuer.knows(subject, email="moved@example.org", email_verified=False)
    again = Browser(house)
    assert (await through(again, issuer, person.slug, subject)).status_code == 303
    assert (await again.get("/v1/account")).json()["id"] == person.id
    # The same address with another subject: somebody else.
    assert refused(await through(Browser(house), issuer, person.slug, await known_to(issuer, person)))


async def test_the_code_goes_with_pkce_and_the_clients_secret(house: House, program: Program, issuer: Issuer) -> None:
    person = await invited(program)
    subject = await known_to(issuer, person)
    browser = Browser(house)
    url = await leave(browser, person.slug)
    asked = query(url)
    assert asked["code_challenge_method"] == "S256"
    assert asked["response_type"] == "code"
    assert len(asked["state"]) >= 32
    assert len(asked["nonce"]) >= 32
    assert SECRET not in url
    assert (await come_back(browser, await issuer.authorize(url, subject))).status_code == 303
    sent = issuer.asked[-1]
    assert create_s256_code_challenge(sent["code_verifier"][0]) == asked["code_challenge"]  # type: ignore[no-untyped-call]
    assert sent["redirect_uri"] == [asked["redirect_uri"]]


@pytest.mark.parametrize("verified", [False, None, "true", 1])
async def test_an_unverified_address_binds_nobody(
    house: House, program: Program, issuer: Issuer, verified: Any
) -> None:
    person = await invited(program)
    subject = await known_to(issuer, person, email_verified=verified)
    assert refused(await through(Browser(house), issuer, person.slug, subject))
    # The invitation still holds.
    assert (await Browser(house).post("/v1/invitations/read", {"token": person.token})).status_code == 200


async def test_an_address_that_only_looks_alike_binds_nobody(house: House, program: Program, issuer: Issuer) -> None:
    person = await invited(program, email=f"kim-{uuid4().hex[:8]}@example.org")
    # The Kelvin sign, which Unicode folds into a k.
    subject = await known_to(issuer, person, email=person.email.replace("k", "\u212a"))
    assert refused(await through(Browser(house), issuer, person.slug, subject))


async def test_an_account_that_is_somebodys_already_is_not_taken_over_by_an_address(
    house: House, program: Program, issuer: Issuer
) -> None:
    person = await joined(Browser(house), program)
    response = await through(Browser(house), issuer, person.slug, await known_to(issuer, person))
    assert refused(response)
    # Nor is it told that there is one.
    await issuer.knows("stranger", email="stranger@example.org", email_verified=True)
    assert response.json() == (await through(Browser(house), issuer, person.slug, "stranger")).json()


async def test_nobody_comes_in_uninvited_or_after_their_access_ended(
    house: House, program: Program, issuer: Issuer
) -> None:
    person = await invited(program)
    subject = await known_to(issuer, person)
    assert (await through(Browser(house), issuer, person.slug, subject)).status_code == 303
    await program.call("POST", f"/v1/people/{person.id}/end")
    ended = await through(Browser(house), issuer, person.slug, subject)
    await issuer.knows("stranger", email="stranger@example.org", email_verified=True)
    stranger = await through(Browser(house), issuer, person.slug, "stranger")
    assert refused(ended)
    assert ended.json() == stranger.json()


async def test_an_identity_of_one_program_is_none_in_another(
    house: House, program: Program, other_program: Program, issuer: Issuer
) -> None:
    person = await invited(program)
    subject = await known_to(issuer, person)
    assert (await through(Browser(house), issuer, person.slug, subject)).status_code == 303
    await set_up(other_program, issuer)
    assert refused(await through(Browser(house), issuer, await slug_of(other_program), subject))


# A state is the browser's own, and used once.


async def test_a_replayed_answer_signs_nobody_in(house: House, program: Program, issuer: Issuer) -> None:
    person = await invited(program)
    browser = Browser(house)
    url = await issuer.authorize(await leave(browser, person.slug), await known_to(issuer, person))
    cookie = browser.http.cookies["__Host-openberth_challenge"]
    assert (await come_back(browser, url)).status_code == 303
    thief = Browser(house)
    thief.http.cookies.set("__Host-openberth_challenge", cookie, domain="house.example")
    assert refused(await come_back(thief, url))
    assert len(issuer.asked) == 1


async def test_an_answer_is_worth_nothing_in_another_browser(house: House, program: Program, issuer: Issuer) -> None:
    """Login CSRF: the attacker's own code, given to the victim's browser, signs the victim in to nothing."""
    person = await invited(program)
    url = await issuer.authorize(await leave(Browser(house), person.slug), await known_to(issuer, person))
    bare, busy = Browser(house), Browser(house)
    await leave(busy, person.slug)
    assert refused(await come_back(bare, url))
    assert refused(await come_back(busy, url))
    assert issuer.asked == []


@pytest.mark.parametrize("change", ["state", "late", "denied", "code", "iss"])
async def test_an_answer_to_another_question_is_none(
    house: House, program: Program, issuer: Issuer, change: str
) -> None:
    person = await invited(program)
    subject = await known_to(issuer, person)
    browser = Browser(house)
    there = await leave(browser, person.slug)
    url = await issuer.authorize(there, None if change == "denied" else subject)
    if change == "state":
        url = url.copy_set_param("state", "another")
    elif change == "denied":
        # This provider leaves the state out; another would send it.
        url = url.copy_set_param("state", query(there)["state"])
    elif change == "code":
        url = url.copy_set_param("code", "another")
    elif change == "iss":
        url = url.copy_set_param("iss", "https://another.example")
    elif change == "late":
        async with house.owner.transaction(program.id, "tests") as session:
            lapse = text("UPDATE challenges SET expires_at = now() - interval '1 ms' WHERE program_id = :id")
            await session.execute(lapse, {"id": program.id})
    assert refused(await come_back(browser, url))
    assert len(issuer.asked) == (1 if change == "code" else 0)


# An ID token is checked in every way.


def without(name: str) -> Callable[[Claims], None]:
    return lambda claims: claims.pop(name)


def with_(**changes: Any) -> Callable[[Claims], None]:
    return lambda claims: claims.update(changes)


LIES: dict[str, Callable[[Claims], None]] = {
    "another nonce": with_(nonce="another"),
    "no nonce": without("nonce"),
    "another audience": with_(aud="another"),
    "two audiences, and the other one's party": with_(aud=["openberth", "another"], azp="another"),
    "no audience": without("aud"),
    "another issuer": with_(iss="https://another.example"),
    "no issuer": without("iss"),
    "expired": with_(exp=int(time.time()) - 3600),
    "no expiry": without("exp"),
    "from the future": with_(iat=int(time.time()) + 3600),
    "no subject": without("sub"),
    "another access token": with_(at_hash="another"),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_a_lie_in_the_token_signs_nobody_in(
    house: House, program: Program, issuer: Issuer, lie: Callable[[Claims], None]
) -> None:
    person = await invited(program)
    subject = await known_to(issuer, person)
    issuer.lie = lie
    assert refused(await through(Browser(house), issuer, person.slug, subject))


async def test_the_same_token_without_the_lie_signs_in(house: House, program: Program, issuer: Issuer) -> None:
    person = await invited(program)
    subject = await known_to(issuer, person)
    issuer.lie = with_()
    assert (await through(Browser(house), issuer, person.slug, subject)).status_code == 303


@pytest.mark.parametrize(("subject", "status"), [(None, 303), ("another", 401)])
async def test_an_address_told_apart_from_the_token_is_of_the_same_subject(
    house: House, program: Program, issuer: Issuer, subject: str | None, status: int
) -> None:
    person = await invited(program)
    issuer.lie = without("email")
    issuer.other_subject = subject
    response = await through(Browser(house), issuer, person.slug, await known_to(issuer, person))
    assert response.status_code == status


@pytest.mark.parametrize("signed", ["another key", "another key of that name", "none", "HS256"])
async def test_a_signature_by_anyone_else_is_none(house: House, program: Program, issuer: Issuer, signed: str) -> None:
    person = await invited(program)
    subject = await known_to(issuer, person)
    issuer.lie = with_()
    if signed == "another key":
        issuer.published = RSAKey.generate_key(2048, {"kid": "other", "use": "sig"})
    elif signed == "another key of that name":
        issuer.published = RSAKey.generate_key(2048, {"kid": "lies", "use": "sig"})
    else:
        issuer.algorithm = signed
    assert refused(await through(Browser(house), issuer, person.slug, subject))


# Afterwards, and beforehand.


@pytest.mark.parametrize(
    "page", ["https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "/a\nb", "evil", ""]
)
async def test_nobody_is_sent_to_another_site(house: House, program: Program, issuer: Issuer, page: str) -> None:
    slug = await slug_of(program)
    response = await Browser(house).get(f"/v1/sign-in/openid/{slug}/city", params={"return_to": page})
    assert response.status_code == 422
    assert "location" not in response.headers


async def test_providers_are_set_up_without_showing_the_secret_again(
    house: House, program: Program, other_program: Program, issuer: Issuer
) -> None:
    listed = await program.call("GET", "/v1/sign-in/providers")
    [provider] = listed.json()["items"]
    assert (provider["slug"], provider["issuer"], provider["has_secret"]) == ("city", issuer.address, True)
    assert provider["redirect_uri"] == "https://house.example/v1/sign-in/openid/callback"
    assert SECRET not in listed.text
    assert (await other_program.call("GET", "/v1/sign-in/providers")).json()["items"] == []
    async with house.owner.transaction(program.id, "tests") as session:
        for table in ("identity_providers", "audit", "idempotency", "events"):
            rows = await session.scalars(text(f"SELECT to_jsonb(t)::text FROM {table} t"))
            assert not [row for row in rows if SECRET in row or SECRET.encode().hex() in row], table
    slug = await slug_of(program)
    choices = (await Browser(house).get(f"/v1/sign-in/choices?program={slug}")).json()
    assert choices == {"providers": [{"name": "City", "url": f"/v1/sign-in/openid/{slug}/city"}]}
    assert (await Browser(house).get("/v1/sign-in/choices?program=none")).json() == {"providers": []}
    assert (await program.call("DELETE", "/v1/sign-in/providers/city")).status_code == 200
    assert (await Browser(house).get(f"/v1/sign-in/openid/{slug}/city")).status_code == 404


async def test_a_discovery_document_about_another_issuer_is_refused(program: Program, issuer: Issuer) -> None:
    issuer.claimed_issuer = "https://another.example"
    response = await set_up(program, issuer, "other")
    assert response.status_code == 502
    assert "not about" in response.json()["detail"]


async def test_an_issuer_inside_is_refused_unless_development_allows_it(
    house: House, shared_database: str, program: Program, issuer: Issuer
) -> None:
    settings = Settings(database_url=shared_database, pool_size=2, master_keys=SecretStr(MASTER_KEYS))
    app = create_app(settings, loops=False)
    async with app.router.lifespan_context(app):
        browser = Browser(house, app=app)
        key = {"Authorization": f"Bearer {program.keys[next(r for r in program.keys if r == 'program_manager')]}"}
        body = {"name": "City", "issuer": issuer.address, "client_id": "openberth"}
        plain = await browser.http.put("/v1/sign-in/providers/x", json=body, headers=key)
        body["issuer"] = issuer.address.replace("http://", "https://")
        inside = await browser.http.put("/v1/sign-in/providers/x", json=body, headers=key)
        # Nor one that was set up before it was forbidden.
        before = await browser.get(f"/v1/sign-in/openid/{await slug_of(program)}/city")
    assert (plain.status_code, inside.status_code) == (422, 502)
    assert "public Internet" in inside.json()["detail"]
    assert before.status_code in {409, 502}
