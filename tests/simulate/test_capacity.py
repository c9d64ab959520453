"""The interval arithmetic of "never oversold", beside a slow and obviously right one."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from app.simulate.capacity import Oversold, Stay, Total, certain, contradictions, oversold

MOMENTS = range(30)


@st.composite
def known_histories(draw: st.DrawFn) -> tuple[list[tuple[int, int]], list[Total]]:
    """When each total really came into force, and what answers told of it: some of the versions, each roughly."""
    changes = sorted(draw(st.lists(st.sampled_from(MOMENTS), min_size=1, max_size=5)))
    truth = [(moment, draw(st.integers(0, 5))) for moment in changes]
    told = []
    for version, (moment, units) in enumerate(truth, 1):
        for _ in range(draw(st.integers(1, 2))):
            early, late = draw(st.integers(0, 4)), draw(st.integers(0, 4))
            earliest = None if draw(st.booleans()) else moment - early
            told.append(Total(version, units, earliest, moment + late))
    return truth, draw(st.permutations(told))


def in_force(truth: list[tuple[int, int]], moment: int) -> int:
    """The total at a moment."""
    return next((units for since, units in reversed(truth) if since <= moment), 0)


def taken(stays: list[Stay], moment: int) -> int:
    """What is taken at a moment."""
    return sum(s.units for s in stays if s.start <= moment and (s.end is None or moment < s.end))


stays = st.lists(
    st.builds(
        lambda units, start, length: Stay(units, start, None if length is None else start + length),
        st.integers(1, 3),
        st.sampled_from(MOMENTS),
        st.none() | st.integers(1, 12),
    ),
    max_size=12,
)


def first(wrong: Callable[[int], bool]) -> int | None:
    """The first moment at which something is wrong."""
    return next((moment for moment in range(-5, 60) if wrong(moment)), None)


@given(known_histories(), stays)
def test_an_honest_market_is_never_accused(
    history: tuple[list[tuple[int, int]], list[Total]], wanted: list[Stay]
) -> None:
    truth, told = history
    kept: list[Stay] = []
    for stay in wanted:  # Take in only what fits throughout.
        more = [*kept, stay]
        if all(taken(more, moment) <= in_force(truth, moment) for moment in range(50)):
            kept = more
    assert oversold(told, kept) is None


@given(st.lists(st.tuples(st.sampled_from(MOMENTS), st.integers(0, 5)), min_size=1, max_size=5), stays)
def test_with_exact_times_the_bound_is_exact(changes: list[tuple[int, int]], some: list[Stay]) -> None:
    truth = sorted(changes, key=lambda change: change[0])
    told = [Total(version, units, moment, moment) for version, (moment, units) in enumerate(truth, 1)]
    wrong = first(lambda moment: taken(some, moment) > in_force(truth, moment))
    found = oversold(told, some)
    assert (found and found.moment) == wrong
    if found is not None:
        assert found == Oversold(found.moment, taken(some, found.moment), in_force(truth, found.moment))


@given(known_histories(), stays)
def test_what_is_above_every_total_that_may_have_been_is_found(
    history: tuple[list[tuple[int, int]], list[Total]], some: list[Stay]
) -> None:
    """The bound is never above the largest total whose own window, told alone, reaches the moment."""
    truth, told = history
    last = len(truth)

    def most(moment: int) -> int:
        possible = []
        for version, (_, units) in enumerate(truth, 1):
            mine = [t for t in told if t.version == version]
            after = [t.latest for t in told if t.version > version]
            begun = all(t.earliest is None or t.earliest <= moment for t in mine)
            over = version < last and min(after) <= moment
            if begun and not over:
                possible.append(units)
        return max(possible, default=0)

    wrong = first(lambda moment: moment >= 0 and taken(some, moment) > most(moment))
    if wrong is not None:
        found = oversold(told, some)
        assert found is not None
        assert found.moment <= wrong


def test_a_version_told_twice_must_have_one_total() -> None:
    totals = [Total(1, 3, 0, 1), Total(2, 4, 2, 3), Total(2, 5, None, 9)]
    assert contradictions(totals) == [2]


def test_a_version_that_nobody_told_leaves_the_one_before_as_the_bound() -> None:
    totals = [Total(1, 3, 0, 1), Total(3, 1, None, 10)]
    assert oversold(totals, [Stay(3, 5, 10)]) is None
    assert oversold(totals, [Stay(3, 5, 11)]) == Oversold(10, 3, 1)


def test_while_a_change_is_under_way_either_total_may_be_in_force() -> None:
    totals = [Total(1, 3, 0, 1), Total(2, 1, 10, 20)]
    assert oversold(totals, [Stay(3, 5, 20)]) is None
    assert [moment for moment in range(30) if certain(totals, [moment])] == [*range(10), *range(20, 30)]


def test_by_another_clock_a_change_took_somewhat_longer() -> None:
    assert Total(1, 3, 100, 110).shifted(-50, -40) == Total(1, 3, 50, 70)
    assert Total(1, 3, None, 110).shifted(-50, -40) == Total(1, 3, None, 70)
