"""Organizations, locations and services (HSDS 3.1 terms)."""

from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from fastapi import Response
from pydantic import EmailStr, Field, HttpUrl, model_validator

from app.access.callers import Caller
from app.access.roles import Action
from app.api.errors import documented
from app.api.fields import (
    Age,
    Attributes,
    Cursor,
    In,
    Languages,
    Limit,
    Line,
    Moment,
    Out,
    Page,
    Prose,
    Yes,
    id_from_cursor,
    to_cursor,
)
from app.api.routing import face
from app.dependencies import IfMatch, Session, etag, requires
from app.market.directory import (
    MOST_LINES,
    MOST_PHONES,
    PHONE_EXTENSION,
    PHONE_NUMBER,
    Location,
    Organization,
    Service,
    add_location,
    add_organization,
    add_service,
    get_entry,
    honour_rate,
    list_entries,
)
from app.market.edits import change_location, change_organization, change_service
from app.market.vocabulary import Category

router = face("directory")

Reader = Annotated[Caller, requires(Action.READ_DIRECTORY)]
Editor = Annotated[Caller, requires(Action.EDIT_DIRECTORY)]
CHANGING = documented(404, 412, 428)

Version = Annotated[int, Field(description='How often it was written: its ETag is `"v1"`, and so on.')]


class OrganizationFacts(In):
    """What an organization says of itself, and may change."""

    description: Prose = ""
    website: Annotated[HttpUrl | None, Field(max_length=500)] = None
    email: Annotated[EmailStr | None, Field(max_length=254)] = None


class OrganizationChange(OrganizationFacts):
    """What to change: a field that is left out stays as it is. Whether it serves survivors never changes."""

    name: Line = ""


class OrganizationIn(OrganizationFacts):
    """An organization to add."""

    name: Line
    serves_survivors: Annotated[
        Yes,
        Field(
            description="It serves survivors of domestic violence: its locations are never shown, and its openings"
            " are claimed by one-time codes."
        ),
    ] = False


class OrganizationOut(Out):
    """An organization and its honour rate."""

    id: UUID
    name: str
    description: str
    website: str | None
    email: str | None
    serves_survivors: bool
    honour_rate: Annotated[float, Field(description="The share of its promises it keeps, 0 to 1.")]
    version: Version
    created_at: Moment


def organization_out(organization: Organization) -> OrganizationOut:
    """The organization as callers see it."""
    rate = honour_rate(organization.promises_kept, organization.promises_broken)
    return OrganizationOut.model_validate(vars(organization) | {"honour_rate": round(rate, 4)})


class LocationFacts(In):
    """Where a location is, and may be changed to. `masked`: its place is shown to its own organization only."""

    name: Line | None = None
    location_type: Literal["physical", "postal", "virtual"] = "physical"
    latitude: Annotated[float | None, Field(ge=-90, le=90, strict=True)] = None
    longitude: Annotated[float | None, Field(ge=-180, le=180, strict=True)] = None
    address_1: Line | None = None
    address_2: Line | None = None
    city: Line | None = None
    state_province: Line | None = None
    postal_code: Line | None = None
    country: Annotated[str | None, Field(pattern="^[A-Z]{2}$", description="ISO 3166-1, such as US.")] = None
    masked: Yes = False

    @model_validator(mode="after")
    def _whole_point(self) -> "LocationFacts":
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("give latitude and longitude together, or neither")
        return self


class LocationChange(LocationFacts):
    """What to change: a field that is left out stays as it is."""

    @model_validator(mode="after")
    def _both_or_neither(self) -> "LocationChange":
        if len(self.model_fields_set & {"latitude", "longitude"}) == 1:
            raise ValueError("latitude and longitude change together: give both, null for none")
        return self


class LocationIn(LocationFacts):
    """A location to add."""

    organization_id: UUID


class LocationOut(Out):
    """A location. Where it is masked from the caller, all that says where it is is null."""

    id: UUID
    organization_id: UUID
    name: str | None
    location_type: str | None
    latitude: float | None
    longitude: float | None
    address_1: str | None
    address_2: str | None
    city: str | None
    state_province: str | None
    postal_code: str | None
    country: str | None
    masked: bool
    version: Version
    created_at: Moment


_WHERE = (
    "name",
    "location_type",
    "latitude",
    "longitude",
    "address_1",
    "address_2",
    "city",
    "state_province",
    "postal_code",
    "country",
)


def location_out(location: Location, caller: Caller) -> LocationOut:
    """The location as this caller may see it."""
    return LocationOut.model_validate(vars(location) | ({} if location.shown_to(caller) else dict.fromkeys(_WHERE)))


class Phone(In):
    """HSDS `phone`: a number to call."""

    number: Annotated[str, Field(pattern=PHONE_NUMBER, examples=["+1 206 555 0100"])]
    extension: Annotated[str | None, Field(pattern=PHONE_EXTENSION)] = None
    description: Line | None = None


class Schedule(In):
    """HSDS `schedule`: when it is open, in words."""

    description: Line


class RequiredDocument(In):
    """HSDS `required_document`: what to bring."""

    document: Line


class ServiceFacts(In):
    """What a service says of itself, and may change. Its ages, languages and attributes are where each of its openings
    starts from."""

    location_id: UUID | None = None
    description: Prose = ""
    status: Annotated[
        Literal["active", "inactive", "defunct", "temporarily closed"],
        Field(description="Only an active service has openings: all are withdrawn when it is no longer active."),
    ] = "active"
    hud_project_type: Annotated[int | None, Field(ge=0, le=14, strict=True, description="HUD 2026 project type.")] = (
        None
    )
    eligibility_description: Prose | None = None
    minimum_age: Age | None = None
    maximum_age: Age | None = None
    languages: Languages = []
    attributes: Attributes = {}
    phones: Annotated[list[Phone], Field(max_length=MOST_PHONES)] = []
    schedules: Annotated[list[Schedule], Field(max_length=MOST_LINES)] = []
    required_documents: Annotated[list[RequiredDocument], Field(max_length=MOST_LINES)] = []

    @model_validator(mode="after")
    def _ages(self) -> "ServiceFacts":
        if self.minimum_age is not None and self.maximum_age is not None and self.minimum_age > self.maximum_age:
            raise ValueError("minimum_age is above maximum_age")
        return self


class ServiceChange(ServiceFacts):
    """What to change: a field that is left out stays as it is, and attributes given are merged into those there are.
    Its organization, its category and whether it serves survivors never change."""

    name: Line = ""


class ServiceIn(ServiceFacts):
    """A service to add."""

    organization_id: UUID
    name: Line
    category: Category
    serves_survivors: Annotated[
        Yes,
        Field(
            description="It serves survivors of domestic violence, whatever its organization does besides:"
            " its location must be masked, and its openings are claimed by one-time codes."
        ),
    ] = False


class ServiceOut(Out):
    """A service."""

    id: UUID
    organization_id: UUID
    location_id: UUID | None
    name: str
    description: str
    status: str
    category: Category
    hud_project_type: int | None
    serves_survivors: bool
    eligibility_description: str | None
    minimum_age: int | None
    maximum_age: int | None
    languages: list[str]
    attributes: dict[str, str]
    phones: list[Phone]
    schedules: list[Schedule]
    required_documents: list[RequiredDocument]
    version: Version
    created_at: Moment


Told = TypeVar("Told", OrganizationOut, LocationOut, ServiceOut)


def _tagged(response: Response, entry: Told) -> Told:
    """The entry, with its version as the answer's ETag."""
    response.headers["ETag"] = etag(entry.version)
    return entry


def _given(body: In, mode: Literal["python", "json"] = "python") -> dict[str, Any]:
    """What a change gives. What a phone in it leaves out is said too, as when a service is added."""
    return body.model_dump(mode=mode, include=body.model_fields_set)


def _page(entries: list[Any], limit: int, shown: list[Any]) -> dict[str, Any]:
    more = len(entries) > limit
    return {"items": shown[:limit], "next": to_cursor(entries[limit - 1].id) if more else None}


@router.post("/organizations", status_code=201)
async def create_organization(
    caller: Annotated[Caller, requires(Action.ADD_ORGANIZATION)],
    session: Session,
    body: OrganizationIn,
    response: Response,
) -> OrganizationOut:
    """Add an organization to the program's directory."""
    return _tagged(response, organization_out(await add_organization(session, caller, body.model_dump(mode="json"))))


@router.get("/organizations/{organization_id}", responses=documented(404))
async def read_organization(
    caller: Reader, session: Session, organization_id: UUID, response: Response
) -> OrganizationOut:
    """One organization."""
    return _tagged(response, organization_out(await get_entry(session, caller, Organization, organization_id)))


@router.patch("/organizations/{organization_id}", responses=CHANGING)
async def edit_organization(
    caller: Editor,
    session: Session,
    organization_id: UUID,
    version: IfMatch,
    body: OrganizationChange,
    response: Response,
) -> OrganizationOut:
    """Change what an organization says of itself, if nobody changed it since you read it."""
    changed = await change_organization(session, caller, organization_id, version, _given(body, "json"))
    return _tagged(response, organization_out(changed))


@router.get("/organizations")
async def list_organizations(
    caller: Reader, session: Session, cursor: Cursor = None, limit: Limit = 50
) -> Page[OrganizationOut]:
    """The program's organizations."""
    found = await list_entries(session, caller, Organization, after=id_from_cursor(cursor), limit=limit + 1)
    return Page[OrganizationOut].model_validate(_page(found, limit, [organization_out(o) for o in found]))


@router.post("/locations", status_code=201)
async def create_location(caller: Editor, session: Session, body: LocationIn, response: Response) -> LocationOut:
    """Add a location of an organization."""
    return _tagged(response, location_out(await add_location(session, caller, body.model_dump()), caller))


@router.get("/locations/{location_id}", responses=documented(404))
async def read_location(caller: Reader, session: Session, location_id: UUID, response: Response) -> LocationOut:
    """One location, without its place where that is masked from the caller."""
    return _tagged(response, location_out(await get_entry(session, caller, Location, location_id), caller))


@router.patch("/locations/{location_id}", responses=CHANGING)
async def edit_location(
    caller: Editor, session: Session, location_id: UUID, version: IfMatch, body: LocationChange, response: Response
) -> LocationOut:
    """Change where a location is: its openings move with it. A masked one only its own organization changes."""
    changed = await change_location(session, caller, location_id, version, _given(body))
    return _tagged(response, location_out(changed, caller))


@router.get("/locations")
async def list_locations(
    caller: Reader,
    session: Session,
    organization_id: UUID | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[LocationOut]:
    """Locations, of one organization or of all."""
    where = [] if organization_id is None else [Location.organization_id == organization_id]
    found = await list_entries(session, caller, Location, *where, after=id_from_cursor(cursor), limit=limit + 1)
    return Page[LocationOut].model_validate(_page(found, limit, [location_out(o, caller) for o in found]))


@router.post("/services", status_code=201)
async def create_service(caller: Editor, session: Session, body: ServiceIn, response: Response) -> ServiceOut:
    """Add a service of an organization, at one of its locations if it has one."""
    return _tagged(response, ServiceOut.model_validate(await add_service(session, caller, body.model_dump())))


@router.get("/services/{service_id}", responses=documented(404))
async def read_service(caller: Reader, session: Session, service_id: UUID, response: Response) -> ServiceOut:
    """One service."""
    return _tagged(response, ServiceOut.model_validate(await get_entry(session, caller, Service, service_id)))


@router.patch("/services/{service_id}", responses=CHANGING)
async def edit_service(
    caller: Editor, session: Session, service_id: UUID, version: IfMatch, body: ServiceChange, response: Response
) -> ServiceOut:
    """Change a service. Its openings keep the terms they were published with, but move with it; when it is no longer
    active they are withdrawn, and claims on them stand."""
    changed = await change_service(session, caller, service_id, version, _given(body))
    return _tagged(response, ServiceOut.model_validate(changed))


@router.get("/services")
async def list_services(
    caller: Reader,
    session: Session,
    organization_id: UUID | None = None,
    category: Category | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[ServiceOut]:
    """Services, of one organization or of all, of one category or of all."""
    where = []
    if organization_id is not None:
        where.append(Service.organization_id == organization_id)
    if category is not None:
        where.append(Service.category == category)
    found = await list_entries(session, caller, Service, *where, after=id_from_cursor(cursor), limit=limit + 1)
    return Page[ServiceOut].model_validate(
        _page(found, limit, [ServiceOut.model_validate(service) for service in found])
    )
