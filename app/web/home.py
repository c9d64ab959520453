"""The way in: the front door, which leads everyone to their page, and files."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import Response

from app.access.callers import Caller
from app.access.roles import Action
from app.core.problems import NotFound
from app.web.assets import assets
from app.web.looker import Looker, looking
from app.web.pages import replace_headers
from app.web.routing import go, pages

router = pages("home")

_YEAR = 365 * 24 * 3600

FIRST_PAGE = (
    (Action.READ_FIGURES, "/overview"),
    (Action.CLAIM, "/board"),
    (Action.PUBLISH, "/desk"),
    (Action.KEEP_ACCOUNT, "/account"),
)
"""The page that someone comes to: the first whose action is theirs."""


def first_page(caller: Caller) -> str:
    """Where this person's work is."""
    return next(path for action, path in FIRST_PAGE if caller.may(action))


def own_path(path: str) -> str:
    """A path of this site to go to, `/` for anything that would lead elsewhere."""
    parts = urlsplit(path)
    plain = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if plain and not parts.scheme and not parts.netloc else "/"


@router.get("/")
async def home(request: Request, looker: Annotated[Looker, looking(Action.READ_SELF)]) -> Response:
    """Everyone's front door."""
    return go(request, first_page(looker.caller))


@router.get("/static/{version}/{name:path}")
async def file(request: Request, version: str, name: str) -> Response:
    """A file that pages load. The address of another version is not found: nothing else may be kept under it."""
    asset = assets().files.get(name)
    if asset is None or version != assets().version:
        raise NotFound("There is no such file.")
    replace_headers(request, {b"cache-control": b"public, max-age=%d, immutable" % _YEAR})
    headers = {"Vary": "Accept-Encoding"}
    body = asset.body
    if asset.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        body = asset.packed
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers, media_type=asset.media_type)
