"""The directory, in HSDS 3.1 terms: organizations, their locations and their services."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKeyConstraint, Index, func, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.access.callers import Caller
from app.access.roles import Action
from app.core.database import Base
from app.core.ids import new_id
from app.core.problems import Forbidden, Invalid, NotFound, Sentence
from app.market.vocabulary import Category


def one_of(column: str, words: Iterable[str]) -> CheckConstraint:
    """A check that `column` holds one of `words`: text, since a new word then needs no new type."""
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


class Organization(Base):
    """Who provides (HSDS `organization`), and how well it keeps its word.

    `serves_survivors`: it serves survivors of domestic violence, so no location of its is ever shown (the database
    masks each) and all its openings are confidential.
    `promises_kept` and `promises_broken` are counted by the database: claims that arrived, and claims that the
    provider declined because the published place did not exist.
    """

    __tablename__ = "organizations"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    website: Mapped[str | None]
    email: Mapped[str | None]
    serves_survivors: Mapped[bool] = mapped_column(server_default=text("false"))
    source_key: Mapped[str | None]
    promises_kept: Mapped[int] = mapped_column(server_default=text("0"))
    promises_broken: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    version: Mapped[int] = mapped_column(server_default=text("1"))

    __table_args__ = (
        ForeignKeyConstraint(["program_id"], ["programs.program_id"]),
        Index(None, "program_id", "source_key", unique=True),
        # A claim asks for these few.
        Index("ix_organizations_survivors", "program_id", "id", postgresql_where=text("serves_survivors")),
    )

    @property
    def organization_id(self) -> UUID:
        """Its own: whoever may edit what is an organization's may edit what it says of itself."""
        return self.id


class Location(Base):
    """Where (HSDS `location`, with its one `address`). `masked`: kept for the provider, shown to nobody else."""

    __tablename__ = "locations"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    organization_id: Mapped[UUID]
    name: Mapped[str | None]
    location_type: Mapped[str]
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    address_1: Mapped[str | None]
    address_2: Mapped[str | None]
    city: Mapped[str | None]
    state_province: Mapped[str | None]
    postal_code: Mapped[str | None]
    country: Mapped[str | None]
    masked: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    version: Mapped[int] = mapped_column(server_default=text("1"))

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "organization_id"], ["organizations.program_id", "organizations.id"]),
        one_of("location_type", ["physical", "postal", "virtual"]),
        CheckConstraint("latitude BETWEEN -90 AND 90", name="latitude_on_earth"),
        CheckConstraint("longitude BETWEEN -180 AND 180", name="longitude_on_earth"),
        CheckConstraint("(latitude IS NULL) = (longitude IS NULL)", name="point_whole"),
        Index(None, "program_id", "organization_id"),
    )

    def shown_to(self, caller: Caller) -> bool:
        """Whether the caller may know where it is: a masked one only its own organization sees whole."""
        return not self.masked or self.organization_id == caller.organization_id


STATUSES = ("active", "inactive", "temporarily closed", "defunct")
"""What a service can be (HSDS `service.status`). Only an active one has openings."""
PHONE_NUMBER = r"^\+?[0-9][0-9 ().-]{1,28}$"
PHONE_EXTENSION = r"^[0-9]{1,10}$"
MOST_PHONES, MOST_LINES = 10, 20
"""How many phones a service has at most, and how many schedules or required documents."""


class Service(Base):
    """What is provided (HSDS `service`). Its attributes are where each of its openings starts from.

    `serves_survivors`: it serves survivors of domestic violence, whatever the rest of its organization does, so its
    location is masked and its openings are confidential.
    `phones`, `schedules` and `required_documents` are HSDS's objects of these names, of each the part that a person on
    the way reads: `number`, `extension` and `description`; `description`; `document`.
    """

    __tablename__ = "services"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    organization_id: Mapped[UUID]
    location_id: Mapped[UUID | None]
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    status: Mapped[str] = mapped_column(server_default="active")
    serves_survivors: Mapped[bool] = mapped_column(server_default=text("false"))
    category: Mapped[str]
    hud_project_type: Mapped[int | None]
    eligibility_description: Mapped[str | None]
    minimum_age: Mapped[int | None]
    maximum_age: Mapped[int | None]
    languages: Mapped[list[str]] = mapped_column(server_default=text("'{}'"))
    attributes: Mapped[dict[str, str]] = mapped_column(server_default=text("'{}'::jsonb"))
    phones: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    schedules: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    required_documents: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    source_key: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    version: Mapped[int] = mapped_column(server_default=text("1"))

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "organization_id"], ["organizations.program_id", "organizations.id"]),
        ForeignKeyConstraint(["program_id", "location_id"], ["locations.program_id", "locations.id"]),
        one_of("status", ["active", "inactive", "defunct", "temporarily closed"]),
        one_of("category", Category),
        Index(None, "program_id", "organization_id"),
        Index(None, "program_id", "location_id"),
        Index(None, "program_id", "source_key", unique=True),
    )


Entry = TypeVar("Entry", Organization, Location, Service)

PRIOR_KEPT, PRIOR_CLAIMS = 9, 10


def honour_rate(kept: int, broken: int) -> float:
    """The share of its promises that a provider keeps, in 0..1.

    `(kept + 9) / (kept + broken + 10)`: the mean of a Beta(9, 1) prior updated by what was counted, so that
    a newcomer starts at 0.9 and one early mistake doesn't sink it.
    """
    return (kept + PRIOR_KEPT) / (kept + broken + PRIOR_CLAIMS)


async def add_organization(session: AsyncSession, caller: Caller, facts: dict[str, Any]) -> Organization:
    """A new organization of the caller's program."""
    organization = Organization(program_id=caller.program_id, id=new_id(), **facts)
    session.add(organization)
    await session.flush()
    await session.refresh(organization)
    return organization


async def add_location(session: AsyncSession, caller: Caller, facts: dict[str, Any]) -> Location:
    """A new location. That of an organization which serves survivors is masked, whatever is asked.

    Raises Invalid for an unknown organization, Forbidden for another's.
    """
    location = Location(program_id=caller.program_id, id=new_id(), **facts)
    await _organization(session, caller, location)
    session.add(location)
    await session.flush()
    await session.refresh(location)
    return location


async def add_service(session: AsyncSession, caller: Caller, facts: dict[str, Any]) -> Service:
    """A new service. Raises Invalid for an unknown organization or location, Forbidden for another's."""
    service = Service(program_id=caller.program_id, id=new_id(), **facts)
    await _organization(session, caller, service)
    if service.location_id is not None:
        await location_of(session, service, service.location_id)
    session.add(service)
    await session.flush()
    await session.refresh(service)
    return service


async def location_of(session: AsyncSession, service: Service, location_id: UUID) -> Location:
    """A location where this service may be, which stays as it is until the transaction ends. Raises Invalid."""
    location = await session.get(Location, (service.program_id, location_id), with_for_update={"read": True})
    if location is None or location.organization_id != service.organization_id:
        raise Invalid.at("location_id", f"No location {location_id} of this organization.")
    if service.serves_survivors and not location.masked:
        raise Invalid.at("location_id", Sentence("A service for survivors is at a masked location, or at none."))
    return location


async def _organization(session: AsyncSession, caller: Caller, entry: Location | Service) -> None:
    """Raises Invalid unless the organization of a new entry is there, and Forbidden unless the caller may add to it."""
    organization = await session.get(Organization, (caller.program_id, entry.organization_id))
    if organization is None:
        raise Invalid.at("organization_id", f"No organization {entry.organization_id} in this program.")
    if not caller.may(Action.EDIT_DIRECTORY, entry):
        raise Forbidden("You can add to the directory of your own organization only.")


async def get_entry(session: AsyncSession, caller: Caller, kind: type[Entry], entry_id: UUID) -> Entry:
    """One organization, location or service of the caller's program. Raises NotFound."""
    entry = await session.get(kind, (caller.program_id, entry_id))
    if entry is None:
        raise NotFound(f"No {kind.__name__.lower()} {entry_id} in this program.")
    return entry


async def list_entries(
    session: AsyncSession,
    caller: Caller,
    kind: type[Entry],
    *where: ColumnElement[bool],
    after: UUID | None,
    limit: int,
) -> list[Entry]:
    """Entries in id order, which is the order in which they were added."""
    statement = select(kind).where(kind.program_id == caller.program_id, *where)
    if after is not None:
        statement = statement.where(kind.id > after)
    return list(await session.scalars(statement.order_by(kind.id).limit(limit)))
