"""What someone needs: how it is read, what meets it, and what is kept of it."""

import random
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import insert

from app.core.ids import new_id
from app.market.attributes import ATTRIBUTES, HOUSEHOLDS
from app.market.needs import Need, Point, fits_terms
from app.market.search import search
from app.market.tables import Opening
from app.market.vocabulary import Category, Unit
from tests.support import Program

SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
LATE = SOON + timedelta(days=2)
SECOND = timedelta(seconds=1)


def need_of(**given: Any) -> Need:
    """A need as it is read from outside."""
    return Need.model_validate(given)


def terms_of(**terms: Any) -> dict[str, Any]:
    """The terms of an opening that asks for nothing and promises nothing."""
    nothing = dict.fromkeys(("minimum_age", "maximum_age", "starts_at", "ends_at"))
    return {"attributes": {}, "languages": []} | nothing | terms


# How it is read.


@pytest.mark.parametrize(
    "near", ["47.6062,-122.3321", " 47.6062 , -122.3321 ", [47.6062, -122.3321], (47.6062, -122.3321)]
)
def test_a_place_is_read_as_it_is_written(near: object) -> None:
    assert need_of(near=near).near == Point(47.6062, -122.3321)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"near": "Seattle"}, "give a place as LAT,LON in degrees, such as 47.6062,-122.3321"),
        ({"near": "1,2,3"}, "give a place as LAT,LON"),
        ({"near": "47.6,west"}, "valid number"),
        ({"near": "91,0"}, "less than or equal to 90"),
        ({"near": "0,-180.1"}, "greater than or equal to -180"),
        ({"near": "inf,0"}, "less than or equal to 90"),
        ({"within_km": 3}, "within_km needs near: the place to measure from, as LAT,LON"),
        ({"near": "0,0", "within_km": 0}, "greater than 0"),
        ({"near": "0,0", "within_km": 20_001}, "less than or equal to 20000"),
        ({"units": 0}, "greater than or equal to 1"),
        ({"units": 1001}, "less than or equal to 1000"),
        ({"age": -1}, "greater than or equal to 0"),
        ({"household": "family"}, f"the households are {', '.join(HOUSEHOLDS)}"),
        ({"language": "english"}, "give languages as BCP 47 tags, such as en, es or zh-Hant"),
        ({"starts_by": "2026-11-23T20:00:00"}, "timezone"),
        ({"sober": True}, "Extra inputs are not permitted"),
    ],
)
def test_a_need_that_makes_no_sense_is_refused_with_a_sentence(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        need_of(**given)
    assert says in str(refused.value)


@pytest.mark.parametrize("field", ["needs", "prefers"])
def test_attributes_that_are_none_are_named_beside_all_that_are(field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        need_of(**{field: ["pets", "unicorns", "dragons"]})
    message = refused.value.errors()[0]["msg"]
    assert "'dragons', 'unicorns': the attributes are" in message
    assert "'pets'" not in message
    assert all(name in message for name in ATTRIBUTES)


def test_a_household_requires_its_attribute() -> None:
    assert need_of(needs=["pets"], household="with_children").required == ("households_with_children", "pets")
    assert all(attribute in ATTRIBUTES for attribute in HOUSEHOLDS.values())


def test_a_need_is_stored_and_read_again_as_it_was() -> None:
    need = need_of(
        category="housing", near="47.6062,-122.3321", within_km=3, needs=["pets"], starts_by=SOON, lasts_until=LATE
    )
    assert Need.model_validate(need.model_dump(mode="json", exclude_defaults=True)) == need
    assert Need.model_validate_json(need.model_dump_json(exclude_defaults=True)) == need


# What meets it.


@pytest.mark.parametrize(("answer", "fits"), [("yes", True), ("no", False), ("unknown", False), (None, False)])
def test_only_yes_satisfies_a_need_for_yes(answer: str | None, fits: bool) -> None:
    attributes = {} if answer is None else {"pets": answer}
    assert fits_terms(need_of(needs=["pets"]), **terms_of(attributes=attributes)) is fits
    assert fits_terms(need_of(prefers=["pets"]), **terms_of(attributes=attributes))


def test_every_need_must_be_met() -> None:
    need = need_of(needs=["pets", "couples"])
    assert fits_terms(need, **terms_of(attributes={"pets": "yes", "couples": "yes"}))
    assert not fits_terms(need, **terms_of(attributes={"pets": "yes"}))


@pytest.mark.parametrize(
    ("need", "terms", "fits"),
    [
        ({"age": 18}, {"minimum_age": 18}, True),
        ({"age": 17}, {"minimum_age": 18}, False),
        ({"age": 24}, {"maximum_age": 24}, True),
        ({"age": 25}, {"maximum_age": 24}, False),
        ({"age": 0}, {"minimum_age": 1}, False),
        ({}, {"minimum_age": 18, "maximum_age": 24}, True),
        ({"language": "es"}, {"languages": ["en", "es"]}, True),
        ({"language": "es"}, {"languages": ["en"]}, False),
        ({"language": "es"}, {}, False),
        ({"starts_by": SOON}, {"starts_at": SOON}, True),
        ({"starts_by": SOON}, {"starts_at": SOON + SECOND}, False),
        ({"starts_by": SOON}, {}, True),
        ({"lasts_until": LATE}, {"ends_at": LATE}, True),
        ({"lasts_until": LATE}, {"ends_at": LATE - SECOND}, False),
        ({"lasts_until": LATE}, {}, True),
    ],
)
def test_the_terms_of_an_opening_meet_a_need_up_to_their_very_edge(
    need: dict[str, Any], terms: dict[str, Any], fits: bool
) -> None:
    assert fits_terms(need_of(**need), **terms_of(**terms)) is fits


async def test_the_search_and_the_desk_agree_on_what_fits(program: Program) -> None:
    """`fits_terms` decides under the lock, SQL finds before it: where they differ, a find would never end."""
    service = await program.service()
    openings: dict[Any, dict[str, Any]] = {
        new_id(): terms_of(
            attributes=attributes,
            minimum_age=ages[0],
            maximum_age=ages[1],
            languages=languages,
            starts_at=times[0],
            ends_at=times[1],
        )
        for attributes, ages, languages, times in product(
            [
                {},
                {"pets": "yes"},
                {"pets": "no"},
                {"pets": "unknown", "only_children": "yes"},
                {"pets": "yes", "only_children": "yes"},
            ],
            [(None, None), (18, None), (None, 24), (18, 24)],
            [[], ["en"], ["en", "es"]],
            [(None, None), (SOON, None), (None, LATE), (SOON, LATE)],
        )
    }
    fixed = {
        "program_id": program.id,
        "service_id": service["id"],
        "organization_id": program.provider_id,
        "category": "housing",
        "unit": "bed",
        "units_total": 1,
        "attested_at": datetime.now(UTC),
        "fresh_until": datetime.now(UTC) + timedelta(hours=1),
    }
    async with program.house.owner.transaction(program.id, "tests") as session:
        await session.execute(insert(Opening), [fixed | terms | {"id": id} for id, terms in openings.items()])
        needs = product(
            [[], ["pets"]],
            [None, "only_children"],
            [None, 17, 18, 24, 25],
            [None, "es"],
            [None, SOON - SECOND, SOON],
            [None, LATE, LATE + SECOND],
        )
        for attributes, household, age, language, starts_by, lasts_until in random.Random(7).sample(list(needs), 60):
            need = Need(
                needs=attributes,
                household=household,
                age=age,
                language=language,
                starts_by=starts_by,
                lasts_until=lasts_until,
            )
            found = {each.opening.id for each in await search(session, program.id, need, limit=1000)}
            assert found == {id for id, terms in openings.items() if fits_terms(need, **terms)}, need


# What is kept of it.


@settings(max_examples=200, deadline=None, derandomize=True)
@given(latitude=st.floats(-90, 90), longitude=st.floats(-180, 180))
def test_a_coarse_place_is_one_of_a_square_kilometre(latitude: float, longitude: float) -> None:
    kept = Need(near=Point(latitude, longitude)).coarse()["near"]
    assert [round(part * 100) / 100 for part in kept] == pytest.approx(kept, abs=1e-9)
    assert kept == pytest.approx([latitude, longitude], abs=0.00501)


def test_a_coarse_need_keeps_what_plans_are_made_of_and_no_precise_place() -> None:
    need = need_of(
        category=Category.HOUSING,
        unit=Unit.BED,
        units=2,
        near="47.606209,-122.332069",
        within_km=5,
        needs=["pets"],
        age=40,
        starts_by=SOON,
    )
    assert need.coarse() == {
        "category": "housing",
        "unit": "bed",
        "units": 2,
        "near": [47.61, -122.33],
        "within_km": 5,
        "needs": ["pets"],
        "age": 40,
        "starts_by": SOON.isoformat().replace("+00:00", "Z"),
    }
    assert need.near == Point(47.606209, -122.332069)


def test_two_who_stand_a_street_apart_are_kept_alike() -> None:
    assert Need(near=Point(47.6062, -122.3321)).coarse() == Need(near=Point(47.6071, -122.3312)).coarse()
