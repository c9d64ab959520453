"""The languages that pages speak: one folder with a catalog each, so that another needs no code."""

import re
from dataclasses import dataclass
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.localedata import locale_identifiers
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LOCALES = Path(__file__).with_name("locale")
DEFAULT = "en"
COUNTRY = "US"
COOKIE = "openberth_language"
"""Where a browser keeps the language that its person chose. It says nothing about anybody."""

_RANGE = re.compile(r"\s*([A-Za-z]{2,3})(?:-[A-Za-z0-9-]+)?\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*")


@dataclass(frozen=True, slots=True)
class Language:
    """A language: its BCP 47 tag, its name in itself, the way it is written, and its catalog."""

    tag: str
    name: str
    direction: str
    locale: Locale
    catalog: NullTranslations

    def gettext(self, words: str) -> str:
        """The words in this language, or as they are in English where they have not been translated."""
        return self.catalog.gettext(words)


def _language(tag: str, catalog: NullTranslations) -> Language:
    # Times and numbers are written as they are where the programs are: 8:10 p. m., not 20:10.
    there = f"{tag}-{COUNTRY}"
    locale = Locale.parse(there if there.replace("-", "_") in locale_identifiers() else tag, sep="-")
    name = locale.get_language_name(tag) or tag
    return Language(tag, name[:1].upper() + name[1:], locale.text_direction, locale, catalog)


@cache
def languages() -> dict[str, Language]:
    """Every language, English first. Catalogs are read as they were written: there is nothing to compile."""
    found = {DEFAULT: _language(DEFAULT, NullTranslations())}
    for path in sorted(LOCALES.glob("*/LC_MESSAGES/messages.po")):
        tag = path.parts[-3].replace("_", "-")
        compiled = BytesIO()
        with path.open("rb") as file:
            write_mo(compiled, read_po(file, locale=path.parts[-3]))
        compiled.seek(0)
        found[tag] = _language(tag, GNUTranslations(compiled))
    return found


def spoken(chosen: str | None, accepted: str) -> Language:
    """The language to speak: the one that was chosen, else the best of an `Accept-Language`, else English."""
    known = languages()
    if chosen in known:
        return known[chosen]
    asked = []
    for part in accepted[:500].split(","):
        match = _RANGE.fullmatch(part)
        if match and match[1].lower() in known:
            asked.append((float(match[2] or 1), match[1].lower()))
    best = max((weight for weight, _ in asked), default=0.0)
    return next((known[tag] for weight, tag in asked if weight == best and weight > 0), known[DEFAULT])


def N_(words: str) -> str:
    """Marks words that are translated where they are shown."""
    return words
