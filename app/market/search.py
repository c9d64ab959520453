"""Search: what can be claimed this second and fits a need, best first, each with why it ranked there."""

import math
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import load_sql
from app.market.directory import PRIOR_CLAIMS, PRIOR_KEPT
from app.market.needs import Need, Point
from app.market.policy import MarketPolicy
from app.market.vocabulary import Category

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

_SEARCH = load_sql(__file__, "search")

_DEFAULTS = MarketPolicy()
WINDOW_HOURS = " ".join(f"WHEN '{name}' THEN {_DEFAULTS.rules(name).immediacy_hours}" for name in Category)
"""The immediacy window of each category where a program sets none, as the branches of a CASE."""

# The filters of a search, each there only when it is asked for: the planner then sees the plain statement. It takes
# containment for one row in a thousand, and would read and sort a whole category instead of walking outward from a
# place until enough is found; behind coalesce it guesses one in two.
_FILTERS = {
    "category": "o.category = CAST(:category AS text)",
    "unit": "o.unit = CAST(:unit AS text)",
    "needs": "coalesce(o.attributes @> CAST(:needs AS jsonb), false)",
    "age": "coalesce(o.minimum_age <= :age, true) AND coalesce(o.maximum_age >= :age, true)",
    "language": "coalesce(o.languages @> ARRAY[CAST(:language AS text)], false)",
    "starts_by": "coalesce(o.starts_at <= :starts_by, true)",
    "lasts_until": "coalesce(o.ends_at >= :lasts_until, true)",
    "not_opening": "o.id <> :not_opening",
    "confidential": "o.confidential = CAST(:confidential AS boolean)",
    "not_organization": "o.organization_id <> :not_organization",
}
_RANK_FILTERS = {
    "within_km": "distance_km <= :within_km",
    "after_score": "(score < :after_score OR (score = :after_score AND id > :after_id))",
}


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


@dataclass(frozen=True, slots=True)
class RuledOut:
    """What must not be found: the opening that was just lost, a whole organization, or all that is confidential."""

    opening_id: UUID | None = None
    organization_id: UUID | None = None
    confidential: bool = False


NOTHING = RuledOut()


def for_a_find(need: Need, ruled_out: RuledOut = NOTHING) -> RuledOut:
    """What must not be chosen for a need that nobody looks at first: besides, all that is confidential, unless the need
    says `survivors`. A shelter for survivors is no place for anyone else; whoever reads a list is told what it is."""
    return ruled_out if "survivors" in {*need.required, *need.prefers} else replace(ruled_out, confidential=True)


def on_earth(point: Point) -> str:
    """A point as `Opening.on_earth` has it, in PostgreSQL's words for a cube."""
    latitude, longitude = math.radians(point.latitude), math.radians(point.longitude)
    x = EARTH_KM * math.cos(latitude) * math.cos(longitude)
    y = EARTH_KM * math.cos(latitude) * math.sin(longitude)
    return f"({x!r}, {y!r}, {EARTH_KM * math.sin(latitude)!r})"


@lru_cache(maxsize=1024)
def _statement(given: frozenset[str], prefers: int) -> TextClause:
    """The statement for a search with these filters and this many preferences."""
    filters = [words for name, words in _FILTERS.items() if name in given]
    rank_filters = [words for name, words in _RANK_FILTERS.items() if name in given]
    # An attribute that nobody answered is no yes; it must not make nothing of the others either.
    met = " + ".join(f"coalesce(attributes ->> :prefers_{n} = 'yes', false)::int" for n in range(prefers))
    near = "here" in given
    statement = _SEARCH.format(
        filters="".join(f"\n     AND {words}" for words in filters),
        chord="o.on_earth <-> CAST(:here AS cube)" if near else "CAST(NULL AS float8)",
        order="o.on_earth <-> CAST(:here AS cube)" if near else "o.fresh_until DESC",
        shortlist=SHORTLIST,
        window_hours=WINDOW_HOURS,
        as_of="CAST(:as_of AS timestamptz)" if "as_of" in given else "statement_timestamp()",
        fit=f"({met})::float8 / {prefers}" if prefers else "1.0::float8",
        earth_km=EARTH_KM,
        kept=PRIOR_KEPT,
        claims=PRIOR_CLAIMS,
        score=f"{FIT} * fit + {PROXIMITY} * coalesce(1 / (1 + distance_km / {HALF_FAR_KM}), 0)"
        f" + {FRESHNESS} / (1 + attested_minutes_ago / 60 / {HALF_OLD_HOURS}) + {HONOUR} * honour_rate",
        rank_filters="".join(f" AND {words}" for words in rank_filters),
    )
    # A cast written with colons would be read as a parameter.
    return text(statement.replace("::", "\\:\\:"))


def statement(
    program_id: UUID,
    need: Need,
    *,
    limit: int,
    after: After | None = None,
    ruled_out: RuledOut = NOTHING,
) -> tuple[TextClause, dict[str, Any]]:
    """The statement of a search and its parameters, for `search` and for whoever wants to explain or measure it."""
    values: dict[str, Any] = {
        "category": need.category and need.category.value,
        "unit": need.unit and need.unit.value,
        "needs": orjson.dumps(dict.fromkeys(need.required, "yes")).decode() if need.required else None,
        "age": need.age,
        "language": need.language,
        "starts_by": need.starts_by,
        "lasts_until": need.lasts_until,
        "here": on_earth(need.near) if need.near else None,
        "within_km": need.within_km,
        "confidential": False if ruled_out.confidential else None,
        "not_opening": ruled_out.opening_id,
        "not_organization": ruled_out.organization_id,
    }
    if after:
        values |= {"as_of": after.as_of, "after_score": after.score, "after_id": after.id}
    given = {name: value for name, value in values.items() if value is not None}
    prefers = {f"prefers_{n}": name for n, name in enumerate(need.prefers)}
    return (
        _statement(frozenset(given), len(prefers)),
        given | prefers | {"program_id": program_id, "units": need.units, "limit": limit},
    )


async def search(
    session: AsyncSession,
    program_id: UUID,
    need: Need,
    *,
    limit: int,
    after: After | None = None,
    ruled_out: RuledOut = NOTHING,
) -> list[Found]:
    """The best openings for a need, at most `limit`, from after a page's end, without those ruled out."""
    found = statement(program_id, need, limit=limit, after=after, ruled_out=ruled_out)
    return [
        Found(row, row.score, row.fit, row.distance_km, row.attested_minutes_ago, row.honour_rate)
        for row in await session.execute(*found)
    ]
