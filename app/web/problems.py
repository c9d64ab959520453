"""What went wrong, as a page or as a part of one: what it is called, and what to do, in the looker's language."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from babel.dates import format_timedelta
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import ValidationError

from app.core.problems import Invalid, Problem
from app.web.faults import Found, said, sentence
from app.web.languages import DEFAULT, N_
from app.web.pages import language_of, page, use_page_policy

SAYS: Mapping[str, tuple[str, str]] = {
    "bad-request": (N_("This can't be understood"), N_("Go back and try again.")),
    "forbidden": (N_("This is not for your role"), N_("Ask your program manager if you need it.")),
    "names-nobody": (
        N_("Your organization knows nobody by name or code"),
        N_("It serves survivors, so nothing here may join a person to it. Claim without a participant."),
    ),
    "cross-site": (N_("This came from another site"), N_("Open the page here, and try again.")),
    "not-found": (N_("There is no such page"), N_("It may be gone, or not yours to see.")),
    "conflict": (N_("This can't be done as things are now"), N_("Look again: something has changed.")),
    "below-taken": (N_("More places than that are taken"), N_("If a place is gone, decline its claim.")),
    "wrong-state": (N_("This has changed meanwhile"), N_("Look at where it stands now.")),
    "no-opening": (N_("Somebody was first"), N_("No place is held. Here is what is open instead.")),
    "too-many-holds": (
        N_("You hold as many places as your program allows"),
        N_("Confirm or release one, and then claim again."),
    ),
    "shredded": (N_("This was made unreadable for good"), N_("Nobody can bring it back.")),
    "precondition-failed": (N_("Somebody else changed this"), N_("Look at what it says now, and change it again.")),
    "too-large": (N_("That is too much at once"), N_("Send less.")),
    "invalid": (N_("Something has to be put right"), N_("Look at what is marked below.")),
    "idempotency-key-reused": (N_("This was sent before"), N_("Open the page again, and start from there.")),
    "too-many-requests": (N_("Too many at once"), N_("Wait a moment, and try again.")),
    "too-many-tries": (N_("Too many tries"), N_("Wait a moment, and try again.")),
    "not-signed-in": (N_("That did not sign you in"), N_("Try again, or sign in another way.")),
    "sign-in-again": (
        N_("Sign in again first"),
        N_("What you sign in with can be changed for 15 minutes after you signed in."),
    ),
    "busy": (N_("Too busy just now"), N_("Nothing was lost. Try again in a moment.")),
    "no-master-key": (N_("Names can't be kept here"), N_("Whoever runs this server must set its keys first.")),
    "identity-provider": (N_("The other service can't be reached"), N_("Try again, or sign in in another way.")),
    "unexpected": (N_("Something went wrong here"), N_("Nothing was done, and it was noted. Try again.")),
}
"""By a problem's slug: what it is called, and what to do."""


def from_form(error: RequestValidationError) -> Problem:
    """A form that can't be accepted: which fields, and what is wrong with each."""
    errors = [
        {"field": ".".join(str(part) for part in each["loc"][1:]), "message": sentence(each)}
        for each in error.errors()[:20]
    ]
    return Invalid("; ".join(each["message"] for each in errors), errors=errors)


def says(request: Request, problem: Problem) -> dict[str, Any]:
    """A problem in words: `title`, `advice`, and `detail` in English where there is more to say to who reads that."""
    language = language_of(request)
    title, advice = SAYS.get(problem.slug, SAYS["conflict"])
    seconds = int(problem.headers.get("Retry-After", 0))
    if seconds > 1:
        wait = format_timedelta(timedelta(seconds=seconds), threshold=2, locale=language.locale)
        advice = language.gettext("Wait %(time)s, and try again.") % {"time": wait}
    else:
        advice = language.gettext(advice)
    return {
        "title": language.gettext(title),
        "advice": advice,
        "detail": problem.detail if language.tag == DEFAULT else "",
        "errors": [
            {"field": each["field"], "message": said(language, each["message"]), "english": each["message"]}
            for each in problem.errors
        ],
        "status": problem.status,
    }


_NOT_THIS = N_("This can’t be accepted.")


def wrong(request: Request, error: ValidationError | Problem | Mapping[str, Found]) -> dict[str, str]:
    """By field what has to be put right, in the looker's language; what is of no field alone is at `form`."""
    language = language_of(request)
    if isinstance(error, Problem) and not error.errors:
        title, advice = SAYS.get(error.slug, SAYS["conflict"])
        known = f"{language.gettext(title)}. {language.gettext(advice)}"
        return {"form": said(language, error.detail) or known}
    if isinstance(error, Problem):
        found = {each["field"]: each["message"] for each in error.errors}
    else:
        if isinstance(error, ValidationError):
            error = {str(each["loc"][0]) if each["loc"] else "form": each for each in error.errors(include_url=False)}
        found = {field: sentence(each) for field, each in error.items()}
    return {field: said(language, words) or language.gettext(_NOT_THIS) for field, words in found.items()}


def page_with(request: Request, problem: Problem | None, template: str, /, **values: Any) -> Response:
    """A form's page, shown again where there is a problem: with its status, and the wait before the next try."""
    response = page(request, template, problem.status if problem else 200, **values)
    response.headers.update(problem.headers if problem else {})
    return response


def problem_page(request: Request, problem: Problem) -> Response:
    """The problem as a page, or where htmx asked for a part, as what is shown above all on the page that is there."""
    use_page_policy(request)
    part = "hx-request" in request.headers
    template = "problem/_notice.html" if part else "problem/page.html"
    response = page(request, template, problem.status, problem=says(request, problem))
    response.headers.update(problem.headers)
    if part:
        response.headers["HX-Retarget"] = "#notices"
        response.headers["HX-Reswap"] = "innerHTML"
    return response
