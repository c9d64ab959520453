"""The overview: what is open, how holds end, what was not to be had, and how providers keep their word."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from babel import Locale, UnknownLocaleError
from babel.dates import format_timedelta
from fastapi import Query, Request
from fastapi.responses import Response

from app.access.roles import Action
from app.casework.demographics import SMALLEST
from app.core.problems import NotFound
from app.dependencies import state_of
from app.market.figures import OUTCOMES
from app.market.vocabulary import Category
from app.program.overview import DAYS, MOST_DAYS, Overview
from app.web.languages import Language
from app.web.looker import Looker, looking
from app.web.overview_pictures import WIDTH, Picture, draw, pictures
from app.web.pages import language_of, page
from app.web.routing import pages

router = pages("overview")

Reader = Annotated[Looker, looking(Action.READ_FIGURES)]
Days = Annotated[int, Query(ge=1, le=MOST_DAYS)]

SPANS = (1, DAYS, 28, MOST_DAYS)
"""The days that one may choose."""
SHOWN = 10
"""Rows of a list that can be long."""


@router.get("/overview")
async def overview(request: Request, looker: Reader, days: Days = DAYS) -> Response:
    """The figures, each picture with its table."""
    found = await state_of(request).overviews.of(looker.caller, days)
    language = language_of(request)
    return page(
        request,
        "overview/overview.html",
        found=found,
        days=days,
        spans=SPANS,
        smallest=SMALLEST,
        outcomes=OUTCOMES,
        width=WIDTH,
        shown=SHOWN,
        pictures=_pictures(found, language, looker),
        lasting=lambda minutes: format_timedelta(timedelta(minutes=minutes), locale=language.locale),
        tongue=lambda tag: _tongue(tag, language),
        **_tables(found),
    )


@router.get("/overview/pictures/{name}.svg")
async def picture(request: Request, looker: Reader, name: str, days: Days = DAYS) -> Response:
    """One picture. It takes the colors of the page that shows it. Raises NotFound, Busy."""
    found = await state_of(request).overviews.of(looker.caller, days)
    language = language_of(request)
    asked = _pictures(found, language, looker)
    if name not in asked:
        raise NotFound("There is no such picture.")
    drawn = await draw(found, language, asked)
    return Response(drawn[name], media_type="image/svg+xml")


def _pictures(found: Overview, language: Language, looker: Looker) -> dict[str, Picture]:
    elsewhere = language.gettext("Place not shown")
    return pictures(found, language, looker.zone, lambda area: area or elsewhere)


def _tongue(tag: str, language: Language) -> str:
    """What a language is called in another, or its tag where that is not known."""
    try:
        return Locale.parse(tag, sep="-").get_display_name(language.locale) or tag
    except (UnknownLocaleError, ValueError):
        return tag


def _tables(found: Overview) -> dict[str, Any]:
    """What the tables show beside what is in the overview as it is."""
    ends: dict[str, dict[str, int | None]] = {}
    for (category, outcome), claims in found.outcomes.items():
        ends.setdefault(category, {})[outcome] = claims
    there = {each.category for each in found.now or () if each.units_total}
    held = sum(claims or 0 for claims in found.outcomes.values())
    arrived = sum(claims or 0 for (_, outcome), claims in found.outcomes.items() if outcome == "arrived")
    return {
        "open_now": [each for each in found.now or () if each.units_total or each.category not in there],
        "units_open": sum(each.units_open for each in found.now or ()),
        "held": held,
        "arrived": arrived,
        "ends": [(category, ends[category]) for category in Category if category in ends],
        "declined": most_first(found.declined),
        "unmet": sum(times or 0 for times in found.unmet_by_category.values()),
        "by_category": most_first(found.unmet_by_category),
        "by_need": most_first(found.unmet_by_need),
        "by_area": most_first(found.unmet_by_area),
        "over_day": hourly(found),
        "providers": [
            (each, {outcome: found.by_provider.get((each.id, outcome), 0) for outcome in OUTCOMES})
            for each in found.providers
        ],
    }


def most_first(counts: Mapping[str, int | None]) -> list[tuple[str, int | None]]:
    """The counts, the largest first and those that are withheld last."""
    return sorted(counts.items(), key=lambda each: (each[1] is None, -(each[1] or 0), each[0]))


def hourly(found: Overview) -> dict[str, Any]:
    """What was open over the day, as a table: of each hour the first moment that was kept."""
    kept: dict[Any, dict[str, int]] = {}
    for each in found.course.by_category:
        kept.setdefault(each.at, {})[each.of] = each.units_open
    hours = {at.replace(minute=0): at for at in sorted(kept, reverse=True)}
    moments = sorted(hours.values())
    of = [category.value for category in Category if any(kept[at].get(category) for at in moments)]
    return {"of": of, "moments": [(at, kept[at]) for at in moments]}
