"""Changing what the directory says: a program manager of every organization, a provider of its own."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from fastapi.responses import Response
from pydantic import ValidationError

from app.access.roles import Action
from app.core.problems import Forbidden, NotFound, PreconditionFailed, Problem
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
from app.web.languages import N_
from app.web.looker import Looker, looking
from app.web.manage_forms import sent
from app.web.pages import language_of, page
from app.web.problems import wrong
from app.web.routing import go, pages
from app.web.words import SERVICE_STATUS

router = pages("directory")

Editor = Annotated[Looker, looking(Action.EDIT_DIRECTORY)]

MOST = 500
"""Locations of an organization that are offered for a service."""


@dataclass(frozen=True, slots=True)
class Side:
    """How one kind of entry is changed: its template, its form, what fills that in, and what it does."""

    kind: type[Any]
    template: str
    form: type[OrganizationForm] | type[LocationForm] | type[ServiceForm]
    fields: Callable[[Any], dict[str, str]]
    change: Callable[..., Coroutine[Any, Any, Any]]


SIDES: Mapping[str, Side] = {
    "organizations": Side(Organization, "organization", OrganizationForm, organization_fields, change_organization),
    "locations": Side(Location, "location", LocationForm, location_fields, change_location),
    "services": Side(Service, "service", ServiceForm, service_fields, change_service),
}


def side_of(kind: str) -> Side:
    """The kind that an address names. Raises NotFound."""
    if kind not in SIDES:
        raise NotFound(f"No {kind} are changed here.")
    return SIDES[kind]


Chosen = Annotated[Side, Depends(side_of)]


@router.get("/directory/{kind}/{entry_id}")
async def show(request: Request, looker: Editor, session: Session, side: Chosen, entry_id: UUID) -> Response:
    """What an entry says of itself, to change it."""
    entry = await editable(session, looker.caller, side.kind, entry_id)
    now = side.fields(entry)
    return await _page(request, looker, session, side, entry, was=now, fields=now)


@router.post("/directory/{kind}/{entry_id}")
async def change(request: Request, looker: Editor, session: Session, side: Chosen, entry_id: UUID) -> Response:
    """Change what differs from what the form showed, unless somebody else changed it meanwhile: then both are shown."""
    entry = await editable(session, looker.caller, side.kind, entry_id)
    now = side.fields(entry)
    # What is not ticked is not sent.
    typed = {"masked": ""} | {name: value for name, value in (await sent(request)).items() if isinstance(value, str)}
    edit = edited(typed, now, entry.version)
    shown = {"was": now, "fields": edit.fields}
    if edit.both:
        return await _page(request, looker, session, side, entry, 412, both=edit.both, **shown)
    try:
        facts = side.form.model_validate(edit.fields).changed(edit.mine)
        async with session.begin_nested():
            await side.change(session, looker.caller, entry_id, edit.version, facts)
    except Forbidden:
        # Masked meanwhile: it is no longer for whoever looks.
        raise
    except PreconditionFailed:
        # In the blink between looking and writing.
        await session.refresh(entry)
        now = side.fields(entry)
        edit = edited(typed, now, entry.version)
        return await _page(request, looker, session, side, entry, 412, both=edit.both, was=now, fields=edit.fields)
    except (ValidationError, Problem) as error:
        return await _page(request, looker, session, side, entry, 422, errors=wrong(request, error), **shown)
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
    side: Side,
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
        "places": places(request, looker, locations),
        "statuses": {each: language_of(request).gettext(SERVICE_STATUS[each]) for each in STATUSES},
        "attributes": list(ATTRIBUTES),
    } | values
    return page(request, f"directory/{side.template}.html", status, **shown)


def places(request: Request, looker: Looker, locations: list[Location]) -> dict[UUID, str]:
    """What to call each location: its name and where it is, unless that is not for whoever looks."""
    hidden = language_of(request).gettext(N_("A place that is not shown"))
    return {each.id: place(each) if each.shown_to(looker.caller) else hidden for each in locations}


def place(location: Location) -> str:
    """What to call a location by: its name and where it is, as far as it says."""
    parts = (location.name, location.address_1, location.city, location.postal_code)
    return ", ".join(part for part in parts if part) or str(location.id)
