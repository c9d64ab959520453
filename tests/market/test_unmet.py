"""The places that would have met most: the quick choice against a slow and obvious one."""

from hypothesis import given
from hypothesis import strategies as st

from app.market.unmet import Wish, best_places

wishes = st.builds(
    Wish,
    category=st.sampled_from(["housing", "food"]),
    unit=st.sampled_from([None, "bed", "room"]),
    units=st.integers(1, 3),
    area=st.sampled_from(["", "Kent", "Seattle"]),
    attributes=st.frozensets(st.sampled_from(["pets", "couples", "hiv"])),
    language=st.sampled_from([None, "es"]),
)
askings = st.lists(st.tuples(wishes, st.integers(1, 20)), max_size=25)


@given(askings)
def test_each_place_named_meets_the_most_of_what_is_left(asked: list[tuple[Wish, int]]) -> None:
    left, together = list(asked), 0
    for place in best_places(asked):
        would = {wish: sum(times for other, times in left if wish.meets(other)) for wish, _ in asked}
        assert place.times == max(would.values()) == would[place.wish] > 0
        together += place.times
        assert place.together == together
        left = [(other, times) for other, times in left if not place.wish.meets(other)]
    assert together + sum(times for _, times in left) == sum(times for _, times in asked)


@given(askings)
def test_everything_is_met_when_enough_are_named(asked: list[tuple[Wish, int]]) -> None:
    places = best_places(asked, most=len(asked) + 1)
    assert sum(place.times for place in places) == sum(times for _, times in asked)
    assert [place.times for place in places] == sorted((place.times for place in places), reverse=True)


@given(wishes, wishes, wishes)
def test_what_meets_more_meets_all_that_less_does(one: Wish, other: Wish, third: Wish) -> None:
    assert one.meets(one)
    if one.meets(other) and other.meets(third):
        assert one.meets(third)


def test_of_two_that_meet_as_much_the_plainer_is_named() -> None:
    plain = Wish("housing", "bed", 1, "Kent", frozenset(), None)
    with_pets = Wish("housing", "bed", 1, "Kent", frozenset({"pets"}), None)
    elsewhere = Wish("housing", "bed", 1, "Seattle", frozenset(), None)
    assert [place.wish for place in best_places([(with_pets, 1), (plain, 2), (elsewhere, 3)])] == [elsewhere, with_pets]
