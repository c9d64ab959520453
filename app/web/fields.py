"""What forms of signing in bring, and what is said beside a field that can't be accepted."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Request
from pydantic import Json, StringConstraints

from app.access import passwords, totp
from app.access.account import OLD_ONE_WRONG
from app.core.problems import Problem
from app.web.languages import N_
from app.web.pages import language_of

Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=320, pattern=r"^[^\x00-\x1f\x7f]*$")]
# Longer than any password may be: the same letters may come as more code points than they are kept as.
Secret = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00]*$")]
Code = Annotated[str, StringConstraints(strip_whitespace=True, max_length=60)]
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Credential = Json[dict[str, Any]]
"""What `navigator.credentials` gave, as its `toJSON()` says it."""

_WORDS: Mapping[str, str] = {
    passwords.TOO_SHORT: N_("Too short. Use 12 letters or more: a few words make a good password."),
    passwords.TOO_LONG: N_("Too long. Use 256 letters at most."),
    passwords.TOO_EASY: N_(
        "Too easy to guess: it is well known, or made of your name or a simple pattern. Take a few words that don’t"
        " belong together."
    ),
    OLD_ONE_WRONG: N_("This is not your password now."),
    totp.WRONG: N_("This is not the code that your app shows now. Wait for the next one, and type that."),
}


def wrong_fields(request: Request, problem: Problem | None) -> dict[str, str]:
    """By field, what is wrong with it, in the looker's language."""
    language = language_of(request)
    errors = problem.errors if problem else ()
    return {each["field"]: language.gettext(_WORDS.get(each["message"], each["message"])) for each in errors}
