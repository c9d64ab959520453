"""Changing what the directory says: a program manager of every organization, a provider of its own."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from pydantic import ValidationError

from app.access.roles import Action
from app.core.problems import PreconditionFailed, Problem
from app.dependencies import Session
from app.market.attributes import ATTRIBUTES
from app.market.directory import STATUSES, Location, Organization, Service, list_entries
from app.market.edits import change_location, change_organization, change_service, editable
from app.web.directory_forms import (
    LocationForm,
    OrganizationForm,
    ServiceForm,
    location_fields,
    organization_fields,
    service_fields,
)
from app.web.edited import edited
from app.web.looker import Looker, looking
from app.web.manage_forms import sent, wrong
from app.web.pages import page
from app.web.routing import go, pages

router = pages("directory")

Editor = Annotated[Looker, looking(Action.EDIT_DIRECTORY)]

MOST = 500
"""Locations of an organization that are offered for a service."""


@dataclass(frozen=True, slots=True)
class Side:
    """How one kind of entry is changed: its form, what fills it in, and what it does."""

    kind: type[Any]
    form: type[OrganizationForm] | type[LocationForm] | type[ServiceForm]
    fields: Callable[[Any], dict[str, str]]
    change: Callable[..., Coroutine[Any, Any, Any]]


SIDES: Mapping[str, Side] = {
    "organization": Side(Organization, OrganizationForm, organization_fields, change_organization),
    "location": Side(Location, LocationForm, location_fields, change_location),
    "service": Side(Service, ServiceForm, service_fields, change_service),
}


@router.get("/directory/organizations/{entry_id}")
async def show_organization(request: Request, looker: Editor, session: Session, entry_id: UUID) -> Response:
    """What an organization says of itself, to change it."""
    return await _show(request, looker, session, "organization", entry_id)


@router.post("/directory/organizations/{entry_id}")
async def edit_organization(request: Request, looker: Editor, session: Session, entry_id: UUID) -> Response:
    """Change what an organization says of itself."""
    return await _edit(request, looker, session, "organization", entry_id)


@router.get("/directory/locations/{entry_id}")
async def show_location(request: Request, looker: Editor, session: Session, entry_id: UUID) -> Response:
    """Where a location is, to change it."""
    return await _show(request, looker, session, "location", entry_id)


@router.post("/directory/locations/{entry_id}")
async def edit_location(request: Request, looker: Editor, session: Session, entry_id: UUID) -> Response:
    """Change where a location is."""
    return await _edit(request, looker, session, "location", entry_id)


@router.get("/directory/services/{entry_id}")
async def show_service(request: Request, looker: Editor, session: Session, entry_id: UUID) -> Response:
    """What a service says of itself, to change it."""
    return await _show(request, looker, session, "service", entry_id)


@router.post("/directory/services/{entry_id}")
async def edit_service(request: Request, looker: Editor, session: Session, entry_id: UUID) -> Response:
    """Change a service."""
    return await _edit(request, looker, session, "service", entry_id)


async def _show(request: Request, looker: Looker, session: Session, name: str, entry_id: UUID) -> Response:
    side = SIDES[name]
    entry = await editable(session, looker.caller, side.kind, entry_id)
    now = side.fields(entry)
    return await _page(request, looker, session, name, entry, was=now, fields=now)


async def _edit(request: Request, looker: Looker, session: Session, name: str, entry_id: UUID) -> Response:
    """Change what differs from what the form showed, unless somebody else changed it meanwhile: then both are shown."""
    side = SIDES[name]
    entry = await editable(session, looker.caller, side.kind, entry_id)
    now = side.fields(entry)
    # What is not ticked is not sent.
    typed = {"masked": ""} | {each: value for each, value in (await sent(request)).items() if isinstance(value, str)}
    edit = edited(typed, now, entry.version)
    shown = {"was": now, "fields": edit.fields}
    if edit.both:
        return await _page(request, looker, session, name, entry, 412, both=edit.both, **shown)
    try:
        facts = side.form.model_validate(edit.fields).changed(edit.mine)
        async with session.begin_nested():
            await side.change(session, looker.caller, entry_id, edit.version, facts)
    except PreconditionFailed:
        # In the blink between looking and writing.
        await session.refresh(entry)
        both = edited(typed, side.fields(entry), entry.version).both
        return await _page(request, looker, session, name, entry, 412, both=both, was=now, fields=edit.fields)
    except (ValidationError, Problem) as error:
        return await _page(request, looker, session, name, entry, 422, errors=wrong(request, error), **shown)
    return go(request, f"{_back(looker, entry)}?done=changed")


def _back(looker: Looker, entry: Organization | Location | Service) -> str:
    """Where the entry is listed for whoever looks."""
    if looker.may("ADD_ORGANIZATION"):
        return f"/manage/organizations/{entry.organization_id}"
    return "/desk/services/new"


async def _page(
    request: Request,
    looker: Looker,
    session: Session,
    name: str,
    entry: Organization | Location | Service,
    status: int = 200,
    **values: Any,
) -> Response:
    of_it = Location.organization_id == entry.organization_id
    locations = await list_entries(session, looker.caller, Location, of_it, after=None, limit=MOST)
    shown = {
        "errors": {},
        "both": [],
        "entry": entry,
        "back": _back(looker, entry),
        "places": places(locations, looker),
        "statuses": STATUSES,
        "attributes": list(ATTRIBUTES),
    } | values
    return page(request, f"directory/{name}.html", status, **shown)


def places(locations: list[Location], looker: Looker) -> dict[UUID, str]:
    """What to call each location: its name and where it is; "" where that is not for whoever looks."""
    return {each.id: place(each) if each.shown_to(looker.caller) else "" for each in locations}


def place(location: Location) -> str:
    """What to call a location by: its name and where it is, as far as it says."""
    parts = (location.name, location.address_1, location.city, location.postal_code)
    return ", ".join(part for part in parts if part) or str(location.id)
