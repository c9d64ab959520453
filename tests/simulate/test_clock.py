"""The server's clock is bounded from answers, whoever's clock is wrong."""

from hypothesis import given
from hypothesis import strategies as st

from app.simulate.clock import Clock
from app.simulate.facts import SECOND

trips = st.lists(st.tuples(*[st.integers(0, SECOND)] * 3), min_size=1, max_size=20)


@given(st.integers(-10_000 * SECOND, 10_000 * SECOND), trips)
def test_the_true_difference_is_within_the_bounds(ahead: int, trips: list[tuple[int, int, int]]) -> None:
    clock, now = Clock(), 1_800_000_000 * SECOND
    for there, back, pause in trips:
        clock.learn(now, now + there + ahead, now + there + back)
        now += there + back + pause
    low, high = clock.bounds()
    assert low <= ahead <= high
    assert high - low <= min(there + back for there, back, _ in trips) + 20_000


def test_a_clock_that_was_set_widens_the_bounds_to_all_that_was_seen() -> None:
    clock, now = Clock(), 1_800_000_000 * SECOND
    clock.learn(now, now + 500, now + 1000)
    clock.learn(now + SECOND, now + 61 * SECOND, now + SECOND + 1000)
    low, high = clock.bounds()
    assert low <= -500 <= high
    assert low <= 60 * SECOND <= high


def test_before_anything_was_learned_the_bounds_are_wide() -> None:
    low, high = Clock().bounds()
    assert low < -60 * SECOND
    assert high > 60 * SECOND
