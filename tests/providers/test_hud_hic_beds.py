"""Which beds of a row are offered: steady before seasonal before overflow, and never more than there are."""

from datetime import date

import pytest

from tests.providers.hic import SEASON, SHELTER, opening, reason


@pytest.mark.parametrize(
    ("bed_type", "unit"),
    [
        ("", "bed"),
        ("F", "bed"),
        ("1", "bed"),
        ("O", "bed"),
        ("3", "bed"),
        ("V", "voucher"),
        ("v", "voucher"),
        ("2", "voucher"),
    ],
)
async def test_bed_type_says_what_is_counted_and_may_be_missing(bed_type: str, unit: str) -> None:
    found = await opening({"Bed Type": bed_type})
    assert (found.unit, found.notes) == (unit, ())


async def test_an_unknown_bed_type_is_noted() -> None:
    found = await opening({"Bed Type": "Q"})
    assert (found.unit, found.notes) == ("bed", ("Bed Type is 'Q', which is none of F, V, O",))


@pytest.mark.parametrize(
    ("written", "units"), [("20.0", 20), ("1,200", 1200), ("007", 7), ("100000", 100_000), (" 8 ", 8)]
)
async def test_numbers_as_spreadsheets_write_them(written: str, units: int) -> None:
    row = {"Total Beds": written, "Year-Round Beds": written, "Beds HH w/o Children": written}
    found = await opening(row)
    assert found.units_total == units


@pytest.mark.parametrize(
    ("counted", "notes"),
    [
        ("20", ()),
        ("", ()),
        ("25", ("point-in-time count 25 exceeds 20 beds",)),
        ("many", ("PIT Count is 'many', which is not a number",)),
    ],
)
async def test_the_point_in_time_count_is_a_note_and_never_a_reason(counted: str, notes: tuple[str, ...]) -> None:
    found = await opening({"PIT Count": counted})
    assert (found.units_total, found.notes) == (20, notes)


async def test_seasonal_beds_carry_their_season() -> None:
    found = await opening(SHELTER | SEASON | {"Total Seasonal Beds": "20"})
    assert (found.units_total, found.starts_on, found.ends_on) == (20, date(2013, 11, 1), date(2014, 3, 31))
    assert "20 seasonal beds" in found.service_description


async def test_year_round_beds_are_not_mixed_with_those_that_come_and_go() -> None:
    change = SEASON | {"Total Seasonal Beds": "5", "O/V Beds": "3", "Total Beds": "28"}
    found = await opening(change)
    assert (found.units_total, found.starts_on, found.ends_on) == (20, None, None)
    assert found.notes == (
        "5 seasonal beds are left out (2013-11-01 to 2014-03-31)",
        "3 overflow beds are left out: they open when demand exceeds the usual beds",
    )


async def test_a_season_that_is_left_out_need_not_be_known() -> None:
    found = await opening({"Total Seasonal Beds": "5", "Total Beds": "25"})
    assert found.notes == ("5 seasonal beds are left out (? to ?)",)


async def test_vouchers_may_be_had_all_year() -> None:
    found = await opening({"Bed Type": "V"})
    assert "20 year-round vouchers, as counted" in found.service_description


async def test_seasonal_beds_are_not_mixed_with_overflow_beds() -> None:
    found = await opening(SHELTER | SEASON | {"Total Seasonal Beds": "16", "O/V Beds": "4"})
    assert (found.units_total, found.ends_on) == (16, date(2014, 3, 31))
    assert found.notes == ("4 overflow beds are left out: they open when demand exceeds the usual beds",)


async def test_overflow_beds_alone_are_offered_with_a_warning_and_vouchers_without() -> None:
    beds = await opening(SHELTER | {"O/V Beds": "20"})
    vouchers = await opening(SHELTER | {"O/V Beds": "20", "Bed Type": "V"})
    assert (beds.units_total, beds.notes) == (
        20,
        ("overflow beds: they open when demand exceeds the usual beds",),
    )
    assert (vouchers.units_total, vouchers.unit, vouchers.notes) == (20, "voucher", ())
    assert "Emergency shelter: 20 vouchers, as counted" in vouchers.service_description


@pytest.mark.parametrize(
    ("start", "end", "starts_on", "ends_on"),
    [
        ("11/1/2013", "3/31/2014 0:00", date(2013, 11, 1), date(2014, 3, 31)),
        ("2014-01-31", "2014-01-31", date(2014, 1, 31), date(2014, 1, 31)),
        ("2013-11-01", "", date(2013, 11, 1), None),
        ("", "2014-03-31", None, date(2014, 3, 31)),
    ],
)
async def test_dates_of_a_season(start: str, end: str, starts_on: date | None, ends_on: date | None) -> None:
    season = {"Availability Start Date": start, "Availability End Date": end, "Total Seasonal Beds": "20"}
    found = await opening(SHELTER | season)
    assert (found.starts_on, found.ends_on) == (starts_on, ends_on)
    assert bool(found.notes) == (not (start and end))


@pytest.mark.parametrize(
    ("end", "sentence"),
    [
        ("2013-10-31", "Availability End Date is '2013-10-31', before the start date 2013-11-01."),
        ("spring", "Availability End Date is 'spring'; a date such as"),
        ("2014-02-30", "Availability End Date is '2014-02-30', and there is no such day."),
    ],
)
async def test_a_season_that_cannot_be_told_is_rejected(end: str, sentence: str) -> None:
    change = SHELTER | SEASON | {"Total Seasonal Beds": "20", "Availability End Date": end}
    assert (await reason(change)).startswith(sentence)


@pytest.mark.parametrize(("year_round", "total", "units"), [("20", "15", 15), ("20", "30", 20), ("", "12", 12)])
async def test_where_the_numbers_disagree_the_smaller_is_offered(year_round: str, total: str, units: int) -> None:
    found = await opening({"Year-Round Beds": year_round, "Total Beds": total, "PIT Count": ""})
    assert found.units_total == units
    assert found.notes[0].startswith(f"Total Beds is {total}, but")
