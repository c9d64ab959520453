"""How the servers log."""

import logging
import re
import sys

from app.cli.logs import FORMAT, Line


def line(message: str, *, failed: BaseException | None = None) -> str:
    """A record as it is printed."""
    thrown = None if failed is None else (type(failed), failed, failed.__traceback__)
    record = logging.LogRecord("app.api.errors", logging.WARNING, "errors.py", 1, message, (), thrown)
    return Line(FORMAT).format(record)


def test_a_line_has_its_time_in_utc_its_level_and_who_says_it() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING app\.api\.errors: it broke", line("it broke"))


def test_what_was_sent_makes_no_line_of_its_own() -> None:
    said = line("asked for a\r\n2026-01-01T00:00:00.000Z INFO app: all is well")
    assert "\n" not in said
    assert "\r" not in said
    assert "a\\r\\n2026" in said


def test_a_traceback_follows() -> None:
    try:
        raise ValueError("of the code")
    except ValueError:
        said = line("it broke", failed=sys.exc_info()[1])
    assert said.splitlines()[-1] == "ValueError: of the code"
