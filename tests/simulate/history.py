"""A small history as an honest server would have answered it, for tests to falsify."""

import json
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from app.simulate.capacity import Total
from app.simulate.check import check_claims
from app.simulate.check_openings import check_openings
from app.simulate.facts import SECOND, Claim, Opening, rfc3339
from app.simulate.journal import Asked, Final, Journal, Published, Standing, Told

START = 1_800_000_000 * SECOND
PERSON = "K7-QUAIL"


def at(second: float) -> int:
    """A moment of the history."""
    return START + int(second * SECOND)


@dataclass
class History:
    """A journal and the final state, kept in step as a server would; each test then bends one of them."""

    journal: Journal = field(default_factory=lambda: Journal(participants={PERSON}))
    final: Final = field(default_factory=Final)

    def __post_init__(self) -> None:
        self.journal.clock.learn(START, START, START)

    def opening(self, units: int, *, second: float = 0) -> str:
        """An opening of ours, published at this second, give or take a tenth."""
        id = str(uuid4())
        total = Total(1, units, at(second - 0.1), at(second + 0.1))
        self.journal.openings[id] = Published([total], changed_to=[1])
        self.final.standings[id] = Standing(Opening(id, 1, units, 0), [], 0)
        return id

    def change(self, opening_id: str, units: int, *, second: float) -> None:
        """Its total is changed at this second, give or take a tenth."""
        published, standing = self.journal.openings[opening_id], self.final.standings[opening_id]
        standing.opening = replace(standing.opening, version=standing.opening.version + 1, units_total=units)
        version = standing.opening.version
        published.totals.append(Total(version, units, at(second - 0.1), at(second + 0.1)))
        published.changes += 1
        published.changed_to.append(version)

    def claim(
        self, *opening_ids: str, second: float, units: int = 1, person: str | None = PERSON, code: str | None = None
    ) -> list[Claim]:
        """One call for this person that is held at this second, and shows this code."""
        bundle_id = str(uuid4())
        answers = [claim_answer(id, bundle_id, second, units) for id in opening_ids]
        answers = [answer | {"participant": code or PERSON} for answer in answers]
        body = json.dumps({"bundle_id": bundle_id, "claims": answers}).encode()
        items = [{"opening_id": id, "units": units} for id in opening_ids]
        self.journal.asked.append(Asked(str(uuid4()), person, items, [Told(201, body)]))
        claims = [Claim.read(answer) for answer in answers]
        for claim in claims:
            self.put(claim)
        return claims

    def put(self, claim: Claim) -> None:
        """The claim stands as it is given, in place of what it was before."""
        standing = self.final.standings[claim.opening_id]
        standing.claims = [each for each in standing.claims if each.id != claim.id] + [claim]
        taken = sum(each.units for each in standing.claims if each.until is None)
        standing.opening = replace(standing.opening, units_taken=taken)
        standing.taken_before = taken

    def lose(self, claim: Claim) -> None:
        """The server has forgotten the claim, and its count goes along with it."""
        standing = self.final.standings[claim.opening_id]
        standing.claims = [each for each in standing.claims if each.id != claim.id]
        taken = sum(each.units for each in standing.claims if each.until is None)
        standing.opening = replace(standing.opening, units_taken=taken)
        standing.taken_before = taken
        self.final.looked_up[claim.id] = None

    def findings(self) -> list[tuple[str, str]]:
        """What the check has to say."""
        return [*check_claims(self.journal, self.final), *check_openings(self.journal, self.final)]

    def promises(self) -> set[str]:
        """Which promises it finds broken."""
        return {promise for promise, _ in self.findings()}


def claim_answer(opening_id: str, bundle_id: str, second: float, units: int = 1) -> dict[str, Any]:
    """A claim as a 201 has it."""
    return {
        "id": str(uuid4()),
        "bundle_id": bundle_id,
        "opening_id": opening_id,
        "participant": PERSON,
        "category": "housing",
        "unit": "bed",
        "units": units,
        "state": "held",
        "held_at": rfc3339(at(second)),
        "hold_until": rfc3339(at(second + 60)),
        "confirmed_at": None,
        "arrived_at": None,
        "ended_at": None,
        "replaces_id": None,
    }
