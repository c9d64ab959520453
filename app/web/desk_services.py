"""The services of one's own organization, and a form to add one, with the place where it is."""

from typing import Annotated, Any
from uuid import uuid4

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, ValidationError, model_validator
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.idempotency import Kept, begin, fingerprint, keep
from app.access.roles import Action
from app.core.problems import Problem
from app.dependencies import Session
from app.market.directory import Location, add_location, add_service, list_entries
from app.market.vocabulary import Category
from app.web.desk_forms import sent, wrong
from app.web.desk_view import own_services
from app.web.directory import MOST, places
from app.web.inputs import Line, Maybe, MaybeLine
from app.web.looker import Looker, looking
from app.web.pages import page
from app.web.routing import go, pages

router = pages("desk")

Editor = Annotated[Looker, looking(Action.EDIT_DIRECTORY)]

WHERE = ("address_1", "city", "state_province", "postal_code", "latitude", "longitude")


class ServiceForm(BaseModel):
    """A service and its place."""

    name: Line
    category: Category
    serves_survivors: bool = False
    address_1: MaybeLine = None
    city: MaybeLine = None
    state_province: MaybeLine = None
    postal_code: MaybeLine = None
    latitude: Annotated[Annotated[float, Field(ge=-90, le=90)] | None, Maybe] = None
    longitude: Annotated[Annotated[float, Field(ge=-180, le=180)] | None, Maybe] = None

    @model_validator(mode="after")
    def _whole_point(self) -> "ServiceForm":
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("give latitude and longitude together, or neither")
        return self


async def _form(request: Request, looker: Looker, session: AsyncSession, status: int = 200, **values: Any) -> Response:
    own = Location.organization_id == looker.caller.organization_id
    shown = {
        "errors": {},
        "fields": {},
        "done": request.query_params.get("done") == "changed",
        "categories": list(Category),
        "services": await own_services(session, looker.caller),
        "locations": places(await list_entries(session, looker.caller, Location, own, after=None, limit=MOST), looker),
    } | values
    return page(request, "desk/service_form.html", status, **shown)


@router.get("/desk/services/new")
async def new(request: Request, looker: Editor, session: Session) -> Response:
    """The services there are, and a form for another."""
    return await _form(request, looker, session, key=str(uuid4()))


@router.post("/desk/services/new")
async def add(request: Request, looker: Editor, session: Session) -> Response:
    """Add a service, and the place where it is if one was given. Sent twice, it is added once."""
    fields = await sent(request)
    key = fields.get("key", "")[:255] or str(uuid4())
    caller = looker.caller
    try:
        form = ServiceForm.model_validate(fields).model_dump(mode="json")
        place = {name: value for name in WHERE if (value := form.pop(name)) is not None}
        own = {"organization_id": caller.organization_id}
        async with session.begin_nested():
            if await begin(session, caller, key, fingerprint("POST", request.url.path, b"")) is None:
                if place:
                    # Where survivors are served is shown to nobody else.
                    about = {"name": form["name"], "location_type": "physical", "masked": form["serves_survivors"]}
                    location = await add_location(session, caller, own | about | place)
                    own |= {"location_id": location.id}
                await add_service(session, caller, own | form)
                await keep(session, caller, key, Kept(303, b""))
    except (ValidationError, Problem) as error:
        return await _form(request, looker, session, 422, fields=fields, key=key, errors=wrong(error))
    return go(request, "/desk/new")
