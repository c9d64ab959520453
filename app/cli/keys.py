"""Making keys, showing them the one time that they can be shown, listing and revoking them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from rich.table import Table
from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.keys import Key, create_key
from app.access.programs import Program, add_program, find_program
from app.access.roles import Role
from app.cli.output import print_whole
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


@asynccontextmanager
async def _owner(home: Home) -> AsyncIterator[AsyncSession]:
    """A transaction of the owner's, who sees every program."""
    database = Database(home.owner_url, pool_size=1, as_owner=True)
    try:
        async with database.transaction(None, "operator") as session:
            yield session
    finally:
        await database.close()


async def _program(session: AsyncSession, slug: str) -> Program:
    """The program of this slug. Raises NotReady."""
    program = await find_program(session, slug)
    if program is None:
        hint = " `openberth demo` makes it." if slug == "demo" else ""
        raise NotReady(f"No program {slug!r} here.{hint}")
    return program


async def create(
    home: Home,
    program_slug: str,
    organization: str | None,
    role: Role,
    *,
    name: str = "",
    scopes: list[str] | None = None,
    days: int | None = None,
) -> Made:
    """A new key, that expires after so many days. Raises NotReady for a program or organization that isn't there."""
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    async with _owner(home) as session:
        program_id = (await _program(session, program_slug)).program_id
        organization_id = await find_organization(session, program_id, organization, role)
        return await make(session, program_id, organization_id, role, expires_at, name=name, scopes=scopes)


async def list_all(home: Home, program_slug: str) -> list[Key]:
    """The program's keys, newest first. Raises NotReady."""
    async with _owner(home) as session:
        program_id = (await _program(session, program_slug)).program_id
        return list(await session.scalars(select(Key).filter_by(program_id=program_id).order_by(Key.id.desc())))


async def revoke(home: Home, key_id: UUID) -> None:
    """End a key of whatever program for good. Raises NotReady when there is none of this id."""
    async with _owner(home) as session:
        program_id = await session.scalar(select(Key.program_id).where(Key.id == key_id))
        if program_id is None:
            raise NotReady(f"No key {key_id} here; `openberth key list` shows a program's.")
        ended = update(Key).filter_by(program_id=program_id, id=key_id, revoked_at=None)
        await session.execute(ended.values(revoked_at=func.clock_timestamp()))


async def create_program(home: Home, slug: str, name: str, time_zone: str) -> Made:
    """A new program with its own office, and a manager's key. Raises NotReady when the slug is taken."""
    async with _owner(home) as session:
        if await find_program(session, slug) is not None:
            raise NotReady(f"There is a program {slug!r} already.")
        program = await add_program(session, slug, name, time_zone)
        office = Organization(program_id=program.program_id, id=new_id(), name=name)
        session.add(office)
        await session.flush()
        return await make(session, program.program_id, office.id, Role.PROGRAM_MANAGER)


async def make(
    session: AsyncSession,
    program_id: UUID,
    organization_id: UUID,
    role: Role,
    expires_at: datetime | None = None,
    *,
    name: str = "",
    scopes: list[str] | None = None,
) -> Made:
    """A new key in an owner's transaction."""
    key, secret = await create_key(session, program_id, organization_id, role, expires_at, name=name, scopes=scopes)
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
    for key in keys:
        table.add_row(key.role, key.secret)
    print_whole(table)


def show_list(keys: list[Key]) -> None:
    """Print what there is to know of keys."""
    table = Table("Id", "Begins", "Role", "Name", "Scopes", "Last used", "State", show_edge=False)
    for key in keys:
        used = "" if key.last_used_at is None else f"{key.last_used_at:%Y-%m-%d}"
        scopes = "" if key.scopes is None else " ".join(key.scopes)
        table.add_row(str(key.id), key.prefix or "", key.role, key.name, scopes, used, _state(key))
    print_whole(table)


def _state(key: Key) -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expires_at is None:
        return "opens"
    return f"{'expired' if key.expires_at <= datetime.now(UTC) else 'opens until'} {key.expires_at:%Y-%m-%d}"
