"""Rendering: a template in the looker's language, compressed, under the policy that pages live by."""

import gzip
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_time, format_timedelta
from babel.numbers import format_decimal, format_percent
from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.access.site import POLICY
from app.dependencies import LIMIT_HEADERS
from app.web import words
from app.web.assets import assets
from app.web.distances import far
from app.web.languages import COOKIE, Language, languages, spoken
from app.web.looker import LOOKER, Looker

PAGE_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    b" manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none';"
    b" frame-ancestors 'none'"
)
_PAGE_HEADERS = {
    POLICY: PAGE_POLICY,
    # With `no-referrer` a browser sends a form from nowhere: `Origin: null`, which is no page of ours.
    b"referrer-policy": b"same-origin",
}
_WORTH_PACKING = 1_000

APPEARANCE = "openberth_appearance"
"""The cookie that keeps how pages look in this browser: one of `APPEARANCES`; without it, as the system's own do."""
APPEARANCES = ("light", "dark")


def replace_headers(request: Request, fields: dict[bytes, bytes]) -> None:
    """Give this answer other values for header fields that go with every answer."""
    headers = request.scope[LIMIT_HEADERS]
    headers[:] = [(name, fields.get(name, value)) for name, value in headers]


def language_of(request: Request) -> Language:
    """The language to answer this request in."""
    return spoken(request.cookies.get(COOKIE), request.headers.get("accept-language", ""))


@cache
def _environment(tag: str) -> Environment:
    """The templates in one language. Missing values are errors: a page never shows a gap."""
    language = languages()[tag]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        # Like the files that pages load, they are what they were when the process started.
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
    )
    environment.install_gettext_translations(language.catalog, newstyle=True)  # type: ignore[attr-defined]
    environment.globals |= {
        "asset": assets().url,
        "language": language,
        "languages": list(languages().values()),
        "words": words,
    }
    locale = language.locale
    environment.filters |= {
        "number": lambda value: format_decimal(value, locale=locale),
        "percent": lambda value: format_percent(value, locale=locale),
        "words": lambda value, table: language.gettext(words.TABLES[table][value]),
        "tongue": lambda tag: _tongue(tag, locale),
        "ago": lambda minutes: format_timedelta(timedelta(minutes=-minutes), add_direction=True, locale=locale),
    }
    return environment


def _tongue(tag: str, locale: Locale) -> str:
    """What a language is called, by its BCP 47 tag; the tag where Babel knows no name."""
    try:
        return Locale.parse(tag, sep="-").get_display_name(locale) or tag
    except (ValueError, UnknownLocaleError):
        return tag


def _of_the_place(language: Language, looker: Looker | None) -> dict[str, Any]:
    """What depends on the program's time zone: functions of the page that say when something is, and how far."""
    zone = looker.zone if looker else ZoneInfo("UTC")

    def time_of(moment: datetime) -> str:
        return format_time(moment, "short", tzinfo=zone, locale=language.locale)

    def moment_of(moment: datetime) -> str:
        return format_datetime(
            moment, "EEE d MMM, " + language.locale.time_formats["short"].pattern, zone, language.locale
        )

    def day_of(moment: datetime) -> str:
        return format_date(moment.astimezone(zone), "medium", locale=language.locale)

    def far_of(distance_km: float) -> str:
        return far(distance_km, zone, language)

    return {"time_of": time_of, "moment_of": moment_of, "day_of": day_of, "far": far_of}


def render(request: Request, template: str, /, **values: Any) -> str:
    """A template, whole or a part of a page, in the language of this request."""
    language = language_of(request)
    looker: Looker | None = request.scope.get(LOOKER)
    chosen = request.cookies.get(APPEARANCE)
    shared = {
        "looker": looker,
        "path": request.url.path,
        "now": datetime.now(UTC),
        "appearance": chosen if chosen in APPEARANCES else None,
    }
    return _environment(language.tag).get_template(template).render(shared | _of_the_place(language, looker) | values)


def page(request: Request, template: str, /, status: int = 200, **values: Any) -> HTMLResponse:
    """A template as the answer."""
    body = render(request, template, **values).encode()
    headers = {"Vary": "Accept-Encoding"}
    # No secret stands beside words of a stranger's choosing in a page, so its length tells nothing of one (BREACH):
    # requests prove where they come from by their Origin, not by a token in the page.
    if len(body) > _WORTH_PACKING and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, 5, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return HTMLResponse(body, status, headers)


def use_page_policy(request: Request) -> None:
    """What the answer may do in a browser: load our own files, talk to us, and nothing else."""
    replace_headers(request, _PAGE_HEADERS)
