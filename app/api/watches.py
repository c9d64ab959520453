"""Watches: be told when something that fits appears or comes free. Nobody who watches comes before another."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.access.callers import Caller
from app.access.roles import Action
from app.api.errors import documented
from app.api.fields import In, Moment, Out
from app.api.routing import face
from app.delivery import watches
from app.dependencies import Session, requires
from app.market.needs import Need, When

router = face("live")

Watcher = Annotated[Caller, requires(Action.WATCH)]


class WatchIn(In):
    """What to watch for."""

    need: Annotated[Need, Field(description="As a search has it.")]
    until: Annotated[When | None, Field(description="When it ends; 12 hours from now if left out, 24 at most.")] = None


class WatchOut(Out):
    """A watch that is on. It holds nothing: whoever claims first has the place."""

    id: UUID
    need: Need
    started_at: Moment
    until: Moment


class WatchesOut(Out):
    """Your watches that are on."""

    items: list[WatchOut]


@router.post("/watches", status_code=201)
async def start_watch(caller: Watcher, session: Session, body: WatchIn) -> WatchOut:
    """Watch for openings that fit. All who watch hear at once (`watch.matched` on the live stream and in the log)."""
    return WatchOut.model_validate(await watches.start(session, caller, body.need, body.until))


@router.get("/watches")
async def list_watches(caller: Watcher, session: Session) -> WatchesOut:
    """Your watches that are on."""
    return WatchesOut(items=[WatchOut.model_validate(each) for each in await watches.on(session, caller)])


@router.delete("/watches/{watch_id}", responses=documented(404))
async def end_watch(caller: Watcher, session: Session, watch_id: UUID) -> WatchOut:
    """End a watch before its time."""
    return WatchOut.model_validate(await watches.end(session, caller, watch_id))
