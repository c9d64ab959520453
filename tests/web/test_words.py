"""Words: every one that a page says is in every catalog, and every code of a closed list has a name."""

import re
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from app.access.permissions import SCOPES
from app.access.retention import KINDS
from app.access.roles import Role
from app.casework.identity import Kind
from app.market.attributes import ATTRIBUTES, HOUSEHOLDS
from app.market.figures import OUTCOMES
from app.market.vocabulary import DECLINE_REASONS, Category, ClaimState, Unit
from app.web import words
from app.web.languages import LOCALES, languages, spoken

APP = Path(words.__file__).parent.parent


def said() -> set[str]:
    """Every message of the pages' code and templates, and every sentence of what they show, in English."""
    with (APP / "web" / "babel.ini").open() as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]
    keywords = {"_": None, "gettext": None, "N_": None, "Sentence": None, "ngettext": (1, 2)}
    found = extract_from_dir(APP, methods, options, keywords, directory_filter=lambda path: "node_modules" not in path)
    return {message[0] if isinstance(message, tuple) else message for _, _, message, _, _ in found}


def catalog(tag: str) -> Catalog:
    """A language's catalog."""
    return read_po(BytesIO((LOCALES / tag / "LC_MESSAGES" / "messages.po").read_bytes()), locale=tag)


@pytest.mark.parametrize("tag", sorted(set(languages()) - {"en"}))
def test_every_word_is_translated(tag: str) -> None:
    known = catalog(tag)
    messages = said()
    assert len(messages) > 100
    missing = sorted(each for each in messages if (found := known.get(each)) is None or not found.string or found.fuzzy)
    assert missing == []
    stale = sorted(
        str(each.id)
        for each in known
        if each.id and (each.id if isinstance(each.id, str) else each.id[0]) not in messages
    )
    assert stale == []


@pytest.mark.parametrize("tag", sorted(set(languages()) - {"en"}))
def test_translations_keep_what_is_filled_in(tag: str) -> None:
    for message in catalog(tag):
        if not message.id:
            continue
        assert list(message.check()) == []
        english = (message.id,) if isinstance(message.id, str) else message.id
        foreign = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
        # Of more forms than English has, each must keep what its plural has.
        for number, said_ in enumerate(foreign):
            assert filled(said_) == filled(english[min(number, len(english) - 1)]), message.id


def filled(message: str) -> list[str]:
    """What is filled in where a message is said, and the elements that stand in it."""
    return sorted(re.findall(r"%%?\(\w+\)[a-z]|%%|%s|\{\w*\}|<[^>]+>", message))


@pytest.mark.parametrize(
    ("table", "codes"),
    [
        (words.CATEGORY, Category),
        (words.UNIT, Unit),
        (words.UNITS, Unit),
        (words.ATTRIBUTE, ATTRIBUTES),
        (words.HOUSEHOLD, HOUSEHOLDS),
        (words.CLAIM_STATE, ClaimState),
        (words.DECLINE_REASON, DECLINE_REASONS),
        (words.ROLE, Role),
        (words.OUTCOME, OUTCOMES),
        (words.SCOPE, SCOPES),
        (words.KEPT, KINDS),
        (words.TABLES["kind"], Kind),
    ],
)
def test_every_code_has_a_name(table: dict[str, str], codes: list[str]) -> None:
    assert set(table) == set(codes)


@pytest.mark.parametrize(
    ("accepted", "tag"),
    [
        ("es-MX,es;q=0.9,en;q=0.8", "es"),
        ("en-US,en;q=0.9,es;q=0.8", "en"),
        ("fr,es;q=0.3", "es"),
        ("fr", "en"),
        ("es;q=0", "en"),
        ("", "en"),
        (";;;q=,*", "en"),
        ("es" * 400, "en"),
    ],
)
def test_a_browser_is_spoken_to_in_its_language(accepted: str, tag: str) -> None:
    assert spoken(None, accepted).tag == tag
    assert spoken("es", accepted).tag == "es"
    assert spoken("xx", accepted).tag == tag
