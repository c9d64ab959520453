"""What a browser remembers of how its person likes pages: the language, the appearance, the program to sign in to.

Each is a cookie that says nothing about anybody, so it stays when they sign out.
"""

from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import Response

from app.core.problems import NotFound
from app.dependencies import state_of
from app.web.home import own_path
from app.web.languages import COOKIE, languages
from app.web.pages import APPEARANCE, APPEARANCES
from app.web.routing import go, pages

router = pages("preferences")

PROGRAM = "openberth_program"
"""The cookie that keeps the short name of the program that was signed in to last."""

_YEAR = 365 * 24 * 3600

ReturnTo = Annotated[str, Form(max_length=2000)]


def remember(request: Request, response: Response, cookie: str, value: str) -> None:
    """Have this browser keep a preference for a year."""
    secure = state_of(request).site.secure
    response.set_cookie(cookie, value, max_age=_YEAR, path="/", secure=secure, httponly=True, samesite="lax")


@router.post("/language")
async def choose_language(
    request: Request, language: Annotated[str, Form(max_length=35)], return_to: ReturnTo = "/"
) -> Response:
    """Speak this language in this browser from now on."""
    if language not in languages():
        raise NotFound("No page speaks this language.")
    response = go(request, own_path(return_to))
    remember(request, response, COOKIE, language)
    return response


@router.post("/appearance")
async def choose_appearance(
    request: Request, appearance: Annotated[str, Form(max_length=20)], return_to: ReturnTo = "/"
) -> Response:
    """Look like this in this browser from now on: `light`, `dark`, or by any other word as the system's own does."""
    response = go(request, own_path(return_to))
    if appearance in APPEARANCES:
        remember(request, response, APPEARANCE, appearance)
    else:
        response.delete_cookie(APPEARANCE, path="/")
    return response
