"""What a program manager keeps by hand: the way in, and what its pages share."""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.roles import Action
from app.market.directory import Organization
from app.web import words
from app.web.languages import N_
from app.web.looker import Looker, looking
from app.web.pages import language_of, page
from app.web.routing import go, pages

router = pages("manage")

PAGE = 100
"""How many rows a list shows at once."""

DONE: Mapping[str, str] = {
    "changed": N_("Changed."),
    "added": N_("Added."),
    "ended": N_("Their access has ended. They are signed out everywhere."),
    "revoked": N_("Revoked. The key opens nothing any more."),
    "removed": N_("Removed. Nobody signs in this way any more."),
}
"""What a page says after something was done, by the word in its address."""


@router.get("/manage")
async def manage(request: Request, looker: Annotated[Looker, looking(Action.SET_POLICY)]) -> Response:
    """The first of the pages."""
    return go(request, "/manage/people")


def managed(request: Request, template: str, *, errors: Mapping[str, str] | None = None, **values: Any) -> Response:
    """A page of these. `errors`: by field what has to be put right, in the form that was sent: it is shown again."""
    language = language_of(request)
    done = DONE.get(request.query_params.get("done", ""))

    def choices(table: str) -> Callable[[Iterable[str]], list[tuple[str, str]]]:
        return lambda codes: [(code, language.gettext(words.TABLES[table][code])) for code in codes]

    shown = {
        "errors": errors or {},
        "fields": {},
        "done": language.gettext(done) if done else None,
        "role_words": choices("role"),
        "category_words": choices("category"),
        "attribute_words": choices("attribute"),
        "scope_words": choices("scope"),
    } | values
    return page(request, f"manage/{template}.html", 422 if errors else 200, **shown)


async def organizations_by_name(session: AsyncSession, looker: Looker) -> list[tuple[str, str]]:
    """The organizations to choose from: id and name."""
    rows = await session.execute(
        select(Organization.id, Organization.name)
        .where(Organization.program_id == looker.caller.program_id)
        .order_by(Organization.name, Organization.id)
    )
    return [(str(id), name) for id, name in rows]
