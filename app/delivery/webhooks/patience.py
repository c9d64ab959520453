"""How patient we are with an endpoint: when it is tried again, when an event is given up, when it is switched off."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Patience:
    """The durations and bounds of deliveries, in one place; tests are less patient.

    `seconds`: how long a try may take, from the look-up of the name to the end of the answer. `lease`: how long a
    try is awaited whose process may have died. `outage`: an endpoint that accepts nothing for so long is down, and one
    try speaks for all its events. `at_once`: tries of one endpoint that are under way together; of one that fails, a
    single one. `most`: of all together in a process; `most_slow`: of all that are slow or fail, and `most_new`: of
    these and of all that have yet to show how they are. So neither take what the quick ones need. `most_trying`:
    events taken from the log for one webhook, and not delivered yet; the rest stays in the log.
    """

    first: timedelta = timedelta(seconds=5)
    longest: timedelta = timedelta(hours=2)
    give_up: timedelta = timedelta(days=1)
    switch_off: timedelta = timedelta(days=3)
    outage: timedelta = timedelta(minutes=1)
    seconds: float = 10.0
    slow_seconds: float = 2.0
    lease: timedelta = timedelta(seconds=30)
    look_seconds: float = 1.0
    rest_seconds: float = 0.2
    again_seconds: float = 2.0
    at_once: int = 4
    most: int = 200
    most_slow: int = 100
    most_new: int = 150
    most_trying: int = 10_000

    def until_next(self, elapsed: timedelta, asked: timedelta | None, draw: float) -> timedelta:
        """How long after a failure the next try comes: as long again as it has been tried, so that the waits double.

        `elapsed`: since the first try. `asked`: what the endpoint asked for with Retry-After, which is heeded up to
        the longest wait. `draw`: from 0 to 1, by chance, so that what failed together does not come back together.
        """
        wait = min(max(elapsed, self.first), self.longest)
        wait *= 0.8 + 0.4 * draw
        return max(wait, min(asked, self.longest)) if asked is not None else wait

    def gives_up(self, first_tried_at: datetime, moment: datetime, accepted_at: datetime | None) -> bool:
        """Whether an event is given up: tried for a day, in which the endpoint accepted others. One that accepts
        nothing is not at odds with this event: then all wait, and none is lost."""
        tried_long = moment - first_tried_at >= self.give_up
        return tried_long and accepted_at is not None and accepted_at > first_tried_at

    def switches_off(self, failing_since: datetime, moment: datetime) -> bool:
        """Whether a webhook is switched off: nothing was accepted for days."""
        return moment - failing_since >= self.switch_off


def retry_after(value: str | None) -> timedelta | None:
    """What a Retry-After header asks for in seconds; None for none, or for a date, which needs its clock and ours."""
    if value is None or not value.strip().isdecimal() or len(value) > 9:
        return None
    return timedelta(seconds=int(value))
