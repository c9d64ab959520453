"""Signing in on pages: to which program, and then with a passkey, at another service, or with a password and a code."""

import re
from typing import Annotated
from urllib.parse import quote

from fastapi import Form, Request
from fastapi.responses import Response

from app.access.account import sign_out
from app.access.challenges import Over
from app.access.roles import Action
from app.access.sign_in import Entered
from app.core.problems import NotSignedIn, Problem, TooManyTries
from app.dependencies import Session, state_of
from app.visitors import VisitorOf, challenge, let_in, let_out
from app.web.fields import Code, Credential, Line, Secret
from app.web.home import own_path
from app.web.languages import N_
from app.web.looker import Looker, looking
from app.web.pages import language_of, page
from app.web.preferences import PROGRAM, ReturnTo, remember
from app.web.problems import page_with, says
from app.web.routing import go, pages

router = pages("sign-in")

_SHORT_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

CHECK = N_("Check the program, the e-mail address and the password.")
UNKNOWN_PASSKEY = N_("This program does not know that passkey. Check the program, or sign in another way.")
CHECK_CODE = N_("Look at the code again. Each is good once, and an app’s for half a minute.")
START_AGAIN = N_("It took too long, or was begun in another window. Start again here.")


def ways(program: str, providers: list[tuple[str, str]], back: str) -> list[dict[str, str]]:
    """Links to the services that people of this program may sign in with. `providers`: the slug and name of each."""
    return [
        {"name": name, "url": f"/v1/sign-in/openid/{program}/{slug}?return_to={quote(back, safe='/')}"}
        for slug, name in providers
    ]


def said(request: Request, problem: Problem, advice: str) -> dict[str, object]:
    """What did not sign them in, in words that fit what they tried; how long to wait is said where they must."""
    told = says(request, problem)
    if isinstance(problem, Over):
        advice = START_AGAIN
    return told if isinstance(problem, TooManyTries) else told | {"advice": language_of(request).gettext(advice)}


def _which_program(
    request: Request, typed: str, back: str, *, wrong: bool, said: dict[str, object] | None = None
) -> Response:
    status = 422 if wrong else 200
    return page(request, "sign_in/program.html", status, program=typed, return_to=back, wrong=wrong, problem=said)


async def _door(
    request: Request,
    program: str,
    back: str,
    *,
    problem: Problem | None = None,
    advice: str = CHECK,
    email: str = "",
    again: bool = False,
) -> Response:
    told = said(request, problem, advice) if problem else None
    if not _SHORT_NAME.fullmatch(program):
        return _which_program(request, program, back, wrong=bool(program), said=told)
    providers = [(row.slug, row.name) for row in await state_of(request).openid_door.choices(program)]
    return page_with(
        request,
        problem,
        "sign_in/sign_in.html",
        program=program,
        return_to=back,
        ways=ways(program, providers, back),
        problem=told,
        email=email,
        again=again,
    )


@router.get("/sign-in")
async def ask(
    request: Request,
    program: str | None = None,
    return_to: str = "/",
    again: bool = False,
    change: bool = False,
) -> Response:
    """The program that is asked for or was signed in to last, and the ways to sign in to it; else which it shall be."""
    back = own_path(return_to)
    known = request.cookies.get(PROGRAM, "")
    name = (known if program is None else program).strip().lower()[:100]
    if change:
        return _which_program(request, name, back, wrong=False)
    response = await _door(request, name, back, again=again)
    if name and name != known and response.status_code == 200:
        remember(request, response, PROGRAM, name)
    return response


@router.post("/sign-in")
async def with_password(
    request: Request,
    visitor: VisitorOf,
    program: Annotated[Line, Form()],
    email: Annotated[Line, Form()],
    password: Annotated[Secret, Form()],
    return_to: ReturnTo = "/",
) -> Response:
    """A password, and then the page that one came for or the code that is asked for next."""
    back = own_path(return_to)
    try:
        result = await state_of(request).door.by_password(visitor, program, email, password)
    except (NotSignedIn, TooManyTries) as problem:
        return await _door(request, program, back, problem=problem, email=email)
    if isinstance(result, Entered):
        response = go(request, back)
        let_in(request, response, result)
        return response
    response = go(request, f"/sign-in/code?return_to={quote(back, safe='/')}")
    challenge(request, response, result.challenge)
    return response


@router.post("/sign-in/passkey")
async def with_passkey(
    request: Request,
    visitor: VisitorOf,
    program: Annotated[Line, Form()],
    credential: Annotated[Credential, Form()],
    return_to: ReturnTo = "/",
) -> Response:
    """What the browser's passkey answered, and then the page that one came for."""
    back = own_path(return_to)
    try:
        entered = await state_of(request).door.by_passkey(visitor, credential)
    except NotSignedIn as problem:
        return await _door(request, program, back, problem=problem, advice=UNKNOWN_PASSKEY)
    response = go(request, back)
    let_in(request, response, entered)
    return response


@router.get("/sign-in/code")
async def ask_code(request: Request, return_to: str = "/") -> Response:
    """The page that asks for the second factor."""
    return page(request, "sign_in/code.html", problem=None, recovery=False, return_to=own_path(return_to))


@router.post("/sign-in/code")
async def with_code(
    request: Request,
    visitor: VisitorOf,
    code: Annotated[Code, Form()],
    recovery: Annotated[bool, Form()] = False,
    return_to: ReturnTo = "/",
) -> Response:
    """The second factor: the app's code, or one from paper."""
    back = own_path(return_to)
    # People type it as the app shows it: in two groups.
    code = code if recovery else code.replace(" ", "")
    try:
        entered = await state_of(request).door.by_code(visitor, code, recovery=recovery)
    except Over as problem:
        return await _door(request, request.cookies.get(PROGRAM, ""), back, problem=problem)
    except (NotSignedIn, TooManyTries) as problem:
        told = said(request, problem, CHECK_CODE)
        return page_with(request, problem, "sign_in/code.html", problem=told, recovery=recovery, return_to=back)
    response = go(request, back)
    let_in(request, response, entered)
    return response


@router.post("/sign-out")
async def leave(
    request: Request, looker: Annotated[Looker, looking(Action.KEEP_ACCOUNT)], session: Session
) -> Response:
    """End this session, and have the browser forget what pages kept."""
    await sign_out(session, looker.caller, only=looker.caller.session_id)
    return _signed_out(request)


@router.post("/sign-out/everywhere")
async def leave_everywhere(
    request: Request, looker: Annotated[Looker, looking(Action.KEEP_ACCOUNT)], session: Session
) -> Response:
    """End every session, and have the browser forget what pages kept."""
    await sign_out(session, looker.caller)
    return _signed_out(request)


def _signed_out(request: Request) -> Response:
    response = go(request, "/sign-in")
    let_out(request, response)
    return response
