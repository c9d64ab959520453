"""Looking again: what a claim that lost its place is looked for with, and what it must not find."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.market.needs import Need, Point
from app.market.search import RuledOut
from app.market.tables import Opening
from app.market.vocabulary import Category, DeclineReason, Unit


async def need_again(session: AsyncSession, program_id: UUID, row: Row[Any]) -> tuple[Need | None, Need]:
    """What the claim was made for, and the need to look with for another: the same, or the like of its opening."""
    if row.need is not None:
        need = Need.model_validate(row.need)
        return need, need
    place = (
        await session.execute(
            select(Opening.latitude, Opening.longitude, Opening.confidential).where(
                Opening.program_id == program_id, Opening.id == row.opening_id
            )
        )
    ).one()
    near = None if place.latitude is None else Point(place.latitude, place.longitude)
    like = Need(
        category=Category(row.category),
        unit=Unit(row.unit),
        units=row.units,
        near=near,
        prefers=["survivors"] if place.confidential else [],
    )
    return None, like


def lost(row: Row[Any], reason: DeclineReason | None) -> RuledOut:
    """What is not offered again after a claim: its own opening, and its organization where the reason bars that."""
    return RuledOut(
        row.opening_id,
        row.organization_id if reason and reason.bars_organization else None,
        # In this bundle it would join the person to a shelter for survivors; a new call is anonymous.
        confidential=row.participant_id is not None,
    )
