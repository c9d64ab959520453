"""Keys for systems: make, list, rotate, revoke. A secret is shown in one answer and kept in none."""

from datetime import timedelta
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Response
from pydantic import AwareDatetime, Field, model_validator

from app.access import keys
from app.access.callers import Caller
from app.access.keys import LONGEST_OVERLAP, Key
from app.access.permissions import SCOPES
from app.access.roles import Action, Role
from app.api.errors import documented
from app.api.fields import Cursor, In, Limit, Line, Moment, Out, Page, id_from_cursor, to_cursor
from app.api.routing import face
from app.core.database import when_committed
from app.dependencies import House, Session, requires, secret_answer

router = face("keys")
Maker = Annotated[Caller, requires(Action.MAKE_KEYS)]
Keeper = Annotated[Caller, requires(Action.REVOKE_KEYS)]

Scope = Annotated[str, Field(max_length=60, json_schema_extra={"enum": [*SCOPES]})]


class KeyIn(In):
    """A key to make."""

    organization_id: UUID
    name: Annotated[Line, Field(description="What it is for, such as the name of the system that will hold it.")]
    role: Annotated[Role, Field(description="Any but `operator`, whose keys are made on the command line alone.")]
    scopes: Annotated[
        list[Scope] | None,
        Field(min_length=1, max_length=len(SCOPES), description="What to narrow it to; a partner_system must say."),
    ] = None
    expires_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _narrowed(self) -> "KeyIn":
        if self.role is Role.PARTNER_SYSTEM and self.scopes is None:
            raise ValueError("a partner_system's key needs scopes")
        return self


class KeyOut(Out):
    """A key, without its secret. `last_used_at` is true to a minute or two."""

    id: UUID
    organization_id: UUID
    name: str
    role: Role
    scopes: list[str] | None
    prefix: Annotated[str | None, Field(description="How its secret begins; null for keys from before prefixes.")]
    created_at: Moment
    expires_at: Moment | None
    revoked_at: Moment | None
    last_used_at: Moment | None


class NewKeyOut(KeyOut):
    """A key with its secret, which is shown this once."""

    key: str


class RotateIn(In):
    """For how long the secret before goes on opening."""

    overlap_minutes: Annotated[int, Field(ge=0, le=LONGEST_OVERLAP // timedelta(minutes=1))]


class RotatedOut(NewKeyOut):
    """The same key with a new secret. The one before opens until `previous_until`."""

    previous_until: Moment


def _shown(response: Response, key: Key, secret: str) -> dict[str, object]:
    response.headers["Location"] = f"/v1/keys/{key.id}"
    return KeyOut.model_validate(key).model_dump() | {"key": secret}


@router.post("/keys", status_code=201, responses=documented(409))
@secret_answer
async def create_key(caller: Maker, session: Session, body: KeyIn, response: Response) -> NewKeyOut:
    """Make a key for a system of any organization of your program.

    The same Idempotency-Key again answers 409 `answer-not-kept`, with the `location` of the key that was made.
    """
    keys.refuse_operator(body.role)
    key, secret = await keys.create_key(
        session,
        caller.program_id,
        body.organization_id,
        body.role,
        body.expires_at,
        name=body.name,
        scopes=body.scopes,
    )
    return NewKeyOut.model_validate(_shown(response, key, secret))


@router.get("/keys")
async def list_keys(caller: Keeper, session: Session, cursor: Cursor = None, limit: Limit = 50) -> Page[KeyOut]:
    """The program's keys, newest first, with those that are revoked or have expired."""
    found = await keys.list_keys(session, caller, before=id_from_cursor(cursor), limit=limit + 1)
    following = to_cursor(found[limit - 1].id) if len(found) > limit else None
    return Page(items=[KeyOut.model_validate(key) for key in found[:limit]], next=following)


@router.get("/keys/{key_id}", responses=documented(404))
async def read_key(caller: Keeper, session: Session, key_id: UUID) -> KeyOut:
    """One key."""
    return KeyOut.model_validate(await keys.get_key(session, caller, key_id))


@router.post("/keys/{key_id}/rotate", responses=documented(404, 409))
@secret_answer
async def rotate_key(
    caller: Maker, session: Session, house: House, key_id: UUID, body: RotateIn, response: Response
) -> RotatedOut:
    """Give a key a new secret. It stays the same caller: its claims and Idempotency-Keys are its own as before.

    The secret before opens for `overlap_minutes` more, and access tokens that it got no longer than that.
    """
    key, secret, until = await keys.rotate_key(session, caller, key_id, timedelta(minutes=body.overlap_minutes))
    when_committed(session, partial(house.gate.forget, key_id))
    return RotatedOut.model_validate(_shown(response, key, secret) | {"previous_until": until})


@router.post("/keys/{key_id}/revoke", responses=documented(404))
async def revoke_key(caller: Keeper, session: Session, house: House, key_id: UUID) -> KeyOut:
    """End a key for good: here at once, in every other process within a second. Its access tokens end with it."""
    revoked = await keys.revoke_key(session, caller, key_id)
    when_committed(session, partial(house.gate.forget, key_id))
    return KeyOut.model_validate(revoked)
