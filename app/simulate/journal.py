"""What was asked and what was answered: all that the check has to go by, beside what the API says at the end."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from app.simulate.capacity import Total
from app.simulate.clock import Clock
from app.simulate.facts import OCCUPYING, Claim, Opening


class Finding(NamedTuple):
    """A promise that was not held, and what shows it."""

    promise: str
    shown_by: str


class Told(NamedTuple):
    """An answer, as far as it must be the same every time."""

    status: int
    body: bytes


@dataclass(slots=True)
class Asked:
    """One call to claim: its key, for whom (None: it names nobody), what it asked for, and every answer its key ever
    got, the first one first."""

    key: str
    participant: str | None
    items: list[dict[str, Any]]
    answers: list[Told] = field(default_factory=list)


@dataclass(slots=True)
class Published:
    """What we did to an opening of ours, and what answers told of its total."""

    totals: list[Total] = field(default_factory=list)
    """In our own time: what that is in the server's is known best at the end."""
    changes: int = 1
    """Acknowledged changes, each of which makes one version; publishing it is the first."""
    changed_to: list[int] = field(default_factory=list)
    """The versions that those changes were answered with, where the answer tells one."""


@dataclass(slots=True)
class Journal:
    """Everything one run saw."""

    clock: Clock = field(default_factory=Clock)
    asked: list[Asked] = field(default_factory=list)
    seen: list[Claim] = field(default_factory=list)
    """Claims as steps of their life answered them."""
    given: list[Claim] = field(default_factory=list)
    """Claims that a decline gave in place of another: acknowledged like any."""
    openings: dict[str, Published] = field(default_factory=dict)
    participants: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    """What was wrong on the spot, such as a call that never got an answer."""

    def note_change(self, answer: dict[str, Any], sent: int, received: int) -> Opening:
        """Take in the answer to a change of an opening of ours: this version came into force in between."""
        opening = Opening.read(answer)
        published = self.openings.get(opening.id)
        if published is None:
            published = self.openings[opening.id] = Published()
        else:
            published.changes += 1
        published.changed_to.append(opening.version)
        published.totals.append(Total(opening.version, opening.units_total, sent, received))
        return opening

    def note_look(self, answer: dict[str, Any], received: int) -> Opening:
        """Take in a look at an opening: by now this version is in force, or a later one."""
        opening = Opening.read(answer)
        if (published := self.openings.get(opening.id)) is not None:
            published.totals.append(Total(opening.version, opening.units_total, None, received))
        return opening


@dataclass(slots=True)
class Standing:
    """An opening at the end: its counts, and every claim on it that the API lists."""

    opening: Opening
    claims: list[Claim]
    taken_before: int
    """`units_taken` as answered before the claims were listed; `opening` was answered after."""

    @property
    def units_of_claims(self) -> int:
        """The units of the claims listed as taking a place."""
        return sum(claim.units for claim in self.claims if claim.state in OCCUPYING)


@dataclass(slots=True)
class Final:
    """The state of things at the end, from the API's answers."""

    standings: dict[str, Standing] = field(default_factory=dict)
    looked_up: dict[str, Claim | None] = field(default_factory=dict)
    """Acknowledged claims that no list showed, asked for one by one; None: the API knows of none."""
