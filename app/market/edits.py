"""Changes of the directory. What depends on an entry follows it: the database moves and renames its openings."""

from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.access.roles import Action
from app.core.problems import Forbidden, Invalid, PreconditionFailed, Sentence
from app.market.directory import Entry, Location, Organization, Service, get_entry, location_of
from app.market.openings import check_ages, withdraw_all
from app.market.tables import Opening


async def change_organization(
    session: AsyncSession, caller: Caller, organization_id: UUID, version: int | None, facts: dict[str, Any]
) -> Organization:
    """Change what an organization says of itself, if it is still at `version` (None: whatever it is at).

    Raises NotFound, Forbidden, PreconditionFailed.
    """
    await editable(session, caller, Organization, organization_id)
    if "name" in facts:
        # Its openings show it. They come first, as for whoever counts its promises: so no two wait for each other. And
        # before them its services, so that no opening is published, claimed and declined meanwhile.
        for kind in (Service, Opening):
            await _lock(session, kind, caller.program_id, organization_id)
    organization = await _locked(session, caller, Organization, organization_id, version)
    return await _write(session, organization, facts)


async def change_location(
    session: AsyncSession, caller: Caller, location_id: UUID, version: int | None, facts: dict[str, Any]
) -> Location:
    """Change where a location is, and with it where the openings there are found, if it is still at `version`.

    A masked one is changed by its own organization alone, which alone sees it; one of those who serve survivors, or
    where they are served, stays masked. Raises NotFound, Forbidden, PreconditionFailed, Invalid.
    """
    location = await _locked(session, caller, Location, location_id, version)
    if location.masked and facts.get("masked") is False:
        organization = await session.get_one(Organization, (caller.program_id, location.organization_id))
        here = select(Service.id).where(
            Service.program_id == caller.program_id, Service.location_id == location_id, Service.serves_survivors
        )
        if organization.serves_survivors or await session.scalar(here.limit(1)):
            raise Invalid.at("masked", Sentence("Survivors of domestic violence are served here: it is never shown."))
    return await _write(session, location, facts)


async def change_service(
    session: AsyncSession, caller: Caller, service_id: UUID, version: int | None, facts: dict[str, Any]
) -> Service:
    """Change a service, if it is still at `version`. Attributes given are merged into those there are.

    Its openings move with it; their ages, languages and attributes stay as they were published. When it is no longer
    active, they are withdrawn; claims on them stand. Raises NotFound, Forbidden, PreconditionFailed, Invalid.
    """
    service = await _locked(session, caller, Service, service_id, version)
    if facts.get("location_id") is not None:
        await location_of(session, service, facts["location_id"])
    check_ages(facts.get("minimum_age", service.minimum_age), facts.get("maximum_age", service.maximum_age))
    if "attributes" in facts:
        facts = facts | {"attributes": service.attributes | facts["attributes"]}
    await _write(session, service, facts)
    if service.status != "active":
        await withdraw_all(session, caller.program_id, service_id)
    return service


async def editable(session: AsyncSession, caller: Caller, kind: type[Entry], entry_id: UUID) -> Entry:
    """An entry that the caller may change. Raises NotFound, Forbidden."""
    entry = await get_entry(session, caller, kind, entry_id)
    _require_editable(caller, entry)
    return entry


def _require_editable(caller: Caller, entry: Organization | Location | Service) -> None:
    if not caller.may(Action.EDIT_DIRECTORY, entry):
        raise Forbidden("You can change the directory of your own organization only.")
    if isinstance(entry, Location) and not entry.shown_to(caller):
        raise Forbidden("Only its own organization changes a place that is not shown to others.")


async def _locked(
    session: AsyncSession, caller: Caller, kind: type[Entry], entry_id: UUID, version: int | None
) -> Entry:
    """An entry that the caller may change, locked. Raises NotFound, Forbidden, PreconditionFailed."""
    entry = await editable(session, caller, kind, entry_id)
    await session.refresh(entry, with_for_update={"key_share": True})
    # It may have been masked meanwhile.
    _require_editable(caller, entry)
    if version is not None and version != entry.version:
        raise PreconditionFailed(f"It is at version {entry.version} now. GET it again and apply your change to that.")
    return entry


async def _lock(
    session: AsyncSession, kind: type[Service] | type[Opening], program_id: UUID, organization_id: UUID
) -> None:
    # In the order in which claims lock them.
    await session.execute(
        select(kind.id)
        .where(kind.program_id == program_id, kind.organization_id == organization_id)
        .order_by(kind.id)
        .with_for_update(key_share=True)
    )


async def _write(session: AsyncSession, entry: Entry, facts: dict[str, Any]) -> Entry:
    """What is already as it is to be is no change, and leaves no trace."""
    changed = {name: value for name, value in facts.items() if getattr(entry, name) != value}
    if changed:
        kind = type(entry)
        await session.execute(
            update(kind)
            .where(kind.program_id == entry.program_id, kind.id == entry.id)
            .values(version=entry.version + 1, **changed)
        )
        await session.refresh(entry)
    return entry
