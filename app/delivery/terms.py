"""What decides whether an opening fits a need: its state, which events carry, and its terms, which they don't."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import PooledConnection, load_sql
from app.market.needs import Need, Point, fits_terms
from app.market.search import EARTH_KM, WINDOW_HOURS


def _when(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None


@dataclass(frozen=True, slots=True)
class State:
    """An opening as an event has it."""

    id: UUID
    organization_id: UUID
    version: int
    units_open: int
    starts_at: datetime | None
    ends_at: datetime | None
    fresh_until: datetime | None
    withdrawn: bool

    @classmethod
    def of(cls, data: dict[str, Any]) -> "State":
        """The state in the payload of an `opening.…` event."""
        return cls(
            UUID(data["opening_id"]),
            UUID(data["organization_id"]),
            data["version"],
            data["units_total"] - data["units_taken"],
            _when(data["starts_at"]),
            _when(data["ends_at"]),
            _when(data["fresh_until"]),
            data["withdrawn_at"] is not None,
        )

    def claimable(self, need: Need, moment: datetime, immediacy: timedelta) -> bool:
        """Whether it has the units, by what its provider has attested, and soon enough for the program's rules."""
        return (
            not self.withdrawn
            and self.units_open >= need.units
            and self.fresh_until is not None
            and self.fresh_until > moment
            and (self.ends_at is None or self.ends_at > moment)
            and (self.starts_at is None or self.starts_at <= moment + immediacy)
        )


@dataclass(frozen=True, slots=True)
class Terms:
    """Whom an opening serves, where and when; at `version`. `immediacy`: how far ahead the program's rules let it be
    held; a change of them is no change of the opening."""

    version: int
    shown: dict[str, Any]
    category: str
    unit: str
    attributes: dict[str, str]
    minimum_age: int | None
    maximum_age: int | None
    languages: list[str]
    starts_at: datetime | None
    ends_at: datetime | None
    point: Point | None
    immediacy: timedelta

    def fit(self, need: Need) -> bool:
        """Whether they meet the need, as a search would say."""
        return (
            (need.category is None or need.category.value == self.category)
            and (need.unit is None or need.unit.value == self.unit)
            and self._near_enough(need)
            and fits_terms(
                need,
                attributes=self.attributes,
                minimum_age=self.minimum_age,
                maximum_age=self.maximum_age,
                languages=self.languages,
                starts_at=self.starts_at,
                ends_at=self.ends_at,
            )
        )

    def distance_km(self, near: Point | None) -> float | None:
        """How far it is, None where that is not known or not asked."""
        if near is None or self.point is None:
            return None
        here, there = _on_earth(near), _on_earth(self.point)
        return 2 * EARTH_KM * math.asin(min(1.0, math.dist(here, there) / 2))

    def _near_enough(self, need: Need) -> bool:
        if need.within_km is None:
            return True
        distance = self.distance_km(need.near)
        return distance is not None and distance <= need.within_km


def _on_earth(point: Point) -> tuple[float, float, float]:
    latitude, longitude = math.radians(point.latitude), math.radians(point.longitude)
    return (
        math.cos(latitude) * math.cos(longitude),
        math.cos(latitude) * math.sin(longitude),
        math.sin(latitude),
    )


_TERMS = load_sql(__file__, "terms").format(window_hours=WINDOW_HOURS)


async def read_terms(session: AsyncSession, program_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Terms]:
    """The terms of these openings."""
    connection = await session.connection()
    rows = await connection.exec_driver_sql(_TERMS, (program_id, list(ids)))
    return {row["id"]: _terms(row) for row in rows.mappings()}


async def glance_terms(connection: PooledConnection, program_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Terms]:
    """The same as `read_terms`, on a bare connection."""
    return {row["id"]: _terms(row) for row in await connection.fetch(_TERMS, program_id, ids)}


def _terms(row: Any) -> Terms:
    """From a row by its names, whichever driver gave it."""
    attributes = orjson.loads(row["attributes"])
    shown = ("service_name", "organization_name", "city", "minimum_age", "maximum_age", "languages")
    return Terms(
        row["version"],
        {name: row[name] for name in shown} | {"attributes": attributes},
        row["category"],
        row["unit"],
        attributes,
        row["minimum_age"],
        row["maximum_age"],
        row["languages"],
        row["starts_at"],
        row["ends_at"],
        Point(row["latitude"], row["longitude"]) if row["latitude"] is not None else None,
        timedelta(hours=row["immediacy_hours"]),
    )
