"""How far something is, in the words and by the measure of the program's place."""

from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from babel.core import get_global
from babel.units import format_unit

from app.web.languages import Language, languages

KM_PER_MILE = 1.609344
_IN_MILES = frozenset({"US", "GB", "LR", "MM"})
"""Where roads are measured in miles: the measurement systems US and UK of CLDR's supplemental data."""
_KM = (2, 5, 10, 25, 50)
_MILES = (1, 3, 5, 15, 30)


@cache
def in_miles(zone: ZoneInfo) -> bool:
    """Whether distances are said in miles where this time zone is."""
    name = get_global("zone_aliases").get(zone.key, zone.key)
    return get_global("zone_territories").get(name) in _IN_MILES


def reaches(zone: ZoneInfo, chosen: float | None) -> list[float]:
    """How far one may choose to go, in km: round numbers there, and what is chosen already."""
    offered = [round(miles * KM_PER_MILE, 3) for miles in _MILES] if in_miles(zone) else list(_KM)
    return sorted({*offered} if chosen is None else {*offered, chosen})


def far(distance_km: float, zone: ZoneInfo, language: Language) -> str:
    """A distance in words, such as "1.2 mi": to a tenth below ten."""
    unit, distance = ("mile", distance_km / KM_PER_MILE) if in_miles(zone) else ("kilometer", distance_km)
    return _far(language.tag, unit, round(distance, 1) if distance < 10 else round(distance))


# Babel reads its tables anew for each number it writes, and a hundred cards ask for the same few.
@lru_cache(maxsize=4096)
def _far(tag: str, unit: str, distance: float) -> str:
    return format_unit(distance, f"length-{unit}", "short", locale=languages()[tag].locale)
