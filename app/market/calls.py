"""A call to claim, as the desk takes it."""

from dataclasses import dataclass
from uuid import UUID

from app.access.callers import Caller
from app.access.idempotency import Asked
from app.market.needs import Need


@dataclass(frozen=True, slots=True)
class Wanted:
    """One item of a call: units of a named opening, or of any that meets a need.

    With both, the opening was found for that need: it is what is sought and recorded when somebody else was first, and
    what a decline looks for again.
    """

    units: int
    opening_id: UUID | None = None
    need: Need | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call to claim: who asks, under which key, for whom (by id or by code; None: nobody is named), and what."""

    caller: Caller
    key: str
    asked: Asked
    participant: UUID | str | None
    wanted: tuple[Wanted, ...]

    def fingerprint(self, *, anonymous: bool) -> bytes:
        """Under what its answer is kept: anonymous, with nothing in it of whom the call named."""
        return self.asked.nameless if anonymous and self.participant is not None else self.asked.named
