"""Making keys, and showing them the one time that they can be shown."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from rich.table import Table
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.keys import create_key
from app.access.programs import add_program, find_program
from app.access.roles import Role
from app.cli.output import console
from app.core.database import Database
from app.core.ids import new_id
from app.home import Home, NotReady
from app.market.directory import Organization, Service


@dataclass(frozen=True, slots=True)
class Made:
    """A key just made."""

    id: UUID
    secret: str
    role: Role
    program_id: UUID
    organization_id: UUID

    def document(self) -> dict[str, str]:
        """As `--json` prints it."""
        return {
            "id": str(self.id),
            "key": self.secret,
            "role": self.role.value,
            "program_id": str(self.program_id),
            "organization_id": str(self.organization_id),
        }


async def create(home: Home, program_slug: str, organization: str | None, role: Role) -> Made:
    """A new key. Raises NotReady for a program or organization that isn't there."""
    database = Database(home.owner_url, pool_size=1, as_owner=True)
    try:
        async with database.transaction(None, "operator") as session:
            program = await find_program(session, program_slug)
            if program is None:
                hint = " `openberth demo` makes it." if program_slug == "demo" else ""
                raise NotReady(f"No program {program_slug!r} here.{hint}")
            organization_id = await find_organization(session, program.program_id, organization, role)
            return await make(session, program.program_id, organization_id, role)
    finally:
        await database.close()


async def create_program(home: Home, slug: str, name: str, time_zone: str) -> Made:
    """A new program with its own office, and a manager's key. Raises NotReady when the slug is taken."""
    database = Database(home.owner_url, pool_size=1, as_owner=True)
    try:
        async with database.transaction(None, "operator") as session:
            if await find_program(session, slug) is not None:
                raise NotReady(f"There is a program {slug!r} already.")
            program = await add_program(session, slug, name, time_zone)
            office = Organization(program_id=program.program_id, id=new_id(), name=name)
            session.add(office)
            await session.flush()
            return await make(session, program.program_id, office.id, Role.PROGRAM_MANAGER)
    finally:
        await database.close()


async def make(
    session: AsyncSession,
    program_id: UUID,
    organization_id: UUID,
    role: Role,
    expires_at: datetime | None = None,
) -> Made:
    """A new key in an owner's transaction."""
    key, secret = await create_key(session, program_id, organization_id, role, expires_at)
    return Made(key.id, secret, role, program_id, organization_id)


async def find_organization(session: AsyncSession, program_id: UUID, named: str | None, role: Role) -> UUID:
    """The organization of this id, name or slug, which is the name in small letters and hyphens.

    Without one a fitting one: for a provider an organization with services, for everyone else one without.
    Raises NotReady.
    """
    where: ColumnElement[bool]
    if named is None:
        has_services = (
            select(Service.id)
            .where(Service.program_id == Organization.program_id, Service.organization_id == Organization.id)
            .exists()
        )
        where = has_services if role is Role.PROVIDER else ~has_services
    else:
        slug = func.trim(func.regexp_replace(func.lower(Organization.name), "[^a-z0-9]+", "-", "g"), "-")
        where = or_(slug == named, Organization.name == named)
        with suppress(ValueError):
            where = or_(where, Organization.id == UUID(named))
    found = await session.scalar(
        select(Organization.id).where(Organization.program_id == program_id, where).order_by(Organization.id).limit(1)
    )
    if found is None and named is None:
        # A program that has only one kind of organization still gets its key.
        found = await session.scalar(
            select(Organization.id).where(Organization.program_id == program_id).order_by(Organization.id).limit(1)
        )
    if found is None:
        raise NotReady(f"No organization {named!r} in this program." if named else "The program has no organization.")
    return found


def show(keys: list[Made]) -> None:
    """Print keys for a person to copy: each on one line, whatever the width of the terminal."""
    table = Table("Role", "Key (shown this once)", show_edge=False)
    table.columns[1].no_wrap = True
    for key in keys:
        table.add_row(key.role, key.secret)
    console.print(table, soft_wrap=True)
