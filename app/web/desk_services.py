"""The services of one's own organization, and a form to add one, with the place where it is."""

from typing import Annotated, Any
from uuid import uuid4

from fastapi import Request
from fastapi.responses import Response
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.idempotency import Kept, begin, fingerprint, keep
from app.access.roles import Action
from app.core.problems import Problem
from app.dependencies import Session
from app.market.directory import Location, add_location, add_service, list_entries
from app.market.vocabulary import Category
from app.web.desk_forms import sent
from app.web.desk_view import own_services
from app.web.directory import MOST, places
from app.web.directory_forms import PlaceForm
from app.web.inputs import Line
from app.web.looker import Looker, looking
from app.web.pages import page
from app.web.problems import wrong
from app.web.routing import go, pages

router = pages("desk")

Editor = Annotated[Looker, looking(Action.EDIT_DIRECTORY)]


class ServiceForm(PlaceForm):
    """A service and its place."""

    name: Line
    category: Category
    serves_survivors: bool = False


async def _form(request: Request, looker: Looker, session: AsyncSession, status: int = 200, **values: Any) -> Response:
    own = Location.organization_id == looker.caller.organization_id
    shown = {
        "errors": {},
        "fields": {},
        "done": request.query_params.get("done") == "changed",
        "categories": list(Category),
        "services": await own_services(session, looker.caller),
        "locations": places(
            request, looker, await list_entries(session, looker.caller, Location, own, after=None, limit=MOST)
        ),
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
        form = ServiceForm.model_validate(fields)
        place = form.model_dump(include=set(PlaceForm.model_fields), exclude_none=True)
        service = form.model_dump(exclude=set(PlaceForm.model_fields))
        own = {"organization_id": caller.organization_id}
        async with session.begin_nested():
            if await begin(session, caller, key, fingerprint("POST", request.url.path, b"")) is None:
                if place:
                    # Where survivors are served is shown to nobody else.
                    about = {"name": form.name, "location_type": "physical", "masked": form.serves_survivors}
                    location = await add_location(session, caller, own | about | place)
                    own |= {"location_id": location.id}
                await add_service(session, caller, own | service)
                await keep(session, caller, key, Kept(303, b""))
    except (ValidationError, Problem) as error:
        return await _form(request, looker, session, 422, fields=fields, key=key, errors=wrong(request, error))
    return go(request, "/desk/new")
