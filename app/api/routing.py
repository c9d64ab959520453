"""What every face of the API shares: its prefix, its key, its route class and the problems it may answer with."""

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute

from app.api.errors import documented
from app.dependencies import OnceRoute, bearer, oauth


def face(tag: str, route_class: type[APIRoute] = OnceRoute) -> APIRouter:
    """A router under `/v1` whose routes need a key."""
    return APIRouter(
        prefix="/v1",
        tags=[tag],
        route_class=route_class,
        dependencies=[Depends(bearer), Depends(oauth)],
        responses=documented(400, 401, 403, 413, 422, 429, 503),
    )
