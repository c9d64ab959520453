"""The program's figures, for planning and evaluation."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field

from app.access.callers import Caller
from app.access.roles import Action
from app.api.fields import Moment, Out
from app.api.routing import face
from app.casework.demographics import SMALLEST
from app.dependencies import House, requires
from app.market.figures import OUTCOMES, Provider
from app.market.unmet import Place
from app.market.vocabulary import DECLINE_REASONS, Category, Unit
from app.program.overview import DAYS, MOST_DAYS, Counts, Overview

router = face("program")

Count = Annotated[int | None, Field(description=f"Null: it is under {SMALLEST}, or would tell of numbers that are.")]
Area = Annotated[str, Field(description="City and postal code; empty where it is not known or must not be.")]
Outcome = Annotated[str, Field(json_schema_extra={"enum": [*OUTCOMES]})]


class OpenOut(Out):
    """What is on the board of a category in an area."""

    category: Category
    area: Area
    openings: Annotated[int, Field(description="With a unit left.")]
    units_open: int
    units_total: int


class OpenAtOut(Out):
    """Units that were open at a moment, of a category or in an area."""

    at: Moment
    of: str
    units_open: int


class CourseOut(Out):
    """Units open over the last day of the time, as they were kept every quarter of an hour."""

    by_category: list[OpenAtOut]
    by_area: list[OpenAtOut]


class EndsOut(Out):
    """Holds made in the time, of one category, that ended so."""

    category: Category
    outcome: Outcome
    claims: Count


class DeclinedOut(Out):
    """Holds made in the time that were declined for a reason."""

    reason: Annotated[str, Field(json_schema_extra={"enum": [*DECLINE_REASONS]})]
    claims: Count


class TimeOut(Out):
    """From hold to arrival, in minutes. Searches leave no record; a claim with `find` searches and holds at once."""

    category: Category
    claims: int
    half: Annotated[float, Field(description="The median.")]
    most: Annotated[float, Field(description="Nine in ten took no longer.")]


class TimesOut(Out):
    """How many times something was asked for and not to be had."""

    of: str
    times: Count


class PlaceOut(Out):
    """A kind of place that is missing; how many askings it would have met beyond those before it, and with them."""

    category: Category
    unit: Unit | None
    units: int
    area: Area
    attributes: list[str]
    language: str | None
    times: int
    together: int


class UnmetOut(Out):
    """What was asked for and could not be claimed; one asking may count for several needs."""

    by_category: list[TimesOut]
    by_need: list[TimesOut]
    by_area: list[TimesOut]
    places: Annotated[list[PlaceOut], Field(description="Those that would have met most of it, greedily chosen.")]


class HoldsOut(Out):
    """A provider's holds that ended so."""

    outcome: Outcome
    claims: int


class ProviderOut(Out):
    """How a provider keeps its word. `holds` is empty for whoever may not read small numbers."""

    id: UUID
    name: str
    honour_rate: float
    openings: Annotated[int, Field(description="True at some time of the span, neither withdrawn nor over.")]
    fresh: Annotated[int, Field(description="Of these, attested now.")]
    attested_minutes: Annotated[float | None, Field(description="The median age of their attestations.")]
    holds: list[HoldsOut]


class OverviewOut(Out):
    """A program's figures. `now` is null for whoever may not read of this very moment."""

    as_of: Moment
    since: Moment
    until: Moment
    smallest: Annotated[int | None, Field(description="Numbers under it are withheld; null: none are.")]
    now: list[OpenOut] | None
    over_day: CourseOut
    outcomes: list[EndsOut]
    declined: list[DeclinedOut]
    from_hold_to_arrival: list[TimeOut]
    unmet: UnmetOut
    providers: list[ProviderOut]


@router.get("/overview")
async def read_overview(
    house: House,
    caller: Annotated[Caller, requires(Action.READ_FIGURES)],
    days: Annotated[int, Query(ge=1, le=MOST_DAYS, description="How many days back, for program managers.")] = DAYS,
) -> OverviewOut:
    """What is open, how holds end, what was asked for and not to be had, and how providers keep their word.

    Counted at most once a minute. Evaluators and the advisory board get the last whole week, Monday to Sunday, without
    numbers under eleven.
    """
    return _out(await house.overviews.of(caller, days))


def _out(found: Overview) -> OverviewOut:
    return OverviewOut.model_validate(
        {
            "as_of": found.as_of,
            "since": found.since,
            "until": found.until,
            "smallest": None if found.small else SMALLEST,
            "now": found.now,
            "over_day": found.course,
            "outcomes": [
                {"category": category, "outcome": outcome, "claims": claims}
                for (category, outcome), claims in sorted(found.outcomes.items())
            ],
            "declined": [{"reason": reason, "claims": claims} for reason, claims in sorted(found.declined.items())],
            "from_hold_to_arrival": found.times,
            "unmet": {
                "by_category": _times(found.unmet_by_category),
                "by_need": _times(found.unmet_by_need),
                "by_area": _times(found.unmet_by_area),
                "places": [_place(each) for each in found.places],
            },
            "providers": [_provider(each, found) for each in found.providers],
        }
    )


def _times(counts: Counts) -> list[dict[str, object]]:
    most_first = sorted(counts.items(), key=lambda each: (-(each[1] or 0), each[0]))
    return [{"of": of, "times": times} for of, times in most_first]


def _place(place: Place) -> dict[str, object]:
    wish = place.wish
    return {
        "category": wish.category,
        "unit": wish.unit,
        "units": wish.units,
        "area": wish.area,
        "attributes": sorted(wish.attributes),
        "language": wish.language,
        "times": place.times,
        "together": place.together,
    }


def _provider(provider: Provider, found: Overview) -> dict[str, object]:
    counted = ((outcome, found.by_provider.get((provider.id, outcome))) for outcome in OUTCOMES)
    return {
        "id": provider.id,
        "name": provider.name,
        "honour_rate": provider.honour_rate,
        "openings": provider.openings,
        "fresh": provider.fresh,
        "attested_minutes": provider.minutes,
        "holds": [{"outcome": outcome, "claims": claims} for outcome, claims in counted if claims],
    }
