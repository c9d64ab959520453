"""Marks: the same person is found however they are written, and nobody else is."""

import unicodedata
from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.casework.marks import email_mark, identifier_mark, name_mark, phone_mark

BORN = date(1987, 3, 9)
NAMES = st.text(st.characters(categories=["L", "Nd", "Mn", "Mc"]), min_size=1, max_size=30)
LATIN = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=20)


def name(words: str) -> str | None:
    mark = name_mark(words, BORN)
    return mark.text if mark else None


@given(LATIN, st.data())
def test_case_space_and_punctuation_make_no_difference(letters: str, data: st.DataObject) -> None:
    dressed = "".join(
        data.draw(st.sampled_from([letter, letter.upper()]))
        + data.draw(st.sampled_from(["", " ", "-", "'", "’", ". "]))
        for letter in letters
    )
    assert name(dressed) == name(letters)


@given(LATIN, LATIN)
def test_other_letters_are_another_name(one: str, other: str) -> None:
    assert (name(one) == name(other)) == (one == other)


@given(NAMES)
def test_how_a_letter_is_encoded_makes_no_difference(words: str) -> None:
    forms = {name(unicodedata.normalize(form, words)) for form in ("NFC", "NFD", "NFKC", "NFKD")}
    assert len(forms) == 1
    assert name(words) in forms


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("José Núñez", "jose nunez"),
        ("O'Neil", "ONEIL"),
        ("Mary-Ann", "mary ann"),
        ("STRASSE", "straße"),
        ("\uff21na", "ana"),
    ],
)
def test_the_same_name(one: str, other: str) -> None:
    assert name(one) == name(other)


@pytest.mark.parametrize(
    ("one", "other"), [("कि", "का"), ("कि", "क"), ("Ana", "Anna"), ("Ana B", "Anab C"), ("李", "王")]
)
def test_another_name(one: str, other: str) -> None:
    assert name(one) != name(other)


@given(NAMES, st.dates(), st.dates())
def test_another_birth_date_is_another_person(words: str, one: date, other: date) -> None:
    first, second = name_mark(words, one), name_mark(words, other)
    assume(first is not None)
    assert (first == second) == (one == other)


@given(st.text(st.characters(categories=["P", "Z", "S", "C"], exclude_characters="\x1f"), max_size=10))
def test_what_has_no_letter_is_no_name(words: str) -> None:
    assume(not any(each.isalnum() for each in unicodedata.normalize("NFKD", words)))
    assert name(words) is None
    assert identifier_mark("hmis_id", words) is None


SAME_PHONE = ["(206) 555-0142", "206.555.0142", "2065550142", "+1 206 555 0142", "1-206-555-0142", "001 206 555 0142"]


def test_a_phone_number_in_every_form() -> None:
    assert len({phone_mark(number) for number in SAME_PHONE}) == 1
    others = {phone_mark(number) for number in ("+44 20 6555 0142", "206 555 0143", "+206 555 0142", "5550142")}
    assert len(others) == 4
    assert phone_mark(SAME_PHONE[0]) not in others


@given(st.integers(2_000_000_000, 9_999_999_999), st.integers(2_000_000_000, 9_999_999_999))
def test_another_number_is_another_phone(one: int, other: int) -> None:
    dotted = f"{str(other)[:3]}.{str(other)[3:6]}.{str(other)[6:]}"
    assert (phone_mark(str(one)) == phone_mark(dotted)) == (one == other)


def test_kinds_do_not_mix() -> None:
    assert email_mark(" Jo@Example.ORG ") == email_mark("jo@example.org") != email_mark("jo@example.com")
    assert identifier_mark("hmis_id", "HM-774 411") == identifier_mark("hmis_id", "hm774411")
    assert identifier_mark("hmis_id", "774") != identifier_mark("medicaid_id", "774")
    # A separator that no text can hold: no two fields run into one another.
    assert identifier_mark("a", "bc") != identifier_mark("ab", "c")
