"""What is wrong with a field, as a sentence in the looker's language."""

from collections.abc import Mapping
from typing import Any

from app.core.problems import Sentence
from app.web.languages import DEFAULT, N_, Language
from app.web.words import CATEGORY

Found = Mapping[str, Any]
"""What pydantic says of one field: `type`, and in `ctx` the bounds."""

_EMPTY = N_("Fill this in.")
_WHOLE = N_("Give a whole number.")
_CHOICE = N_("Choose one of the list.")
_WEB_ADDRESS = N_("Give a web address, such as https://www.example.org.")
_EMAIL = N_("Give an e-mail address, such as name@example.org.")
EMPTY: Found = {"type": "missing", "msg": ""}
"""A field that is needed after all."""
_FOUND: Mapping[str, str] = {
    "missing": _EMPTY,
    "string_too_short": _EMPTY,
    "string_type": _EMPTY,
    "string_too_long": N_("This is too long: write %(max_length)s letters at most."),
    "string_pattern_mismatch": N_("There are signs in it that don’t belong here."),
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_type": _WHOLE,
    "float_parsing": N_("Give a number."),
    "uuid_parsing": _CHOICE,
    "uuid_type": _CHOICE,
    "enum": _CHOICE,
    "literal_error": _CHOICE,
    "url_parsing": _WEB_ADDRESS,
    "url_scheme": _WEB_ADDRESS,
    "time_parsing": N_("Give a time of day, such as 20:00."),
    "date_from_datetime_parsing": N_("Give a day."),
    "date_parsing": N_("Give a day."),
    "greater_than": N_("This is too little: give more than %(gt)s."),
    "greater_than_equal": N_("This is too little: give %(ge)s or more."),
    "less_than_equal": N_("This is too much: give %(le)s or less."),
}
"""By pydantic's name of what is wrong."""


def sentence(found: Found) -> str:
    """What pydantic found, as a sentence; in pydantic's own words where we have none."""
    said = getattr(found.get("ctx", {}).get("error"), "args", ())
    if said and isinstance(said[0], Sentence):
        return said[0]
    if (english := _FOUND.get(found["type"])) is not None:
        return Sentence(english, **found.get("ctx", {}))
    message: str = found["msg"].removeprefix("Value error, ")
    return Sentence(_EMAIL) if "email" in message else message


def said(language: Language, words: str) -> str | None:
    """A sentence in this language, begun and ended as one; None for words that we can say in English alone."""
    if language.tag == DEFAULT:
        told = str(words)
    elif isinstance(words, Sentence):
        values = {
            name: language.gettext(CATEGORY[value]) if isinstance(value, str) and value in CATEGORY else value
            for name, value in words.values.items()
        }
        told = language.gettext(words.english)
        told = told % values if values else told
    else:
        return None
    told = f"{told[:1].upper()}{told[1:]}"
    return told if told.endswith((".", "?", "!")) else f"{told}."
