"""Deciding claims: a pure function over locked openings. Every rule of the claim lives here, and no I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson

from app.market.needs import Need, fits_terms
from app.market.policy import MarketPolicy

MAX_STEPS = 10_000
"""Placements tried for one bundle before it is given up as not fitting: more than any real one takes."""


@dataclass(frozen=True)
class Offer:
    """An opening as it stands under its lock. `attributes` is JSON: most claims never read it."""

    id: UUID
    service_id: UUID
    organization_id: UUID
    category: str
    unit: str
    units_total: int
    units_taken: int
    starts_at: datetime | None
    ends_at: datetime | None
    fresh_until: datetime | None
    withdrawn_at: datetime | None
    hold_minutes: int | None
    minimum_age: int | None
    maximum_age: int | None
    languages: list[str]
    attributes: str
    confidential: bool

    @cached_property
    def answers(self) -> dict[str, str]:
        """The attributes, read."""
        answers: dict[str, str] = orjson.loads(self.attributes)
        return answers


class Reason(StrEnum):
    """Why an item was not held."""

    FULL = "full"
    STALE = "stale"
    WITHDRAWN = "withdrawn"
    ENDED = "ended"
    TOO_FAR_AHEAD = "too_far_ahead"
    UNSUITABLE = "unsuitable"
    NOTHING_OPEN = "nothing_open"
    IN_USE_BY_BUNDLE = "in_use_by_bundle"

    def sentence(self) -> str:
        """The reason in words."""
        return _SENTENCES[self]


_SENTENCES = {
    Reason.FULL: "It doesn't have that many units open any more.",
    Reason.STALE: "Its provider hasn't attested it lately, so it is off the board.",
    Reason.WITHDRAWN: "Its provider has withdrawn it.",
    Reason.ENDED: "It has ended.",
    Reason.TOO_FAR_AHEAD: "It starts later than the program's immediacy window allows.",
    Reason.UNSUITABLE: "It no longer meets what is needed.",
    Reason.NOTHING_OPEN: "Nothing open fits it now.",
    Reason.IN_USE_BY_BUNDLE: "It is open, but not together with the rest of this call.",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is asked for: units of the first of `candidates`, best first, that can be held.

    Naming an opening makes it the only candidate; `need` is None then. `complete`: the candidates are all that
    there were, not just the best of them.
    """

    units: int
    candidates: tuple[UUID, ...]
    need: Need | None = None
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Request:
    """One call: its items are all held or none. `holds` are the worker's active holds before it."""

    worker_id: UUID
    items: tuple[Item, ...]
    holds: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """All items are held: on which openings, and until when."""

    placed: tuple[tuple[UUID, datetime], ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """None is held: which items can't be, and why. `look_again` when other candidates might still fit."""

    failed: tuple[tuple[int, Reason], ...]
    look_again: bool


@dataclass(frozen=True, slots=True)
class TooMany:
    """None is held: the worker would have more active holds than `cap`."""

    cap: int


Outcome = Held | Refused | TooMany


@dataclass(frozen=True, slots=True)
class _Terms:
    policy: MarketPolicy
    zone: ZoneInfo
    now: datetime


def decide(
    openings: Mapping[UUID, Offer],
    requests: Sequence[Request],
    *,
    policy: MarketPolicy,
    zone: ZoneInfo,
    now: datetime,
) -> list[Outcome]:
    """What becomes of each request, in their order, as if each came alone after the one before.

    `openings` are the locked openings that any candidate names, `now` the database's clock read after they were
    locked. A bundle is placed whole if there is any way to place it, each item on the best candidate possible.
    """
    terms = _Terms(policy, zone, now)
    free = {id: opening.units_total - opening.units_taken for id, opening in openings.items()}
    holds: dict[UUID, int] = {}
    outcomes: list[Outcome] = []
    for request in requests:
        held = holds.get(request.worker_id, request.holds)
        cap = policy.max_active_holds
        if cap is not None and held + len(request.items) > cap:
            outcomes.append(TooMany(cap))
            continue
        placing = _Placing(request.items, openings, free, terms)
        if not placing.place():
            outcomes.append(_refuse(request.items, openings, free, terms))
            continue
        holds[request.worker_id] = held + len(request.items)
        outcomes.append(
            Held(
                tuple(
                    (
                        opening.id,
                        policy.hold_until(opening.category, opening.hold_minutes, now, zone, opening.ends_at),
                    )
                    for opening in placing.placed
                )
            )
        )
    return outcomes


class _Placing:
    """Placing one call's items, each on the best candidate possible. A class, not a function within a function: that
    would refer to itself, and every claim would leave garbage which only the collector finds."""

    __slots__ = ("free", "items", "openings", "placed", "steps", "terms")

    def __init__(
        self, items: tuple[Item, ...], openings: Mapping[UUID, Offer], free: dict[UUID, int], terms: _Terms
    ) -> None:
        self.items = items
        self.openings = openings
        self.free = free
        self.terms = terms
        self.placed: list[Offer] = []
        self.steps = 0

    def place(self, index: int = 0) -> bool:
        """Whether the items from `index` on could all be placed: then their units are taken from `free`, else it is
        untouched."""
        if index == len(self.items):
            return True
        item = self.items[index]
        for id in item.candidates:
            self.steps += 1
            if self.steps > MAX_STEPS:
                return False
            opening = self.openings[id]
            if _why_not(opening, item, self.free[id], self.terms) is not None:
                continue
            self.free[id] -= item.units
            self.placed.append(opening)
            if self.place(index + 1):
                return True
            self.placed.pop()
            self.free[id] += item.units
        return False


def _why_not(opening: Offer, item: Item, free: int, terms: _Terms) -> Reason | None:
    """Why this opening can't be held for this item, or None when it can."""
    if opening.withdrawn_at is not None:
        return Reason.WITHDRAWN
    if opening.ends_at is not None and opening.ends_at <= terms.now:
        return Reason.ENDED
    if opening.fresh_until is None or opening.fresh_until <= terms.now:
        return Reason.STALE
    if opening.starts_at is not None:
        window = timedelta(hours=terms.policy.rules(opening.category).immediacy_hours)
        if opening.starts_at > terms.now + window:
            return Reason.TOO_FAR_AHEAD
    if item.need is not None and not _suits(opening, item.need):
        return Reason.UNSUITABLE
    return None if free >= item.units else Reason.FULL


def _suits(opening: Offer, need: Need) -> bool:
    return (
        need.category in (None, opening.category)
        and need.unit in (None, opening.unit)
        and fits_terms(
            need,
            attributes=opening.answers,
            minimum_age=opening.minimum_age,
            maximum_age=opening.maximum_age,
            languages=opening.languages,
            starts_at=opening.starts_at,
            ends_at=opening.ends_at,
        )
    )


def _refuse(
    items: tuple[Item, ...], openings: Mapping[UUID, Offer], free: Mapping[UUID, int], terms: _Terms
) -> Refused:
    """Which items can't be held, each looked at alone; if each could be alone, it is the bundle that can't."""
    failed: list[tuple[int, Reason]] = []
    settled = False
    for index, item in enumerate(items):
        reasons = [_why_not(openings[id], item, free[id], terms) for id in item.candidates]
        if None in reasons:
            continue
        if item.need is None:
            reason = reasons[0]
            assert reason is not None
            failed.append((index, reason))
            settled = True
        else:
            failed.append((index, Reason.NOTHING_OPEN))
            settled = settled or not item.candidates
    if not failed:
        failed = [(index, Reason.IN_USE_BY_BUNDLE) for index in range(len(items))]
        settled = all(item.complete for item in items)
    return Refused(tuple(failed), look_again=not settled)
