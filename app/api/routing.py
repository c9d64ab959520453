"""What every face of the API shares: its prefix, its key, its route class and the problems it may answer with."""

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute

from app.access.site import SAFE_METHODS
from app.api.errors import documented
from app.dependencies import OnceRoute, bearer, oauth, state_of


def face(tag: str, route_class: type[APIRoute] = OnceRoute) -> APIRouter:
    """A router under `/v1` whose routes need a key."""
    return APIRouter(
        prefix="/v1",
        tags=[tag],
        route_class=route_class,
        dependencies=[Depends(bearer), Depends(oauth)],
        responses=documented(400, 401, 403, 413, 422, 429, 503),
    )


async def _own_page(request: Request) -> None:
    # Somebody else's page must not sign its visitor in as somebody else, nor use up their tries.
    if request.method not in SAFE_METHODS:
        state_of(request).site.require_own_page(request.headers)


def open_face(tag: str) -> APIRouter:
    """A router under `/v1` for those who aren't signed in yet, called by pages of ours alone."""
    return APIRouter(
        prefix="/v1",
        tags=[tag],
        route_class=OnceRoute,
        dependencies=[Depends(_own_page)],
        responses=documented(400, 401, 403, 413, 422, 429, 503),
    )
