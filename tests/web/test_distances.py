"""How far something is: by the measure of the program's place, and nothing that was chosen gets lost."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.distances import KM_PER_MILE, far, in_miles, reaches
from app.web.languages import languages

SEATTLE, BERLIN = ZoneInfo("America/Los_Angeles"), ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("zone", "miles"),
    [
        ("America/Denver", True), ("America/New_York", True), ("US/Pacific", True), ("Europe/London", True),
        ("America/Toronto", False), ("Europe/Berlin", False), ("UTC", False), ("Etc/GMT+8", False),
    ],
)  # fmt: skip
def test_miles_are_said_where_roads_are_measured_in_them(zone: str, miles: bool) -> None:
    assert in_miles(ZoneInfo(zone)) is miles


@pytest.mark.parametrize(
    ("km", "zone", "tag", "words"),
    [
        (0.0, SEATTLE, "en", "0 mi"), (1.93, SEATTLE, "en", "1.2 mi"), (1.93, SEATTLE, "es", "1.2 mi"),
        (80.4672, SEATTLE, "en", "50 mi"), (2.46, BERLIN, "en", "2.5 km"), (12.4, BERLIN, "es", "12 km"),
    ],
)  # fmt: skip
def test_a_distance_is_said_to_a_tenth_below_ten(km: float, zone: ZoneInfo, tag: str, words: str) -> None:
    assert far(km, zone, languages()[tag]).replace("\u00a0", " ") == words


@given(st.none() | st.floats(0.1, 500), st.sampled_from([SEATTLE, BERLIN]))
def test_what_was_chosen_is_among_what_can_be(chosen: float | None, zone: ZoneInfo) -> None:
    offered = reaches(zone, chosen)
    assert offered == sorted(set(offered))
    assert chosen is None or chosen in offered
    assert len(offered) in (5, 6)


def test_round_miles_are_offered_where_miles_are_said() -> None:
    assert [round(km / KM_PER_MILE, 3) for km in reaches(SEATTLE, None)] == [1, 3, 5, 15, 30]
