"""The values of a row's cells, each checked by a rule whose breach is a sentence for a person."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Final, TypeAlias

Cells: TypeAlias = Mapping[str, str]

# No one project comes near it: beyond this a number is a slip.
MOST_BEDS: Final = 100_000

# What spreadsheets make of a whole number: 1200, 1,200 or 1200.0.
_NUMBER: Final = re.compile(r"([0-9]{1,12}|[0-9]{1,3}(?:,[0-9]{3}){1,3})(?:\.0+)?")
# A day as HUD writes it (2013-11-01 00:00:00), or as Excel does when it saves the file (11/1/2013 0:00).
_DAY: Final = re.compile(
    r"(?:(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
    r"|(?P<us_month>[0-9]{1,2})/(?P<us_day>[0-9]{1,2})/(?P<us_year>[0-9]{4}))(?: [0-9:. APM]+)?"
)


class Unusable(Exception):
    """The row offers nothing that can be published; its text is the reason."""


def says(cells: Cells, column: str) -> str:
    value = cells[column]
    return f"{column} is '{value[:60]}'" if value else f"{column} is empty"


def filled(cells: Cells, column: str) -> str:
    if not cells[column]:
        raise Unusable(f"{column} is empty; without it nobody could say what is offered.")
    return cells[column]


def count(cells: Cells, column: str, *, least: int = 0) -> int:
    """A number of beds; an empty cell, or a column this year's layout lacks, is none."""
    found = number(cells.get(column) or "0")
    if found is None or not least <= found <= MOST_BEDS:
        raise Unusable(f"{says(cells, column)}; a whole number from {least} to {MOST_BEDS:,} is expected.")
    return found


def number(text: str) -> int | None:
    """None when the text is no whole number of at most twelve digits, sign excluded."""
    found = _NUMBER.fullmatch(text)
    return int(found[1].replace(",", "")) if found else None


def day(cells: Cells, column: str) -> date | None:
    if not cells[column]:
        return None
    if found := _DAY.fullmatch(cells[column]):
        year, month, day_of_month = (int(found[part] or found[f"us_{part}"]) for part in ("year", "month", "day"))
        try:
            return date(year, month, day_of_month)
        except ValueError as error:
            raise Unusable(f"{says(cells, column)}, and there is no such day.") from error
    raise Unusable(f"{says(cells, column)}; a date such as 2013-11-01 is expected.")
