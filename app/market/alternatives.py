"""Alternatives: what could be claimed this second instead, and which one filter had to give for it."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.market.answers import alternative
from app.market.attributes import ATTRIBUTES
from app.market.needs import Need
from app.market.search import NOTHING, RuledOut, search

OFFERED = 5
"""How many alternatives a refusal carries at most, for each item."""
EACH_WAY = 2
"""How many of them give up the same filter: a choice among compromises helps more than five of a kind."""


def relaxations(need: Need) -> Iterator[tuple[str, str, Need]]:
    """Each way to give up one filter: its name, what an opening found so is like, and the need without it.

    From the one that costs the person least to the one that costs most.
    """
    if need.within_km is not None:
        yield (
            "within_km",
            f"Further away than {need.within_km:g} km.",
            need.model_copy(update={"within_km": None}),
        )
    if need.lasts_until is not None:
        yield "lasts_until", "It may end earlier.", need.model_copy(update={"lasts_until": None})
    if need.starts_by is not None:
        yield "starts_by", "It may start later.", need.model_copy(update={"starts_by": None})
    if need.unit is not None:
        yield "unit", f"Not a {need.unit.replace('_', ' ')}.", need.model_copy(update={"unit": None})
    if need.units > 1:
        yield "units", f"Fewer than {need.units} units.", need.model_copy(update={"units": 1})
    for name in need.needs:
        fewer = [other for other in need.needs if other != name]
        words = f"Not confirmed: {ATTRIBUTES[name].words}."
        yield f"needs.{name}", words, need.model_copy(update={"needs": fewer})
    if need.language is not None:
        yield "language", f"Staff may not speak {need.language}.", need.model_copy(update={"language": None})


async def alternatives(
    session: AsyncSession,
    program_id: UUID,
    need: Need,
    *,
    item: int = 0,
    ruled_out: RuledOut = NOTHING,
) -> list[dict[str, Any]]:
    """What fits as it is, if anything does by now; else what fits with one filter relaxed, best first.

    Age and household are never relaxed: they say who is asking, not what would be convenient.
    """
    offered = [
        alternative(found, None, "Fits all that was asked.", item)
        for found in await search(session, program_id, need, limit=OFFERED, ruled_out=ruled_out)
    ]
    seen = {each["opening_id"] for each in offered}
    for name, words, easier in relaxations(need):
        if len(offered) >= OFFERED:
            break
        for found in await search(session, program_id, easier, limit=OFFERED, ruled_out=ruled_out):
            if found.opening.id in seen:
                continue
            seen.add(found.opening.id)
            offered.append(alternative(found, name, words, item))
            if len(offered) >= OFFERED or sum(each["relaxed"] == name for each in offered) >= EACH_WAY:
                break
    return offered
