"""Which events a webhook is for, and to which lane each belongs."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.delivery.log import Entry
from app.market.tables import Opening
from app.market.vocabulary import Category


class Filter(BaseModel):
    """What an event must be about. What is left out does not matter; an event that is about no opening or claim
    meets nothing that is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    category: Annotated[Category | None, Field(description="Of the opening.")] = None
    organization_id: Annotated[UUID | None, Field(description="The provider's.")] = None
    service_id: UUID | None = None
    opening_id: UUID | None = None

    def admits(self, about: "About") -> bool:
        """Whether what an event is about meets all that is given."""
        return all(
            wanted is None or wanted == found
            for wanted, found in (
                (self.category, about.category),
                (self.organization_id, about.organization_id),
                (self.service_id, about.service_id),
                (self.opening_id, about.opening_id),
            )
        )


@dataclass(frozen=True, slots=True)
class About:
    """The opening that an event is about, directly or by its claim; all None where it is about neither."""

    opening_id: UUID | None = None
    organization_id: UUID | None = None
    service_id: UUID | None = None
    category: str | None = None

    @classmethod
    def of(cls, opening: Opening | None) -> Self:
        """About an opening, which may be None."""
        if opening is None:
            return cls()
        return cls(opening.id, opening.organization_id, opening.service_id, opening.category)


def opening_of(entry: Entry) -> UUID | None:
    """The opening that an event is about: its own, or that of its claim."""
    found = entry.data.get("opening_id")
    return UUID(found) if found else None


def lane_of(entry: Entry) -> UUID:
    """Within what the event keeps its order: its opening, or else what it is about."""
    return opening_of(entry) or entry.subject_id


async def admitted(
    session: AsyncSession, program_id: UUID, entries: Iterable[Entry], types: Collection[str] | None, filter: Filter
) -> list[Entry]:
    """The entries that a webhook with these types and this filter is for."""
    of_type = [entry for entry in entries if types is None or entry.type in types]
    if filter == Filter():
        return of_type
    ids = {id for entry in of_type if (id := opening_of(entry)) is not None}
    openings = {}
    if ids:
        found = await session.scalars(select(Opening).where(Opening.program_id == program_id, Opening.id.in_(ids)))
        openings = {each.id: each for each in found}

    def about(entry: Entry) -> About:
        id = opening_of(entry)
        return About.of(None if id is None else openings.get(id))

    return [entry for entry in of_type if filter.admits(about(entry))]
