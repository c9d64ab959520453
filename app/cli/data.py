"""Loading data: the demonstration program, and files that a connector reads."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

from rich.progress import Progress
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.access.passwords import hashed, store_hash
from app.access.people import Person, add_person
from app.access.programs import add_program, find_program
from app.access.roles import Role
from app.cli.demo import ORGANIZATIONS, PROGRAM, DemoOrganization
from app.cli.keys import Made, make, show
from app.cli.output import console, print_whole
from app.core.database import Database
from app.core.ids import new_id
from app.home import Home, NotReady
from app.market.directory import Organization, add_location, add_organization, add_service
from app.market.imports import Report, take_in
from app.market.openings import attest, publish
from app.market.tables import Opening
from providers import FORMATS

__all__ = ["FORMATS", "import_file", "load_demo"]

DEMO_KEY_DAYS = 30
PEOPLE = (Role.CASE_MANAGER, Role.OUTREACH_WORKER, Role.PROVIDER, Role.PROGRAM_MANAGER)
"""Those whose work has pages."""
CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Loaded:
    """What opens the demonstration program: a new key for each role, and people who all have the same new password."""

    keys: list[Made]
    people: list[tuple[Role, str]]
    password: str

    def show(self) -> None:
        """Print all of it, the one time that it can be."""
        show(self.keys)
        table = Table("Role", "Signs in as", "Password", "Program", show_edge=False)
        for role, email in self.people:
            table.add_row(role, email, self.password, PROGRAM.slug)
        print_whole(table)


async def load_demo(home: Home) -> Loaded:
    """Load the demonstration program, or attest its openings again where it is there."""
    owner = Database(home.owner_url, pool_size=1, as_owner=True)
    try:
        async with owner.transaction(None, "demo") as session:
            program = await find_program(session, PROGRAM.slug)
            program = program or await add_program(session, PROGRAM.slug, PROGRAM.name, PROGRAM.time_zone)
            program_id = program.program_id
        manager = Caller(new_id(), program_id, new_id(), Role.PROGRAM_MANAGER)
        async with owner.transaction(program_id, "demo") as session:
            names = set(await session.scalars(select(Organization.name).filter_by(program_id=program_id)))
            for organization in ORGANIZATIONS:
                if organization.name not in names:
                    await _load(session, manager, organization)
            for opening_id in await session.scalars(
                select(Opening.id).filter_by(program_id=program_id, withdrawn_at=None, source_key=None)
            ):
                await attest(session, manager, opening_id, None)
            ids = {
                row.name: row.id
                for row in await session.execute(
                    select(Organization.name, Organization.id).filter_by(program_id=program_id)
                )
            }
            expires = datetime.now(UTC) + timedelta(days=DEMO_KEY_DAYS)
            made = [await make(session, program_id, ids[PROGRAM.organization_of(role)], role, expires) for role in Role]
            password = secrets.token_hex(4)
            people = [
                (role, await _person(session, program_id, ids[PROGRAM.organization_of(role)], role, password))
                for role in PEOPLE
            ]
            return Loaded(made, people, password)
    finally:
        await owner.close()


async def _person(session: AsyncSession, program_id: UUID, organization_id: UUID, role: Role, password: str) -> str:
    """Someone who signs in with this password: their address."""
    email = f"{role.value.replace('_', '.')}@example.org"
    person = await session.scalar(select(Person).filter_by(program_id=program_id, email=email))
    if person is None:
        name = role.value.replace("_", " ").capitalize()
        person = await add_person(session, program_id, organization_id, role, email, name)
        person.joined_at = datetime.now(UTC)
        await session.flush()
    await store_hash(session, program_id, person.id, await hashed(password))
    return email


async def _load(session: AsyncSession, manager: Caller, demo: DemoOrganization) -> None:
    organization = await add_organization(session, manager, demo.facts())
    for each in demo.services:
        location = await add_location(session, manager, each.place(organization.id))
        service = await add_service(session, manager, each.facts(organization.id, location.id))
        for unit, units_total in each.openings:
            await publish(session, manager, service.id, {"unit": unit, "units_total": units_total})


async def import_file(home: Home, program_slug: str, format: str, file: Path, *, notes: bool) -> None:
    """Read a file with its connector and take it in, in one transaction; print what became of its rows.

    Raises NotReady for an unknown program, NotThisFormat for another kind of file: nothing is changed then.
    """
    owner = Database(home.owner_url, pool_size=1, as_owner=True)
    report = Report()
    try:
        async with owner.transaction(None, "import") as session:
            program = await find_program(session, program_slug)
            if program is None:
                raise NotReady(f"No program {program_slug!r} here.")
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task(f"Reading {file.name}", total=None)
            async with owner.transaction(program.program_id, f"import:{format}") as session:
                records = FORMATS[format](lambda: _chunks(file))
                async for report in take_in(session, program.program_id, ZoneInfo(program.time_zone), records):
                    progress.update(task, completed=report.rows, description=f"{report.rows} rows")
    finally:
        await owner.close()
    _print(report, file, notes)


async def _chunks(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as source:
        while chunk := source.read(CHUNK):
            yield chunk


def _print(report: Report, file: Path, notes: bool) -> None:
    if report.rejected:
        table = Table("Row", "Not loaded because", title="Rejected", show_edge=False, title_justify="left")
        for rejected in report.rejected:
            table.add_row(str(rejected.row), rejected.reason)
        console.print(table)
    if notes and report.notes:
        table = Table("Row", "Worth knowing", title="Notes", show_edge=False, title_justify="left")
        for row, note in report.notes:
            table.add_row(str(row), note)
        console.print(table)
    console.print(
        f"[bold]{file.name}[/]: {report.rows} rows. {report.new} openings new, {report.updated} updated,"
        f" {report.kept} left as their provider attested them, {len(report.rejected)} rejected."
        f" {report.masked} have their location masked. None is open before its provider attests it."
        + (f" {len(report.notes)} notes: see them with --notes." if report.notes and not notes else "")
    )
