"""The pure rules: when a notice is due, quiet hours, trying again, and words that have nowhere to put a person."""

from base64 import urlsafe_b64decode
from datetime import UTC, datetime, time, timedelta
from string import Formatter
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from app.access.permissions import PERMISSIONS
from app.delivery.notices.browsers import Target
from app.delivery.notices.kinds import (
    HALF_HOUR,
    KINDS,
    Channel,
    NoticeKind,
    Quiet,
    due_at,
    slot,
    wait_after,
    wants,
)
from app.delivery.notices.push import MOST_BYTES, b64, content_of, encrypt
from app.delivery.notices.words import LANGUAGES, Fact, Thing, said
from app.market.vocabulary import Unit

SEATTLE = ZoneInfo("America/Los_Angeles")
moments = st.integers(0, 10**8).map(lambda tenths: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=3.1 * tenths))
minutes = st.integers(1, 3000).map(lambda n: timedelta(minutes=n))
times = st.times().map(lambda at: at.replace(second=0, microsecond=0))


@given(moments, minutes, minutes)
def test_nobody_is_told_in_the_first_half_nor_after_the_end(since: datetime, lasts: timedelta, lead: timedelta) -> None:
    until = since + lasts
    due = due_at(since, until, lead)
    assert since + lasts / 2 <= due < until
    assert until - due <= lead
    # As early as it may be.
    assert due in {since + lasts / 2, until - lead}


@given(moments, st.sampled_from([HALF_HOUR, timedelta(minutes=5)]))
def test_a_moment_has_one_slot(moment: datetime, length: timedelta) -> None:
    begins = slot(moment, length)
    assert begins <= moment < begins + length
    assert slot(begins, length) == begins
    assert slot(begins + length - timedelta(microseconds=1), length) == begins


@given(moments, times, times)
def test_quiet_hours_end_at_their_time_and_then_it_is_not_quiet(now: datetime, begins: time, ends: time) -> None:
    if begins == ends:
        return
    quiet = Quiet(begins, ends)
    over = quiet.until(now, SEATTLE)
    of_day = now.astimezone(SEATTLE).time()
    inside = begins <= of_day < ends if begins < ends else of_day >= begins or of_day < ends
    assert (over is not None) == inside
    if over is not None:
        assert now < over <= now + timedelta(hours=25)
        # Where the clocks go forward in between, the hour after stands in for the one that is missing.
        assert over.astimezone(SEATTLE).time() in {ends, (datetime.combine(over, ends) + timedelta(hours=1)).time()}


def test_quiet_hours_on_the_night_the_clocks_go_back() -> None:
    quiet = Quiet(time(22), time(1, 30))
    second_time_round = datetime(2026, 11, 1, 9, 20, tzinfo=UTC)
    assert second_time_round.astimezone(SEATTLE).strftime("%H:%M") == "01:20"
    assert quiet.until(second_time_round, SEATTLE) == datetime(2026, 11, 1, 9, 30, tzinfo=UTC)


@given(st.integers(1, 500), st.floats(0, 1))
def test_the_wait_grows_to_a_bound(attempts: int, luck: float) -> None:
    wait = wait_after(attempts, luck)
    assert timedelta(seconds=16) <= wait <= timedelta(minutes=36)
    assert wait <= wait_after(attempts + 2, luck)


def test_what_is_chosen_goes_before_what_is_usual() -> None:
    for kind, channel in ((kind, channel) for kind in KINDS for channel in Channel):
        usual = wants({}, kind, channel)
        assert usual == (channel in KINDS[kind].on)
        assert wants({kind: {channel: not usual}}, kind, channel) is not usual
        assert wants({kind: {}}, kind, channel) is usual
    assert not wants({}, NoticeKind.WATCH_MATCHED, Channel.EMAIL)


def test_every_kind_is_for_somebody() -> None:
    for kind in KINDS.values():
        assert any(kind.to in grants for grants in PERMISSIONS.values())


# Words.

things = st.builds(
    Thing,
    st.integers(1, 1000),
    st.one_of(st.none(), st.sampled_from(Unit)),
    st.one_of(st.none(), st.text(max_size=400)),
)
facts = st.builds(
    Fact,
    st.sampled_from([*KINDS, NoticeKind.TEST]),
    st.just("/claims/1"),
    things,
    st.integers(0, 50),
    moments,
    st.one_of(st.none(), things),
)


@given(facts, st.sampled_from(sorted(LANGUAGES)), moments)
def test_every_fact_has_words_of_one_line_that_fit(fact: Fact, language: str, now: datetime) -> None:
    words = said(fact, language=language, zone=SEATTLE, now=now, origin="https://house.example")
    assert words.title.strip() == words.title != ""
    for line in (words.title, words.body):
        assert len(line.splitlines()) == 1
    content = content_of(words.title, words.body, words.url, "0" * 36, language)
    assert len(content) <= MOST_BYTES
    assert words.url == "https://house.example/claims/1"


@given(facts, moments)
def test_what_is_hidden_is_not_said(fact: Fact, now: datetime) -> None:
    """Without a unit and a place, all that is told of a thing is how many."""
    bare = Fact(fact.kind, fact.path, Thing(1, None), fact.count, fact.until, fact.instead and Thing(2, None))
    words = said(bare, language="en", zone=SEATTLE, now=now, origin="https://house.example")
    assert not [unit for unit in Unit if unit.replace("_", " ") in words.title + words.body.replace("place", "")]


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def test_the_languages_say_the_same_and_nothing_names_a_person() -> None:
    for name, texts in LANGUAGES.items():
        assert set(texts.TEXTS) == {*KINDS, NoticeKind.TEST}, name
        assert set(texts.UNITS) == set(Unit), name
        for kind, pair in texts.TEXTS.items():
            english = LANGUAGES["en"].TEXTS[kind]
            assert [placeholders(text) for text in pair] == [placeholders(text) for text in english]
            assert placeholders("".join(pair)) <= {"time", "what"}
        for pair in (texts.REPLACED, texts.REPLACED_AND_MOVED_ON):
            assert placeholders("".join(pair)) <= {"time", "what", "declined"}


@pytest.mark.parametrize(
    ("hours", "language", "words"),
    [(0, "en", "at 22:40"), (3, "en", "at 01:40 on Wednesday"), (0, "es", "a las 22:40"), (3, "es", "a la 01:40 del")],
)
def test_times_are_by_the_programs_clock(hours: int, language: str, words: str) -> None:
    now = datetime(2026, 11, 25, 6, 30, tzinfo=UTC)
    fact = Fact(NoticeKind.CLAIM_LAPSING, "/", Thing(1, Unit.BED), until=now + timedelta(hours=hours, minutes=10))
    title = said(fact, language=language, zone=SEATTLE, now=now, origin="").title
    assert words in title


# Encryption.


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_a_message_is_encrypted_as_the_standard_says() -> None:
    """The example of RFC 8291, section 5, with the keys of its appendix A."""
    ours = ec.derive_private_key(
        int.from_bytes(unb64("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), "big"), ec.SECP256R1()
    )
    target = Target(
        "https://push.example.net",
        unb64("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
        unb64("BTBZMqHH6r4Tts7J_aSIgg"),
    )
    made = encrypt(target, b"When I grow up, I want to be a watermelon", salt=unb64("DGv6ra1nlYgDCS1FRnbzlw"), key=ours)
    assert b64(made) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK"
        "6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


def test_what_does_not_fit_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    target = Target("https://push.example.net", public, b"0" * 16)
    assert len(encrypt(target, b"x" * MOST_BYTES)) == 4096
    with pytest.raises(ValueError, match="holds"):
        encrypt(target, b"x" * (MOST_BYTES + 1))
