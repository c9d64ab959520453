"""Checks the openings of a run: the counts add up, every change was made once, and none was ever oversold."""

from collections import Counter
from collections.abc import Iterator

from app.simulate.capacity import Stay, Total, certain, contradictions, oversold
from app.simulate.facts import OCCUPYING, rfc3339
from app.simulate.journal import Final, Finding, Journal, Published, Standing

SOLD = "never oversold"
COUNTED = "the count is that of the claims"
CHANGED = "a change is made once"


def check_openings(journal: Journal, final: Final) -> Iterator[Finding]:
    """Every finding about openings."""
    for opening_id, standing in final.standings.items():
        yield from counted(standing)
        # Of an opening that isn't ours we don't know what its provider changed.
        if (published := journal.openings.get(opening_id)) is not None:
            yield from changed_once(standing, published)
            yield from never_oversold(journal, standing, published)


def counted(standing: Standing) -> Iterator[Finding]:
    """The units of the claims that are listed as taking a place are the units reported as taken."""
    opening = standing.opening
    units = standing.units_of_claims
    least, most = sorted((standing.taken_before, opening.units_taken))
    if not least <= units <= most:
        yield Finding(
            COUNTED,
            f"opening {opening.id} reports {opening.units_taken} units taken, its claims take {units}",
        )
    if max(units, opening.units_taken) > opening.units_total:
        yield Finding(
            SOLD,
            f"opening {opening.id} has {opening.units_total} units, of which {opening.units_taken} are reported"
            f" as taken and {units} claimed",
        )


def changed_once(standing: Standing, published: Published) -> Iterator[Finding]:
    """There are as many versions as changes were acknowledged, each with one total."""
    opening = standing.opening
    if opening.version != published.changes:
        yield Finding(
            CHANGED,
            f"opening {opening.id} is at version {opening.version} after {published.changes} acknowledged changes",
        )
    for version, times in Counter(published.changed_to).items():
        if times > 1:
            yield Finding(CHANGED, f"opening {opening.id}: {times} changes were answered with version {version}")
    for version in contradictions(published.totals):
        yield Finding(CHANGED, f"opening {opening.id}: version {version} was answered with two totals")


def _in_server_time(journal: Journal, published: Published) -> list[Total]:
    low, high = journal.clock.bounds()
    return [total.shifted(low, high) for total in published.totals]


def never_oversold(journal: Journal, standing: Standing, published: Published) -> Iterator[Finding]:
    """At no moment of its history did its claims take more than there can have been.

    When a claim starts and ends is the database's own time, read under the lock of its opening. When a total came
    into force is known from our side, by our clock: between sending the change and having its answer. `Clock` says
    how that is put in server time, and `oversold` by what it is then bounded.
    """
    stays = [Stay(claim.units, claim.held_at, claim.until) for claim in standing.claims]
    if (found := oversold(_in_server_time(journal, published), stays)) is not None:
        yield Finding(
            SOLD,
            f"opening {standing.opening.id} had {found.taken} units taken at {rfc3339(found.moment)},"
            f" and at most {found.most} to give",
        )
    for claim in standing.claims:
        if claim.state not in OCCUPYING and (claim.until is None or claim.until < claim.held_at):
            yield Finding(SOLD, f"claim {claim.id} ended, but not at a time after it was held: {claim}")


def exactly_bounded(journal: Journal, final: Final) -> tuple[int, int]:
    """How many claims began when just one total can have been in force, of how many on openings of ours.

    So it can be told whether the check of "never oversold" meant anything.
    """
    exact = of = 0
    for opening_id, published in journal.openings.items():
        if (standing := final.standings.get(opening_id)) is not None:
            moments = [claim.held_at for claim in standing.claims]
            exact += certain(_in_server_time(journal, published), moments)
            of += len(moments)
    return exact, of
