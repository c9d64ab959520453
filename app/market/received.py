"""Claims as the desk that receives them sees them: who is coming by code, with what needs, and until when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.access.roles import Action
from app.market.clock import now
from app.market.directory import Service
from app.market.tables import Bundle, Claim, Opening
from app.market.vocabulary import OCCUPYING, ClaimState

MOST = 500
"""How many claims a desk is shown at once, the newest."""
LATELY = timedelta(hours=12)
"""How long a desk still sees what a claim ended as: a shift and its hand-over."""


@dataclass(frozen=True, slots=True)
class Received:
    """A claim on an opening of one's own. A lapsed hold reads as expired, swept or not.

    `needs`, `household` and `language` are what the worker asked for, as a meeting tells them too, and empty once they
    were forgotten. Of all else that the worker's search said, such as where the person was, a provider learns nothing.
    """

    id: UUID
    opening_id: UUID
    service: str
    category: str
    unit: str
    participant: str
    units: int
    state: str
    held_at: datetime
    hold_until: datetime
    confirmed_at: datetime | None
    arrived_at: datetime | None
    ended_at: datetime | None
    reason: str | None
    needs: Sequence[str]
    household: str | None
    language: str | None

    @property
    def coming(self) -> bool:
        """Whether somebody may still arrive on it."""
        return self.state in {ClaimState.HELD, ClaimState.CONFIRMED}


async def received(session: AsyncSession, caller: Caller) -> list[Received]:
    """The claims on openings of the caller's own organization that take up places or ended lately, newest first."""
    participants = Bundle.metadata.tables["participants"]
    rows = await session.execute(
        select(
            Claim.id,
            Claim.opening_id,
            Service.name.label("service"),
            Opening.category,
            Opening.unit,
            func.coalesce(participants.c.code, Bundle.one_time_code).label("participant"),
            Claim.units,
            Claim.state,
            Claim.held_at,
            Claim.hold_until,
            Claim.confirmed_at,
            Claim.arrived_at,
            Claim.ended_at,
            Claim.reason,
            Claim.need,
            now().label("as_of"),
        )
        .join(Opening, and_(Opening.program_id == Claim.program_id, Opening.id == Claim.opening_id))
        .join(Service, and_(Service.program_id == Opening.program_id, Service.id == Opening.service_id))
        .join(Bundle, and_(Bundle.program_id == Claim.program_id, Bundle.id == Claim.bundle_id))
        .outerjoin(
            participants,
            and_(participants.c.program_id == Bundle.program_id, participants.c.id == Bundle.participant_id),
        )
        .where(
            Claim.program_id == caller.program_id,
            # A manager may read all claims; a desk is still one organization's.
            Claim.organization_id == caller.organization_id,
            caller.where(Action.READ_CLAIMS, Claim),
            or_(
                and_(
                    Claim.state.in_(OCCUPYING), or_(Claim.state != ClaimState.HELD, Claim.hold_until > now() - LATELY)
                ),
                Claim.ended_at > now() - LATELY,
            ),
        )
        .order_by(Claim.id.desc())
        .limit(MOST)
    )
    return [_received(row) for row in rows]


def _received(row: Row[Any]) -> Received:
    facts = dict(row._mapping)
    need, as_of = facts.pop("need") or {}, facts.pop("as_of")
    if row.state == ClaimState.HELD and row.hold_until <= as_of:
        facts |= {"state": ClaimState.EXPIRED, "ended_at": row.hold_until}
    return Received(
        **facts, needs=need.get("needs", []), household=need.get("household"), language=need.get("language")
    )
