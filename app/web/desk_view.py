"""What the desk shows: an organization's openings, what is due first, and the claims on them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.access.roles import Action
from app.market import openings
from app.market.clock import now
from app.market.directory import Service
from app.market.openings import Published
from app.market.received import LATELY, Received, received
from app.market.received import MOST as MOST_CLAIMS
from app.market.tables import Opening

MOST = 300
"""How many openings a desk shows."""
SOON = timedelta(hours=1)
"""An attestation that ends within this is due."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An opening on the desk, and what its service is called."""

    published: Published
    service: str

    @property
    def opening(self) -> Opening:
        """The opening itself."""
        return self.published.opening

    @property
    def over(self) -> bool:
        """Whether it was withdrawn or has ended: nothing can be claimed on it, nor attested, any more."""
        return self.published.why_off_board in {"withdrawn", "ended"}

    @property
    def stale(self) -> bool:
        """Whether it is off the board until it is attested again."""
        return self.published.why_off_board == "stale"

    @property
    def due(self) -> bool:
        """Whether it must be attested soon, or should have been."""
        until = self.opening.fresh_until
        return not self.over and (until is None or until <= self.published.as_of + SOON)

    @property
    def place(self) -> tuple[Any, ...]:
        """Where it stands among the others: what is due first, the longest due before; the rest stays put."""
        until = self.opening.fresh_until
        due = until.timestamp() if self.due and until else 0.0
        return self.over, not self.due, due, self.service.casefold(), self.opening.id


async def seen(session: AsyncSession, caller: Caller) -> dict[str, Any]:
    """All that the desk shows its organization now."""
    found = await openings.read(
        session,
        caller.program_id,
        Opening.organization_id == caller.organization_id,
        caller.where(Action.PUBLISH, Opening),
        # What is over explains itself for a while, and as long as somebody is on it.
        or_(Opening.withdrawn_at.is_(None), Opening.withdrawn_at > now() - LATELY, Opening.units_taken > 0),
        or_(Opening.ends_at.is_(None), Opening.ends_at > now() - LATELY, Opening.units_taken > 0),
        limit=MOST + 1,
    )
    services = await own_services(session, caller)
    names = {each.id: each.name for each in services}
    shown = sorted((Shown(each, names[each.opening.service_id]) for each in found[:MOST]), key=lambda each: each.place)
    claims = await received(session, caller)
    return {
        "openings": shown,
        "most_openings": MOST if len(found) > MOST else None,
        "most_claims": MOST_CLAIMS if len(claims) >= MOST_CLAIMS else None,
        "services": services,
        "coming": [each for each in claims if each.coming],
        "here": [each for each in claims if each.state == "arrived"],
        "ended": [each for each in claims if not each.coming and each.state != "arrived"],
        "next_due": min((each.opening.fresh_until for each in shown if not each.over), key=_soonest, default=None),
        "changes_at": _changes_at(shown, claims),
    }


async def own_services(session: AsyncSession, caller: Caller) -> list[Service]:
    """The services of the caller's organization, newest first."""
    return list(
        await session.scalars(
            select(Service)
            .where(Service.program_id == caller.program_id, Service.organization_id == caller.organization_id)
            .order_by(Service.id.desc())
        )
    )


def _soonest(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0


def _changes_at(shown: Iterable[Shown], claims: Iterable[Received]) -> datetime | None:
    """When the picture changes next by the passing of time alone, which no event tells."""
    shown = list(shown)
    as_of = max((each.published.as_of for each in shown), default=None)
    if as_of is None:
        return None
    moments = [each.hold_until for each in claims if each.state == "held"]
    for each in shown:
        fresh_until, ends_at = each.opening.fresh_until, each.opening.ends_at
        moments += [moment for moment in (fresh_until, fresh_until and fresh_until - SOON, ends_at) if moment]
    return min((moment for moment in moments if moment > as_of), default=None)


async def last_opening(session: AsyncSession, caller: Caller, service_id: UUID | None = None) -> Opening | None:
    """What the organization published last, of one service or of any."""
    where = [Opening.program_id == caller.program_id, Opening.organization_id == caller.organization_id]
    if service_id is not None:
        where.append(Opening.service_id == service_id)
    found: Opening | None = await session.scalar(select(Opening).where(*where).order_by(Opening.id.desc()).limit(1))
    return found
