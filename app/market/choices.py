"""What a search may choose from: the cities where services are, and the languages spoken there."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.market.directory import Location, Service
from app.market.needs import Point

MOST = 50


@dataclass(frozen=True, slots=True)
class Choices:
    """A program's cities with the middle of their services, the one with most first; language tags in order."""

    cities: dict[str, Point]
    languages: list[str]

    def place(self, name: str) -> Point | None:
        """The middle of the city of this name, however it is written."""
        wanted = name.casefold()
        return next((point for city, point in self.cities.items() if city.casefold() == wanted), None)


async def choices(session: AsyncSession, program_id: UUID) -> Choices:
    """A program's choices. A place that is shown to nobody is counted nowhere."""
    middle = (func.avg(Location.latitude), func.avg(Location.longitude))
    cities = await session.execute(
        select(Location.city, *middle)
        .where(
            Location.program_id == program_id,
            ~Location.masked,
            Location.city.is_not(None),
            Location.latitude.is_not(None),
        )
        .group_by(Location.city)
        .order_by(func.count().desc(), Location.city)
        .limit(MOST)
    )
    tag = func.unnest(Service.languages).label("tag")
    languages = await session.scalars(
        select(tag).where(Service.program_id == program_id).distinct().order_by(tag).limit(MOST)
    )
    return Choices({row[0]: Point(row[1], row[2]).coarse() for row in cities}, list(languages))
