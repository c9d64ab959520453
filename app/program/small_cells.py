"""Small cells: numbers of a few people are not published, nor any from which they could be reckoned."""

from collections.abc import Hashable, Mapping
from typing import TypeVar

from app.casework.demographics import SMALLEST

Cell = TypeVar("Cell", bound=Hashable)


def published(counts: Mapping[Cell, int]) -> dict[Cell, int | None]:
    """The counts that may be published, None for each that may not.

    What is under eleven is withheld (CMS, cell size suppression), none at all too: it looks like a few. If what is
    withheld is less than eleven together, whoever knows the total could reckon that much of it: the smallest of the
    others is then withheld as well, and so on. So it is never one number alone.
    """
    rising = sorted(counts, key=lambda cell: (counts[cell], str(cell)))
    withheld = {cell for cell in rising if counts[cell] < SMALLEST}
    for cell in rising:
        if not withheld or sum(counts[each] for each in withheld) >= SMALLEST:
            break
        withheld.add(cell)
    return {cell: None if cell in withheld else count for cell, count in counts.items()}
