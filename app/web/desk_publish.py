"""Publishing an opening from the desk in a few seconds, and changing its terms."""

from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import Request
from fastapi.responses import Response
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.idempotency import Kept, begin, fingerprint, keep
from app.access.roles import Action
from app.core.problems import BadRequest, Forbidden, Problem
from app.dependencies import Session
from app.market import openings
from app.market.attributes import ATTRIBUTES
from app.market.directory import Service
from app.market.tables import Opening
from app.market.vocabulary import Unit
from app.web.desk_forms import USUAL_UNIT, filled_in, sent, terms_of
from app.web.desk_view import last_opening, own_services
from app.web.edited import edited
from app.web.looker import Looker, looking
from app.web.pages import page
from app.web.problems import wrong
from app.web.routing import go, pages

router = pages("desk")

Publisher = Annotated[Looker, looking(Action.PUBLISH)]


def _form(request: Request, status: int = 200, **values: Any) -> Response:
    shown = {"errors": {}, "both": [], "was": {}, "attributes": list(ATTRIBUTES), "units": list(Unit)} | values
    return page(request, "desk/opening_form.html", status, **shown)


async def _defaults(session: AsyncSession, looker: Looker, service: Service) -> dict[str, str]:
    """What a new opening of a service most likely says: what the last one did, but for its times."""
    last = await last_opening(session, looker.caller, service.id)
    like = last or Opening(
        unit=USUAL_UNIT.get(service.category, Unit.INTAKE_APPOINTMENT),
        units_total=1,
        minimum_age=service.minimum_age,
        maximum_age=service.maximum_age,
        languages=service.languages,
        attributes=service.attributes,
    )
    return filled_in(like, looker.zone) | {"starts_at": "", "ends_at": ""}


async def _active(session: AsyncSession, looker: Looker) -> list[Service]:
    return [each for each in await own_services(session, looker.caller) if each.status == "active"]


@router.get("/desk/new")
async def new(request: Request, looker: Publisher, session: Session, service: UUID | None = None) -> Response:
    """A form for a new opening, filled in like the last one."""
    services = await _active(session, looker)
    if not services:
        return go(request, "/desk/services/new")
    if service is None and (last := await last_opening(session, looker.caller)):
        service = last.service_id
    chosen = next((each for each in services if each.id == service), services[0])
    fields = await _defaults(session, looker, chosen)
    return _form(request, services=services, chosen=chosen, fields=fields, key=str(uuid4()), opening=None)


@router.post("/desk/new")
async def publish(request: Request, looker: Publisher, session: Session) -> Response:
    """Publish it. A form sent twice, by a double tap or a shaky network, publishes once."""
    fields = await sent(request)
    services = await _active(session, looker)
    chosen = next((each for each in services if str(each.id) == fields.get("service")), None)
    if chosen is None:
        raise BadRequest("This service has no openings of yours. Start from the desk again.")
    key = fields.get("key", "")[:255] or str(uuid4())
    try:
        terms = terms_of(fields, looker.zone)
        # What the service knows and this opening does not, is unknown of this opening.
        terms["attributes"] = {
            name: answer
            for name, answer in terms["attributes"].items()
            if answer != "unknown" or name in chosen.attributes
        }
        given = {name: value for name, value in terms.items() if value is not None}
        async with session.begin_nested():
            asked = fingerprint("POST", request.url.path, str(chosen.id).encode())
            if await begin(session, looker.caller, key, asked) is None:
                await openings.publish(session, looker.caller, chosen.id, given)
                await keep(session, looker.caller, key, Kept(303, b""))
    except (ValidationError, Problem) as error:
        return _form(
            request,
            422,
            services=services,
            chosen=chosen,
            fields=fields,
            key=key,
            opening=None,
            errors=wrong(request, error),
        )
    return go(request, "/desk")


async def _own(session: AsyncSession, looker: Looker, opening_id: UUID) -> Opening:
    """An opening to change. Raises NotFound, Forbidden."""
    opening = (await openings.get_opening(session, looker.caller.program_id, opening_id)).opening
    if not looker.caller.may(Action.PUBLISH, opening):
        raise Forbidden("Only the opening's own organization changes it.")
    return opening


@router.get("/desk/openings/{opening_id}")
async def terms(request: Request, looker: Publisher, session: Session, opening_id: UUID) -> Response:
    """An opening's terms, to change them."""
    opening = await _own(session, looker, opening_id)
    chosen = await session.get_one(Service, (opening.program_id, opening.service_id))
    now = filled_in(opening, looker.zone)
    return _form(request, services=[], chosen=chosen, fields=now, was=now, opening=opening, key="")


@router.post("/desk/openings/{opening_id}")
async def change(request: Request, looker: Publisher, session: Session, opening_id: UUID) -> Response:
    """Change what differs from what the form showed, unless somebody else changed it meanwhile: then both are shown."""
    fields = await sent(request)
    opening = await _own(session, looker, opening_id)
    chosen = await session.get_one(Service, (opening.program_id, opening.service_id))
    now = filled_in(opening, looker.zone)
    edit = edited(fields, now, opening.version)
    shown = {"services": [], "chosen": chosen, "opening": opening, "key": "", "was": now, "fields": edit.fields}
    if edit.both:
        return _form(request, 412, both=edit.both, **shown)
    try:
        terms = terms_of(edit.fields, looker.zone)
        changed = {name: value for name, value in terms.items() if name in edit.mine}
        answered = {name: answer for name, answer in terms["attributes"].items() if f"is_{name}" in edit.mine}
        changed |= {"attributes": answered} if answered else {}
        if changed:
            async with session.begin_nested():
                await openings.change(session, looker.caller, opening_id, edit.version, changed)
    except (ValidationError, Problem) as error:
        return _form(request, 422, errors=wrong(request, error), **shown)
    return go(request, "/desk")
