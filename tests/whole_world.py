"""Two programs alike, each with everything that a route can name: for the test that calls every route as everybody.

Whatever names a person is a word that is nowhere else, so that every answer can be searched for it.
"""

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pyotp
from httpx import Response
from sqlalchemy import insert, select, text

from app.access.keys import create_key
from app.access.passkeys import Passkey
from app.access.people import add_person
from app.access.programs import add_program
from app.access.providers import IdentityProvider
from app.access.roles import Role
from app.access.sessions import Lasting, SignedIn, open_session
from app.casework.terms import TEXT_VERSION
from app.core.ids import new_id
from app.delivery.notices.browsers import PushSubscription
from app.delivery.watches import Watch
from app.market.directory import Organization
from app.schema import METADATA
from tests.browser import Browser
from tests.lines import AGENCY, POLICE, PROVIDER, SHELTER, Org, Secret
from tests.planted import ids_and_codes
from tests.support import House

WORDS = re.compile(r"quixote\d+canary")
_NUMBERS = count()

# What changes by looking, or by calling at all: not what a refusal must leave alone.
_UNWATCHED = frozenset({"audit", "audit_seals", "audit_chains", "idempotency"})
_FORGOTTEN = "{last_used_at,seen_at,idle_until}"


def marks(answer: str) -> set[str]:
    """Every id, code and planted word in a text."""
    return ids_and_codes(answer) | {*WORDS.findall(answer)}


@dataclass(slots=True)
class Person:
    """Somebody of a program who is signed in in a browser."""

    id: UUID
    browser: Browser
    session_id: UUID
    passkey_id: UUID
    subscription_id: UUID


@dataclass(slots=True)
class Side:
    """One program: its organizations, a key for every role in each, what stands in it, and every mark of it."""

    house: House
    id: UUID
    slug: str
    issuer: str
    orgs: dict[Org, UUID] = field(default_factory=dict)
    keys: dict[tuple[Org, Role], str] = field(default_factory=dict)
    callers: dict[tuple[Org, Role], UUID] = field(default_factory=dict)
    words: dict[str, tuple[Secret, Org]] = field(default_factory=dict)
    standing: dict[tuple[Org, str], str] = field(default_factory=dict)
    marks: set[str] = field(default_factory=set)

    def word(self, secret: Secret, whose: Org) -> str:
        """A word that is nowhere else, which says this of somebody or something of that organization."""
        word = f"quixote{next(_NUMBERS)}canary"
        self.words[word] = (secret, whose)
        return word

    async def call(self, org: Org, role: Role, method: str, path: str, body: Any = None, **request: Any) -> Response:
        """One request under a role's key of an organization."""
        headers = {"Authorization": f"Bearer {self.keys[org, role]}", "Idempotency-Key": str(uuid4()), "If-Match": "*"}
        if method == "GET":
            headers = {"Authorization": headers["Authorization"]}
        return await self.house.http.request(method, path, headers=headers, json=body, **request)

    async def act(self, org: Org, role: Role, method: str, path: str, body: Any = None) -> Any:
        """A call that must succeed: what it answers, all of which marks this program."""
        response = await self.call(org, role, method, path, body)
        assert response.status_code in {200, 201}, f"{method} {path}: {response.text}"
        self.marks |= marks(response.text)
        return response.json()

    async def thing(self, name: str, whose: Org, *, state: str = "held", fresh: bool = False) -> str:
        """The id or name of such a thing of an organization's: what stands there, or one of its own for this call."""
        if fresh:
            return await MAKE[name](self, whose, state)
        key = whose, f"{name} {state}" if name == "claim_id" else name
        if key not in self.standing:
            self.standing[key] = await MAKE[name](self, whose, state)
        return self.standing[key]

    async def signs_in(self, role: Role, first: str = "") -> Person:
        """A new person of the agency's, signed in elsewhere too, with two passkeys and told in a browser; and what they
        did `first`."""
        email = f"person-{uuid4().hex}@example.org"
        lasting = Lasting(timedelta(minutes=30), timedelta(hours=1))
        passkeys = [new_id(), new_id()]
        async with self.house.owner.transaction(self.id, "tests") as session:
            person = await add_person(session, self.id, self.orgs[AGENCY], role, email, "Robin Alder")
            await open_session(session, self.id, person.id, "Elsewhere", lasting)
            elsewhere = (await session.scalars(select(SignedIn.id).where(SignedIn.person_id == person.id))).one()
            token = await open_session(session, self.id, person.id, "Here", lasting)
            for id in passkeys:
                made = {"credential_id": id.bytes, "public_key": b"senseless", "sign_count": 0, "name": "A stick"}
                await session.execute(insert(Passkey).values(program_id=self.id, id=id, person_id=person.id, **made))
            told_in = new_id()
            made = {"endpoint_hash": told_in.bytes, "sealed": b"senseless", "device": "Here"}
            await session.execute(
                insert(PushSubscription).values(program_id=self.id, id=told_in, person_id=person.id, **made)
            )
        browser = Browser(self.house)
        browser.http.cookies.set("__Host-openberth_session", token)
        known = Person(person.id, browser, elsewhere, passkeys[0], told_in)
        await _DONE_FIRST[first](browser)
        self.marks |= {str(known.id), str(elsewhere), str(told_in), *map(str, passkeys)}
        return known

    async def rows(self) -> dict[str, list[str]]:
        """Every row of this program, but for what changes by being looked at."""
        tables = [each.name for each in METADATA.sorted_tables if "program_id" in each.columns]
        question = " UNION ALL ".join(
            f"SELECT '{name}' AS name, (to_jsonb(t) - '{_FORGOTTEN}'::text[])::text AS row FROM {name} t"
            f" WHERE program_id = :id"
            for name in tables
            if name not in _UNWATCHED
        )
        found: dict[str, list[str]] = {}
        async with self.house.owner.transaction(self.id, "tests") as session:
            for row in await session.execute(text(question), {"id": self.id}):
                found.setdefault(row.name, []).append(row.row)
        return {name: sorted(rows) for name, rows in found.items()}

    async def listed(self, table: str) -> list[Any]:
        """The rows that a list is of."""
        async with self.house.owner.transaction(self.id, "tests") as session:
            question = f"SELECT * FROM {table} WHERE program_id = :id"
            return list(await session.execute(text(question), {"id": self.id}))


# How each thing is made. All but what is made by the owner goes through the API.


async def _organization(side: Side, whose: Org, _: str) -> str:
    return str(side.orgs[whose])


async def _location(side: Side, whose: Org, _: str) -> str:
    place = {name: side.word(Secret.PLACE, whose) for name in ("name", "address_1", "city", "postal_code")}
    body = {"organization_id": str(side.orgs[whose]), "masked": True, "latitude": 47.6, "longitude": -122.3, **place}
    return str((await side.act(whose, Role.PROVIDER, "POST", "/v1/locations", body))["id"])


async def _service(side: Side, whose: Org, _: str) -> str:
    location = await side.thing("location_id", whose)
    body = {"organization_id": str(side.orgs[whose]), "location_id": location, "name": "Beds", "category": "housing"}
    return str((await side.act(whose, Role.PROVIDER, "POST", "/v1/services", body))["id"])


async def _opening(side: Side, whose: Org, _: str) -> str:
    body = {"service_id": await side.thing("service_id", whose), "unit": "bed", "units_total": 100}
    return str((await side.act(whose, Role.PROVIDER, "POST", "/v1/openings", body))["id"])


async def _claim(side: Side, whose: Org, state: str) -> str:
    """A claim of the agency's on the provider's opening."""
    opening = await side.thing("opening_id", whose, fresh=True)
    body = {"participant": await side.thing("participant_id", AGENCY), "items": [{"opening_id": opening}]}
    made = await side.act(AGENCY, Role.CASE_MANAGER, "POST", "/v1/claims", body)
    id = str(made["claims"][0]["id"])
    if state in {"confirmed", "arrived"}:
        await side.act(AGENCY, Role.CASE_MANAGER, "POST", f"/v1/claims/{id}/confirm")
    if state == "arrived":
        await side.act(whose, Role.PROVIDER, "POST", f"/v1/claims/{id}/arrive")
    return id


async def _participant(side: Side, whose: Org, _: str) -> str:
    """Somebody whose identity is written down, and who consented."""
    reference = {"reference": side.word(Secret.REFERENCE, whose)}
    made = await side.act(whose, Role.CASE_MANAGER, "POST", "/v1/participants", reference)
    path = f"/v1/participants/{made['id']}"

    def word() -> str:
        return side.word(Secret.IDENTITY, whose)

    identity = {
        "name": word(),
        "birth_date": "1987-03-09",
        "preferred_name": word(),
        "contacts": [{"kind": "phone", "value": "(206) 555-0142", "note": word()}],
        "identifiers": [{"kind": "hmis_id", "value": side.standing.setdefault((whose, "hmis_id"), word())}],
    }
    await side.act(whose, Role.CASE_MANAGER, "PUT", f"{path}/identity", identity)
    return str(made["id"])


async def _code(side: Side, whose: Org, _: str) -> str:
    id = await side.thing("participant_id", whose, fresh=True)
    made = await side.act(whose, Role.CASE_MANAGER, "GET", f"/v1/participants/{id}")
    return str(made["code"])


def terms(side: Side, whose: Org) -> dict[str, Any]:
    """A whole consent: an agency may tell the provider who comes."""
    said = {name: side.word(Secret.CONSENT, whose) for name in ("patient", "purpose", "revocation")}
    return said | {
        "disclosers": [str(side.orgs[whose])],
        "information": {"kinds": ["name", "contacts"], "words": side.word(Secret.CONSENT, whose)},
        "recipients": [str(side.orgs[PROVIDER])],
        "expiry": {"event": side.word(Secret.CONSENT, whose)},
        "signature": {"name": side.word(Secret.CONSENT, whose)},
        "signed_on": "2026-11-20",
        "text_version": TEXT_VERSION,
    }


async def _consent(side: Side, whose: Org, _: str) -> str:
    path = f"/v1/participants/{await side.thing('participant_id', whose)}/consents"
    return str((await side.act(whose, Role.CASE_MANAGER, "POST", path, terms(side, whose)))["id"])


async def _referral(side: Side, whose: Org, role: str) -> str:
    """A referral by a colleague of all who are called: or, with a role in place of a state, by that caller."""
    person = {name: side.word(Secret.REFERRED, whose) for name in ("name", "description", "where", "contact")}
    body = {"kind": "community", "person": person, "note": side.word(Secret.REFERRED, whose)}
    body["reference"] = side.word(Secret.FOLLOWED, whose)
    referrer = Role(role) if role in set(Role) else Role.COMMUNITY_MEMBER
    return str((await side.act(whose, referrer, "POST", "/v1/referrals", body))["id"])


async def _watch(side: Side, whose: Org, role: str) -> str:
    """A watch of a colleague's of all who are called: or, with a role in place of a state, of that caller's."""
    if role in set(Role):
        return str((await side.act(whose, Role(role), "POST", "/v1/watches", {"need": {}}))["id"])
    id, colleague = new_id(), new_id()
    async with side.house.owner.transaction(side.id, "tests") as session:
        until = datetime.now(UTC) + timedelta(hours=1)
        made = {"id": id, "caller_id": colleague, "organization_id": side.orgs[whose], "need": {}, "until": until}
        await session.execute(insert(Watch).values(program_id=side.id, **made))
    side.marks |= {str(id), str(colleague)}
    return str(id)


async def _webhook(side: Side, whose: Org, role: str) -> str:
    """A webhook of a colleague's of all who are called: or, with a role in place of a state, of that caller's."""
    body = {"url": "https://partner.example.org/openberth"}
    if role in set(Role):
        return str((await side.act(whose, Role(role), "POST", "/v1/webhooks", body))["id"])
    async with side.house.owner.transaction(side.id, "tests") as session:
        key, secret = await create_key(session, side.id, side.orgs[whose], Role.PARTNER_SYSTEM)
    headers = {"Authorization": f"Bearer {secret}"}
    made = (await side.house.http.post("/v1/webhooks", headers=headers, json=body)).json()
    side.marks |= {str(made["id"]), str(key.id)}
    return str(made["id"])


async def _key(side: Side, whose: Org, _: str) -> str:
    async with side.house.owner.transaction(side.id, "tests") as session:
        key, _secret = await create_key(session, side.id, side.orgs[whose], Role.PROVIDER, name="Beds")
    side.marks.add(str(key.id))
    return str(key.id)


async def _person(side: Side, whose: Org, _: str) -> str:
    email, name = (side.word(Secret.STAFF, whose) for _ in range(2))
    async with side.house.owner.transaction(side.id, "tests") as session:
        person = await add_person(session, side.id, side.orgs[whose], Role.CASE_MANAGER, f"{email}@example.org", name)
    side.marks.add(str(person.id))
    return str(person.id)


async def _provider(side: Side, _: Org, __: str) -> str:
    slug = f"sign-in-{uuid4().hex[:8]}"
    async with side.house.owner.transaction(side.id, "tests") as session:
        values = {"name": "Sign in", "issuer": side.issuer, "client_id": "openberth"}
        await session.execute(insert(IdentityProvider).values(program_id=side.id, slug=slug, **values))
    return slug


MAKE: dict[str, Callable[[Side, Org, str], Awaitable[str]]] = {
    "organization_id": _organization,
    "location_id": _location,
    "service_id": _service,
    "opening_id": _opening,
    "claim_id": _claim,
    "participant_id": _participant,
    "named": _code,
    "consent_id": _consent,
    "referral_id": _referral,
    "watch_id": _watch,
    "webhook_id": _webhook,
    "key_id": _key,
    "person_id": _person,
    "provider": _provider,
}
"""How everything that a path or a body names is made, by the name that it has there."""

_PROVIDERS = {_location, _service, _opening, _claim}
"""What is the provider's; the referral is the police's, and all else the agency's."""


async def _nothing(_: Browser) -> None:
    return


async def _begin_totp(browser: Browser) -> None:
    await browser.done("/v1/account/totp")


async def _have_totp(browser: Browser) -> None:
    secret = (await browser.done("/v1/account/totp"))["secret"]
    await browser.done("/v1/account/totp/confirm", {"code": pyotp.TOTP(secret).at(time.time())})


async def _begin_passkey(browser: Browser) -> None:
    await browser.done("/v1/account/passkeys/options")


_DONE_FIRST: dict[str, Callable[[Browser], Awaitable[None]]] = {
    "": _nothing,
    "begin totp": _begin_totp,
    "have totp": _have_totp,
    "begin passkey": _begin_passkey,
}


async def new_side(house: House, issuer: str) -> Side:
    """A program with all of that standing in it."""
    slug = f"test-{uuid4().hex[:12]}"
    async with house.owner.transaction(None, "tests") as session:
        side = Side(house, (await add_program(session, slug, "A program", "UTC")).program_id, slug, issuer)
        for org in Org:
            side.orgs[org] = new_id()
            values = {"id": side.orgs[org], "name": org, "serves_survivors": org is SHELTER}
            await session.execute(insert(Organization).values(program_id=side.id, **values))
        for org in Org:
            for role in Role:
                key, side.keys[org, role] = await create_key(session, side.id, side.orgs[org], role)
                side.callers[org, role] = key.id
    for name, make in MAKE.items():
        await side.thing(name, POLICE if make is _referral else PROVIDER if make in _PROVIDERS else AGENCY)
    for name in ("location_id", "opening_id"):
        await side.thing(name, SHELTER)
    await side.thing("referral_id", POLICE, state=Role.OFFICER, fresh=True)
    claim = await side.thing("claim_id", PROVIDER, state="confirmed")
    await side.act(PROVIDER, Role.PROVIDER, "GET", f"/v1/claims/{claim}/participant")
    for rows in (await side.rows()).values():
        side.marks |= marks("\n".join(rows))
    side.marks |= side.words.keys()
    return side
