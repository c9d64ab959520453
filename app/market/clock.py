"""The database's clock in statements: the only one that says whether something has lapsed."""

from datetime import datetime

from sqlalchemy import ColumnElement, case, func, literal, select

from app.market.tables import Claim, Opening
from app.market.vocabulary import ClaimState


def now() -> ColumnElement[datetime]:
    """The moment at which the statement began."""
    return func.statement_timestamp()


def lapsed_units() -> ColumnElement[int]:
    """Units of an opening that lapsed holds still seem to take, until something sweeps them."""
    lapsed = (
        select(func.coalesce(func.sum(Claim.units), 0))
        .where(
            Claim.program_id == Opening.program_id,
            Claim.opening_id == Opening.id,
            # Written out, not bound: only so can the partial index on held claims be used.
            Claim.state == literal(ClaimState.HELD.value, literal_execute=True),
            Claim.hold_until <= now(),
        )
        .correlate(Opening)
        .scalar_subquery()
    )
    return case((Opening.next_lapse_at <= now(), lapsed), else_=0)
