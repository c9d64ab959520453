"""What one is told when one isn't looking, as a part of the account: of what, by which channel, and when not."""

from datetime import time
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Form, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.access.roles import Action
from app.core.problems import Invalid, Sentence
from app.delivery.notices import browsers, choices
from app.delivery.notices.kinds import KINDS, Channel, NoticeKind
from app.delivery.notices.trial import owe_test
from app.dependencies import Session, state_of
from app.web.looker import Looker, looking
from app.web.routing import go, pages

router = pages("account")

Own = Annotated[Looker, looking(Action.KEEP_ACCOUNT)]


class NoticesForm(BaseModel):
    """The form: a kind's name stands in each channel that it is ticked for."""

    email: list[NoticeKind] = []
    push: list[NoticeKind] = []
    lapse_minutes: Annotated[int, Field(ge=5, le=choices.LONGEST_LAPSE_MINUTES)] = choices.LAPSE_MINUTES
    attest_minutes: Annotated[int, Field(ge=15, le=choices.LONGEST_ATTEST_MINUTES)] = choices.ATTEST_MINUTES
    language: Literal["en", "es"] = "en"
    begins: time | None = None
    ends: time | None = None


def _of(caller: Caller) -> list[NoticeKind]:
    """The kinds of which there can be any for them."""
    return [kind for kind, each in KINDS.items() if caller.may(each.to)]


async def told(request: Request, session: AsyncSession, caller: Caller) -> dict[str, Any]:
    """What the account shows of it."""
    house = state_of(request)
    chosen = await choices.read_choices(session, caller.program_id, caller.id)
    return {
        "chosen": chosen,
        "kinds": [
            {"name": kind, "ticked": [channel for channel in Channel if chosen.wants(kind, channel)]}
            for kind in _of(caller)
        ],
        "sends_mail": house.sends_mail,
        "sends_push": house.keyring.has_masters,
        "browsers": await browsers.list_browsers(session, caller.program_id, caller.id),
        "longest": {"lapse": choices.LONGEST_LAPSE_MINUTES, "attest": choices.LONGEST_ATTEST_MINUTES},
    }


@router.post("/account/notices")
async def choose(request: Request, looker: Own, session: Session, form: Annotated[NoticesForm, Form()]) -> Response:
    """Choose of what to be told and how, how early, and when not."""
    if (form.begins is None) != (form.ends is None) or (form.begins and form.begins == form.ends):
        raise Invalid.at("begins", Sentence("Quiet hours need a beginning and another time as their end, or neither."))
    caller = looker.caller
    kinds = {kind: {Channel.EMAIL: kind in form.email, Channel.PUSH: kind in form.push} for kind in _of(caller)}
    fields = {
        "language": form.language,
        "lapse_minutes": form.lapse_minutes,
        "attest_minutes": form.attest_minutes,
        "quiet_from": form.begins,
        "quiet_until": form.ends,
    }
    await choices.change_choices(session, caller.program_id, caller.id, fields, kinds)
    return go(request, "/account?done=notices")


@router.post("/account/notices/test")
async def test(request: Request, looker: Own, session: Session, channel: Annotated[Channel, Form()]) -> Response:
    """Have a test sent."""
    await owe_test(session, looker.caller, channel, sends_mail=state_of(request).sends_mail)
    return go(request, "/account?done=test-sent")


@router.post("/account/browsers/{subscription_id}/remove")
async def remove(request: Request, looker: Own, session: Session, subscription_id: UUID) -> Response:
    """Be told in this browser no more."""
    await browsers.remove_browser(session, looker.caller.program_id, looker.caller.id, subscription_id)
    return go(request, "/account?done=browser-removed")
