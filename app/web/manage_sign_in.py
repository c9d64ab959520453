"""Identity providers: with which OpenID Connect issuers the program's people may sign in."""

from typing import Annotated, Any

from fastapi import Request
from fastapi.responses import Response
from pydantic import ValidationError

from app.access import providers
from app.access.callers import Caller
from app.access.roles import Action
from app.core.problems import Problem
from app.dependencies import Session, state_of
from app.web.looker import Looker, looking, show, signed_in
from app.web.manage import managed
from app.web.manage_forms import ProviderForm, sent
from app.web.problems import wrong
from app.web.routing import go, pages

router = pages("manage")

Manager = Annotated[Looker, looking(Action.SET_SIGN_IN)]


@router.get("/manage/sign-in")
async def list_providers(request: Request, looker: Manager, session: Session) -> Response:
    """The providers, and a form to set one up."""
    return await _list(request, session)


async def _list(request: Request, session: Session, **shown: Any) -> Response:
    found = await providers.list_providers(session)
    redirect_uri = state_of(request).openid_door.redirect_uri
    return managed(request, "sign_in", providers=found, redirect_uri=redirect_uri, **shown)


@router.post("/manage/sign-in")
async def set_provider(request: Request, caller: Annotated[Caller, signed_in(Action.SET_SIGN_IN)]) -> Response:
    """Set a provider up, or another in its place. Its discovery document is read first, in no transaction of ours."""
    fields = await sent(request)
    house = state_of(request)
    try:
        form = ProviderForm.model_validate(fields)
        await house.openid_door.set_up(caller, **form.model_dump())
    except (ValidationError, Problem) as error:
        # What was typed as a secret is typed again: it goes back to no page.
        shown = {name: value for name, value in fields.items() if name != "client_secret"}
        async with house.door.transaction(caller.program_id, str(caller.id), reads=True) as session:
            await show(request, session, caller)
            return await _list(request, session, fields=shown, errors=wrong(request, error))
    return go(request, "/manage/sign-in?done=changed")


@router.post("/manage/sign-in/{slug}/remove")
async def remove_provider(request: Request, looker: Manager, session: Session, slug: str) -> Response:
    """Let nobody sign in with this provider any more."""
    await providers.remove_provider(session, slug)
    return go(request, "/manage/sign-in?done=removed")
