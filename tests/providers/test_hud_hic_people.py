"""Who the beds of a row are for, and whose location must not be shown."""

import pytest

from providers.records import Opening
from tests.providers.hic import SHELTER, Row, hic, opening, read


@pytest.mark.parametrize(
    ("code", "men", "women"),
    [
        ("SM", "yes", "no"),
        ("SF", "no", "yes"),
        ("SMF", "yes", "yes"),
        ("smf", "yes", "yes"),
        ("CO", "no", "no"),
        ("", None, None),
        ("YM", None, None),
        ("YF", None, None),
        ("YMF", None, None),
    ],
)
async def test_single_adults(code: str, men: str | None, women: str | None) -> None:
    found = await opening({"Target Population A": code})
    assert (found.attributes.get("single_men"), found.attributes.get("single_women")) == (men, women)
    assert found.attributes.get("couples") == ("yes" if code == "CO" else None)
    assert found.attributes.get("youth") == ("yes" if code.startswith("Y") else None)
    assert found.notes == ()


@pytest.mark.parametrize(
    ("code", "families", "alone", "served"),
    [
        ("HC", "20", "", {"households_with_children": "yes", "single_men": "no", "single_women": "no"}),
        ("SFHC", "5", "15", {"households_with_children": "yes", "single_men": "no", "single_women": "yes"}),
        ("SMHC", "5", "15", {"households_with_children": "yes", "single_men": "yes", "single_women": "no"}),
        (
            "SMF+HC",
            "5",
            "15",
            {"households_with_children": "yes", "single_men": "yes", "single_women": "yes"},
        ),
    ],
)
async def test_beds_of_several_households_are_one_opening(
    code: str, families: str, alone: str, served: dict[str, str]
) -> None:
    beds = {"Beds HH w/ Children": families, "Beds HH w/o Children": alone}
    found = await opening(beds | {"Target Population A": code})
    expected = served | {"adults_without_children": "yes" if alone else "no", "only_children": "no"}
    assert (found.units_total, found.attributes, found.notes) == (20, expected, ())
    assert (found.minimum_age, found.maximum_age) == (None, None)


@pytest.mark.parametrize(
    "change",
    [
        SHELTER | {"O/V Beds": "20"},
        # The columns share out year-round beds, so they say nothing of these.
        SHELTER | {"O/V Beds": "20", "Beds HH w/o Children": "20"},
        {"Beds HH w/o Children": ""},
    ],
)
async def test_households_that_were_not_counted_come_from_the_target_population(change: Row) -> None:
    found = await opening(change | {"Target Population A": "SFHC"})
    assert found.attributes == {
        "adults_without_children": "yes",
        "households_with_children": "yes",
        "single_men": "no",
        "single_women": "yes",
    }
    assert found.minimum_age is None


@pytest.mark.parametrize(
    ("code", "families", "alone", "attributes", "words"),
    [
        (
            "HC",
            "10",
            "10",
            {"adults_without_children": "yes", "households_with_children": "yes"},
            "10 beds are",
        ),
        ("SMF+HC", "20", "", {"households_with_children": "yes"}, "no bed is counted for adults"),
        (
            "SFHC",
            "",
            "20",
            {"adults_without_children": "yes", "single_men": "no", "single_women": "yes"},
            "no bed is",
        ),
    ],
)
async def test_what_target_population_and_beds_disagree_on_is_unknown(
    code: str, families: str, alone: str, attributes: dict[str, str], words: str
) -> None:
    beds = {"Beds HH w/ Children": families, "Beds HH w/o Children": alone}
    found = await opening(beds | {"Target Population A": code})
    assert found.attributes == attributes | {"only_children": "no"}
    assert words in found.notes[0]
    assert found.minimum_age is None


async def test_households_are_unknown_while_beds_are_unaccounted_for() -> None:
    found = await opening({"Beds HH w/o Children": "15"})
    assert found.attributes["adults_without_children"] == "yes"
    assert "households_with_children" not in found.attributes
    assert found.minimum_age is None


async def test_an_unknown_target_population_is_noted() -> None:
    found = await opening({"Target Population A": "ALL"})
    assert found.notes == ("Target Population A is 'ALL', which is not a known code",)
    assert "single_men" not in found.attributes


@pytest.mark.parametrize(
    ("change", "attribute"),
    [
        ({"Target Population B": "DV"}, "survivors"),
        ({"Target Population B": "HIV"}, "hiv"),
        ({"Target Population B": "VET"}, "veterans"),
        ({"DV Beds": "3"}, "survivors"),
        ({"yearVeteranBedCount": "3"}, "veterans"),
        ({"yearYouthBedCount": "3"}, "youth"),
    ],
)
async def test_a_group_is_yes_when_named_and_otherwise_unknown(change: Row, attribute: str) -> None:
    usual = await opening({})
    found = await opening(change)
    assert found.attributes == {**usual.attributes, attribute: "yes"}


@pytest.mark.parametrize(
    ("column", "who"),
    [
        ("yearVeteranBedCount", "veterans"),
        ("yearYouthBedCount", "youth"),
        ("CH Beds", "people who are chronically homeless"),
        ("DV Beds", "survivors of domestic violence"),
    ],
)
async def test_beds_set_aside_are_noted(column: str, who: str) -> None:
    assert (await opening({column: "3"})).notes == (f"3 of 20 beds are kept for {who}",)
    assert (await opening({column: "20"})).notes == (f"all 20 beds are kept for {who}",)
    assert (await opening({column: "0"})).notes == ()


async def test_beds_for_the_chronically_homeless_change_no_attribute() -> None:
    assert (await opening({"CH Beds": "3"})).attributes == (await opening({})).attributes


@pytest.mark.parametrize(
    ("change", "ages"),
    [
        ({"yearYouthBedCount": "20", "youthAgeGroup": "0"}, (None, 17)),
        ({"yearYouthBedCount": "20", "youthAgeGroup": "1"}, (18, 24)),
        ({"yearYouthBedCount": "20", "youthAgeGroup": "2"}, (None, 24)),
        ({"yearYouthBedCount": "19", "youthAgeGroup": "1"}, (18, None)),
        ({"yearYouthBedCount": "20", "youthAgeGroup": "7"}, (18, None)),
        (
            {"Beds HH w/o Children": "", "Beds HH w/ only Children": "20", "Target Population A": "YM"},
            (None, 17),
        ),
    ],
)
async def test_ages_are_those_of_every_bed(change: Row, ages: tuple[int | None, int | None]) -> None:
    found = await opening(change)
    assert (found.minimum_age, found.maximum_age) == ages


@pytest.mark.parametrize(
    ("change", "masked"),
    [
        ({}, False),
        ({"DV Beds": "0", "Victim Service Provider": "0"}, False),
        ({"Victim Service Provider": "0.0"}, False),
        ({"Victim Service Provider": "No"}, False),
        ({"Target Population B": "DV"}, True),
        ({"Target Population B": "dv"}, True),
        ({"Target Population B": "DV", "DV Beds": "0"}, True),
        ({"Target Population B": "domestic violence"}, True),
        ({"DV Beds": "1"}, True),
        ({"Victim Service Provider": "1"}, True),
    ],
)
async def test_the_location_of_survivors_is_masked(change: Row, masked: bool) -> None:
    assert (await opening(change)).serves_survivors is masked


@pytest.mark.parametrize(
    ("targets", "masked"),
    [
        (("DV", ""), [True, True]),
        (("", "DV"), [True, True]),
        (("", "DV", "DV"), [True, True, True]),
        (("DV", "", ""), [True, False, False]),
    ],
)
async def test_an_organization_mostly_for_survivors_is_masked_throughout(
    targets: tuple[str, ...], masked: list[bool]
) -> None:
    stranger = {"Organization Name": "Another"}
    results = await read(hic(*({"Target Population B": target} for target in targets), stranger))
    openings = [result for result in results if isinstance(result, Opening)]
    assert [each.serves_survivors for each in openings] == [*masked, False]
    inferred = [any("half or more" in note for note in each.notes) for each in openings]
    assert inferred == [
        hidden and target != "DV" for hidden, target in zip([*masked, False], [*targets, ""], strict=True)
    ]
