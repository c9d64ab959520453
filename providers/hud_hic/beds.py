"""Which of a row's beds are offered, what they are and when they exist."""

from dataclasses import dataclass
from datetime import date
from typing import Final, Literal, TypeAlias

from providers.hud_hic.cells import Cells, Unusable, count, day, says

Kind: TypeAlias = Literal["year-round", "seasonal", "overflow"]

# From the steadiest to the least. O/V stands for overflow and vouchers.
KINDS: Final[dict[Kind, str]] = {
    "year-round": "Year-Round Beds",
    "seasonal": "Total Seasonal Beds",
    "overflow": "O/V Beds",
}

# Facility-based, voucher, other. HUD asks it of emergency shelters only, so most rows leave it empty.
_BED_TYPES: Final = {"": "", "F": "F", "V": "V", "O": "O", "1": "F", "2": "V", "3": "O"}


@dataclass(frozen=True, slots=True)
class Beds:
    """The beds of a row that become its opening."""

    units: int
    unit: Literal["bed", "voucher"]
    kind: Kind | None
    """None for vouchers from the overflow column, and where the row does not share out its total."""
    starts_on: date | None
    ends_on: date | None

    def __str__(self) -> str:
        of_kind = f"{self.kind} {self.unit}" if self.kind else self.unit
        return f"{self.units} {of_kind}" if self.units == 1 else f"{self.units} {of_kind}s"


def bed_type(cells: Cells) -> str:
    """F, V, O, or nothing when the row does not say or says something unknown."""
    return _BED_TYPES.get(cells["Bed Type"].upper(), "")


def beds(cells: Cells, notes: list[str]) -> Beds:
    """One opening has one number and one season, so a row offers the steadiest kind of bed it has and names
    the others in a note: adding them up would promise in July a bed that exists in January."""
    total = count(cells, "Total Beds", least=1)
    numbers = {kind: count(cells, column) for kind, column in KINDS.items()}
    if (parts := sum(numbers.values())) != total:
        notes.append(f"Total Beds is {total}, but year-round, seasonal and overflow beds add up to {parts}")
    if cells["Bed Type"] and not bed_type(cells):
        notes.append(f"{says(cells, 'Bed Type')}, which is none of F, V, O")

    kind = next((kind for kind, number in numbers.items() if number), None)
    starts_on, ends_on = _season(cells, notes) if kind == "seasonal" else (None, None)
    _note_rest(cells, kind, numbers, notes)
    vouchers = bed_type(cells) == "V"
    if kind == "overflow" and not vouchers:
        notes.append("overflow beds: they open when demand exceeds the usual beds")
    return Beds(
        # Where the numbers contradict each other, the smaller one oversells nothing.
        units=min(numbers[kind], total) if kind else total,
        unit="voucher" if vouchers else "bed",
        kind=None if kind == "overflow" and vouchers else kind,
        starts_on=starts_on,
        ends_on=ends_on,
    )


def _season(cells: Cells, notes: list[str]) -> tuple[date | None, date | None]:
    """The season that was counted: the dates are that year's, and no later season is made up from them."""
    starts_on, ends_on = day(cells, "Availability Start Date"), day(cells, "Availability End Date")
    if starts_on and ends_on and ends_on < starts_on:
        raise Unusable(f"{says(cells, 'Availability End Date')}, before the start date {starts_on}.")
    if not (starts_on and ends_on):
        notes.append("seasonal beds whose availability dates are incomplete")
    return starts_on, ends_on


def _note_rest(cells: Cells, offered: Kind | None, numbers: dict[Kind, int], notes: list[str]) -> None:
    if numbers["seasonal"] and offered != "seasonal":
        season = " to ".join(cells[f"Availability {end} Date"].split(" ")[0] or "?" for end in ("Start", "End"))
        notes.append(f"{numbers['seasonal']} seasonal beds are left out ({season})")
    if numbers["overflow"] and offered != "overflow":
        notes.append(f"{numbers['overflow']} overflow beds are left out: they open when demand exceeds the usual beds")
