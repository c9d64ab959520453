"""Search: what can be claimed this second and fits a need, best first, each with why it ranked there."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Float, Row, Select, and_, case, cast, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Text

from app.market.directory import PRIOR_CLAIMS, PRIOR_KEPT, Location, Organization, Service
from app.market.needs import Need, Point
from app.market.tables import Claim, Cube, Opening
from app.market.vocabulary import ClaimState

EARTH_KM = 6371.0

SHORTLIST = 1000
"""How many matches are ranked: the nearest, or without a place those attested for longest. An index finds
these, so that a search costs the same among a hundred thousand openings as among a thousand."""

# How much each part of "best" weighs. Fit before distance before freshness before honour.
FIT, PROXIMITY, FRESHNESS, HONOUR = 0.4, 0.3, 0.15, 0.15
HALF_FAR_KM = 5.0
"""The distance at which proximity counts half."""
HALF_OLD_HOURS = 6.0
"""The age of an attestation at which freshness counts half."""


def now() -> ColumnElement[datetime]:
    """The database's clock: the only one that decides whether something has lapsed."""
    return func.statement_timestamp()


def lapsed_units() -> ColumnElement[int]:
    """Units of an opening that lapsed holds still seem to take, until something sweeps them."""
    lapsed = (
        select(func.coalesce(func.sum(Claim.units), 0))
        .where(
            Claim.program_id == Opening.program_id,
            Claim.opening_id == Opening.id,
            Claim.state == literal(ClaimState.HELD.value, literal_execute=True),
            Claim.hold_until <= now(),
        )
        .correlate(Opening)
        .scalar_subquery()
    )
    return case((Opening.next_lapse_at <= now(), lapsed), else_=0)


def units_open() -> ColumnElement[int]:
    """Units that can be claimed now."""
    return Opening.units_total - Opening.units_taken + lapsed_units()


def on_earth(point: Point) -> ColumnElement[Any]:
    """A point as `Opening.on_earth` has it."""
    latitude, longitude = math.radians(point.latitude), math.radians(point.longitude)
    x = EARTH_KM * math.cos(latitude) * math.cos(longitude)
    y = EARTH_KM * math.cos(latitude) * math.sin(longitude)
    return func.cube(cast([x, y, EARTH_KM * math.sin(latitude)], ARRAY(Float(53))), type_=Cube)


def _chord(point: Point) -> ColumnElement[float]:
    return Opening.on_earth.op("<->", return_type=Float())(on_earth(point))


def claimable(need: Need) -> list[ColumnElement[bool]]:
    """What an opening must be to be claimed for this need now. Distance is not in it: see `_shortlist`."""
    must: list[ColumnElement[bool]] = [
        Opening.fresh_until > now(),
        Opening.withdrawn_at.is_(None),
        or_(Opening.ends_at.is_(None), Opening.ends_at > now()),
        # The plain count first: only an opening that looks full is worth the look for lapsed holds.
        or_(
            Opening.units_total - Opening.units_taken >= need.units,
            and_(Opening.next_lapse_at <= now(), units_open() >= need.units),
        ),
    ]
    if need.category:
        must.append(Opening.category == need.category)
    if need.unit:
        must.append(Opening.unit == need.unit)
    if need.required:
        must.append(Opening.attributes.contains(cast(dict.fromkeys(need.required, "yes"), JSONB)))
    if need.age is not None:
        must.append(or_(Opening.minimum_age.is_(None), Opening.minimum_age <= need.age))
        must.append(or_(Opening.maximum_age.is_(None), Opening.maximum_age >= need.age))
    if need.language:
        must.append(Opening.languages.contains(cast([need.language], ARRAY(Text))))
    if need.starts_by:
        must.append(or_(Opening.starts_at.is_(None), Opening.starts_at <= need.starts_by))
    if need.lasts_until:
        must.append(or_(Opening.ends_at.is_(None), Opening.ends_at >= need.lasts_until))
    return must


def _shortlist(program_id: UUID, need: Need, where: ColumnElement[bool]) -> Select[Any]:
    """The matches worth ranking. Nearest first, so that a limit on distance can be applied afterwards: an index
    can walk outward from a point, but row-level security keeps it from being asked for a box."""
    order = _chord(need.near) if need.near else Opening.fresh_until.desc()
    chord = _chord(need.near) if need.near else cast(None, Float)
    return (
        select(Opening, units_open().label("units_open"), chord.label("chord"))
        .where(Opening.program_id == program_id, where, *claimable(need))
        .order_by(order)
        .limit(SHORTLIST)
    )


@dataclass(frozen=True, slots=True)
class Found:
    """An opening that fits, and the reasons for its rank. Parts are in 0..1, `distance_km` None if not known."""

    opening: Row[Any]
    score: float
    fit: float
    distance_km: float | None
    attested_minutes_ago: float
    honour_rate: float

    def why(self) -> str:
        """The reasons as a sentence."""
        parts = [] if self.fit == 1 else [f"has {self.fit:.0%} of what is preferred"]
        if self.distance_km is not None:
            parts.append(f"{self.distance_km:.1f} km away")
        parts.append(f"attested {_ago(self.attested_minutes_ago)}")
        parts.append(f"the provider honours {self.honour_rate:.0%} of its promises")
        sentence = ", ".join(parts) + "."
        return sentence[0].upper() + sentence[1:]


def _ago(minutes: float) -> str:
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes:.0f} min ago"
    return f"{minutes / 60:.0f} h ago"


@dataclass(frozen=True, slots=True)
class After:
    """Where a page of results ended: the moment the first page ranked at, and the last result's rank."""

    as_of: datetime
    score: float
    id: UUID


def ranked(
    program_id: UUID,
    need: Need,
    *,
    limit: int,
    after: After | None = None,
    where: ColumnElement[bool] | None = None,
) -> Select[Any]:
    """The statement that finds and ranks, for `search` and for anyone who wants to explain or measure it."""
    short = _shortlist(program_id, need, true() if where is None else where).subquery("short")
    as_of: ColumnElement[datetime] = literal(after.as_of) if after else now()
    kilometres = 2 * EARTH_KM * func.asin(func.least(1.0, short.c.chord / (2 * EARTH_KM)))
    honour = cast(Organization.promises_kept + PRIOR_KEPT, Float) / (
        Organization.promises_kept + Organization.promises_broken + PRIOR_CLAIMS
    )
    minutes = func.greatest(0.0, cast(func.extract("epoch", as_of - short.c.attested_at), Float) / 60)
    fit: ColumnElement[Any] = literal(1.0, Float)
    if need.prefers:
        met = sum(
            (case((short.c.attributes[name].astext == "yes", 1.0), else_=0.0) for name in need.prefers),
            start=literal(0.0, Float),
        )
        fit = met / len(need.prefers)
    proximity = func.coalesce(1 / (1 + kilometres / HALF_FAR_KM), 0.0)
    freshness = 1 / (1 + minutes / 60 / HALF_OLD_HOURS)
    score: ColumnElement[Any] = FIT * fit + PROXIMITY * proximity + FRESHNESS * freshness + HONOUR * honour
    rank = (
        select(
            short,
            score.label("score"),
            fit.label("fit"),
            kilometres.label("distance_km"),
            minutes.label("attested_minutes_ago"),
            honour.label("honour_rate"),
            Organization.name.label("organization_name"),
            as_of.label("as_of"),
        )
        .join(
            Organization,
            and_(Organization.program_id == short.c.program_id, Organization.id == short.c.organization_id),
        )
        .subquery("ranked")
    )
    statement = (
        select(rank, Service.name.label("service_name"), Location.city.label("city"))
        .join(Service, and_(Service.program_id == rank.c.program_id, Service.id == rank.c.service_id))
        .outerjoin(
            Location,
            and_(
                Location.program_id == Service.program_id,
                Location.id == Service.location_id,
                Location.masked.is_(False),
            ),
        )
        .order_by(rank.c.score.desc(), rank.c.id)
        .limit(limit)
    )
    if need.within_km is not None:
        statement = statement.where(rank.c.distance_km <= need.within_km)
    if after:
        statement = statement.where(
            or_(rank.c.score < after.score, and_(rank.c.score == after.score, rank.c.id > after.id))
        )
    return statement


async def search(
    session: AsyncSession,
    program_id: UUID,
    need: Need,
    *,
    limit: int,
    after: After | None = None,
    where: ColumnElement[bool] | None = None,
) -> list[Found]:
    """The best openings for a need, at most `limit`, from after a page's end."""
    rows = await session.execute(ranked(program_id, need, limit=limit, after=after, where=where))
    return [Found(r, r.score, r.fit, r.distance_km, r.attested_minutes_ago, r.honour_rate) for r in rows]
