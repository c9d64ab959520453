"""Which rows of a Housing Inventory Count become openings, which one each is, and that no file breaks it."""

from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.hud_hic import REQUIRED
from providers.records import NotThisFormat, Opening, Rejected
from tests.providers.hic import COLUMNS, Row, hic, opening, read, reason

REAL_FILE = Path(__file__).parents[3] / "shared" / "data" / "hud_hic_2014_atlanta_seattle_new_mexico.csv"


async def test_a_usual_row_becomes_an_opening() -> None:
    assert await opening({"Project Name": "Recuperative Care"}) == Opening(
        row=1,
        organization_key="ga-500|24/7 gateway, llc",
        organization_name="24/7 Gateway, LLC",
        serves_survivors=False,
        service_key="ga-500|24/7 gateway, llc|recuperative care|2||c",
        service_name="Recuperative Care",
        service_description="Transitional housing: 20 year-round beds, as counted in HUD's 2014 Housing "
        "Inventory Count for Atlanta Continuum of Care.",
        category="housing",
        hud_project_type=2,
        unit="bed",
        units_total=20,
        attributes={
            "adults_without_children": "yes",
            "households_with_children": "no",
            "only_children": "no",
            "single_men": "yes",
            "single_women": "yes",
        },
        minimum_age=18,
        maximum_age=None,
        location_name="Recuperative Care",
        city=None,
        state_province="GA",
        country="US",
        starts_on=None,
        ends_on=None,
        notes=(),
    )


@pytest.mark.parametrize(
    ("written", "number", "words"),
    [
        ("ES", 0, "Emergency shelter: "),
        ("TH", 2, "Transitional housing: "),
        ("PSH", 3, "Permanent supportive housing: "),
        ("SH", 8, "Safe haven: "),
        ("RRH", 13, "Rapid re-housing: "),
        ("rrh", 13, "Rapid re-housing: "),
        ("0", 0, "Emergency shelter: "),
        ("1", 1, "Emergency shelter, night by night: "),
        ("2", 2, "Transitional housing: "),
        ("3", 3, "Permanent supportive housing: "),
        ("8", 8, "Safe haven: "),
        ("9", 9, "Permanent housing: "),
        ("10", 10, "Permanent housing with services: "),
        ("13", 13, "Rapid re-housing: "),
    ],
)
async def test_project_type(written: str, number: int, words: str) -> None:
    found = await opening({"Project Type": written})
    assert found.hud_project_type == number
    assert found.service_description.startswith(words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"CoC": ""}, "20 year-round beds, as counted in HUD's 2014 Housing Inventory Count for GA-500."),
        ({"CoC": "", "HudNum": ""}, "20 year-round beds, as counted in HUD's 2014 Housing Inventory Count."),
        ({"Year-Round Beds": "1", "Total Beds": "1", "CoC": "", "HudNum": ""}, "1 year-round bed, as counted in"),
    ],
)
async def test_the_description_says_what_was_counted_where(change: Row, words: str) -> None:
    assert (await opening(change)).service_description.startswith(f"Transitional housing: {words}")


@pytest.mark.parametrize("status", ["Confirmed", "CONFIRMED", "Submitted"])
@pytest.mark.parametrize("inventory", ["C", "N", "n"])
async def test_final_and_usable_rows_are_read(status: str, inventory: str) -> None:
    assert (await opening({"Status": status, "Inventory Type": inventory})).units_total == 20


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("Organization Name", " ", "Organization Name is empty"),
        ("Project Name", "", "Project Name is empty"),
        ("Status", "Draft", "Status is 'Draft'; only a Confirmed or Submitted row is final."),
        ("Status", "", "Status is empty; only"),
        ("Inventory Type", "U", "Inventory Type is 'U', under development"),
        ("Inventory Type", "", "Inventory Type is empty; C (current) or N (new) is expected."),
        ("Inventory Type", "Z", "Inventory Type is 'Z'; C (current) or N (new)"),
        ("Project Type", "", "Project Type is empty; a kind of housing is expected"),
        ("Project Type", "XX", "Project Type is 'XX'; a kind of housing is expected"),
        ("Project Type", "14", "Project Type is '14'; a kind of housing is expected"),
        ("Total Beds", "", "Total Beds is empty; a whole number from 1 to 100,000 is expected."),
        ("Total Beds", "0", "Total Beds is '0'; a whole number from 1"),
        ("Total Beds", "-5", "Total Beds is '-5'; a whole number"),
        ("Total Beds", "ten", "Total Beds is 'ten'; a whole number"),
        ("Total Beds", "12.5", "Total Beds is '12.5'; a whole number"),
        ("Total Beds", "1,2", "Total Beds is '1,2'; a whole number"),
        ("Total Beds", "٣", "Total Beds is '٣'; a whole number"),
        ("Total Beds", "100001", "Total Beds is '100001'; a whole number from 1 to 100,000"),
        ("Total Beds", "9" * 5000, f"Total Beds is '{'9' * 60}'; a whole number"),
        ("Year-Round Beds", "-1", "Year-Round Beds is '-1'; a whole number from 0"),
        ("Beds HH w/ Children", "#REF!", "Beds HH w/ Children is '#REF!'; a whole number from 0"),
        ("DV Beds", "some", "DV Beds is 'some'; a whole number from 0"),
        ("O/V Beds", "?", "O/V Beds is '?'; a whole number from 0"),
    ],
)
async def test_a_row_that_offers_nothing_usable_says_why(column: str, value: str, sentence: str) -> None:
    assert (await reason({column: value})).startswith(sentence)


async def test_a_repeated_row_number_is_rejected() -> None:
    first, second = await read(hic({"Row #": "7"}, {"Row #": "7"}))
    assert isinstance(first, Opening)
    assert second == Rejected(2, "Row # is '7', as in row 1; remove one of the two.")


async def test_rows_without_a_number_are_told_apart_by_their_project() -> None:
    results = await read(hic({"Row #": ""}, {"Row #": ""}))
    assert [type(result) for result in results] == [Opening, Opening]


@pytest.mark.parametrize(
    ("once", "again"),
    [
        ({}, {}),
        ({}, {"Project Name": " CEDAR  house"}),
        ({}, {"Total Beds": "30"}),
        ({"Bed Type": "F"}, {"Bed Type": "1"}),
        ({"Bed Type": "V"}, {"Bed Type": "2"}),
        ({"Bed Type": "O"}, {"Bed Type": "3"}),
    ],
)
async def test_a_repeated_project_is_rejected(once: Row, again: Row) -> None:
    name = {"Project Name": "Cedar House"}
    first, second = await read(hic(name | once, name | again))
    assert isinstance(first, Opening)
    assert isinstance(second, Rejected)
    assert "and row 1 has that project already" in second.reason


@pytest.mark.parametrize("apart", [{"Inventory Type": "N"}, {"Bed Type": "F"}])
async def test_a_project_may_fill_several_rows(apart: Row) -> None:
    first, second = await read(hic({"Project Name": "Cedar House"}, {"Project Name": "Cedar House", **apart}))
    assert isinstance(first, Opening)
    assert isinstance(second, Opening)
    assert first.service_key != second.service_key
    assert second.notes == ("row 1 has other beds of the same project",)


@pytest.mark.parametrize("apart", [{"HudNum": "WA-500"}, {"Organization Name": "Another"}, {"Project Type": "PSH"}])
async def test_projects_of_one_name_may_be_different_ones(apart: Row) -> None:
    first, second = await read(hic({"Project Name": "Cedar House"}, {"Project Name": "Cedar House", **apart}))
    assert isinstance(first, Opening)
    assert isinstance(second, Opening)
    assert first.service_key != second.service_key
    assert second.notes == ()


async def test_no_name_can_pass_for_the_end_of_another() -> None:
    first, second = await read(
        hic({"Organization Name": "A", "Project Name": "B|C"}, {"Organization Name": "A|B", "Project Name": "C"})
    )
    assert isinstance(first, Opening)
    assert isinstance(second, Opening)
    assert first.service_key != second.service_key


async def test_a_row_may_mend_a_rejected_one() -> None:
    bad = {"Project Name": "Cedar House", "Row #": "7", "Total Beds": "0"}
    results = await read(hic(bad, bad | {"Total Beds": "20"}))
    assert [type(result) for result in results] == [Rejected, Opening]


async def test_next_years_count_updates_the_same_service() -> None:
    then = await opening({"Row #": "187025", "Project Name": "Cedar House", "Status": "Confirmed"})
    again = {"Row #": "336611", "Project Name": "CEDAR HOUSE", "Status": "Submitted", "year": "2018"}
    now = await opening(again)
    assert (now.service_key, now.organization_key) == (then.service_key, then.organization_key)


async def test_columns_come_in_any_order_and_optional_ones_may_be_missing() -> None:
    (result,) = await read(hic({}, columns=REQUIRED[::-1]))
    assert isinstance(result, Opening)
    assert (result.units_total, result.state_province) == (20, None)
    assert result.service_description.endswith("as counted in HUD's Housing Inventory Count for GA-500.")


async def test_the_state_is_found_in_the_layout_of_2018() -> None:
    assert (await opening({"State": "", "CocState": "AR"})).state_province == "AR"


@pytest.mark.parametrize("column", REQUIRED)
async def test_a_file_without_a_required_column_is_no_inventory_count(column: str) -> None:
    columns = tuple(name for name in COLUMNS if name != column)
    with pytest.raises(NotThisFormat, match="is not a HUD Housing Inventory Count: its header lacks"):
        await read(hic({}, columns=columns))


async def test_bad_rows_cost_only_themselves() -> None:
    good = hic({}, {}, {}).split(b"\r\n")
    data = b"\r\n".join([good[0], good[1], b"1,2,3", b'"' + good[2], good[3], b""])
    results = await read(data)
    assert [(result.row, type(result)) for result in results] == [
        (1, Opening),
        (2, Rejected),
        (3, Rejected),
        (4, Opening),
    ]


text = st.text('",;|\r\n\t\0\x1b -0123456789aZé’٣😀\u2028\ufeff', max_size=10)
codes = st.sampled_from(["", "U", "N", "V", "DV", "HIV", "SMF+HC", "CO", "HC", "9", "2014-02-01", "1/1/2014"])
value = st.one_of(text, codes, st.integers(-10, 10**7).map(str))


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(COLUMNS), value, max_size=4), max_size=6))
async def test_every_row_whatever_it_holds_has_exactly_one_result(changes: list[Row]) -> None:
    results = await read(hic(*changes))
    assert [result.row for result in results] == list(range(1, len(changes) + 1))
    assert all(result.reason.endswith(".") for result in results if isinstance(result, Rejected))
    openings = [result for result in results if isinstance(result, Opening)]
    assert len({each.service_key for each in openings}) == len(openings)
    for each in openings:
        assert 1 <= each.units_total <= 100_000
        assert each.organization_name
        assert each.service_name
        assert set(each.attributes.values()) <= {"yes", "no"}
        assert (each.starts_on or date.min) <= (each.ends_on or date.max)
        assert "\\x00" not in repr(each)


@settings(deadline=None)
@given(st.binary(max_size=300))
async def test_bytes_that_are_no_count_are_refused_whole(data: bytes) -> None:
    with pytest.raises(NotThisFormat):
        await read(data)


@settings(deadline=None)
@given(st.binary(max_size=300))
async def test_no_bytes_below_a_header_break_the_reader(data: bytes) -> None:
    results = await read(hic() + data)
    assert [(result.row, type(result)) for result in results] == [(row, Rejected) for row in range(1, len(results) + 1)]


@settings(deadline=None)
@given(st.data())
async def test_damage_leaves_the_rows_before_it_alone(data: st.DataObject) -> None:
    # Three organizations, because what one row says of survivors can mask another of its own.
    rows = [{"Organization Name": name} for name in ("A", "B", 'The "Annex",\nEast')]
    whole = hic(*rows)
    start = data.draw(st.integers(whole.index(b"\n") + 1, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    patch = data.draw(st.one_of(st.binary(max_size=20), st.text('",\r\n\0', max_size=8).map(str.encode)))
    results = await read(whole[:start] + patch + whole[end:])
    assert [result.row for result in results] == list(range(1, len(results) + 1))
    untouched = whole[:start].count(b"\r\n") - 1
    assert results[:untouched] == (await read(whole))[:untouched]


@pytest.mark.skipif(not REAL_FILE.exists(), reason="the real count is not part of the repository")
async def test_the_count_of_2014_for_atlanta_seattle_and_new_mexico() -> None:
    results = await read(REAL_FILE.read_bytes(), size=4096)
    assert [result.row for result in results] == list(range(1, 602))
    rejected = Counter(result.reason for result in results if isinstance(result, Rejected))
    assert rejected == {"Inventory Type is 'U', under development; these beds cannot be used yet.": 17}

    openings = [result for result in results if isinstance(result, Opening)]
    assert len(openings) == 584
    assert len({each.service_key for each in openings}) == 584
    assert len({each.organization_key for each in openings}) == 209
    assert Counter(each.hud_project_type for each in openings) == {0: 179, 2: 217, 3: 166, 8: 2, 13: 20}
    assert Counter(each.state_province for each in openings) == {"WA": 302, "GA": 138, "NM": 144}
    assert Counter(each.unit for each in openings) == {"bed": 570, "voucher": 14}
    assert sum(each.units_total for each in openings) == 22_455
    assert sum(each.ends_on is not None for each in openings) == 18
    assert all(each.city is None for each in openings)

    notes = [note for each in openings for note in each.notes]
    assert sum(note.startswith("point-in-time count") for note in notes) == 45
    assert sum(note.endswith("of the same project") for note in notes) == 17
    assert sum("left out" in note for note in notes) == 31
    assert sum(each.serves_survivors for each in openings) == 49
    inferred = {each.service_name for each in openings if any("half or more" in note for note in each.notes)}
    assert inferred == {"Esperanza ES", "Las Brisas del Mar"}
