"""Accepting an invitation. Its token stands after `#` in the link, so it comes here in a form's body and in no URL."""

from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import Response

from app.access.challenges import Over
from app.access.roles import Role
from app.access.sessions import device_name
from app.access.sign_in import Entered
from app.core.problems import Conflict, Invalid, NotSignedIn, Problem
from app.dependencies import state_of
from app.visitors import VisitorOf, let_in
from app.web.fields import Credential, Line, Name, Secret, wrong_fields
from app.web.languages import N_
from app.web.looker import standing_of
from app.web.pages import page
from app.web.preferences import PROGRAM, remember
from app.web.problems import page_with
from app.web.routing import go, pages
from app.web.sign_in import said, ways

router = pages("sign-in")

NOT_VALID = N_("It was used before, has run out, or is not whole. Ask your program manager for a new one.")
NO_PASSKEY = N_("That passkey could not be kept. Try again, or choose a password.")

Token = Annotated[Line, Form()]
ProgramName = Annotated[Line, Form()]


def _bare(pasted: str) -> str:
    """The token, of which people paste the whole link."""
    return pasted.rpartition("#")[2]


async def _welcome(request: Request, token: str, problem: Problem | None = None) -> Response:
    house = state_of(request)
    person = await house.door.invited(token)
    async with house.door.transaction(person.program_id, "sign-in", reads=True) as session:
        standing = await standing_of(session, person.program_id, person.id)
    providers = [(row.slug, row.name) for row in await house.openid_door.choices(standing["slug"])]
    wrong = wrong_fields(request, problem)
    return page_with(
        request,
        problem,
        "invitation/welcome.html",
        token=token,
        person=person,
        role=Role(person.role),
        standing=standing,
        device=device_name(request.headers.get("user-agent", "")),
        ways=ways(standing["slug"], providers, "/"),
        wrong=wrong,
        problem=said(request, problem, NO_PASSKEY) if problem and "password" not in wrong else None,
    )


def _not_valid(request: Request, problem: NotSignedIn) -> Response:
    return page_with(request, problem, "invitation/ask.html", problem=said(request, problem, NOT_VALID))


def _enter(request: Request, program: str, entered: Entered) -> Response:
    response = go(request, "/")
    let_in(request, response, entered)
    remember(request, response, PROGRAM, program)
    return response


@router.get("/invitation")
async def ask(request: Request) -> Response:
    """Where the link leads: a script sends on what stands after `#`, and without one the person pastes it."""
    return page(request, "invitation/ask.html", problem=None)


@router.post("/invitation")
async def read(request: Request, token: Token) -> Response:
    """Who is invited, to what, and how they may accept."""
    try:
        return await _welcome(request, _bare(token))
    except NotSignedIn as problem:
        return _not_valid(request, problem)


@router.post("/invitation/password")
async def accept_with_password(
    request: Request, visitor: VisitorOf, program: ProgramName, token: Token, password: Annotated[Secret, Form()]
) -> Response:
    """Accept by choosing a password; signed in at once."""
    try:
        entered = await state_of(request).door.accept_with_password(visitor, token, password)
    except Invalid as problem:
        return await _welcome(request, token, problem)
    except NotSignedIn as problem:
        return _not_valid(request, problem)
    return _enter(request, program, entered)


@router.post("/invitation/passkey")
async def accept_with_passkey(
    request: Request,
    visitor: VisitorOf,
    program: ProgramName,
    token: Token,
    credential: Annotated[Credential, Form()],
    name: Annotated[Name, Form()],
) -> Response:
    """Accept with the passkey that the browser made; signed in at once."""
    try:
        entered = await state_of(request).door.accept_with_passkey(visitor, token, credential, name)
    except (Over, Invalid, Conflict) as problem:
        return await _welcome(request, token, problem)
    except NotSignedIn as problem:
        return _not_valid(request, problem)
    return _enter(request, program, entered)
