"""The made-up city: its places, its services and the needs of its people, all drawn from a seed."""

from random import Random
from typing import Any, NamedTuple


class Kind(NamedTuple):
    """A kind of service: what it counts, and what its provider may answer of it."""

    category: str
    unit: str
    names: tuple[str, ...]
    attributes: tuple[str, ...]
    facts: dict[str, Any]


KINDS = (
    Kind(
        "housing",
        "bed",
        ("Night shelter", "Bridge housing", "Respite beds"),
        ("sobriety_not_required", "id_not_required", "couples", "pets", "belongings", "no_curfew", "step_free"),
        {"minimum_age": 18, "hud_project_type": 1},
    ),
    Kind(
        "housing",
        "room",
        ("Tiny house village", "Family rooms"),
        ("households_with_children", "adults_without_children", "criminal_record_accepted", "pets", "step_free"),
        {},
    ),
    Kind(
        "treatment",
        "treatment_place",
        ("Detox", "Opioid treatment", "Recovery residence"),
        ("moud_methadone", "moud_buprenorphine", "medicaid", "no_payment_needed", "id_not_required", "peer_staff"),
        {"minimum_age": 18},
    ),
    Kind(
        "treatment",
        "intake_appointment",
        ("Same-day intake", "Walk-in counselling"),
        ("moud_buprenorphine", "no_payment_needed", "culturally_specific", "open_24_hours"),
        {},
    ),
    Kind(
        "vocational",
        "training_seat",
        ("Culinary training", "Pre-apprenticeship", "Job club"),
        ("criminal_record_accepted", "felony_accepted", "id_not_required", "youth", "peer_staff"),
        {"minimum_age": 16},
    ),
)

PLACES = (
    ("Downtown", 47.6062, -122.3321),
    ("Capitol Hill", 47.6253, -122.3222),
    ("Belltown", 47.6147, -122.3447),
    ("Rainier Valley", 47.5480, -122.2840),
    ("SoDo", 47.5800, -122.3340),
    ("Ballard", 47.6687, -122.3847),
    ("University District", 47.6613, -122.3138),
    ("White Center", 47.5173, -122.3548),
    ("Burien", 47.4704, -122.3468),
    ("Bellevue", 47.6101, -122.2015),
)

_FIRST = ("Alder", "Cedar", "Harbor", "Lantern", "Madrona", "Salmonberry", "Open Door", "Second Street", "Tidewater")
_LAST = ("House", "Commons", "Collective", "Project", "Services", "Alliance")

TO_DECLINE = (
    "place_no_longer_available",
    "place_entered_in_error",
    "needs_higher_level_of_care",
    "could_not_be_reached",
    "household_size_or_composition",
    "barred",
)
"""Coded reasons of a decline: the first two take the place itself off the count."""
PLACE_GONE = frozenset(TO_DECLINE[:2])


def dice(seed: int, who: str) -> Random:
    """The dice of one actor: the same choices for the same seed, whatever the others do."""
    return Random(f"{seed}/{who}")  # noqa: S311 - a simulation has nothing to hide


def organization(random: Random) -> dict[str, Any]:
    """An organization to add."""
    return {"name": f"{random.choice(_FIRST)} {random.choice(_LAST)}", "description": "Made by openberth simulate."}


def location(random: Random, organization_id: str) -> dict[str, Any]:
    """A location within a kilometre or two of a place in or near Seattle."""
    city, latitude, longitude = random.choice(PLACES)
    return {
        "organization_id": organization_id,
        "name": f"{city} site",
        "city": city,
        "state_province": "WA",
        "country": "US",
        "latitude": round(latitude + random.uniform(-0.01, 0.01), 6),
        "longitude": round(longitude + random.uniform(-0.015, 0.015), 6),
    }


def service(random: Random, organization_id: str, location_id: str) -> tuple[dict[str, Any], Kind]:
    """A service to add, and its kind."""
    kind = random.choice(KINDS)
    # Providers leave much unsaid, and unknown never satisfies a need: so it must be common here.
    answers = {name: random.choices(("yes", "no", "unknown"), (6, 1, 3))[0] for name in kind.attributes}
    body = {
        "organization_id": organization_id,
        "location_id": location_id,
        "name": random.choice(kind.names),
        "category": kind.category,
        "languages": ["en", *random.sample(("es", "so", "vi", "am", "zh-Hant"), k=random.randint(0, 2))],
        "attributes": answers,
    }
    return body | kind.facts, kind


def near(random: Random) -> str:
    """Somewhere that a person may be met."""
    _, latitude, longitude = random.choice(PLACES)
    return f"{latitude + random.uniform(-0.02, 0.02):.5f},{longitude + random.uniform(-0.02, 0.02):.5f}"


def need(random: Random) -> dict[str, Any]:
    """What one person needs, as a find says it."""
    kind = random.choice(KINDS)
    found: dict[str, Any] = {"category": kind.category}
    if random.random() < 0.4:
        found["unit"] = kind.unit
    if random.random() < 0.15:
        found["units"] = random.randint(2, 3)
    if random.random() < 0.6:
        found["near"] = near(random)
        if random.random() < 0.5:
            found["within_km"] = random.choice((3, 8, 20))
    if random.random() < 0.4:
        found["needs"] = random.sample(kind.attributes, k=random.randint(1, 2))
    if random.random() < 0.3:
        found["age"] = random.randint(17, 70)
    return found


def query(found: dict[str, Any]) -> dict[str, Any]:
    """The same need as a search's query string."""
    return {name: ",".join(value) if name == "needs" else value for name, value in found.items()}
