"""Keys for systems: make, list, rotate, revoke. A secret is shown on one answer and kept nowhere."""

from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Annotated, Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import Response
from pydantic import ValidationError

from app.access import keys
from app.access.idempotency import Kept, begin, fingerprint, keep
from app.access.permissions import SCOPES
from app.access.roles import Action, Role
from app.core.database import when_committed
from app.core.problems import Problem
from app.dependencies import Session, state_of
from app.web.looker import Looker, looking
from app.web.manage import PAGE, managed, organizations_by_name
from app.web.manage_forms import KeyForm, RotateForm, sent
from app.web.problems import wrong
from app.web.routing import go, pages

router = pages("manage")

Maker = Annotated[Looker, looking(Action.MAKE_KEYS)]

ROLES = [role for role in Role if role is not Role.OPERATOR]
"""What a key may be made for here: an operator's is made on the machine itself."""


@router.get("/manage/keys")
async def list_keys(request: Request, looker: Maker, session: Session, before: UUID | None = None) -> Response:
    """The program's keys, newest first, and a form to make one."""
    return await _list(request, looker, session, before=before)


async def _list(
    request: Request, looker: Looker, session: Session, *, before: UUID | None = None, **shown: Any
) -> Response:
    found = await keys.list_keys(session, looker.caller, before=before, limit=PAGE + 1)
    organizations = await organizations_by_name(session, looker)
    return managed(
        request,
        "keys",
        keys=found[:PAGE],
        following=found[PAGE - 1].id if len(found) > PAGE else None,
        organizations=organizations,
        names=dict(organizations),
        roles=ROLES,
        scopes=list(SCOPES),
        nonce=str(uuid4()),
        **shown,
    )


@router.post("/manage/keys")
async def create_key(request: Request, looker: Maker, session: Session) -> Response:
    """Make a key. It is shown on this answer alone.

    A form sent twice, by a double tap or a shaky network, makes one: the later answer, which is the one that is seen,
    has a new secret of it.
    """
    fields = await sent(request, "scopes")
    nonce = str(fields.get("nonce", ""))[:255] or str(uuid4())
    try:
        form = KeyForm.model_validate(fields)
        keys.refuse_operator(form.role)
        # A savepoint: what the database refuses takes the page that says so with it otherwise.
        async with session.begin_nested():
            made = await begin(session, looker.caller, nonce, fingerprint("POST", request.url.path, b""))
            if made is not None:
                key_id = UUID(bytes=made.body)
                key, secret, _ = await keys.rotate_key(session, looker.caller, key_id, timedelta(0))
                when_committed(session, partial(state_of(request).gate.forget, key_id))
                return managed(request, "key_made", key=key, secret=secret, until=None)
            key, secret = await keys.create_key(
                session,
                looker.caller.program_id,
                form.organization_id,
                form.role,
                _end_of(form.expires_on, looker.zone),
                name=form.name,
                scopes=form.scopes or None,
            )
            await keep(session, looker.caller, nonce, Kept(200, key.id.bytes))
    except (ValidationError, Problem) as error:
        said = wrong(request, error)
        if "expires_at" in said:
            said["expires_on"] = said.pop("expires_at")
        return await _list(request, looker, session, fields=fields, errors=said)
    return managed(request, "key_made", key=key, secret=secret, until=None)


def _end_of(day: date | None, where: ZoneInfo) -> datetime | None:
    """When a day is over by a place's clocks: a key is good through the day that was chosen."""
    if day is None:
        return None
    return datetime.combine(day + timedelta(days=1), time.min, where).astimezone(UTC)


@router.get("/manage/keys/{key_id}")
async def show_key(request: Request, looker: Maker, session: Session, key_id: UUID) -> Response:
    """One key, and what can be done with it."""
    return await _show(request, looker, session, key_id)


async def _show(request: Request, looker: Looker, session: Session, key_id: UUID, **shown: Any) -> Response:
    key = await keys.get_key(session, looker.caller, key_id)
    names = dict(await organizations_by_name(session, looker))
    shown = {"fields": {"hours": "24"}} | shown
    return managed(request, "key", key=key, names=names, opens=_opens(key), **shown)


def _opens(key: keys.Key) -> bool:
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > datetime.now(UTC))


@router.post("/manage/keys/{key_id}/rotate")
async def rotate_key(request: Request, looker: Maker, session: Session, key_id: UUID) -> Response:
    """Give a key a new secret, which is shown on this answer alone."""
    fields = await sent(request)
    try:
        hours = RotateForm.model_validate(fields).hours
        key, secret, until = await keys.rotate_key(session, looker.caller, key_id, timedelta(hours=hours))
    except (ValidationError, Problem) as error:
        return await _show(request, looker, session, key_id, fields=fields, errors=wrong(request, error))
    when_committed(session, partial(state_of(request).gate.forget, key_id))
    return managed(request, "key_made", key=key, secret=secret, until=until)


@router.post("/manage/keys/{key_id}/revoke")
async def revoke_key(request: Request, looker: Maker, session: Session, key_id: UUID) -> Response:
    """End a key for good."""
    await keys.revoke_key(session, looker.caller, key_id)
    when_committed(session, partial(state_of(request).gate.forget, key_id))
    return go(request, f"/manage/keys/{key_id}?done=revoked")
