"""Who a row's beds are for: households, groups, ages, and whether survivors are among them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from providers.hud_hic.beds import Beds
from providers.hud_hic.cells import Cells, count, says
from providers.records import TriState

ADULTS: Final = "adults_without_children"
FAMILIES: Final = "households_with_children"
CHILDREN: Final = "only_children"
# HUD household types 1, 3 and 4. These columns share out the year-round beds and no others.
HOUSEHOLD_BEDS: Final = {
    ADULTS: "Beds HH w/o Children",
    FAMILIES: "Beds HH w/ Children",
    CHILDREN: "Beds HH w/ only Children",
}

# Target Population A: the households a code names, and what it says of single adults and couples. The youth
# codes name no household, because counts use them for minors alone and for young adults.
TARGET_POPULATION_A: Final[Mapping[str, tuple[tuple[str, ...], Mapping[str, TriState]]]] = {
    "": ((), {}),
    "SM": ((ADULTS,), {"single_men": "yes", "single_women": "no"}),
    "SF": ((ADULTS,), {"single_men": "no", "single_women": "yes"}),
    "SMF": ((ADULTS,), {"single_men": "yes", "single_women": "yes"}),
    "CO": ((ADULTS,), {"single_men": "no", "single_women": "no", "couples": "yes"}),
    "HC": ((FAMILIES,), {"single_men": "no", "single_women": "no"}),
    "SMHC": ((ADULTS, FAMILIES), {"single_men": "yes", "single_women": "no"}),
    "SFHC": ((ADULTS, FAMILIES), {"single_men": "no", "single_women": "yes"}),
    "SMF+HC": ((ADULTS, FAMILIES), {"single_men": "yes", "single_women": "yes"}),
    "YM": ((), {"youth": "yes"}),
    "YF": ((), {"youth": "yes"}),
    "YMF": ((), {"youth": "yes"}),
}
# Target Population B. NA means that nobody in particular is sought, not that anyone is turned away.
TARGET_POPULATION_B: Final = {"": None, "NA": None, "DV": "survivors", "HIV": "hiv", "VET": "veterans"}

# Beds set aside for some: the attribute that says those are served, where there is one, and who they are.
DEDICATED_BEDS: Final = {
    "DV Beds": ("survivors", "survivors of domestic violence"),
    "yearVeteranBedCount": ("veterans", "veterans"),
    "yearYouthBedCount": ("youth", "youth"),
    "CH Beds": (None, "people who are chronically homeless"),
}
# Youth beds are for people under 18, from 18 to 24, or up to 24: the groups of HUD's notice for the 2014
# count, in its order. The codes are read off that year's file, where 0 goes with beds for children alone.
YOUTH_AGES: Final[Mapping[str, tuple[int | None, int]]] = {"0": (None, 17), "1": (18, 24), "2": (None, 24)}


@dataclass(frozen=True, slots=True)
class People:
    """As the fields of `Opening` with the same names."""

    attributes: Mapping[str, TriState]
    minimum_age: int | None
    maximum_age: int | None
    serves_survivors: bool


def people(cells: Cells, offered: Beds, notes: list[str]) -> People:
    attributes = _households(cells, offered, notes)
    for column, (attribute, who) in DEDICATED_BEDS.items():
        if dedicated := count(cells, column):
            share = f"all {offered.units}" if dedicated >= offered.units else f"{dedicated} of {offered.units}"
            notes.append(f"{share} {offered.unit}s are kept for {who}")
            if attribute:
                attributes[attribute] = "yes"
    if target := TARGET_POPULATION_B.get(cells["Target Population B"].upper()):
        attributes[target] = "yes"
    minimum_age, maximum_age = _ages(cells, offered, attributes)
    return People(attributes, minimum_age, maximum_age, _serves_survivors(cells, notes))


def _households(cells: Cells, offered: Beds, notes: list[str]) -> dict[str, TriState]:
    """Households as their beds were counted, or as Target Population A has it where none were.

    Where the two disagree a counted bed stands, while a bed that is missing, and what the code says of single
    adults, become unknown: better that than wrong.
    """
    code = cells["Target Population A"].upper()
    if code not in TARGET_POPULATION_A:
        notes.append(f"{says(cells, 'Target Population A')}, which is not a known code")
    named, groups = TARGET_POPULATION_A.get(code, ((), {}))
    counted = {household: count(cells, column) for household, column in HOUSEHOLD_BEDS.items()}
    if offered.kind != "year-round" or not any(counted.values()):
        return {**dict.fromkeys(named, "yes"), **groups}

    attributes: dict[str, TriState] = {household: "yes" for household, beds in counted.items() if beds}
    if sum(counted.values()) == count(cells, "Year-Round Beds"):
        # Every bed is accounted for, so a household without a bed is not served.
        attributes = {household: "yes" if beds else "no" for household, beds in counted.items()}
    for household in (ADULTS, FAMILIES) if named else ():
        if attributes.get(household) == ("no" if household in named else "yes"):
            found = f"{counted[household]} beds are" if counted[household] else "no bed is"
            words = household.replace("_", " ")
            notes.append(f"{says(cells, 'Target Population A')}, but {found} counted for {words}")
            if not counted[household]:
                del attributes[household]
            groups = {} if household == ADULTS else groups
    return {**attributes, **groups}


def _ages(cells: Cells, offered: Beds, attributes: Mapping[str, TriState]) -> tuple[int | None, int | None]:
    """The least and greatest age, each only where the row states it for every bed offered."""
    youth_ages = YOUTH_AGES.get(cells.get("youthAgeGroup", ""))
    if youth_ages and count(cells, "yearYouthBedCount") >= offered.units:
        return youth_ages
    served = [household for household in HOUSEHOLD_BEDS if attributes.get(household) != "no"]
    if served == [ADULTS]:
        return 18, None  # HUD's household type 1 is adults only
    if served == [CHILDREN]:
        return None, 17
    return None, None


def _serves_survivors(cells: Cells, notes: list[str]) -> bool:
    target = cells["Target Population B"].upper()
    if target not in TARGET_POPULATION_B:
        notes.append(f"{says(cells, 'Target Population B')}, which is not a known code: location masked")
        return True
    marked = cells.get("Victim Service Provider", "").casefold() not in ("", "0", "0.0", "no")
    return target == "DV" or count(cells, "DV Beds") > 0 or marked
