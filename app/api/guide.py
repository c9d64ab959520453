"""The page that describes the API to people, where it is served: Swagger UI, whose parts come from a public network."""

import re
from base64 import b64encode
from hashlib import sha256

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

from app.access.site import POLICY
from app.dependencies import LIMIT_HEADERS

_PARTS = "https://cdn.jsdelivr.net/npm/swagger-ui-dist@5/"


def serve(app: FastAPI) -> None:
    """Serve it at /docs, under a policy that lets the page load its parts and ask this server, and nothing else."""
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=app.title,
        swagger_js_url=f"{_PARTS}swagger-ui-bundle.js",
        swagger_css_url=f"{_PARTS}swagger-ui.css",
        swagger_favicon_url="data:,",
    ).body
    script = re.search(rb"<script>(.*?)</script>", bytes(page), re.DOTALL)
    assert script is not None, "Swagger UI is started by a script in its page"
    started = b64encode(sha256(script[1]).digest()).decode()
    policy = (
        f"default-src 'none'; script-src {_PARTS} 'sha256-{started}'; style-src {_PARTS} 'unsafe-inline';"
        " img-src data:; connect-src 'self'; base-uri 'none'; object-src 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ).encode()

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        headers = request.scope[LIMIT_HEADERS]
        headers[:] = [(name, policy if name == POLICY else value) for name, value in headers]
        return HTMLResponse(page)
