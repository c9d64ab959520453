"""What a source says serves survivors is confidential from its first import, and can't become so under a claim."""

from collections.abc import AsyncIterator
from dataclasses import replace
from zoneinfo import ZoneInfo

from sqlalchemy import text

from app.market.imports import Report, take_in
from providers.records import Opening, Rejected
from tests.support import Program

RECORD = Opening(
    row=1,
    organization_key="o",
    organization_name="An agency",
    serves_survivors=True,
    service_key="o/refuge",
    service_name="A refuge",
    service_description="",
    category="housing",
    hud_project_type=0,
    unit="bed",
    units_total=4,
    attributes={},
    minimum_age=None,
    maximum_age=None,
    location_name="A house",
    city="Lake City",
    state_province="WA",
    country="US",
    starts_on=None,
    ends_on=None,
    notes=(),
)


async def imported(program: Program, *records: Opening) -> Report:
    """What became of these records."""

    async def read() -> AsyncIterator[Opening | Rejected]:
        for record in records:
            yield record

    async with program.house.owner.transaction(program.id, "tests") as session:
        reports = [report async for report in take_in(session, program.id, ZoneInfo("UTC"), read())]
    return reports[-1]


async def confidential(program: Program) -> dict[str, bool]:
    """The imported openings by their key."""
    async with program.house.owner.transaction(program.id, "tests") as session:
        rows = await session.execute(
            text("SELECT source_key, confidential FROM openings WHERE program_id = :id"), {"id": program.id}
        )
        return {row.source_key: row.confidential for row in rows}


async def test_only_the_project_for_survivors_is_confidential(program: Program) -> None:
    other = replace(RECORD, row=2, service_key="o/hostel", serves_survivors=False)
    report = await imported(program, RECORD, other)
    assert (report.new, report.masked, report.rejected) == (2, 1, [])
    assert await confidential(program) == {"o/refuge": True, "o/hostel": False}
    locations = (await program.call("GET", "/v1/locations")).json()["items"]
    assert [each["city"] for each in locations if each["masked"]] == [None]
    # What its provider publishes there later is confidential too.
    services = (await program.call("GET", "/v1/services")).json()["items"]
    [refuge] = [each for each in services if each["serves_survivors"]]
    assert (await program.opening(service=refuge))["confidential"]


async def test_a_place_that_becomes_one_for_survivors_is_rejected_under_its_old_key(program: Program) -> None:
    await imported(program, replace(RECORD, serves_survivors=False))
    report = await imported(program, RECORD)
    [rejected] = report.rejected
    assert "give it another key" in rejected.reason
    assert await confidential(program) == {"o/refuge": False}
