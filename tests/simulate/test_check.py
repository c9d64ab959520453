"""The check says nothing of an honest server, and finds each way in which one may lie."""

import json
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest

from app.simulate.check import KEPT, NO_LAG, ONCE, SAME, WHOLE
from app.simulate.check_openings import CHANGED, COUNTED, SOLD
from app.simulate.journal import Told
from tests.simulate.history import History, at


def test_an_honest_history_is_clean() -> None:
    history = History()
    bed, seat, other = history.opening(2), history.opening(1), history.opening(3)
    [first, trained] = history.claim(bed, seat, second=1)
    [second] = history.claim(bed, second=2)
    history.journal.asked[-1].answers *= 3

    released = replace(first, state="released", ended_at=at(3))
    history.put(released)
    history.journal.seen.append(released)
    [third] = history.claim(bed, second=3)
    history.put(replace(second, state="expired", ended_at=at(70)))
    history.change(bed, 1, second=62.5)

    declined = replace(trained, state="declined", ended_at=at(4))
    history.put(declined)
    instead = replace(trained, id=str(uuid4()), opening_id=other, held_at=at(4), replaces_id=trained.id)
    history.journal.seen.append(declined)
    history.journal.given.append(instead)
    history.put(replace(instead, state="arrived", confirmed_at=at(5), arrived_at=at(6)))
    assert third.units == 1
    assert history.findings() == []


def test_a_confidential_place_is_held_under_a_one_time_code_and_that_is_no_other_person() -> None:
    history = History()
    history.claim(history.opening(1), second=1, code="K7M4-Q2XP-9DNR")
    assert history.findings() == []
    history.claim(history.opening(1), second=2, code="K7M4-Q2XP")
    assert [promise for promise, _ in history.findings()] == [WHOLE]


def test_a_call_that_names_nobody_is_held_under_a_one_time_code_and_under_no_persons() -> None:
    history = History()
    history.claim(history.opening(1), second=1, person=None, code="K7M4-Q2XP-9DNR")
    assert history.findings() == []
    history.claim(history.opening(1), second=2, person=None)
    assert [promise for promise, _ in history.findings()] == [WHOLE]


def test_others_in_the_same_market_are_none_of_ours_to_judge() -> None:
    history = History()
    bed = history.opening(2)
    [claim] = history.claim(bed, second=1)
    history.put(replace(claim, id=str(uuid4()), bundle_id=str(uuid4()), participant="M2-HERON"))
    assert history.findings() == []


def oversold_in_between(history: History, bed: str) -> None:
    """Two had the one bed for a second; at the end all looks well."""
    [first] = history.claim(bed, second=1)
    history.put(replace(first, state="released", ended_at=at(3)))
    [second] = history.claim(bed, second=2)
    history.put(replace(second, state="released", ended_at=at(4)))


def oversold_at_the_end(history: History, bed: str) -> None:
    """Two claims on the one bed, and the count says so."""
    history.claim(bed, second=1)
    history.claim(bed, second=2)


def sold_after_it_was_taken_away(history: History, bed: str) -> None:
    """The bed was gone for a second, and was claimed then."""
    history.change(bed, 0, second=2)
    history.claim(bed, second=2.5)
    history.change(bed, 1, second=3)


def sold_before_it_was_published(history: History, bed: str) -> None:
    """There was no such bed yet."""
    history.claim(bed, second=-1)


def acknowledged_claim_missing(history: History, bed: str) -> None:
    """The claim was lost, and with it the count."""
    [claim] = history.claim(bed, second=1)
    history.lose(claim)


def claim_doubled(history: History, bed: str) -> None:
    """A retry held a second place, of which nobody was told."""
    [claim] = history.claim(history.opening(5), second=1)
    history.put(replace(claim, id=str(uuid4()), bundle_id=str(uuid4()), held_at=at(1.1)))


def bundle_given_twice(history: History, bed: str) -> None:
    """Two calls were told of the same claim."""
    history.claim(bed, second=1)
    again = replace(history.journal.asked[0], key=str(uuid4()))
    history.journal.asked.append(again)


def listed_twice(history: History, bed: str) -> None:
    """The list shows one claim twice."""
    [claim] = history.claim(bed, second=1)
    history.final.standings[bed].claims.append(replace(claim, state="expired"))


def half_a_bundle_answered(history: History, bed: str) -> None:
    """Two things were asked for, one was held."""
    history.claim(bed, second=1)
    history.journal.asked[0].items.append({"opening_id": history.opening(1), "units": 1})


def nothing_answered(history: History, bed: str) -> None:
    """A 201 that holds nothing."""
    history.claim(bed, second=1)
    history.journal.asked[0].answers[:] = [Told(201, json.dumps({"bundle_id": "b", "claims": []}).encode())]


def half_a_bundle_kept(history: History, bed: str) -> None:
    """Both were held, one is there."""
    [_, seat] = history.claim(bed, history.opening(1), second=1)
    history.lose(seat)


def another_opening_held(history: History, bed: str) -> None:
    """One bed was asked for, another was held."""
    history.claim(bed, second=1)
    history.journal.asked[0].items[0]["opening_id"] = history.opening(1)


def answer_changed(history: History, bed: str) -> None:
    """The key got other bytes the second time."""
    history.claim(bed, second=1)
    first = history.journal.asked[0].answers[0]
    history.journal.asked[0].answers.append(Told(201, first.body.replace(b'"held"', b'"confirmed"')))


def refused_at_second_asking(history: History, bed: str) -> None:
    """The key got a refusal the second time."""
    history.claim(bed, second=1)
    history.journal.asked[0].answers.append(Told(409, b"{}"))


def step_undone(history: History, bed: str) -> None:
    """It was confirmed, and is only held."""
    [claim] = history.claim(bed, second=1)
    history.journal.seen.append(replace(claim, state="confirmed", confirmed_at=at(2)))


def stamp_changed(history: History, bed: str) -> None:
    """It was confirmed at one time, and now at another."""
    [claim] = history.claim(bed, second=1)
    history.journal.seen.append(replace(claim, state="confirmed", confirmed_at=at(2)))
    history.put(replace(claim, state="confirmed", confirmed_at=at(3)))


def units_changed(history: History, bed: str) -> None:
    """It was for one unit, and is for none."""
    [claim] = history.claim(bed, second=1)
    history.put(replace(claim, units=0))


def confirmed_too_late(history: History, bed: str) -> None:
    """The hold had lapsed by then."""
    [claim] = history.claim(bed, second=1)
    history.put(replace(claim, state="confirmed", confirmed_at=at(61)))


def count_off(history: History, bed: str) -> None:
    """The count has forgotten a claim that the list shows."""
    history.claim(bed, second=1)
    standing = history.final.standings[bed]
    standing.opening = replace(standing.opening, units_taken=0)
    standing.taken_before = 0


def change_made_twice(history: History, bed: str) -> None:
    """One change was acknowledged, two were made."""
    standing = history.final.standings[bed]
    standing.opening = replace(standing.opening, version=2)


def change_lost(history: History, bed: str) -> None:
    """Two changes were acknowledged as the same version: one wrote over the other."""
    history.change(bed, 2, second=1)
    history.journal.openings[bed].changed_to.append(2)
    history.journal.openings[bed].changes += 1


def replaced_without_decline(history: History, bed: str) -> None:
    """Two claims for one person, as if the first had been declined."""
    [claim] = history.claim(bed, second=1)
    given = replace(claim, id=str(uuid4()), opening_id=history.opening(1), replaces_id=claim.id)
    history.journal.given.append(given)
    history.put(given)


@pytest.mark.parametrize(
    ("lie", "promise"),
    [
        (oversold_in_between, SOLD),
        (oversold_at_the_end, SOLD),
        (sold_after_it_was_taken_away, SOLD),
        (sold_before_it_was_published, SOLD),
        (acknowledged_claim_missing, KEPT),
        (claim_doubled, ONCE),
        (bundle_given_twice, ONCE),
        (listed_twice, ONCE),
        (half_a_bundle_answered, WHOLE),
        (nothing_answered, WHOLE),
        (half_a_bundle_kept, WHOLE),
        (another_opening_held, WHOLE),
        (answer_changed, SAME),
        (refused_at_second_asking, SAME),
        (step_undone, KEPT),
        (stamp_changed, KEPT),
        (units_changed, KEPT),
        (confirmed_too_late, NO_LAG),
        (count_off, COUNTED),
        (change_made_twice, CHANGED),
        (change_lost, CHANGED),
        (replaced_without_decline, ONCE),
    ],
)
def test_a_lie_is_found(lie: Callable[[History, str], None], promise: str) -> None:
    history = History()
    lie(history, history.opening(1))
    assert promise in history.promises()
