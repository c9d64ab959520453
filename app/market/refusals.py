"""Refusing a claim: the unmet need is recorded, alternatives are found, and the answer is kept, in one commit."""

from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.idempotency import Kept, keep, take
from app.core.database import Database
from app.core.ids import new_id
from app.core.problems import NoOpening, Problem
from app.core.rendering import to_json
from app.market.alternatives import alternatives
from app.market.calls import Call, Wanted
from app.market.clock import now
from app.market.decide import Reason, Refused
from app.market.needs import Need, Point
from app.market.search import RuledOut
from app.market.tables import Opening, UnmetNeed
from app.market.vocabulary import Category, Unit


async def refuse(database: Database, call: Call, refused: Refused) -> Kept:
    """The refusal of a call, committed. The same key gets this answer for ever, so it is kept like any other."""
    program_id = call.caller.program_id
    async with database.transaction(program_id, str(call.caller.id)) as session:
        if (before := await _take(session, call)) is not None:
            return before
        items: list[dict[str, Any]] = []
        offered: list[dict[str, Any]] = []
        for index, reason in refused.failed:
            wanted = call.wanted[index]
            need = wanted.need or await need_of_opening(session, program_id, wanted)
            unmet_id = await record_unmet(session, program_id, need, reason)
            items.append({"item": index, "reason": reason, "detail": reason.sentence(), "unmet_need_id": unmet_id})
            offered += await alternatives(session, program_id, need, item=index, ruled_out=RuledOut(wanted.opening_id))
        problem = NoOpening(
            _sentence(items, offered),
            unmet_need_id=items[0]["unmet_need_id"],
            refused=items,
            alternatives=offered,
        )
        answer = Kept(problem.status, to_json(problem.document()))
        await keep(session, call.caller, call.key, answer)
        return answer


async def keep_refusal(database: Database, call: Call, problem: Problem) -> Kept:
    """A refusal that records no need, kept under its key like any other answer."""
    async with database.transaction(call.caller.program_id, str(call.caller.id)) as session:
        if (before := await _take(session, call)) is not None:
            return before
        answer = Kept(problem.status, to_json(problem.document()))
        await keep(session, call.caller, call.key, answer)
        return answer


async def _take(session: AsyncSession, call: Call) -> Kept | None:
    """Take the call's key; answer what it already got. Raises KeyReused.

    A refusal too would join a person to the shelter that the call names, by its fingerprint.
    """
    named = [wanted.opening_id for wanted in call.wanted if wanted.opening_id is not None]
    confidential = select(Opening.id).where(
        Opening.program_id == call.caller.program_id, Opening.id.in_(named), Opening.confidential
    )
    anonymous = bool(named) and (await session.scalars(confidential.limit(1))).first() is not None
    before = await take(session, call.caller, call.key, call.fingerprint(anonymous=anonymous))
    if before is None:
        return None
    stored, kept = before
    call.asked.refuse_other(stored)
    return kept


def _sentence(items: list[dict[str, Any]], offered: list[dict[str, Any]]) -> str:
    whole = " Nothing of this call is held." if len(items) == 1 and items[0]["item"] > 0 else ""
    rest = (
        f" {len(offered)} alternatives can be claimed now."
        if len(offered) > 1
        else " One alternative can be claimed now."
        if offered
        else " Nothing like it is open now; the need is recorded for planning, without the person."
    )
    return f"{items[0]['detail']}{whole}{rest}"


async def need_of_opening(session: AsyncSession, program_id: UUID, wanted: Wanted) -> Need:
    """The need that naming an opening stands for: its kind of place, near where it is."""
    row = (
        await session.execute(
            select(Opening.category, Opening.unit, Opening.latitude, Opening.longitude).where(
                Opening.program_id == program_id, Opening.id == wanted.opening_id
            )
        )
    ).one()
    near = None if row.latitude is None else Point(row.latitude, row.longitude)
    return Need(category=Category(row.category), unit=Unit(row.unit), units=wanted.units, near=near)


async def record_unmet(session: AsyncSession, program_id: UUID, need: Need, reason: Reason) -> UUID:
    """Record that this was asked for and not to be had. Answers the record's id."""
    unmet_id = new_id()
    filters = need.coarse()
    await session.execute(
        insert(UnmetNeed).values(
            program_id=program_id,
            id=unmet_id,
            at=now(),
            category=filters.pop("category"),
            unit=filters.pop("unit", None),
            units=filters.pop("units", 1),
            reason=reason.value,
            filters=filters,
        )
    )
    return unmet_id
