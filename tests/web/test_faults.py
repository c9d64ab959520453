"""What is wrong with a field, in the looker's language: every kind of it, and every bound filled in."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from pydantic import TypeAdapter, ValidationError

from app.core.problems import Invalid, Sentence
from app.market.openings import check_ages, check_immediacy
from app.market.policy import MarketPolicy
from app.web.desk_forms import TermsForm
from app.web.directory_forms import LocationForm
from app.web.faults import said, sentence
from app.web.inputs import Languages, Line, MaybeAge, MaybeId
from app.web.languages import DEFAULT, languages

OTHERS = sorted(set(languages()) - {DEFAULT})
WRONG: dict[str, tuple[Any, Any, str]] = {
    "nothing": (Line, " ", "Fill this in."),
    "too long": (Line, "x" * 201, "This is too long: write 200 letters at most."),
    "signs": (Line, "a\x00b", "There are signs in it that don’t belong here."),
    "no number": (MaybeAge, "ten", "Give a whole number."),
    "too little": (MaybeAge, "-1", "This is too little: give 0 or more."),
    "too much": (MaybeAge, "131", "This is too much: give 130 or less."),
    "no choice": (MaybeId, "x", "Choose one of the list."),
    "languages": (Languages, "en, Klingon", "'Klingon': give languages as BCP 47 tags, such as en, es or zh-Hant."),
    "no time": (TermsForm, {"unit": "bed", "units_total": 1, "ends_at": "soon"}, "Give a day and a time."),
    "half a point": (LocationForm, {"latitude": "47"}, "Give latitude and longitude together, or neither."),
}


@pytest.mark.parametrize("case", WRONG)
def test_each_is_a_whole_sentence_in_every_language(case: str) -> None:
    kind, value, english = WRONG[case]
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value, context=UTC)
    [found] = caught.value.errors(include_url=False)
    words = sentence(found)
    assert said(languages()[DEFAULT], words) == english
    for tag in OTHERS:
        told = said(languages()[tag], words)
        assert told not in {None, english}
        assert told is not None
        assert told[0] == told[0].upper()
        assert "%" not in told


def test_a_rule_of_the_market_is_told_in_every_language_with_its_figures() -> None:
    moment = datetime(2026, 7, 1, tzinfo=UTC)
    with pytest.raises(Invalid) as late:
        check_immediacy(MarketPolicy(), "housing", moment + timedelta(days=60), None, moment)
    with pytest.raises(Invalid) as nobody:
        check_ages(65, 18)
    assert "Vivienda" in (said(languages()["es"], late.value.errors[0]["message"]) or "")
    told = said(languages()["es"], nobody.value.errors[0]["message"]) or ""
    assert "65" in told
    assert "18" in told


def test_words_that_only_english_has_are_not_passed_off_as_another_language() -> None:
    assert said(languages()[DEFAULT], "no such thing") == "No such thing."
    for tag in OTHERS:
        assert said(languages()[tag], "no such thing") is None


def test_a_sentence_is_what_it_says_wherever_it_goes() -> None:
    words = Sentence("%(most)s at most", most=3)
    assert words == "3 at most"
    assert json.loads(json.dumps({"detail": words})) == orjson.loads(orjson.dumps({"detail": words}))
    assert Sentence("100 % of it") == "100 % of it"
