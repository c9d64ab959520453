"""Bad signal: what a browser installs, and what it shows when nothing can be reached."""

import json

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from app.web.assets import assets
from app.web.pages import language_of, page
from app.web.routing import pages

router = pages("offline")

_LOADED = (
    "base.css", "board.css", "htmx.js", "htmx-sse.js", "idiomorph.js", "page.js", "offline.js", "outbox.js", "icon.svg",
)  # fmt: skip
"""What the page without a network is made of."""


@router.get("/manifest.webmanifest")
async def manifest(request: Request) -> Response:
    """How the site is installed as an application of its own."""
    language = language_of(request)
    return JSONResponse(
        {
            "name": "Openberth",
            "short_name": "Openberth",
            "description": language.gettext("What is open now, claimed in one tap."),
            "lang": language.tag,
            "dir": language.direction,
            "id": "/",
            "start_url": "/",
            "scope": "/",
            "display": "standalone",
            "background_color": "#f4f6f5",
            "theme_color": "#0b6a66",
            "icons": [
                {"src": assets().url("icon.svg"), "sizes": "any", "type": "image/svg+xml", "purpose": "any maskable"}
            ],
        },
        media_type="application/manifest+json",
    )


@router.get("/service-worker.js")
async def service_worker() -> Response:
    """The script that stands between pages and network, told which files to have at hand."""
    known = assets()
    files = [known.url(name) for name in _LOADED]
    facts = {"VERSION": known.version, "FILES": files, "ICON": known.url("icon.svg")}
    head = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in facts.items())
    body = head.encode() + known.files["service-worker.js"].body
    return Response(body, media_type="text/javascript; charset=utf-8")


@router.get("/offline")
async def offline(request: Request) -> Response:
    """The page for when nothing can be reached. It is nobody's, so that it may be kept; what it shows, the browser
    puts in."""
    return page(request, "offline.html")
