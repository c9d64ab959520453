"""The arithmetic of "never oversold": what was taken at each moment, and the most that there can have been."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True)
class Total:
    """A total that an answer told, and between which times it came into force.

    An answer to a change tells both. A mere look tells the later one alone: `earliest` is then None.
    """

    version: int
    units: int
    earliest: int | None
    latest: int

    def shifted(self, low: int, high: int) -> "Total":
        """The same by another clock, which is between `low` and `high` ahead of this one."""
        earliest = None if self.earliest is None else self.earliest + low
        return Total(self.version, self.units, earliest, self.latest + high)


@dataclass(frozen=True, slots=True)
class Stay:
    """Units taken from `start` until just before `end`; None: still."""

    units: int
    start: int
    end: int | None


@dataclass(frozen=True, slots=True)
class Oversold:
    """A moment at which more was taken than there can have been."""

    moment: int
    taken: int
    most: int


@dataclass(frozen=True, slots=True)
class _Window:
    units: int
    start: int
    end: int | None


def contradictions(totals: Iterable[Total]) -> list[int]:
    """The versions of which two answers told two totals."""
    told: dict[int, set[int]] = {}
    for total in totals:
        told.setdefault(total.version, set()).add(total.units)
    return sorted(version for version, units in told.items() if len(units) > 1)


def _windows(totals: Sequence[Total]) -> list[_Window]:
    """When each total may have been in force: from the earliest moment it can have come in, until the latest at
    which the next one known had.

    The versions are in the order in which the server took them, so a version cannot have come in before the ones
    before it, nor after the ones after it: that narrows what each answer says of itself. A version that no answer
    told counts as the one before it: only a decline that takes a place away leaves such a gap, and that lowers
    the total. So the bound is never too low. Outside the time that a change was under way it is exact, since
    there just one version can have been in force.
    """
    by_version: dict[int, Total] = {}
    for total in totals:
        if (same := by_version.get(total.version)) is not None:
            starts = [moment for moment in (same.earliest, total.earliest) if moment is not None]
            units, latest = max(same.units, total.units), min(same.latest, total.latest)
            total = Total(total.version, units, max(starts, default=None), latest)  # noqa: PLW2901
        by_version[total.version] = total
    known = [by_version[version] for version in sorted(by_version)]
    earliest, reached = [], 0
    for total in known:
        reached = max(reached, total.earliest or 0)
        earliest.append(reached)
    windows: list[_Window] = []
    end: int | None = None
    for total, start in zip(reversed(known), reversed(earliest), strict=True):
        windows.append(_Window(total.units, start, end))
        end = total.latest if end is None else min(end, total.latest)
    return windows


def certain(totals: Sequence[Total], moments: Iterable[int]) -> int:
    """At how many of these moments just one total can have been in force: there the bound is exact."""
    windows = [window for window in _windows(totals) if window.end is None or window.start < window.end]
    starts = sorted(window.start for window in windows)
    ends = sorted(window.end for window in windows if window.end is not None)
    return sum(bisect_right(starts, moment) - bisect_right(ends, moment) == 1 for moment in moments)


def oversold(totals: Sequence[Total], stays: Iterable[Stay]) -> Oversold | None:
    """The first moment at which the stays took more than any total that may have been in force; None: never."""
    events: list[tuple[int, int, int, int]] = []  # moment, units taken, a total and whether it opens or closes
    for window in _windows(totals):
        if window.end is not None and window.end <= window.start:
            continue
        events.append((window.start, 0, window.units, 1))
        if window.end is not None:
            events.append((window.end, 0, window.units, -1))
    for stay in stays:
        if stay.end is not None and stay.end <= stay.start:
            continue
        events.append((stay.start, stay.units, 0, 0))
        if stay.end is not None:
            events.append((stay.end, -stay.units, 0, 0))
    taken = 0
    in_force: Counter[int] = Counter()
    # Everything of one moment is applied before looking: what ends then no longer counts, what starts does.
    for moment, together in groupby(sorted(events), key=lambda event: event[0]):
        for _, units, total, change in together:
            taken += units
            if change:
                in_force[total] += change
                if not in_force[total]:
                    del in_force[total]
        if taken > (most := max(in_force, default=0)):
            return Oversold(moment, taken, most)
    return None
