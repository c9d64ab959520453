"""One's authenticator app: set up, its recovery codes, and taken away."""

from typing import Annotated

import segno
from fastapi import Form, Request
from fastapi.responses import Response

from app.access import account
from app.access.factors import factors_of
from app.access.roles import Action
from app.core.problems import Conflict, Invalid, Problem
from app.dependencies import Ring, Session
from app.visitors import carry_on
from app.web.account import back_to_account
from app.web.fields import Code, wrong_fields
from app.web.looker import Looker, looking
from app.web.pages import page
from app.web.problems import page_with
from app.web.routing import go, pages

router = pages("account")

Own = Annotated[Looker, looking(Action.KEEP_ACCOUNT)]


def _picture(uri: str) -> str:
    """The address as a QR code: an SVG that scales, black on white in every scheme, as cameras read it best."""
    code = segno.make(uri, micro=False, error="m")
    return code.svg_inline(border=4, dark="#000", light="#fff", svgclass=None, lineclass=None, omitsize=True)


def _code_form(request: Request, problem: Problem | None = None) -> Response:
    return page_with(request, problem, "account/app_code.html", wrong=wrong_fields(request, problem))


def _codes(request: Request, codes: list[str], token: str) -> Response:
    response = page(request, "account/recovery_codes.html", codes=codes)
    carry_on(request, response, token)
    return response


@router.get("/account/app")
async def read(request: Request, looker: Own, session: Session) -> Response:
    """Whether there is an app, and what can be done about it."""
    await account.fresh_account(session, looker.caller)
    return page(request, "account/app.html", factors=await factors_of(session, looker.caller.id))


@router.post("/account/app")
async def begin(request: Request, looker: Own, session: Session, ring: Ring) -> Response:
    """A secret for an app, shown this once: as a picture, as a link for a phone's own app, and to be typed."""
    try:
        enrolment = await account.begin_app(session, ring, looker.caller)
    except Conflict:
        return go(request, "/account/app")
    secret = enrolment.secret
    groups = [secret[start : start + 4] for start in range(0, len(secret), 4)]
    return page(request, "account/app_secret.html", groups=groups, uri=enrolment.uri, picture=_picture(enrolment.uri))


@router.get("/account/app/code")
async def ask_code(request: Request, looker: Own, session: Session) -> Response:
    """The form for the app's first code."""
    await account.fresh_account(session, looker.caller)
    return _code_form(request)


@router.post("/account/app/code")
async def confirm(
    request: Request, looker: Own, session: Session, ring: Ring, code: Annotated[Code, Form()]
) -> Response:
    """The app counts from now on. Its recovery codes are shown this once."""
    try:
        async with session.begin_nested():
            codes, token = await account.confirm_app(session, ring, looker.caller, code.replace(" ", ""))
    except Invalid as problem:
        return _code_form(request, problem)
    except Conflict:
        return go(request, "/account/app")
    return _codes(request, codes, token)


@router.post("/account/app/recovery-codes")
async def new_codes(request: Request, looker: Own, session: Session) -> Response:
    """Ten new recovery codes, shown this once. Those before are void."""
    return _codes(request, *await account.new_recovery_codes(session, looker.caller))


@router.post("/account/app/remove")
async def remove(request: Request, looker: Own, session: Session) -> Response:
    """Sign in with the password alone again."""
    token = await account.drop_app(session, looker.caller)
    response = back_to_account(request, "app-removed")
    carry_on(request, response, token)
    return response
