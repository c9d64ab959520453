"""Changing one's password, or choosing a first one."""

from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import Response

from app.access import account, passwords
from app.access.callers import Caller
from app.access.roles import Action
from app.core.problems import Invalid, Problem, TooManyTries
from app.dependencies import state_of
from app.visitors import VisitorOf, carry_on
from app.web.account import back_to_account
from app.web.fields import Secret, wrong_fields
from app.web.looker import show, signed_in
from app.web.problems import page_with, says
from app.web.routing import pages

router = pages("account")

# Neither holds a transaction while a password is looked at, which takes its time.
Own = Annotated[Caller, signed_in(Action.KEEP_ACCOUNT)]


async def _form(request: Request, caller: Caller, problem: Problem | None = None) -> Response:
    async with state_of(request).door.transaction(caller.program_id, str(caller.id), reads=True) as session:
        await show(request, session, caller)
        person = await account.account_of(session, caller)
        has_password = await passwords.stored_hash(session, caller.id) is not None
        if not has_password:
            # Asked for now, and not once the form is filled in.
            await account.fresh_account(session, caller)
    wrong = wrong_fields(request, problem)
    return page_with(
        request,
        problem,
        "account/password.html",
        email=person.email,
        has_password=has_password,
        wrong=wrong,
        problem=says(request, problem) if problem and not wrong else None,
    )


@router.get("/account/password")
async def ask(request: Request, caller: Own) -> Response:
    """The form for another password."""
    return await _form(request, caller)


@router.post("/account/password")
async def change(
    request: Request,
    caller: Own,
    visitor: VisitorOf,
    password: Annotated[Secret, Form()],
    old_password: Annotated[Secret, Form()] = "",
) -> Response:
    """Take the new password. Signed out everywhere else."""
    door = state_of(request).door
    try:
        token = await account.change_password(door, visitor, caller, old_password, password)
    except (Invalid, TooManyTries) as problem:
        return await _form(request, caller, problem)
    response = back_to_account(request, "password")
    carry_on(request, response, token)
    return response
