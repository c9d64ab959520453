"""What is withheld can't be reckoned from what is shown, and weeks never overlap."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from app.program.overview import last_week
from app.program.small_cells import published

counts = st.dictionaries(st.text(max_size=3), st.integers(0, 40), max_size=9)


@given(counts)
def test_no_small_number_is_shown_nor_can_be_told_from_the_total(given_: dict[str, int]) -> None:
    shown = published(given_)
    assert shown.keys() == given_.keys()
    withheld = [given_[cell] for cell, count in shown.items() if count is None]
    assert all(count is None or count == given_[cell] >= 11 for cell, count in shown.items())
    if withheld:
        assert len(withheld) == len(given_) or (len(withheld) > 1 and sum(withheld) >= 11)


@given(counts)
def test_no_more_is_withheld_than_need_be(given_: dict[str, int]) -> None:
    withheld = sorted(given_[cell] for cell, count in published(given_).items() if count is None)
    small = [count for count in given_.values() if count < 11]
    if len(small) == len(withheld):
        return
    # Had the largest of them been shown, the others would be one alone or fewer than eleven together.
    assert len(withheld) - 1 < 2 or sum(withheld[:-1]) < 11
    assert not small or withheld


zones = st.sampled_from(["America/Los_Angeles", "Pacific/Auckland", "UTC", "America/Sao_Paulo"]).map(ZoneInfo)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(moments, zones)
def test_the_last_week_is_over_and_begins_where_the_one_before_ended(moment: datetime, where: ZoneInfo) -> None:
    since, until = last_week(moment, where)
    assert until <= moment < until + timedelta(days=7, hours=2)
    assert since.astimezone(where).weekday() == 0
    assert since.astimezone(where).time() == until.astimezone(where).time()
    assert last_week(since, where)[1] == since
