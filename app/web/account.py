"""One's own account."""

from typing import Annotated

from fastapi import Request
from fastapi.responses import Response

from app.access.roles import Action
from app.web.looker import Looker, looking
from app.web.pages import page
from app.web.routing import pages

router = pages("account")


@router.get("/account")
async def account(request: Request, looker: Annotated[Looker, looking(Action.KEEP_ACCOUNT)]) -> Response:
    """Who one is here, and the way out."""
    return page(request, "account/account.html", role=looker.caller.role)
