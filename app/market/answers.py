"""What a claim is answered with: the claim as callers see it, a refusal, and an alternative, as plain data."""

from datetime import datetime
from typing import Any
from uuid import UUID

from app.market.decide import Offer
from app.market.search import Found
from app.market.vocabulary import DECLINE_REASONS, REFERRAL_RESULT, ClaimState


def claim_answer(
    *,
    id: UUID,
    bundle_id: UUID,
    participant: str,
    opening: Offer,
    units: int,
    held_at: datetime,
    hold_until: datetime,
    replaces_id: UUID | None = None,
) -> dict[str, Any]:
    """A claim that has just been held. Its fields are those of `app.api.claims.ClaimOut`."""
    return {
        "id": id,
        "bundle_id": bundle_id,
        "opening_id": opening.id,
        "service_id": opening.service_id,
        "organization_id": opening.organization_id,
        "category": opening.category,
        "unit": opening.unit,
        "participant": participant,
        "units": units,
        "state": ClaimState.HELD.value,
        "held_at": held_at,
        "hold_until": hold_until,
        "extensions": 0,
        "confirmed_at": None,
        "arrived_at": None,
        "ended_at": None,
        "reason": None,
        "referral_result": None,
        "replaces_id": replaces_id,
    }


def referral_result(state: str, reason: str | None) -> int | None:
    """HUD's coordinated-entry referral result of a claim in this state, None while it has none."""
    if reason is not None:
        return DECLINE_REASONS[reason].referral_result
    return REFERRAL_RESULT.get(ClaimState(state))


def alternative(found: Found, relaxed: str | None, words: str, item: int = 0) -> dict[str, Any]:
    """An opening that could be claimed this second: for which item, and which filter it leaves unmet."""
    row = found.opening
    return {
        "item": item,
        "opening_id": row.id,
        "service_id": row.service_id,
        "service_name": row.service_name,
        "organization_id": row.organization_id,
        "organization_name": row.organization_name,
        "category": row.category,
        "unit": row.unit,
        "units_open": row.units_open,
        "fresh_until": row.fresh_until,
        "distance_km": None if found.distance_km is None else round(found.distance_km, 2),
        "confidential": row.confidential,
        "relaxed": relaxed,
        "why": f"{words} {found.why()}",
    }
