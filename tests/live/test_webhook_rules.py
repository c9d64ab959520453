"""The pure rules of webhooks: how long a try is put off, when an event is given up, and what a filter admits."""

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from standardwebhooks.webhooks import Webhook

from app.delivery.vocabulary import KINDS
from app.delivery.webhooks.filters import About, Filter
from app.delivery.webhooks.messages import CloudEvent, delivery_id, shown, signed, trial_event
from app.delivery.webhooks.patience import Patience, retry_after
from app.market.vocabulary import Category

PATIENCE = Patience()
DAYS = st.timedeltas(timedelta(0), timedelta(days=4))
DRAWS = st.floats(0, 1)
START = datetime(2026, 11, 1, tzinfo=UTC)
IDS = [UUID(int=nr) for nr in range(3)]


@given(elapsed=DAYS, asked=st.none() | st.timedeltas(timedelta(0), timedelta(days=9)), draw=DRAWS)
def test_every_wait_is_within_bounds(elapsed: timedelta, asked: timedelta | None, draw: float) -> None:
    wait = PATIENCE.until_next(elapsed, asked, draw)
    assert PATIENCE.first * 0.8 <= wait <= PATIENCE.longest * 1.2
    if asked is not None:
        assert wait >= min(asked, PATIENCE.longest)


@given(shorter=DAYS, longer=DAYS, draw=DRAWS)
def test_who_has_been_tried_for_longer_waits_no_less(shorter: timedelta, longer: timedelta, draw: float) -> None:
    shorter, longer = sorted((shorter, longer))
    assert PATIENCE.until_next(shorter, None, draw) <= PATIENCE.until_next(longer, None, draw)


@given(draws=st.lists(DRAWS, min_size=60, max_size=60))
def test_the_waits_double_and_a_day_has_two_dozen_tries(draws: list[float]) -> None:
    elapsed, waits = timedelta(0), []
    for draw in draws:
        if elapsed >= PATIENCE.give_up:
            break
        waits.append(PATIENCE.until_next(elapsed, None, draw))
        elapsed += waits[-1]
    assert 18 <= len(waits) <= 32
    for before, wait in pairwise(waits):
        assert wait <= before * 2.8 or wait <= PATIENCE.first * 1.2
    # Many in the first minutes, when what failed is most likely to be back.
    assert sum(1 for nr in range(len(waits)) if sum(waits[:nr], timedelta(0)) < timedelta(minutes=2)) >= 4


def test_what_fails_together_does_not_come_back_together() -> None:
    waits = {PATIENCE.until_next(timedelta(hours=1), None, nr / 10) for nr in range(11)}
    assert len(waits) == 11
    assert max(waits) - min(waits) == timedelta(hours=1) * 0.4


@given(tried=DAYS, accepted=st.none() | st.timedeltas(timedelta(days=-3), timedelta(days=4)))
def test_an_event_is_given_up_after_a_day_in_which_others_were_accepted_and_never_else(
    tried: timedelta, accepted: timedelta | None
) -> None:
    at = None if accepted is None else START + accepted
    given_up = PATIENCE.gives_up(START, START + tried, at)
    assert given_up == (tried >= timedelta(days=1) and accepted is not None and accepted > timedelta(0))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120), (" 7 ", 7), ("0", 0), (None, None), ("", None), ("-1", None), ("1e9", None), ("99999999999", None),
     ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("²", None)],
)  # fmt: skip
def test_retry_after_is_read_in_seconds(value: str | None, seconds: int | None) -> None:
    assert retry_after(value) == (None if seconds is None else timedelta(seconds=seconds))


FILTERS = st.builds(
    Filter,
    category=st.none() | st.sampled_from(Category),
    organization_id=st.none() | st.sampled_from(IDS),
    service_id=st.none() | st.sampled_from(IDS),
    opening_id=st.none() | st.sampled_from(IDS),
)
ABOUTS = st.builds(
    About, st.sampled_from(IDS), st.sampled_from(IDS), st.sampled_from(IDS), st.sampled_from([*map(str, Category)])
)


@given(filter=FILTERS, about=ABOUTS)
def test_a_filter_admits_what_meets_all_that_it_names(filter: Filter, about: About) -> None:
    named = filter.model_dump(exclude_none=True)
    assert filter.admits(about) == all(getattr(about, name) == wanted for name, wanted in named.items())


@given(filter=FILTERS)
def test_what_is_about_no_opening_meets_an_empty_filter_alone(filter: Filter) -> None:
    assert filter.admits(About()) == (filter == Filter())


@given(filter=FILTERS)
def test_a_filter_is_stored_and_read_as_it_was(filter: Filter) -> None:
    assert Filter.model_validate(filter.model_dump(mode="json", exclude_none=True)) == filter


@given(secret=st.binary(min_size=24, max_size=64), body=st.text(), id=st.uuids())
def test_the_librarys_verifier_takes_what_is_signed(secret: bytes, body: str, id: UUID) -> None:
    headers = signed([secret], id, datetime.now(UTC), body)
    assert Webhook(shown(secret)).verify(body, headers, json_parse=False) is None
    assert headers["webhook-id"] == str(id)


@given(webhook=st.sampled_from(IDS), other=st.sampled_from(IDS), number=st.integers(0, 9), another=st.integers(0, 9))
def test_an_id_is_an_events_for_a_webhook(webhook: UUID, other: UUID, number: int, another: int) -> None:
    same = (webhook, number) == (other, another)
    assert (delivery_id(webhook, number) == delivery_id(other, another)) == same


def test_a_test_is_a_whole_cloud_event() -> None:
    body = trial_event(IDS[0], IDS[1], IDS[2], IDS[1], START)
    payload = KINDS["webhook.created"].payload
    event = TypeAdapter(CloudEvent[payload]).validate_json(body)  # type: ignore[valid-type]
    assert event.time == START


def test_a_wait_is_a_number_of_seconds_that_can_be_told() -> None:
    assert math.isfinite(PATIENCE.until_next(timedelta(days=10_000), None, 1.0).total_seconds())
