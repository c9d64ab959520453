"""Openings as cards: what a search or a refusal found, in words for whoever stands before somebody now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from babel.dates import format_timedelta
from babel.numbers import format_percent
from markupsafe import Markup, escape

from app.delivery.terms import Terms
from app.market.alternatives import relaxations
from app.market.needs import Need
from app.market.search import Found
from app.web.board_need import query_of
from app.web.board_words import BEFORE_GOING, GIVEN_UP
from app.web.languages import Language, languages
from app.web.words import ATTRIBUTE, UNIT, UNITS

MOST_TAGS = 6
"""How many of its good points a card names, those that were asked for first."""


@dataclass(frozen=True, slots=True)
class Card:
    """An opening that can be claimed this second. `query` is the need it is claimed for; parts that are empty or None
    are not known, or not told."""

    id: str
    service_name: str
    organization_name: str
    city: str | None
    units_open: int
    unit_words: str
    units: int
    until: str
    starts_at: datetime | None
    ends_at: datetime | None
    confidential: bool
    distance_km: float | None
    ago: str
    attested_at: str
    kept: str
    asked: list[str]
    good: list[str]
    before: list[str]
    speaks: str
    query: Markup
    given_up: str = ""


def found_cards(found: Sequence[Found], need: Need, near: str, language: Language) -> list[Card]:
    """A search's results, in their order."""
    query = escape(query_of(need, near))
    return [_found_card(each, need, query, language) for each in found]


def _found_card(found: Found, need: Need, query: Markup, language: Language) -> Card:
    row = found.opening
    return Card(
        id=str(row.id),
        service_name=row.service_name,
        organization_name=row.organization_name,
        city=row.city,
        units_open=row.units_open,
        unit_words=unit_words(row.unit, row.units_open, language),
        units=need.units,
        until=min(row.fresh_until, row.ends_at or row.fresh_until).isoformat(),
        starts_at=row.starts_at if row.starts_at and row.starts_at > row.as_of else None,
        ends_at=row.ends_at,
        confidential=row.confidential,
        distance_km=found.distance_km,
        ago=ago(language.tag, round(found.attested_minutes_ago)),
        attested_at=row.attested_at.isoformat(timespec="seconds"),
        kept=_percent(language.tag, round(found.honour_rate, 2)),
        **known(row.attributes, row.minimum_age, row.maximum_age, row.languages, need, language),
        query=query,
    )


def alternative_cards(
    offered: Sequence[Mapping[str, Any]], terms: Mapping[UUID, Terms], need: Need, near: str, language: Language
) -> list[Card]:
    """What a refusal offers instead: each is claimed for the need that it does meet."""
    easier = {None: need} | {name: each for name, _, each in relaxations(need)}
    cards = []
    for each in offered:
        if (known_terms := terms.get(UUID(str(each["opening_id"])))) is None:
            continue
        met = easier.get(each["relaxed"], need)
        shown = known_terms.shown
        cards.append(
            Card(
                id=str(each["opening_id"]),
                service_name=each["service_name"],
                organization_name=each["organization_name"],
                city=None if each["confidential"] else shown["city"],
                units_open=each["units_open"],
                unit_words=unit_words(each["unit"], each["units_open"], language),
                units=met.units,
                until=moment(each["fresh_until"]).isoformat(),
                starts_at=known_terms.starts_at,
                ends_at=known_terms.ends_at,
                confidential=each["confidential"],
                distance_km=each["distance_km"],
                ago="",
                attested_at="",
                kept="",
                **known(
                    known_terms.attributes,
                    known_terms.minimum_age,
                    known_terms.maximum_age,
                    known_terms.languages,
                    need,
                    language,
                ),
                query=escape(query_of(met, near)),
                given_up=given_up(each["relaxed"], language),
            )
        )
    return cards


def moment(when: datetime | str) -> datetime:
    """A time, from a row or from an answer that was kept."""
    return datetime.fromisoformat(when) if isinstance(when, str) else when


def given_up(relaxed: str | None, language: Language) -> str:
    """What an alternative does not meet, in words; empty when it meets everything."""
    if relaxed is None:
        return ""
    if relaxed.startswith("needs."):
        return language.gettext("Not confirmed: %s") % language.gettext(ATTRIBUTE[relaxed.removeprefix("needs.")])
    return language.gettext(GIVEN_UP[relaxed])


def known(
    attributes: Mapping[str, str],
    minimum_age: int | None,
    maximum_age: int | None,
    tags: Sequence[str],
    need: Need,
    language: Language,
) -> dict[str, Any]:
    """What is known of whom a place serves: asked for and answered yes, other good points, and what to know before
    going."""
    say = language.gettext
    asked = [name for name in need.required if attributes.get(name) == "yes"]
    good = [name for name in ATTRIBUTE if attributes.get(name) == "yes" and name not in need.required]
    before = [say(words) for name, words in BEFORE_GOING.items() if attributes.get(name) == "no"]
    return {
        "asked": [say(ATTRIBUTE[name]) for name in asked],
        "good": [say(ATTRIBUTE[name]) for name in good[: max(0, MOST_TAGS - len(asked))]],
        "before": [*_ages(minimum_age, maximum_age, language), *before],
        "speaks": _speaks(language.tag, tuple(tags)),
    }


def unit_words(unit: str, count: int, language: Language) -> str:
    """What so many units are called."""
    return language.gettext((UNIT if count == 1 else UNITS)[unit])


def _ages(minimum: int | None, maximum: int | None, language: Language) -> list[str]:
    if minimum is not None and maximum is not None:
        return [language.gettext("Ages %(from)s to %(to)s") % {"from": minimum, "to": maximum}]
    if minimum is not None:
        return [language.gettext("%s and older") % minimum]
    return [] if maximum is None else [language.gettext("Up to age %s") % maximum]


@lru_cache(maxsize=4096)
def ago(tag: str, minutes: int) -> str:
    """When a place was last attested, in words."""
    language = languages()[tag]
    if minutes < 1:
        return language.gettext("Attested just now")
    since = format_timedelta(-minutes * 60, add_direction=True, locale=language.locale)
    return language.gettext("Attested %s") % since


@lru_cache(maxsize=1024)
def _percent(tag: str, share: float) -> str:
    language = languages()[tag]
    return language.gettext("keeps its word %s of the time") % format_percent(share, locale=language.locale)


@lru_cache(maxsize=1024)
def _speaks(tag: str, spoken: tuple[str, ...]) -> str:
    names = ", ".join(language_name(tag, each) for each in spoken)
    return languages()[tag].gettext("Staff speak: %s") % names if names else ""


@lru_cache(maxsize=1024)
def language_name(tag: str, spoken: str) -> str:
    """What a language is called in another; its tag where nobody knows."""
    name: str | None = languages()[tag].locale.languages.get(spoken.replace("-", "_"))
    return name[:1].upper() + name[1:] if name else spoken
