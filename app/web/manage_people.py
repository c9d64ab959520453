"""People: invite them, change what they are to the program, end their access."""

from typing import Annotated
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from pydantic import ValidationError

from app.access import people
from app.access.invitations import Invited, invite
from app.access.people import Person
from app.access.roles import Action, Role
from app.core.problems import Problem
from app.dependencies import Session, state_of
from app.web.looker import Looker, looking
from app.web.manage import PAGE, managed, organizations_by_name
from app.web.manage_forms import Fields, PersonChangeForm, PersonForm, sent
from app.web.problems import wrong
from app.web.routing import go, pages

router = pages("manage")

Manager = Annotated[Looker, looking(Action.INVITE_PEOPLE)]

ROLES = [role for role in Role if role not in {Role.OPERATOR, Role.PARTNER_SYSTEM}]
"""What a person may be invited as here: operators are on the machine itself, and partner systems hold keys."""


@router.get("/manage/people")
async def list_people(request: Request, looker: Manager, session: Session, after: UUID | None = None) -> Response:
    """The program's people, and a form to invite one."""
    return await _list(request, looker, session, after=after)


async def _list(
    request: Request,
    looker: Looker,
    session: Session,
    *,
    after: UUID | None = None,
    fields: Fields | None = None,
    errors: dict[str, str] | None = None,
) -> Response:
    found = await people.list_people(session, after=after, limit=PAGE + 1)
    organizations = await organizations_by_name(session, looker)
    return managed(
        request,
        "people",
        errors=errors,
        fields=fields or {},
        people=found[:PAGE],
        following=found[PAGE - 1].id if len(found) > PAGE else None,
        organizations=organizations,
        names=dict(organizations),
        roles=ROLES,
    )


@router.post("/manage/people")
async def invite_person(request: Request, looker: Manager, session: Session) -> Response:
    """Invite a person. The link is shown on this answer alone."""
    fields = await sent(request)
    try:
        form = PersonForm.model_validate(fields)
        people.refuse_operator(form.role)
        person = await people.add_person(
            session, looker.caller.program_id, form.organization_id, form.role, form.email, form.name
        )
    except (ValidationError, Problem) as error:
        return await _list(request, looker, session, fields=fields, errors=wrong(request, error))
    return _invited(request, await invite(session, person))


@router.get("/manage/people/{person_id}")
async def show_person(request: Request, looker: Manager, session: Session, person_id: UUID) -> Response:
    """One person, and what may be changed of them."""
    return await _show(request, looker, session, await people.get_person(session, person_id))


async def _show(
    request: Request,
    looker: Looker,
    session: Session,
    person: Person,
    *,
    fields: Fields | None = None,
    errors: dict[str, str] | None = None,
) -> Response:
    organizations = await organizations_by_name(session, looker)
    filled = {"name": person.name, "role": person.role, "organization_id": str(person.organization_id)}
    return managed(
        request,
        "person",
        errors=errors,
        fields=fields or filled,
        person=person,
        steered=person.role != Role.OPERATOR and person.id != looker.caller.id,
        organizations=organizations,
        names=dict(organizations),
        roles=ROLES,
    )


@router.post("/manage/people/{person_id}")
async def change_person(request: Request, looker: Manager, session: Session, person_id: UUID) -> Response:
    """Change a person's name, role or organization."""
    person = await people.steered(session, looker.caller, person_id)
    fields = await sent(request)
    try:
        form = PersonChangeForm.model_validate(fields)
        people.refuse_operator(form.role)
        await people.change_person(session, person, form.model_dump())
    except (ValidationError, Problem) as error:
        await session.refresh(person)
        return await _show(request, looker, session, person, fields=fields, errors=wrong(request, error))
    return go(request, f"/manage/people/{person_id}?done=changed")


@router.post("/manage/people/{person_id}/end")
async def end_access(request: Request, looker: Manager, session: Session, person_id: UUID) -> Response:
    """End a person's access."""
    await people.end_access(session, await people.steered(session, looker.caller, person_id))
    return go(request, f"/manage/people/{person_id}?done=ended")


@router.post("/manage/people/{person_id}/invite")
async def invite_again(request: Request, looker: Manager, session: Session, person_id: UUID) -> Response:
    """Invite a person again: what they signed in with before is void. The link is shown on this answer alone."""
    return _invited(request, await invite(session, await people.steered(session, looker.caller, person_id)))


def _invited(request: Request, invited: Invited) -> Response:
    link = invited.link(state_of(request).site.origin)
    return managed(request, "invited", person=invited.person, link=link, until=invited.expires_at)
