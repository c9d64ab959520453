"""Ids by their time: what is looked for since a moment is found by its primary key."""

from datetime import UTC, datetime, timedelta

from app.core.ids import first_id, new_id


def test_an_id_lies_between_the_first_of_its_moment_and_the_first_of_the_next() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    made = new_id()
    assert first_id(before) < made < first_id(datetime.now(UTC) + timedelta(milliseconds=1))
    assert (first_id(before).version, first_id(before).variant) == (made.version, made.variant)
