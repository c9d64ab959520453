"""Reads a HUD Housing Inventory Count (HIC): the beds that each continuum of care counts once a year."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import Final

from providers import csv_table
from providers.hud_hic.cells import Unusable
from providers.hud_hic.opening import Seen, opening
from providers.records import Fetch, Opening, Rejected

# The columns without which a row could say something false. Those that mark survivors' projects are among
# them: a file that lacks them would be read as if no location needed masking.
REQUIRED: Final = (
    *("Row #", "HudNum", "Status", "Organization Name", "Project Name", "Project Type", "Bed Type"),
    *("Inventory Type", "Target Population A", "Target Population B", "Beds HH w/ Children"),
    *(
        "Beds HH w/o Children",
        "Beds HH w/ only Children",
        "Year-Round Beds",
        "DV Beds",
        "Total Seasonal Beds",
    ),
    *("Availability Start Date", "Availability End Date", "O/V Beds", "PIT Count", "Total Beds"),
)


async def read(fetch: Fetch) -> AsyncIterator[Opening | Rejected]:
    """The openings of a HIC in HUD's column layout of 2014, which that of 2018 extends.

    A HIC counts one winter night. It gives neither an address nor what is free, so an opening has no address
    and all its beds; nothing is open before the provider attests it.

    A project serves survivors when Target Population B says DV (or something unreadable), when it has DV
    beds, or when it is marked as a victim service provider. Where that holds for at least half of what an
    organization offers, the rest is masked too: a cell left empty in a small shelter's file (the 2014 count
    has such cases) must not lead anyone to its door, and an address masked without need costs little. Below
    half nothing is inferred, so that a large organization does not vanish for one project.

    Telling this takes the whole file: the first result comes after the last byte, and a source that breaks
    off yields nothing.
    """
    seen = Seen()
    results: list[Opening | Rejected] = []
    rows = csv_table.rows(fetch(), format_name="HUD Housing Inventory Count", required=REQUIRED)
    async for found in rows:
        if isinstance(found, Rejected):
            results.append(found)
            continue
        row, cells = found
        try:
            results.append(opening(row, cells, seen))
        except Unusable as unusable:
            results.append(Rejected(row, str(unusable)))
    for result in _masked(results):
        yield result


def _masked(results: Sequence[Opening | Rejected]) -> Iterator[Opening | Rejected]:
    openings = [result for result in results if isinstance(result, Opening)]
    offered = Counter(each.organization_key for each in openings)
    for_survivors = Counter(each.organization_key for each in openings if each.serves_survivors)
    note = "location masked: this row does not ask for it, but half or more of its organization serves survivors"
    for result in results:
        if isinstance(result, Rejected) or result.serves_survivors:
            yield result
        elif 2 * for_survivors[result.organization_key] >= offered[result.organization_key]:
            yield replace(result, serves_survivors=True, notes=(*result.notes, note))
        else:
            yield result
