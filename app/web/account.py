"""One's own account: who one is, what one signs in with, where one is signed in, how pages look."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response

from app.access import account, passkeys, sessions
from app.access.factors import factors_of
from app.access.roles import Action
from app.access.sessions import UNKNOWN_BROWSER
from app.core.problems import NotFound
from app.dependencies import Session
from app.web.languages import N_, Language
from app.web.looker import Looker, looking
from app.web.notices import told
from app.web.pages import language_of, page
from app.web.routing import go, pages

router = pages("account")

Own = Annotated[Looker, looking(Action.KEEP_ACCOUNT)]

DONE = {
    "password": N_("Your password is changed. You are signed out everywhere but here."),
    "passkey": N_("Your new passkey is ready. You are signed out everywhere but here."),
    "passkey-removed": N_("The passkey is removed. You are signed out everywhere but here."),
    "app-removed": N_("You sign in without the app now. Your recovery codes are void."),
    "session": N_("You are signed out there."),
    "notices": N_("Saved: this is how you are told."),
    "test-sent": N_("A test is on its way. It is there within a minute."),
    "browser": N_("You are told in this browser from now on."),
    "browser-removed": N_("You are told in that browser no more."),
}
"""What has just been done, by the word that the address brings."""


def back_to_account(request: Request, what: str) -> Response:
    """The account, which says what was done: one of `DONE`."""
    return go(request, f"/account?done={what}")


def _device(language: Language, device: str) -> str:
    """A session's device as it is kept in English, in the looker's words."""
    browser, on, system = device.partition(" on ")
    if browser == UNKNOWN_BROWSER:
        browser = language.gettext("A browser")
    return language.gettext("%(browser)s on %(system)s") % {"browser": browser, "system": system} if on else browser


@router.get("/account")
async def read_account(request: Request, looker: Own, session: Session, done: str = "") -> Response:
    """Who one is here, what one signs in with, where one is signed in, how pages look."""
    caller = looker.caller
    language = language_of(request)
    return page(
        request,
        "account/account.html",
        person=await account.account_of(session, caller),
        role=caller.role,
        factors=await factors_of(session, caller.id),
        passkeys=await passkeys.list_passkeys(session, caller.id),
        sessions=[
            {
                "id": each.id,
                "device": _device(language, each.device),
                "since": each.created_at,
                "seen": each.seen_at,
                "current": each.id == caller.session_id,
            }
            for each in await sessions.list_sessions(session, caller.id)
        ],
        told=await told(request, session, caller),
        device_of=partial(_device, language),
        done=language.gettext(DONE[done]) if done in DONE else "",
    )


@router.post("/account/sessions/{session_id}/end")
async def end_session(request: Request, looker: Own, session: Session, session_id: UUID) -> Response:
    """Sign out elsewhere."""
    if not await account.sign_out(session, looker.caller, only=session_id):
        raise NotFound("You are not signed in there.")
    return back_to_account(request, "session")
