"""One's passkeys: another one, and one less."""

from typing import Annotated
from uuid import UUID

from fastapi import Form, Request
from fastapi.responses import Response

from app.access import account, passkeys
from app.access.roles import Action
from app.access.sessions import device_name
from app.core.problems import Conflict, Invalid, NotFound, NotSignedIn, Problem
from app.dependencies import Session, state_of
from app.visitors import VisitorOf, carry_on
from app.web.account import back_to_account
from app.web.fields import Credential, Name
from app.web.languages import N_
from app.web.looker import Looker, looking
from app.web.problems import page_with
from app.web.routing import pages
from app.web.sign_in import said

router = pages("account")

Own = Annotated[Looker, looking(Action.KEEP_ACCOUNT)]

NOT_KEPT = N_("That passkey could not be kept. Try again.")
TOO_MANY = N_("You have as many passkeys as there may be, or this one is kept already. Remove one first.")
ONLY_WAY_IN = N_("This passkey is your only way in. Choose a password first, or add another passkey.")


def _form(request: Request, name: str, problem: Problem | None = None) -> Response:
    advice = TOO_MANY if isinstance(problem, Conflict) else NOT_KEPT
    told = said(request, problem, advice) if problem else None
    return page_with(request, problem, "account/passkey.html", name=name, problem=told)


@router.get("/account/passkeys/new")
async def ask(request: Request, looker: Own, session: Session) -> Response:
    """Where a passkey is made."""
    await account.fresh_account(session, looker.caller)
    return _form(request, device_name(request.headers.get("user-agent", "")))


@router.post("/account/passkeys/new")
async def add(
    request: Request,
    looker: Own,
    session: Session,
    visitor: VisitorOf,
    credential: Annotated[Credential, Form()],
    name: Annotated[Name, Form()],
) -> Response:
    """Keep the passkey that the browser made."""
    site = state_of(request).site
    try:
        async with session.begin_nested():
            _, token = await account.keep_passkey(session, site, visitor, looker.caller, credential, name)
    except (NotSignedIn, Invalid, Conflict) as problem:
        return _form(request, name, problem)
    response = back_to_account(request, "passkey")
    carry_on(request, response, token)
    return response


async def _removal(
    request: Request, looker: Looker, session: Session, passkey_id: UUID, problem: Problem | None = None
) -> Response:
    found = [each for each in await passkeys.list_passkeys(session, looker.caller.id) if each.id == passkey_id]
    if not found:
        raise NotFound("You have no such passkey.")
    told = said(request, problem, ONLY_WAY_IN) if problem else None
    return page_with(request, problem, "account/passkey_removal.html", passkey=found[0], problem=told)


@router.get("/account/passkeys/{passkey_id}/remove")
async def ask_removal(request: Request, looker: Own, session: Session, passkey_id: UUID) -> Response:
    """Whether it is meant."""
    await account.fresh_account(session, looker.caller)
    return await _removal(request, looker, session, passkey_id)


@router.post("/account/passkeys/{passkey_id}/remove")
async def remove(request: Request, looker: Own, session: Session, passkey_id: UUID) -> Response:
    """Take the passkey away, unless it is the only way in."""
    try:
        async with session.begin_nested():
            token = await account.drop_passkey(session, looker.caller, passkey_id)
    except Conflict as problem:
        return await _removal(request, looker, session, passkey_id, problem)
    response = back_to_account(request, "passkey-removed")
    carry_on(request, response, token)
    return response
