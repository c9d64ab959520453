"""A Housing Inventory Count as small as a test needs it, and what the reader makes of it."""

import csv
import io
from collections.abc import AsyncIterator

from providers import FORMATS
from providers.hud_hic import REQUIRED
from providers.records import Opening, Rejected

OPTIONAL = (
    *("State", "CocState", "CoC", "year", "CH Beds", "yearVeteranBedCount", "yearYouthBedCount"),
    *("youthAgeGroup", "Victim Service Provider"),
)
COLUMNS = REQUIRED + OPTIONAL
USUAL = {
    "Row #": "187025",
    "State": "GA",
    "CoC": "Atlanta Continuum of Care",
    "HudNum": "GA-500",
    "Status": "Confirmed",
    "year": "2014",
    "Organization Name": "24/7 Gateway, LLC",
    "Project Name": "Recuperative Care",
    "Project Type": "TH",
    "Inventory Type": "C",
    "Target Population A": "SMF",
    "Target Population B": "NA",
    "Beds HH w/o Children": "20",
    "Year-Round Beds": "20",
    "PIT Count": "18",
    "Total Beds": "20",
}
SHELTER = {"Project Type": "ES", "Bed Type": "F", "Beds HH w/o Children": "", "Year-Round Beds": ""}
SEASON = {"Availability Start Date": "2013-11-01 00:00:00", "Availability End Date": "2014-03-31 00:00:00"}

Row = dict[str, str]
Result = Opening | Rejected


def hic(*changes: Row, columns: tuple[str, ...] = COLUMNS) -> bytes:
    """A count whose rows are usual but for their changes, and apart unless a change says otherwise."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    for number, change in enumerate(changes):
        writer.writerow(USUAL | {"Row #": f"{187025 + number}", "Project Name": f"Project {number}"} | change)
    return text.getvalue().encode()


async def read(data: bytes, size: int = 100) -> list[Result]:
    async def fetch() -> AsyncIterator[bytes]:
        for start in range(0, len(data), size):
            yield data[start : start + size]

    return [result async for result in FORMATS["hud-hic"](fetch)]


async def opening(change: Row) -> Opening:
    (result,) = await read(hic(change))
    assert isinstance(result, Opening), result.reason
    return result


async def reason(change: Row) -> str:
    (result,) = await read(hic(change))
    assert isinstance(result, Rejected)
    return result.reason
