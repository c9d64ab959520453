"""Organizations, and their locations and services: list them, add to them. Changing them is in app/web/directory.py."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from pydantic import ValidationError

from app.access.roles import Action
from app.core.problems import Problem
from app.dependencies import Session
from app.market.attributes import ATTRIBUTES
from app.market.directory import (
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
from app.market.vocabulary import Category
from app.web.directory import MOST, places
from app.web.directory_forms import LocationForm, NewOrganizationForm, NewServiceForm
from app.web.looker import Looker, looking
from app.web.manage import PAGE, managed
from app.web.manage_forms import sent
from app.web.problems import wrong
from app.web.routing import go, pages

router = pages("manage")

Manager = Annotated[Looker, looking(Action.ADD_ORGANIZATION)]


@router.get("/manage/organizations")
async def list_organizations(
    request: Request, looker: Manager, session: Session, after: UUID | None = None
) -> Response:
    """The program's organizations, and a form to add one."""
    return await _list(request, looker, session, after=after)


async def _list(
    request: Request, looker: Looker, session: Session, *, after: UUID | None = None, **shown: Any
) -> Response:
    found = await list_entries(session, looker.caller, Organization, after=after, limit=PAGE + 1)
    return managed(
        request,
        "organizations",
        organizations=[(each, honour_rate(each.promises_kept, each.promises_broken)) for each in found[:PAGE]],
        following=found[PAGE - 1].id if len(found) > PAGE else None,
        **shown,
    )


@router.post("/manage/organizations")
async def create_organization(request: Request, looker: Manager, session: Session) -> Response:
    """Add an organization."""
    fields = await sent(request)
    try:
        facts = NewOrganizationForm.model_validate(fields).model_dump(mode="json")
    except ValidationError as error:
        return await _list(request, looker, session, fields=fields, errors=wrong(request, error))
    added = await add_organization(session, looker.caller, facts)
    return go(request, f"/manage/organizations/{added.id}?done=added")


@router.get("/manage/organizations/{organization_id}")
async def show_organization(request: Request, looker: Manager, session: Session, organization_id: UUID) -> Response:
    """One organization with its locations and services, and forms to add to them."""
    return await _show(request, looker, session, organization_id)


async def _show(
    request: Request, looker: Looker, session: Session, organization_id: UUID, *, form: str = "", **shown: Any
) -> Response:
    organization = await get_entry(session, looker.caller, Organization, organization_id)
    locations = await list_entries(
        session, looker.caller, Location, Location.organization_id == organization_id, after=None, limit=MOST
    )
    services = await list_entries(
        session, looker.caller, Service, Service.organization_id == organization_id, after=None, limit=MOST
    )
    return managed(
        request,
        "organization",
        organization=organization,
        locations=locations,
        services=services,
        places=places(request, looker, locations),
        categories=list(Category),
        attributes=list(ATTRIBUTES),
        sent_form=form,
        **shown,
    )


@router.post("/manage/organizations/{organization_id}/locations")
async def create_location(request: Request, looker: Manager, session: Session, organization_id: UUID) -> Response:
    """Add a location to an organization."""
    fields = await sent(request)
    try:
        facts = LocationForm.model_validate(fields).model_dump() | {"location_type": "physical"}
        await add_location(session, looker.caller, facts | {"organization_id": organization_id})
    except (ValidationError, Problem) as error:
        said = wrong(request, error)
        return await _show(request, looker, session, organization_id, form="location", fields=fields, errors=said)
    return go(request, f"/manage/organizations/{organization_id}?done=added")


@router.post("/manage/organizations/{organization_id}/services")
async def create_service(request: Request, looker: Manager, session: Session, organization_id: UUID) -> Response:
    """Add a service to an organization."""
    fields = await sent(request, "attributes")
    try:
        facts = NewServiceForm.model_validate(fields).facts()
        await add_service(session, looker.caller, facts | {"organization_id": organization_id})
    except (ValidationError, Problem) as error:
        said = wrong(request, error)
        return await _show(request, looker, session, organization_id, form="service", fields=fields, errors=said)
    return go(request, f"/manage/organizations/{organization_id}?done=added")
