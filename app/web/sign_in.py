"""Signing in on a page: a password, and the code that may be asked for next."""

from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import Response
from pydantic import StringConstraints

from app.access.account import sign_out
from app.access.roles import Action
from app.access.sign_in import Entered
from app.core.problems import Problem
from app.dependencies import Session, state_of
from app.visitors import VisitorOf, challenge, let_in, let_out
from app.web.home import own_path
from app.web.looker import Looker, looking
from app.web.pages import page
from app.web.problems import says
from app.web.routing import go, pages

router = pages("sign-in")

Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=320)]
Secret = Annotated[str, StringConstraints(max_length=1000)]


def _form(request: Request, *, problem: Problem | None = None, code: bool = False, **values: str) -> Response:
    shown = {"program": "", "email": "", "return_to": "/"} | values
    said = None if problem is None else says(request, problem)
    template = "sign_in/code.html" if code else "sign_in/sign_in.html"
    return page(request, template, problem.status if problem else 200, problem=said, **shown)


@router.get("/sign-in")
async def ask(request: Request, program: Line = "", return_to: str = "/") -> Response:
    """The page where one signs in."""
    return _form(request, program=program, return_to=own_path(return_to))


@router.post("/sign-in")
async def with_password(
    request: Request,
    visitor: VisitorOf,
    program: Annotated[Line, Form()],
    email: Annotated[Line, Form()],
    password: Annotated[Secret, Form()],
    return_to: Annotated[str, Form()] = "/",
) -> Response:
    """A password, and then the page that one came for or the code that is asked for next."""
    back = own_path(return_to)
    try:
        result = await state_of(request).door.by_password(visitor, program, email, password)
    except Problem as problem:
        return _form(request, problem=problem, program=program, email=email, return_to=back)
    if isinstance(result, Entered):
        response = go(request, back)
        let_in(request, response, result)
        return response
    response = _form(request, code=True, return_to=back)
    challenge(request, response, result.challenge)
    return response


@router.post("/sign-in/code")
async def with_code(
    request: Request,
    visitor: VisitorOf,
    code: Annotated[Line, Form()],
    recovery: Annotated[bool, Form()] = False,
    return_to: Annotated[str, Form()] = "/",
) -> Response:
    """The second factor: the app's code, or one from paper."""
    back = own_path(return_to)
    try:
        entered = await state_of(request).door.by_code(visitor, code, recovery=recovery)
    except Problem as problem:
        return _form(request, problem=problem, code=True, return_to=back)
    response = go(request, back)
    let_in(request, response, entered)
    return response


@router.post("/sign-out")
async def leave(
    request: Request, looker: Annotated[Looker, looking(Action.KEEP_ACCOUNT)], session: Session
) -> Response:
    """End this session, and have the browser forget what pages kept."""
    await sign_out(session, looker.caller, only=looker.caller.session_id)
    response = go(request, "/sign-in")
    let_out(request, response)
    return response
