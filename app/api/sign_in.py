"""Signing in with a local account: a password and its second factor, or a passkey alone."""

from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import Field, StringConstraints

from app.access.sign_in import Entered
from app.api.errors import documented
from app.api.fields import In, Out
from app.api.routing import open_face
from app.dependencies import state_of
from app.visitors import VisitorOf, challenge, let_in

router = open_face("sign-in")

Slug = Annotated[str, StringConstraints(max_length=100, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
ProgramSlug = Annotated[Slug, Query(description="The program's short name.")]
# Not checked to be one: a wrong address is answered as an unknown one is.
Address = Annotated[str, StringConstraints(max_length=320, pattern=r"^[^\x00-\x1f\x7f]*$")]
# Longer than any password may be: the same letters may come as more code points than they are kept as.
Secret = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")]
Code = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
Credential = Annotated[
    dict[str, Any], Field(description="What `navigator.credentials` gave, as its `toJSON()` says it.")
]


class SignedInOut(Out):
    """Where signing in has come to. The cookies are what matters."""

    signed_in: bool
    second_factor: Annotated[
        list[str], Field(description="What is asked for next: `totp` or `recovery_code`. Empty: nothing.")
    ] = []


class PasswordIn(In):
    """Who wants in, and their password."""

    program: Annotated[Slug, Field(description="The program's short name.")]
    email: Address
    password: Secret


class CodeIn(In):
    """A code: six digits of an authenticator app, or one from paper."""

    code: Code


class ProgramIn(In):
    """The program to sign in to."""

    program: Slug


class AnswerIn(In):
    """What the browser's passkey answered."""

    credential: Credential


class OptionsOut(Out):
    """For `navigator.credentials`: give it to `PublicKeyCredential.parse…OptionsFromJSON()`."""

    options: dict[str, Any]


@router.post("/sign-in/password")
async def sign_in_with_password(
    request: Request, response: Response, visitor: VisitorOf, body: PasswordIn
) -> SignedInOut:
    """Sign in. With an authenticator app, its code is asked for next, in the same browser."""
    result = await state_of(request).door.by_password(visitor, body.program, body.email, body.password)
    if isinstance(result, Entered):
        let_in(request, response, result)
        return SignedInOut(signed_in=True)
    challenge(request, response, result.challenge)
    return SignedInOut(signed_in=False, second_factor=["totp", "recovery_code"])


@router.post("/sign-in/totp", responses=documented(409))
async def give_totp(request: Request, response: Response, visitor: VisitorOf, body: CodeIn) -> SignedInOut:
    """Give the authenticator app's code. Five tries; each code is good once."""
    let_in(request, response, await state_of(request).door.by_code(visitor, body.code))
    return SignedInOut(signed_in=True)


@router.post("/sign-in/recovery-code")
async def give_recovery_code(request: Request, response: Response, visitor: VisitorOf, body: CodeIn) -> SignedInOut:
    """Give a recovery code in place of the app's, which uses it up."""
    let_in(request, response, await state_of(request).door.by_code(visitor, body.code, recovery=True))
    return SignedInOut(signed_in=True)


@router.post("/sign-in/passkey/options")
async def passkey_options(request: Request, response: Response, body: ProgramIn) -> OptionsOut:
    """Begin to sign in with a passkey. No account is named: the browser knows whose its passkeys are."""
    options, token = await state_of(request).door.passkey_options(body.program)
    challenge(request, response, token)
    return OptionsOut(options=options)


@router.post("/sign-in/passkey")
async def sign_in_with_passkey(request: Request, response: Response, visitor: VisitorOf, body: AnswerIn) -> SignedInOut:
    """Sign in with a passkey alone."""
    let_in(request, response, await state_of(request).door.by_passkey(visitor, body.credential))
    return SignedInOut(signed_in=True)
