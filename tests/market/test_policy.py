"""The rules of a program: how long a hold lasts, on every clock there is, and what a program may set."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.market.policy import CategoryRules, HoldRule, MarketPolicy, zone
from app.market.vocabulary import Category

LOS_ANGELES, DENVER, NEW_YORK = (ZoneInfo(f"America/{city}") for city in ("Los_Angeles", "Denver", "New_York"))
ZONES = [LOS_ANGELES, DENVER, NEW_YORK]
FORWARD, BACK = date(2026, 3, 8), date(2026, 11, 1)
"""The days on which clocks in the United States change in 2026, at two in the morning."""
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def local(day: date, clock: str, where: ZoneInfo, *, fold: int = 0) -> datetime:
    """The moment at which a clock on the wall shows this, in UTC. The second of two, with a fold."""
    return datetime.combine(day, time.fromisoformat(clock), where).replace(fold=fold).astimezone(UTC)


# A number of minutes.


@pytest.mark.parametrize("where", ZONES)
@pytest.mark.parametrize("now", [local(FORWARD, "01:30", DENVER), local(BACK, "00:30", DENVER)])
def test_minutes_are_minutes_whatever_clocks_do(where: ZoneInfo, now: datetime) -> None:
    assert HoldRule(minutes=90).ends(now, where) == now + 90 * MINUTE


# A local time.


@pytest.mark.parametrize("where", ZONES)
@pytest.mark.parametrize(
    ("day", "now", "until", "ends"),
    [
        # An ordinary day.
        (date(2026, 11, 23), "14:00", "20:00", "20:00"),
        (date(2026, 11, 23), "00:00", "20:00", "20:00"),
        (date(2026, 11, 23), "19:29", "20:00", "20:00"),
        # The day clocks go forward or back, before and after they do.
        (FORWARD, "00:30", "20:00", "20:00"),
        (FORWARD, "14:00", "20:00", "20:00"),
        (BACK, "00:30", "20:00", "20:00"),
        (BACK, "14:00", "20:00", "20:00"),
        # The evenings before.
        (FORWARD - DAY, "14:00", "23:00", "23:00"),
        (BACK - DAY, "14:00", "23:00", "23:00"),
        # Too late today: half an hour, not until tomorrow.
        (date(2026, 11, 23), "19:31", "20:00", "20:01"),
        (date(2026, 11, 23), "20:00", "20:00", "20:30"),
        (date(2026, 11, 23), "22:10", "20:00", "22:40"),
        # Nor until tomorrow morning, which is another day's business.
        (date(2026, 11, 23), "22:10", "08:00", "22:40"),
    ],
)
def test_a_cut_off_is_todays_on_the_clock_on_the_wall(
    where: ZoneInfo, day: date, now: str, until: str, ends: str
) -> None:
    rule = HoldRule(until=time.fromisoformat(until))
    assert rule.ends(local(day, now, where), where) == local(day, ends, where)


@pytest.mark.parametrize("where", ZONES)
def test_a_claim_late_at_night_does_not_keep_the_bed_until_tomorrow_evening(where: ZoneInfo) -> None:
    rule, day = HoldRule(until=time(20)), date(2026, 11, 23)
    assert rule.ends(local(day, "23:50", where), where) == local(day + DAY, "00:20", where)
    assert rule.ends(local(day + DAY, "00:01", where), where) == local(day + DAY, "20:00", where)


@pytest.mark.parametrize("where", ZONES)
@pytest.mark.parametrize("day", [date(2026, 11, 23), FORWARD - DAY, BACK - DAY])
@pytest.mark.parametrize(
    ("now", "ends_next_day"), [("18:30", "00:30"), ("22:00", "00:30"), ("23:59", "00:30"), ("18:29", None)]
)
def test_a_cut_off_in_the_small_hours_belongs_to_the_evening_before(
    where: ZoneInfo, day: date, now: str, ends_next_day: str | None
) -> None:
    claimed = local(day, now, where)
    ends = local(day + DAY, ends_next_day, where) if ends_next_day else claimed + 30 * MINUTE
    assert HoldRule(until=time(0, 30)).ends(claimed, where) == ends


@pytest.mark.parametrize("where", ZONES)
def test_the_day_is_the_programs_own_not_that_of_utc(where: ZoneInfo) -> None:
    # At 19:00 in Denver it is tomorrow in UTC already.
    now = local(date(2026, 11, 23), "19:00", where)
    assert now.date() == date(2026, 11, 24)
    assert HoldRule(until=time(20)).ends(now, where) == now + 60 * MINUTE


@pytest.mark.parametrize("where", ZONES)
def test_hours_that_are_lost_or_gained_make_a_hold_shorter_or_longer(where: ZoneInfo) -> None:
    rule = HoldRule(until=time(6))
    assert rule.ends(local(FORWARD, "01:00", where), where) - local(FORWARD, "01:00", where) == timedelta(hours=4)
    assert rule.ends(local(BACK, "00:30", where), where) - local(BACK, "00:30", where) == timedelta(hours=6.5)


@pytest.mark.parametrize("where", ZONES)
def test_a_cut_off_in_the_missing_hour_falls_as_long_after_midnight_as_ever(where: ZoneInfo) -> None:
    now = local(FORWARD, "00:30", where)
    assert HoldRule(until=time(2, 30)).ends(now, where) == now + timedelta(hours=2)
    # Which the clock on the wall calls half past three.
    assert HoldRule(until=time(2, 30)).ends(now, where) == local(FORWARD, "03:30", where)


@pytest.mark.parametrize("where", ZONES)
def test_a_cut_off_that_comes_twice_is_the_first_of_the_two(where: ZoneInfo) -> None:
    rule = HoldRule(until=time(1, 30), late_minutes=10)
    assert rule.ends(local(BACK, "00:30", where), where) == local(BACK, "00:30", where) + timedelta(hours=1)
    # In the second of the two hours it has passed already, though the clock shows an earlier time.
    now = local(BACK, "01:05", where, fold=1)
    assert rule.ends(now, where) == now + 10 * MINUTE


def test_a_cut_off_just_before_is_not_shorter_than_the_late_minutes() -> None:
    now = local(date(2026, 11, 23), "19:45", DENVER)
    assert HoldRule(until=time(20), late_minutes=45).ends(now, DENVER) == now + 45 * MINUTE


moments = st.integers(0, 3 * 365 * 24 * 60).map(
    lambda minute: datetime(2025, 1, 1, tzinfo=UTC) + minute * MINUTE
) | st.builds(
    # Around the two nights on which clocks change, where mistakes live.
    lambda day, minute: datetime.combine(day, time(), UTC) + minute * MINUTE,
    st.sampled_from([FORWARD, BACK]),
    st.integers(0, 60 * 60),
)
cut_offs = st.builds(
    HoldRule, until=st.times().map(lambda t: t.replace(microsecond=0)), late_minutes=st.integers(1, 240)
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(rule=cut_offs, now=moments, where=st.sampled_from(ZONES))
def test_a_hold_until_a_local_time_ends_later_but_never_the_day_after(
    rule: HoldRule, now: datetime, where: ZoneInfo
) -> None:
    ends = rule.ends(now, where)
    assert ends.utcoffset() == timedelta(0)
    assert now + timedelta(minutes=rule.late_minutes) <= ends
    # The longest day has 25 hours.
    assert ends - now <= max(timedelta(hours=25), timedelta(minutes=rule.late_minutes))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    rule=cut_offs | st.builds(HoldRule, minutes=st.integers(1, 5000)),
    now=moments,
    later=st.integers(0, 3000),
    where=st.sampled_from(ZONES),
)
def test_who_claims_later_holds_no_shorter(rule: HoldRule, now: datetime, later: int, where: ZoneInfo) -> None:
    assert rule.ends(now, where) <= rule.ends(now + later * MINUTE, where)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({}, "give either minutes or until (a local time such as 20:00), not both"),
        ({"minutes": 90, "until": "20:00"}, "give either minutes or until"),
        ({"until": "20:00+01:00"}, "until is a time of day in the program's own time zone, without an offset"),
        ({"minutes": 0}, "greater than or equal to 1"),
        ({"minutes": 60 * 24 * 31 + 1}, "less than or equal to 44640"),
        ({"until": "20:00", "late_minutes": 0}, "greater than or equal to 1"),
        ({"until": "25:00"}, "hour value is outside"),
        ({"hours": 2}, "Extra inputs are not permitted"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_a_sentence(rule: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        HoldRule.model_validate(rule)
    assert says in str(refused.value)


# The policy of a program.

NOON = local(date(2026, 11, 23), "12:00", DENVER)


def test_an_openings_own_minutes_come_before_the_categorys() -> None:
    policy = MarketPolicy()
    assert policy.hold_until("housing", None, NOON, DENVER, None) == NOON + 90 * MINUTE
    assert policy.hold_until("housing", 20, NOON, DENVER, None) == NOON + 20 * MINUTE
    assert policy.hold_until("vocational", None, NOON, DENVER, None) == NOON + DAY


def test_a_category_without_rules_has_the_general_ones() -> None:
    policy = MarketPolicy(categories={})
    assert policy.rules("housing") == policy.rules("legal") == MarketPolicy().rules("food")
    assert policy.hold_until("housing", None, NOON, DENVER, None) == NOON + 240 * MINUTE


@settings(max_examples=200, deadline=None, derandomize=True)
@given(rule=cut_offs, own=st.none() | st.integers(1, 600), now=moments, left=st.integers(1, 3000))
def test_a_hold_never_outlasts_the_opening(rule: HoldRule, own: int | None, now: datetime, left: int) -> None:
    rules = CategoryRules(immediacy_hours=24, fresh_minutes=60, hold=rule)
    policy = MarketPolicy(categories={Category.HOUSING: rules})
    ends_at = now + left * MINUTE
    free = policy.hold_until("housing", own, now, NEW_YORK, None)
    assert policy.hold_until("housing", own, now, NEW_YORK, ends_at) == min(free, ends_at) > now


def test_what_a_program_sets_is_laid_over_the_defaults() -> None:
    housing = {"immediacy_hours": 6, "fresh_minutes": 30, "hold": {"until": "21:00"}}
    policy = MarketPolicy.model_validate({"categories": {"housing": housing}, "max_extensions": 0}).complete()
    assert policy.rules("housing").hold == HoldRule(until=time(21))
    assert policy.rules("treatment") == MarketPolicy().rules("treatment")
    assert (policy.max_extensions, policy.max_active_holds) == (0, None)


def test_what_is_stored_is_read_again_as_it_was() -> None:
    rules = CategoryRules(immediacy_hours=6, fresh_minutes=30, hold=HoldRule(until=time(21), late_minutes=5))
    policy = MarketPolicy(categories={Category.HOUSING: rules}, max_active_holds=3)
    stored = policy.model_dump(mode="json", exclude_unset=True)
    assert set(stored) == {"categories", "max_active_holds"}
    assert MarketPolicy.model_validate(stored) == policy


def test_the_defaults_are_no_ones_to_change() -> None:
    with pytest.raises(ValidationError):
        MarketPolicy().max_extensions = 9  # type: ignore[misc]
    MarketPolicy().complete().categories.clear()
    assert MarketPolicy().rules("housing").hold == HoldRule(minutes=90)


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ({"categories": {"shelter": {}}}, "'housing'"),
        ({"categories": {"housing": {"immediacy_hours": 24}}}, "Field required"),
        ({"max_active_holds": 0}, "greater than or equal to 1"),
        ({"max_extensions": 101}, "less than or equal to 100"),
        ({"waitlist_hours": 4}, "Extra inputs are not permitted"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_with_a_sentence(policy: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        MarketPolicy.model_validate(policy)
    assert says in str(refused.value)


def test_a_time_zone_is_looked_up_once() -> None:
    assert zone("America/Denver") is zone("America/Denver")
    assert zone("America/Denver") == DENVER
