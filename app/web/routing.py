"""What every page shares: its route class, and what a problem looks like to a person."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from fastapi.routing import APIRoute

from app.access.account import SignInAgain
from app.access.site import SAFE_METHODS
from app.dependencies import PERSON, limited, state_of
from app.web.live import EVENTS, signed_out
from app.web.looker import SignedOut
from app.web.pages import use_page_policy
from app.web.problems import from_form, problem_page


class PageRoute(APIRoute):
    """A route that answers with a page, a part of one, or a redirect; problems too are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler within the policy of pages. What is sent must come from a page of ours."""
        handle: Callable[[Request], Awaitable[Response]] = super().get_route_handler()

        async def answered(request: Request) -> Response:
            # Any other problem is told further out, where it is logged too, and to a person.
            request.scope[PERSON] = problem_page
            use_page_policy(request)
            site = state_of(request).site
            if site.elsewhere(request.headers.get("host", "")) and request.method == "GET":
                return RedirectResponse(site.origin + request.url.path, 307)
            try:
                if request.method not in SAFE_METHODS:
                    site.require_own_page(request.headers)
                    request = await limited(request)
                return await handle(request)
            except SignedOut:
                if EVENTS in request.headers.get("accept", ""):
                    return signed_out()
                return _to_sign_in(request)
            except SignInAgain:
                return _to_sign_in(request, again=True)
            except RequestValidationError as error:
                return problem_page(request, from_form(error))

        return answered


def pages(tag: str) -> APIRouter:
    """A router for pages. They are for people: OpenAPI does not describe them."""
    return APIRouter(tags=[tag], route_class=PageRoute, include_in_schema=False)


def is_part(request: Request) -> bool:
    """Whether htmx asks for a part of the page that is shown, and not for a whole one."""
    return "hx-request" in request.headers and "hx-boosted" not in request.headers


def go(request: Request, path: str) -> Response:
    """Send the browser on to another page. To what htmx sent, a redirect would be answered in place of a part."""
    if "hx-request" in request.headers:
        return Response(status_code=204, headers={"HX-Redirect": path})
    return RedirectResponse(path, 303)


def _to_sign_in(request: Request, *, again: bool = False) -> Response:
    path = f"/sign-in?return_to={quote(_page_of(request), safe='/')}"
    return go(request, path + "&again=true" if again else path)


def _page_of(request: Request) -> str:
    """The page that is shown: what was asked for, or for a form or a part of a page, the page that it stands on."""
    if request.method == "GET" and not is_part(request):
        return request.url.path + (f"?{request.url.query}" if request.url.query else "")
    origin = state_of(request).site.origin
    shown = urlsplit(request.headers.get("referer", ""))
    if f"{shown.scheme}://{shown.netloc}" != origin:
        return "/"
    return shown.path + (f"?{shown.query}" if shown.query else "")
