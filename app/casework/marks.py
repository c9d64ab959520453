"""Marks: by what someone is known, made the same however it is written, so that the same person is found again.

A mark is a text here; the database gets its HMAC under a key derived for the program (a blind index), from which
nobody without the key can tell what it is of.
"""

import hmac
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

PREFIX = "identity marks"
"""What the key of the blind index is derived for."""


class Known(StrEnum):
    """By what two people may be the same."""

    NAME_AND_BIRTH_DATE = "name_and_birth_date"
    IDENTIFIER = "identifier"
    CONTACT = "contact"


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark: what kind it is, and the normalised text."""

    known: Known
    text: str

    def under(self, key: bytes) -> bytes:
        """Its HMAC-SHA256."""
        return hmac.digest(key, self.text.encode(), "sha256")


def name_mark(name: str, birth_date: date) -> Mark | None:
    """Of a name with a birth date; none of a name without a letter in it."""
    letters = _letters(name)
    return Mark(Known.NAME_AND_BIRTH_DATE, f"name\x1f{letters}\x1f{birth_date.isoformat()}") if letters else None


def identifier_mark(kind: str, value: str) -> Mark | None:
    """Of an identifier, whatever its capitals, spaces and hyphens."""
    letters = _letters(value)
    return Mark(Known.IDENTIFIER, f"identifier\x1f{kind}\x1f{letters}") if letters else None


def phone_mark(number: str) -> Mark | None:
    """Of a phone number, in the international form; one without a country is North American."""
    digits = "".join(str(int(each)) for each in number if each.isdecimal())
    if not number.lstrip().startswith("+"):
        if digits.startswith("00"):
            digits = digits[2:]
        elif len(digits) == 10:
            digits = f"1{digits}"
    return Mark(Known.CONTACT, f"phone\x1f{digits}") if digits else None


def email_mark(address: str) -> Mark:
    """Of an e-mail address, whatever its capitals."""
    return Mark(Known.CONTACT, f"email\x1f{unicodedata.normalize('NFKC', address).casefold().strip()}")


def only(marks: Iterable[Mark | None]) -> list[Mark]:
    """Those that there are, each once."""
    return list(dict.fromkeys(mark for mark in marks if mark is not None))


def _letters(words: str) -> str:
    """Letters and digits alone, without capitals and accents: Ana-María O'Neil is ana maria oneil.

    An accent is a mark that combines (it has a combining class). The vowel signs of Indic scripts have none, and stay:
    without them other names would be the same.
    """
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", words).casefold())
    bare = (each for each in plain if not unicodedata.combining(each))
    return "".join(each for each in bare if each.isalnum() or unicodedata.category(each).startswith("M"))
