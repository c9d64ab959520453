"""Signing in with OpenID Connect: the providers of a program, the way there and the way back."""

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AfterValidator, Field, StringConstraints

from app.access import providers
from app.access.callers import Caller
from app.access.oidc import check_issuer
from app.access.roles import Action
from app.api.errors import documented
from app.api.fields import In, Line, Moment, Out
from app.api.routing import face, open_face
from app.api.sign_in import ProgramSlug, Slug
from app.dependencies import PERSON, Session, requires, secret_answer, state_of
from app.visitors import VisitorOf, challenge, let_in

router = face("sign-in")
open_router = open_face("sign-in")

Manager = Annotated[Caller, requires(Action.SET_SIGN_IN)]
ProviderSlug = Annotated[Slug, Path(description="The provider's short name here.")]


def _local_page(path: str) -> str:
    # `//host` and `/\host` are addresses of another site to a browser.
    if not path.startswith("/") or path[1:2] in {"/", "\\"} or "\\" in path or not path.isprintable():
        raise ValueError("give a path on this site, such as /openings")
    return path


Printable = r"^[\x21-\x7e]+$"


class ProviderIn(In):
    """An OpenID Connect provider, as it was registered there."""

    name: Annotated[Line, Field(description="As people read it on the button.")]
    issuer: Annotated[
        str, StringConstraints(min_length=1, max_length=500, pattern=Printable), AfterValidator(check_issuer)
    ]
    client_id: Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=Printable)]
    client_secret: (
        Annotated[
            str,
            StringConstraints(min_length=1, max_length=1000, pattern=Printable),
            Field(description="Kept encrypted and never shown again. Leave it out for a public client."),
        ]
        | None
    ) = None


class ProviderOut(Out):
    """A provider, without its secret. `redirect_uri` is what to register with it."""

    slug: str
    name: str
    issuer: str
    client_id: str
    has_secret: bool
    redirect_uri: str
    changed_at: Moment


class ProvidersOut(Out):
    """A program's providers."""

    items: list[ProviderOut]


class RemovedOut(Out):
    """What was removed."""

    removed: str


class ChoiceOut(Out):
    """A provider that people may sign in with. `url` is where the browser goes."""

    name: str
    url: str


class ChoicesOut(Out):
    """How people sign in to a program, besides a password and a passkey."""

    providers: list[ChoiceOut]


def _redirect_uri(request: Request) -> str:
    return state_of(request).openid_door.redirect_uri


def _out(request: Request, row: providers.IdentityProvider) -> ProviderOut:
    return ProviderOut(
        slug=row.slug,
        name=row.name,
        issuer=row.issuer,
        client_id=row.client_id,
        has_secret=row.client_secret is not None,
        redirect_uri=_redirect_uri(request),
        changed_at=row.changed_at,
    )


@router.get("/sign-in/providers")
async def list_providers(request: Request, caller: Manager, session: Session) -> ProvidersOut:
    """The identity providers that your program's people may sign in with."""
    return ProvidersOut(items=[_out(request, row) for row in await providers.list_providers(session)])


@router.put("/sign-in/providers/{provider}", responses=documented(409, 502))
@secret_answer
async def set_provider(request: Request, caller: Manager, provider: ProviderSlug, body: ProviderIn) -> ProviderOut:
    """Set an identity provider up. Its discovery document is read first: a wrong issuer is told at once.

    Whoever runs the issuer can sign in as any person of the program who is bound to it, so choose it like a key.
    """
    door = state_of(request).openid_door
    return _out(request, await door.set_up(caller, provider, **body.model_dump()))


@router.delete("/sign-in/providers/{provider}", responses=documented(404))
async def remove_provider(caller: Manager, session: Session, provider: ProviderSlug) -> RemovedOut:
    """Let nobody sign in with this provider any more. Who is signed in stays so."""
    await providers.remove_provider(session, provider)
    return RemovedOut(removed=provider)


@open_router.get("/sign-in/choices")
async def list_choices(request: Request, program: ProgramSlug) -> ChoicesOut:
    """With which providers people may sign in to a program; for a name that is no program's, none."""
    rows = await state_of(request).openid_door.choices(program)
    return ChoicesOut(
        providers=[ChoiceOut(name=row.name, url=f"/v1/sign-in/openid/{program}/{row.slug}") for row in rows]
    )


async def _for_a_person(request: Request) -> None:
    """A browser is sent here, and no script of a page reads the answer: what goes wrong is told to the person."""
    request.scope[PERSON] = "text/html" in request.headers.get("accept", "")


_REDIRECTS: dict[str, Any] = {
    "status_code": 303,
    "response_class": RedirectResponse,
    "dependencies": [Depends(_for_a_person)],
}


@open_router.get("/sign-in/openid/callback", responses=documented(404, 502), **_REDIRECTS)
async def come_back(
    request: Request,
    visitor: VisitorOf,
    state: Annotated[str, Query(max_length=200)],
    code: Annotated[str | None, Query(max_length=4000)] = None,
    iss: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """Where the provider sends the browser back to: signed in, and on to the page it wanted."""
    entered, page = await state_of(request).openid_door.come_back(visitor, state=state, code=code, issuer=iss)
    response = RedirectResponse(page, 303)
    let_in(request, response, entered)
    return response


@open_router.get("/sign-in/openid/{program}/{provider}", responses=documented(404, 502), **_REDIRECTS)
async def leave(
    request: Request,
    program: Annotated[Slug, Path(description="The program's short name.")],
    provider: ProviderSlug,
    return_to: Annotated[
        str, Query(max_length=1000, description="A path on this site to go to afterwards."), AfterValidator(_local_page)
    ] = "/",
) -> Response:
    """Go and sign in with a provider: a link for a browser."""
    leaving = await state_of(request).openid_door.leave(program, provider, return_to)
    response = RedirectResponse(leaving.url, 303)
    challenge(request, response, leaving.challenge)
    return response
