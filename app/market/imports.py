"""Taking in what a connector read: organizations, services and openings that stay off the board until attested."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.core.problems import Problem
from app.market.attributes import unknown_names
from app.market.directory import Location, Organization, Service
from app.market.openings import MAX_UNITS_TOTAL
from app.market.tables import Opening
from app.market.vocabulary import Category, Unit
from providers.records import Opening as Record
from providers.records import Rejected


class CannotImport(Exception):
    """A record that the market can't take; the text says why."""


@dataclass(slots=True)
class Report:
    """What became of the rows of one import."""

    new: int = 0
    updated: int = 0
    kept: int = 0
    masked: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    notes: list[tuple[int, str]] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """All rows that were read."""
        return self.new + self.updated + self.kept + len(self.rejected)


async def take_in(
    session: AsyncSession, program_id: UUID, zone: ZoneInfo, records: AsyncIterator[Record | Rejected]
) -> AsyncIterator[Report]:
    """Take in a connector's records one by one; yields the same report after each, as far as it has come.

    A record that can't be taken is rejected with its reason, and the next goes on. What a provider has attested
    is the provider's word and stays as it is; what only the source ever said follows the source.
    """
    report = Report()
    async for record in records:
        if isinstance(record, Rejected):
            report.rejected.append(record)
        else:
            try:
                async with session.begin_nested():
                    await _take(session, program_id, zone, record, report)
            except (CannotImport, Problem) as error:
                report.rejected.append(Rejected(record.row, str(error)))
        yield report


async def _take(session: AsyncSession, program_id: UUID, zone: ZoneInfo, record: Record, report: Report) -> None:
    _check(record)
    organization_id = await _organization(session, program_id, record)
    service_id = await _service(session, program_id, organization_id, record)
    terms = {
        "unit": record.unit,
        "units_total": record.units_total,
        "starts_at": _midnight(record.starts_on, zone),
        "ends_at": _midnight(record.ends_on, zone, end=True),
        "minimum_age": record.minimum_age,
        "maximum_age": record.maximum_age,
        "attributes": dict(record.attributes),
    }
    present = (
        await session.execute(
            select(Opening.id, Opening.attested_at, Opening.version, Opening.units_taken).where(
                Opening.program_id == program_id, Opening.source_key == record.service_key
            )
        )
    ).one_or_none()
    if present is None:
        await session.execute(
            insert(Opening).values(
                program_id=program_id,
                id=new_id(),
                service_id=service_id,
                organization_id=organization_id,
                category=record.category,
                source_key=record.service_key,
                **terms,
            )
        )
        report.new += 1
    elif present.attested_at is not None:
        report.kept += 1
    else:
        del terms["unit"]
        await session.execute(
            update(Opening)
            .where(Opening.program_id == program_id, Opening.id == present.id)
            .values(version=present.version + 1, **terms)
        )
        report.updated += 1
    report.masked += record.serves_survivors
    report.notes += [(record.row, note) for note in record.notes]


def _check(record: Record) -> None:
    if record.category not in list(Category):
        raise CannotImport(f"category {record.category!r} is none of {', '.join(Category)}")
    if record.unit not in list(Unit):
        raise CannotImport(f"unit {record.unit!r} is none of {', '.join(Unit)}")
    if not 0 <= record.units_total <= MAX_UNITS_TOTAL:
        raise CannotImport(f"{record.units_total} units; an opening has 0 to {MAX_UNITS_TOTAL}")
    if wrong := unknown_names(record.attributes):
        raise CannotImport(f"unknown attributes: {', '.join(wrong)}")


def _midnight(day: Any, zone: ZoneInfo, *, end: bool = False) -> datetime | None:
    if day is None:
        return None
    return datetime.combine(day, time.max if end else time.min, zone)


async def _organization(session: AsyncSession, program_id: UUID, record: Record) -> UUID:
    found = await session.scalar(
        select(Organization.id).where(
            Organization.program_id == program_id, Organization.source_key == record.organization_key
        )
    )
    if found is not None:
        return found
    organization = Organization(
        program_id=program_id, id=new_id(), name=record.organization_name, source_key=record.organization_key
    )
    session.add(organization)
    await session.flush()
    return organization.id


async def _service(session: AsyncSession, program_id: UUID, organization_id: UUID, record: Record) -> UUID:
    found = (
        await session.execute(
            select(Service.id, Service.serves_survivors).where(
                Service.program_id == program_id, Service.source_key == record.service_key
            )
        )
    ).one_or_none()
    if found is not None:
        if record.serves_survivors and not found.serves_survivors:
            raise CannotImport(
                "it serves survivors of domestic violence now, and what was claimed there before is no secret:"
                " withdraw its openings and give it another key in the source"
            )
        service_id: UUID = found.id
        return service_id
    location = Location(
        program_id=program_id,
        id=new_id(),
        organization_id=organization_id,
        name=record.location_name,
        location_type="physical",
        city=record.city,
        state_province=record.state_province,
        country=record.country,
        masked=record.serves_survivors,
    )
    service = Service(
        program_id=program_id,
        id=new_id(),
        organization_id=organization_id,
        location_id=location.id,
        name=record.service_name,
        description=record.service_description,
        category=record.category,
        hud_project_type=record.hud_project_type,
        minimum_age=record.minimum_age,
        maximum_age=record.maximum_age,
        attributes=dict(record.attributes),
        serves_survivors=record.serves_survivors,
        source_key=record.service_key,
    )
    session.add(location)
    await session.flush()
    session.add(service)
    await session.flush()
    return service.id
