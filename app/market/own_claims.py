"""A worker's claims as they stand: those that go on, those that have just ended, and all that are over."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.access.roles import Action
from app.core.problems import NotFound
from app.market.claims import list_claims
from app.market.clock import now
from app.market.tables import Bundle, Claim
from app.market.vocabulary import OCCUPYING, ClaimState

LATELY = timedelta(hours=12)
"""How long a claim that has ended stays among those that go on: a shift's length."""
MOST = 200
"""How many claims that go on are listed at most, the newest."""


def _whose(caller: Caller, *, mine: bool) -> ColumnElement[bool]:
    """One's own, or all that workers of one's organization made."""
    return Claim.claimed_by == caller.id if mine else Claim.worker_organization_id == caller.organization_id


def _lapsed() -> ColumnElement[bool]:
    return and_(Claim.state == ClaimState.HELD, Claim.hold_until <= now())


async def current(session: AsyncSession, caller: Caller, *, mine: bool) -> list[dict[str, Any]]:
    """The claims that go on, and those that ended lately, newest first."""
    recent = or_(Claim.state.in_(OCCUPYING), Claim.ended_at > now() - LATELY)
    forgotten = and_(_lapsed(), Claim.hold_until <= now() - LATELY)
    return await list_claims(session, caller, _whose(caller, mine=mine), recent, ~forgotten, limit=MOST)


async def past(
    session: AsyncSession, caller: Caller, *, mine: bool, before: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """The claims that are over, newest first."""
    over = or_(Claim.state.not_in(OCCUPYING), _lapsed())
    return await list_claims(session, caller, _whose(caller, mine=mine), over, before=before, limit=limit)


async def participant_of(session: AsyncSession, caller: Caller, claim_id: UUID) -> UUID | None:
    """For whom a claim that the caller steers was made; None: for nobody who is named. Raises NotFound."""
    row = (
        await session.execute(
            select(Bundle.participant_id)
            .join(Claim, and_(Claim.program_id == Bundle.program_id, Claim.bundle_id == Bundle.id))
            .where(Claim.program_id == caller.program_id, Claim.id == claim_id, caller.where(Action.STEER_CLAIM, Claim))
        )
    ).one_or_none()
    if row is None:
        raise NotFound(f"No claim {claim_id} of your organization's.")
    participant_id: UUID | None = row.participant_id
    return participant_id
