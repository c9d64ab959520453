"""What the golden rule's test plants: unmistakable words wherever the program keeps anything, and whole lives.

To cover a new field, plant a word in it in one of the steps of `LIFE`, or add a step.
"""

import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert

from app.access.keys import create_key
from app.access.roles import Role
from app.core.ids import new_id
from app.market.directory import Organization
from tests.support import Program

UUIDS = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
CODES = re.compile(r"\b[0-9A-Z]{4}(?:-[0-9A-Z]{4}){1,2}\b")
MOMENTS = re.compile(r"\b\d{4}-\d{2}-\d{2}T[\d:.]+Z")


@dataclass(slots=True)
class Referrer:
    """Somebody who refers: their key, their organization, and what they were answered when they did."""

    role: Role
    organization_id: UUID
    key: str
    told: set[str] = field(default_factory=set)
    referrals: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Life:
    """What was planted, and where; and every id, code and moment that those who work with people were answered."""

    program: Program
    officer: Referrer
    colleague: Referrer
    prosecutor: Referrer
    neighbour: Referrer
    words: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    things: dict[str, list[str]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=count)

    @property
    def referrers(self) -> list[Referrer]:
        """All who refer."""
        return [self.officer, self.colleague, self.prosecutor, self.neighbour]

    def word(self, where: str) -> str:
        """A word that is nowhere else, to be planted there."""
        word = f"quixote{next(self.numbers)}canary"
        self.words[word] = where
        return word

    def number(self, where: str, base: float) -> float:
        """A coordinate that is nowhere else."""
        number = round(base + (7919 + next(self.numbers) * 131) / 1e7, 7)
        self.words[str(number)] = where
        return number

    async def act(self, method: str, path: str, body: Any = None, role: Role = Role.PROGRAM_MANAGER) -> Any:
        """A call by somebody who works with people: its answer, remembered to the last id."""
        response = await self.program.call(method, path, role=role, key=str(uuid4()), json=body)
        assert response.status_code in {200, 201, 409}, response.text
        self.seen |= marks(response.text)
        answer = response.json()
        if method == "POST" and "id" in answer:
            self.things.setdefault(path.split("/")[2], []).append(answer["id"])
        return answer

    async def refer(self, who: Referrer, kind: str, name: str | None = None) -> dict[str, Any]:
        """A referral by somebody, of somebody who may be known already."""
        person = {
            "name": name or self.word("a person's name"),
            "description": self.word("a person's description"),
            "where": self.word("where a person is"),
            "contact": self.word("a person's contact"),
        }
        reference = self.word("a referrer's reference")
        body = {"kind": kind, "person": person, "note": self.word("a referral's note"), "reference": reference}
        response = await self.program.call(
            "POST", "/v1/referrals", key=str(uuid4()), json=body, headers={"Authorization": f"Bearer {who.key}"}
        )
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json()
        assert set(made) == {"id", "reference", "referred_at"}
        who.told |= marks(response.text) | {reference}
        who.referrals.append(made)
        self.things.setdefault("referrals", []).append(made["id"])
        return made

    def secrets_from(self, who: Referrer | None) -> dict[str, str]:
        """What must reach them by no way: all that is planted and was seen but what they were told to their face."""
        secrets = self.words | dict.fromkeys(self.seen, "an answer to somebody else")
        if who is None:
            return secrets
        told = who.told | {str(each.organization_id) for each in self.referrers} | {str(self.program.id)}
        return {secret: where for secret, where in secrets.items() if secret not in told}


def ids_and_codes(text: str) -> set[str]:
    """The ids and codes in an answer. What looks like a code in the midst of an id is none."""
    return {*UUIDS.findall(text), *CODES.findall(UUIDS.sub(" ", text))}


def marks(text: str) -> set[str]:
    """The ids, codes and moments in an answer."""
    return ids_and_codes(text) | {*MOMENTS.findall(text)}


# Whole lives. Each step plants words in all that it writes.


async def a_directory(life: Life) -> None:
    """A provider of treatment with a location, and a shelter for survivors."""
    for survivors in (False, True):
        organization = await life.act(
            "POST",
            "/v1/organizations",
            {
                "name": life.word("an organization's name"),
                "description": life.word("an organization's description"),
                "website": f"https://{life.word('a website')}.example/",
                "email": f"{life.word('an e-mail address')}@example.org",
                "serves_survivors": survivors,
            },
        )
        place = ("name", "address_1", "address_2", "city", "state_province", "postal_code")
        location = await life.act(
            "POST",
            "/v1/locations",
            {
                "organization_id": organization["id"],
                "latitude": life.number("a latitude", 47.5),
                "longitude": life.number("a longitude", -122.3),
                **{name: life.word(f"a location's {name}") for name in place},
            },
        )
        service = await life.act(
            "POST",
            "/v1/services",
            {
                "organization_id": organization["id"],
                "location_id": location["id"],
                "category": "treatment",
                "name": life.word("a service's name"),
                "description": life.word("a service's description"),
                "eligibility_description": life.word("a service's eligibility"),
                "attributes": {"moud_methadone": "yes", "survivors": "yes" if survivors else "no"},
            },
        )
        for _ in range(2):
            body = {"service_id": service["id"], "unit": "treatment_place", "units_total": 3}
            await life.act("POST", "/v1/openings", body)


async def referrals(life: Life) -> None:
    """Referrals by everybody, of whom some are known already, and what becomes of each."""
    known = life.word("the name of somebody known")
    for name in (known, None, None, None, None):
        await life.refer(life.officer, "diversion", name)
    await life.refer(life.colleague, "social_contact", known)
    await life.refer(life.prosecutor, "diversion", known)
    await life.refer(life.neighbour, "community", known)
    _, contacted, taken_in, closed, closed_later = life.officer.referrals
    for made in (contacted, taken_in, closed_later, *life.colleague.referrals):
        await life.act("GET", f"/v1/referrals/{made['id']}", role=Role.OUTREACH_WORKER)
        await life.act("POST", f"/v1/referrals/{made['id']}/contact", role=Role.OUTREACH_WORKER)
    reference = {"reference": life.word("an agency's own reference")}
    for made in (taken_in, *life.neighbour.referrals):
        someone = await life.act("POST", "/v1/participants", reference, Role.CASE_MANAGER)
        life.things.setdefault("codes", []).append(someone["code"])
        intake = {"participant": someone["code"]}
        await life.act("POST", f"/v1/referrals/{made['id']}/intake", intake, Role.CASE_MANAGER)
    await life.act("POST", f"/v1/referrals/{closed['id']}/close", {"reason": "could_not_be_found"})
    await life.act("POST", f"/v1/referrals/{closed_later['id']}/close", {"reason": "already_in_program"})
    await life.act("GET", "/v1/referrals", role=Role.CASE_MANAGER)


async def claims(life: Life) -> None:
    """Claims for whom was taken in, to every end that a claim has; one at the shelter; one that is refused."""
    code = life.things["codes"][0]
    near = [life.number("where somebody asked from", 47.6), life.number("where somebody asked from", -122.3)]
    found = {"find": {"category": "treatment", "units": 1, "needs": ["moud_methadone"], "near": near, "age": 37}}
    ways: list[list[tuple[str, Any]]] = [
        [("extend", None), ("confirm", None), ("arrive", None), ("complete", None)],
        [("decline", {"reason": "place_no_longer_available", "replace": True})],
        [("confirm", None), ("no-show", None)],
        [("release", None)],
        [("decline", {"reason": "barred", "replace": False})],
    ]
    for steps in ways:
        body = {"participant": code, "items": [found]}
        held = await life.act("POST", "/v1/claims", body, Role.CASE_MANAGER)
        [claim] = held["claims"]
        life.things.setdefault("claims", []).append(claim["id"])
        for verb, how in steps:
            await life.act("POST", f"/v1/claims/{claim['id']}/{verb}", how)
    shelter = {"find": {"category": "treatment", "needs": ["survivors"]}}
    await life.act("POST", "/v1/claims", {"participant": code, "items": [shelter]}, Role.CASE_MANAGER)
    await life.act("POST", "/v1/claims", {"participant": code, "items": [{"find": {"category": "food"}}]})
    for path in ("/v1/claims", "/v1/openings", "/v1/organizations", "/v1/locations", "/v1/services"):
        await life.act("GET", path)


LIFE: list[Callable[[Life], Awaitable[None]]] = [a_directory, referrals, claims]
"""What is planted and done before the attack, in this order."""


async def led(program: Program) -> Life:
    """A program in which all of that has happened."""
    referrers = []
    police, office, street = new_id(), new_id(), new_id()
    async with program.house.owner.transaction(program.id, "tests") as session:
        for id, name in ((police, "Police"), (office, "A prosecutor's office"), (street, "A street")):
            await session.execute(insert(Organization).values(program_id=program.id, id=id, name=name))
        for role, owner in (
            (Role.OFFICER, police),
            (Role.OFFICER, police),
            (Role.PROSECUTOR, office),
            (Role.COMMUNITY_MEMBER, street),
        ):
            _, key = await create_key(session, program.id, owner, role)
            referrers.append(Referrer(role, owner, key))
    officer, colleague, prosecutor, neighbour = referrers
    life = Life(program, officer, colleague, prosecutor, neighbour)
    for step in LIFE:
        await step(life)
    return life
