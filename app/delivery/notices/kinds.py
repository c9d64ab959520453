"""What people are told of, by which channels, and the pure rules: when a notice is due, quiet hours, trying again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from app.access.roles import Action


class Channel(StrEnum):
    """How a notice reaches its person."""

    EMAIL = "email"
    PUSH = "push"


class NoticeKind(StrEnum):
    """What a notice is about."""

    CLAIM_LAPSING = "claim_lapsing"
    CLAIM_DECLINED = "claim_declined"
    ATTESTATION_DUE = "attestation_due"
    WATCH_MATCHED = "watch_matched"
    WEBHOOK_OFF = "webhook_off"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of notice. Whoever may not do `to` with what it is about gets none; `on` is where it is on by itself."""

    words: str
    to: Action
    on: frozenset[Channel]


BOTH = frozenset(Channel)
KINDS: dict[NoticeKind, Kind] = {
    NoticeKind.CLAIM_LAPSING: Kind("A hold of yours is about to lapse.", Action.STEER_CLAIM, BOTH),
    NoticeKind.CLAIM_DECLINED: Kind("A provider declined a claim of yours.", Action.STEER_CLAIM, BOTH),
    NoticeKind.ATTESTATION_DUE: Kind(
        "Openings of your organization are about to go off the board.", Action.PUBLISH, BOTH
    ),
    # Whoever opens their mail finds the place gone.
    NoticeKind.WATCH_MATCHED: Kind("Something that you watch for is open.", Action.WATCH, frozenset({Channel.PUSH})),
    # It may have been the only way in which a partner's system would have heard of it.
    NoticeKind.WEBHOOK_OFF: Kind("A webhook of your program was switched off.", Action.KEEP_WEBHOOKS, BOTH),
}
"""Every kind that one may choose. A new one adds a line here, its finder, its facts, and its words in each language."""

SLOT_ZERO = datetime(2000, 1, 1, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
FIVE_MINUTES = timedelta(minutes=5)
_FIRST_WAIT = timedelta(seconds=20)
_LONGEST_WAIT = timedelta(minutes=30)


def wants(choices: Mapping[str, Any], kind: NoticeKind, channel: Channel) -> bool:
    """Whether a person who chose this is told of such things this way. A test is always wanted: it was asked for."""
    if kind is NoticeKind.TEST:
        return True
    chosen: bool = choices.get(kind, {}).get(channel, channel in KINDS[kind].on)
    return chosen


def due_at(since: datetime, until: datetime, lead: timedelta) -> datetime:
    """When to say that something which began at `since` ends at `until`: `lead` before that, but never in its first
    half, so that nobody is told of the end of what they have just begun."""
    return max(until - lead, since + (until - since) / 2)


def slot(moment: datetime, length: timedelta) -> datetime:
    """The beginning of the slot of this length that a moment falls into. What falls into one slot is one notice."""
    return moment - (moment - SLOT_ZERO) % length


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours of the day, by the program's clock, in which a person is left alone. They may go over midnight."""

    begins: time
    ends: time

    def until(self, now: datetime, zone: ZoneInfo) -> datetime | None:
        """When the quiet that holds now is over, in UTC; None while there is none."""
        local = now.astimezone(zone)
        of_day = local.time()
        if self.begins < self.ends:
            inside = self.begins <= of_day < self.ends
        else:
            inside = of_day >= self.begins or of_day < self.ends
        if not inside:
            return None
        day = local.date() if of_day < self.ends else local.date() + timedelta(days=1)
        over = datetime.combine(day, self.ends, zone).astimezone(UTC)
        # On the night the clocks go back, the hour that comes twice may have begun to be over already.
        return over if over > now else over + timedelta(hours=1)


def wait_after(attempts: int, luck: float) -> timedelta:
    """How long to wait after so many failed attempts. `luck`, from 0 to 1, spreads by a fifth to either side."""
    wait: timedelta = min(_FIRST_WAIT * 3.0 ** min(attempts - 1, 10), _LONGEST_WAIT)
    return wait * (0.8 + 0.4 * luck)
