"""What openings lead to: the service, its organization, and where it is, as far as the caller may know that."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.market.directory import Location, Organization, Service
from app.market.tables import Opening


@dataclass(frozen=True, slots=True)
class Place:
    """An opening and its entries of the directory. `hidden`: it has a location, and that is not for this caller."""

    opening: Opening
    service: Service
    organization: Organization
    location: Location | None
    hidden: bool


async def places(session: AsyncSession, caller: Caller, opening_ids: Iterable[UUID]) -> dict[UUID, Place]:
    """The places of these openings, by opening. A masked location only its own organization sees."""
    rows = await session.execute(
        select(Opening, Service, Organization, Location)
        .join(Service, and_(Service.program_id == Opening.program_id, Service.id == Opening.service_id))
        .join(
            Organization,
            and_(Organization.program_id == Opening.program_id, Organization.id == Opening.organization_id),
        )
        .outerjoin(Location, and_(Location.program_id == Service.program_id, Location.id == Service.location_id))
        .where(Opening.program_id == caller.program_id, Opening.id.in_(set(opening_ids)))
    )
    found = {}
    for row in rows:
        location: Location | None = row.Location
        secret = row.Opening.confidential or (location is not None and location.masked)
        hidden = secret and row.Opening.organization_id != caller.organization_id
        found[row.Opening.id] = Place(row.Opening, row.Service, row.Organization, None if hidden else location, hidden)
    return found
