"""The snapshot that a listener starts from: what is claimable now for what it wants, and the number it is true at."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.access.roles import Action
from app.core.database import Database
from app.core.rendering import to_json
from app.delivery import watches
from app.delivery.log import Entry, Extent, extent, read
from app.delivery.terms import read_terms
from app.delivery.views import Wanted, shown
from app.market.clock import now
from app.market.openings import Published
from app.market.openings import read as read_openings
from app.market.search import SHORTLIST, search
from app.market.tables import Claim, Opening
from app.market.vocabulary import OCCUPYING, ClaimState

MOST = SHORTLIST
"""How many openings, and how many claims, a snapshot has at most."""
MOST_RESUMED = 5_000
"""Whoever missed more numbers than this is better off with a snapshot."""


async def missed(database: Database, caller: Caller, after: int) -> tuple[Extent, list[Entry] | None]:
    """What came after a number, None if that can't be told or is too much to tell."""
    async with database.transaction(caller.program_id, str(caller.id), reads=True, steady=True) as session:
        found = await extent(session, caller.program_id)
        if not found.holds_all_after(after) or found.latest - after > MOST_RESUMED:
            return found, None
        return found, list(await read(session, caller.program_id, after, MOST_RESUMED))


@dataclass(frozen=True, slots=True)
class Picture:
    """What all who share a view are shown at a number; `rest` is the end of the message, as JSON, from openings on."""

    number: int
    rest: str


async def take(database: Database, caller: Caller, wanted: Wanted) -> Picture:
    """The picture, as the database is at one moment. Events that are not numbered yet may be in it already: they
    come again with their numbers, and say the same."""
    async with database.transaction(caller.program_id, str(caller.id), reads=True, steady=True) as session:
        found = await extent(session, caller.program_id)
        moment: datetime = (await session.execute(select(now()))).scalar_one()
        openings = await _openings(session, caller, wanted)
        claims = await _claims(session, caller) if wanted.own_claims else []
    rest = {
        "number": found.latest,
        "now": moment,
        "complete": len(openings) < MOST and len(claims) < MOST,
        "openings": openings,
        "claims": claims,
    }
    return Picture(found.latest, to_json(rest).decode()[1:])


async def complete(database: Database, caller: Caller, picture: Picture, because: str) -> str:
    """The message: the picture, with the caller's own watches as they are a moment later."""
    found: list[watches.Watch] = []
    if caller.may(Action.WATCH):
        async with database.transaction(caller.program_id, str(caller.id), reads=True) as session:
            found = [each for each in await watches.on(session, caller) if each.caller_id == caller.id]
    own = [to_json({"watch_id": each.id, "need": each.need, "until": each.until}).decode() for each in found]
    mine = f"[{','.join(own)}]"
    return f'{{"type":"snapshot","because":"{because}","watches":{mine},{picture.rest}'


async def _openings(session: AsyncSession, caller: Caller, wanted: Wanted) -> list[dict[str, Any]]:
    if not caller.may(Action.SEARCH):
        return []
    if wanted.own_organization:
        where = [Opening.organization_id == caller.organization_id, Opening.withdrawn_at.is_(None)]
        found = await read_openings(session, caller.program_id, *where, limit=MOST)
    else:
        ids = [each.opening.id for each in await search(session, caller.program_id, wanted, limit=MOST)]
        rank = {id: nr for nr, id in enumerate(ids)}
        found = await read_openings(session, caller.program_id, Opening.id.in_(ids), limit=MOST)
        found.sort(key=lambda each: rank[each.opening.id])
    terms = await read_terms(session, caller.program_id, [each.opening.id for each in found])
    return [shown(_facts(each), terms[each.opening.id], wanted) for each in found]


def _facts(published: Published) -> dict[str, Any]:
    """As `opening_facts` has them in events; lapsed holds don't count as taken."""
    o = published.opening
    return {
        "opening_id": o.id,
        "service_id": o.service_id,
        "organization_id": o.organization_id,
        "category": o.category,
        "unit": o.unit,
        "units_total": o.units_total,
        "units_taken": published.units_taken,
        "fresh_until": o.fresh_until,
        "starts_at": o.starts_at,
        "ends_at": o.ends_at,
        "withdrawn_at": o.withdrawn_at,
        "version": o.version,
    }


async def _claims(session: AsyncSession, caller: Caller) -> list[dict[str, Any]]:
    ours = caller.organization_id
    rows = await session.execute(
        select(
            Claim.id.label("claim_id"),
            Claim.bundle_id,
            Claim.opening_id,
            Claim.organization_id,
            Claim.units,
            Claim.state,
            Claim.hold_until,
        )
        .where(
            Claim.program_id == caller.program_id,
            caller.where(Action.READ_CLAIMS, Claim),
            or_(Claim.organization_id == ours, Claim.worker_organization_id == ours),
            Claim.state.in_(OCCUPYING),
            or_(Claim.state != ClaimState.HELD, Claim.hold_until > now()),
        )
        .order_by(Claim.id.desc())
        .limit(MOST)
    )
    return [dict(row._mapping) for row in rows]
