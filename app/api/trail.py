"""The trail: who did what to what, and who looked; its export; and whether its chain holds."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from app.access import trail
from app.access.audit import note
from app.access.callers import Caller
from app.access.canon import Head
from app.access.chain import state_of_trail
from app.access.roles import Action
from app.access.verify import verify
from app.api.fields import Cursor, Limit, Moment, Out, Page, bad_cursor, from_cursor, to_cursor
from app.api.routing import face
from app.core.problems import Invalid
from app.dependencies import Session, requires, state_of

router = face("trail")

Reader = Annotated[Caller, requires(Action.READ_TRAIL)]
Checker = Annotated[Caller, requires(Action.CHECK_TRAIL)]

_LAST_ID = 2**63 - 1
# PostgreSQL's years reach further back than Python's, and a moment near either end leaves them when it is moved to UTC.
_YEARS = range(2000, 2200)


def _sane(when: datetime) -> datetime:
    if when.year not in _YEARS:
        raise ValueError("give a time between the years 2000 and 2199")
    return when


When = Annotated[AwareDatetime, AfterValidator(_sane)]
Word = Annotated[str, Query(min_length=1, max_length=100, pattern=r"^[\x21-\x7e]*$")]


class EntryOut(Out):
    """An entry. `number` and `hash` are its seal's, null for the second or so before it is sealed."""

    id: int
    at: Moment
    actor: Annotated[str, Field(description="A caller's id, `clock`, or `database:<role>`.")]
    action: str
    subject_id: UUID
    detail: dict[str, Any]
    number: int | None
    hash: str | None


class HeadOut(BaseModel):
    """The end of the chain. Note `head` elsewhere: a trail that was cut off later no longer has it."""

    head: Annotated[str, Field(description="As `number:hash`.", examples=["3:" + "5e" * 32])]
    number: Annotated[int, Field(description="How many entries were ever sealed.")]
    retired: Annotated[int, Field(description="How many of them retention has taken away, oldest first.")]
    unsealed: Annotated[int, Field(description="Entries that have no seal yet.")]
    oldest_unsealed_at: Moment | None


class FaultOut(Out):
    """The first thing that is wrong."""

    number: int
    entry_id: int | None
    words: str


class CheckOut(BaseModel):
    """Whether the trail holds, and nothing of what is in it."""

    holds: bool
    checked: Annotated[int, Field(description="How many links of the chain were verified.")]
    head: Annotated[str, Field(description="How far it holds, as `number:hash`.")]
    fault: FaultOut | None
    remark: Annotated[str, Field(description="What is worth knowing though nothing is wrong.")]


@router.get("/trail")
async def read_trail(
    caller: Reader,
    session: Session,
    subject_id: UUID | None = None,
    actor: Word | None = None,
    action: Annotated[Word | None, Query(description="How the action begins, such as `claim.`.")] = None,
    since: Annotated[When | None, Query(description="Entries of this moment or later.")] = None,
    until: Annotated[When | None, Query(description="Entries before this moment.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[EntryOut]:
    """The trail, newest first. That you read it is in it, too."""
    found = await trail.list_entries(
        session,
        caller.program_id,
        subject_id=subject_id,
        actor=actor,
        action=action,
        since=since,
        until=until,
        before=_id_from(cursor),
        limit=limit + 1,
    )
    # Only by what it was narrowed, not to what: what was sent as an actor or an action may be anything.
    asked = {"actor": actor, "action": action, "since": since, "until": until}
    by = [name for name, value in asked.items() if value is not None]
    # Whoever looked at one person's record is found in that record.
    await note(session, "trail.read", subject_id or caller.program_id, by=by)
    items = [EntryOut(**row._asdict() | {"hash": row.hash.hex() if row.hash else None}) for row in found[:limit]]
    return Page(items=items, next=to_cursor(items[-1].id) if len(found) > limit else None)


def _id_from(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    [id] = from_cursor(cursor, 1)
    if not (id.isascii() and id.isdigit() and len(id) < 20 and int(id) <= _LAST_ID):
        raise bad_cursor()
    return int(id)


@router.get(
    "/trail/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)
async def export_trail(
    caller: Reader,
    session: Session,
    request: Request,
    after: Annotated[
        int, Query(ge=0, le=_LAST_ID, description="Start after this number, the last of the export before.")
    ] = 0,
) -> StreamingResponse:
    """The sealed trail as lines of JSON, oldest first. `openberth trail verify FILE` checks it without this server."""
    start, end = await trail.place_after(session, caller.program_id, after)
    await note(session, "trail.exported", caller.program_id, after=start.number, to=end)
    lines = trail.export(state_of(request).database, caller.program_id, start, end)
    return StreamingResponse(lines, media_type="application/x-ndjson")


@router.get("/trail/head")
async def read_head(caller: Checker, session: Session) -> HeadOut:
    """The end of the chain, to be noted where nobody who runs this server can change it."""
    state = await state_of_trail(session, caller.program_id)
    return HeadOut(
        head=str(Head(state.number, state.hash)),
        number=state.number,
        retired=state.retired_number,
        unsealed=state.unsealed,
        oldest_unsealed_at=state.oldest,
    )


@router.get("/trail/check")
async def check_trail(
    caller: Checker,
    request: Request,
    against: Annotated[
        str | None, Query(max_length=100, description="A head noted earlier, `number:hash`, that must still be in it.")
    ] = None,
) -> CheckOut:
    """Verify the whole chain: a second for some 100,000 entries. It says whether it holds, and not what it holds."""
    noted = None
    if against is not None:
        try:
            noted = Head.parse(against)
        except ValueError as error:
            raise Invalid.at("against", f"{error}.") from None
    # Not in the request's own transaction: it takes short ones, a part of the chain each.
    verdict = await verify(state_of(request).database, caller.program_id, noted)
    return CheckOut(
        holds=verdict.fault is None,
        checked=verdict.links,
        head=str(verdict.head),
        fault=None if verdict.fault is None else FaultOut.model_validate(verdict.fault),
        remark=verdict.remark,
    )
