"""What answers say of claims and openings, with every time in whole microseconds, so that none is rounded."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000

OCCUPYING = frozenset({"held", "confirmed", "arrived"})
"""The states in which a claim takes up its units."""

_NEXT = {
    "held": {"confirmed", "released", "expired", "declined"},
    "confirmed": {"arrived", "released", "declined", "no_show"},
    "arrived": {"completed"},
}


def may_become(state: str, later: str) -> bool:
    """Whether a claim seen in one state may be seen in the other afterwards."""
    return state == later or any(may_become(after, later) for after in _NEXT.get(state, ()))


def micros(moment: str) -> int:
    """Microseconds since 1970 of an RFC 3339 time."""
    return (datetime.fromisoformat(moment) - EPOCH) // timedelta(microseconds=1)


def rfc3339(moment: int) -> str:
    """The RFC 3339 time of microseconds since 1970."""
    return (EPOCH + timedelta(microseconds=moment)).isoformat()


def _maybe(moment: str | None) -> int | None:
    return None if moment is None else micros(moment)


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim as one answer shows it."""

    id: str
    bundle_id: str
    opening_id: str
    participant: str
    category: str
    unit: str
    units: int
    state: str
    held_at: int
    hold_until: int
    confirmed_at: int | None = None
    arrived_at: int | None = None
    ended_at: int | None = None
    replaces_id: str | None = None

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> "Claim":
        """The claim in an answer."""
        names = ("id", "bundle_id", "opening_id", "participant", "category", "unit", "units", "state", "replaces_id")
        return cls(
            **{name: answer[name] for name in names},
            held_at=micros(answer["held_at"]),
            hold_until=micros(answer["hold_until"]),
            confirmed_at=_maybe(answer["confirmed_at"]),
            arrived_at=_maybe(answer["arrived_at"]),
            ended_at=_maybe(answer["ended_at"]),
        )

    @property
    def anonymous(self) -> bool:
        """Whether it shows a one-time code, no participant's: its call named nobody, or some of it is confidential."""
        return self.participant.count("-") == 2

    @property
    def identity(self) -> tuple[str, str, str, str, str, int, int, str | None]:
        """What of a claim never changes."""
        return (
            self.bundle_id,
            self.opening_id,
            self.participant,
            self.category,
            self.unit,
            self.units,
            self.held_at,
            self.replaces_id,
        )

    @property
    def until(self) -> int | None:
        """When its units were free again; None while they are taken.

        A hold stops counting the moment it lapses, whenever somebody came to write that down as its `ended_at`.
        """
        if self.state in OCCUPYING:
            return None
        return self.hold_until if self.state == "expired" else self.ended_at


@dataclass(frozen=True, slots=True)
class Opening:
    """The counts of an opening as one answer shows them."""

    id: str
    version: int
    units_total: int
    units_taken: int

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> "Opening":
        """The opening in an answer."""
        return cls(answer["id"], answer["version"], answer["units_total"], answer["units_taken"])
