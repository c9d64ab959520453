"""Accepting an invitation: with a password or a passkey. With OpenID Connect, signing in accepts it."""

from typing import Annotated

from fastapi import Request, Response
from pydantic import Field, StringConstraints

from app.access.roles import Role
from app.api.errors import documented
from app.api.fields import In, Line, Out
from app.api.routing import open_face
from app.api.sign_in import Credential, OptionsOut, Secret, SignedInOut
from app.dependencies import state_of
from app.visitors import VisitorOf, challenge, let_in

router = open_face("sign-in")

Token = Annotated[str, StringConstraints(max_length=200), Field(description="What stands after # in the link.")]


class InvitationIn(In):
    """An invitation's token."""

    token: Token


class InvitedOut(Out):
    """Who is invited, to be greeted."""

    name: str
    email: str
    role: Role


class AcceptWithPasswordIn(In):
    """The password to sign in with from now on."""

    token: Token
    password: Secret


class AcceptWithPasskeyIn(In):
    """The passkey that the browser made, and what to call it."""

    token: Token
    credential: Credential
    name: Line = "My passkey"


@router.post("/invitations/read")
async def read_invitation(request: Request, body: InvitationIn) -> InvitedOut:
    """Whom an invitation is for. It is not used up."""
    return InvitedOut.model_validate(await state_of(request).door.invited(body.token))


@router.post("/invitations/accept/password")
async def accept_with_password(
    request: Request, response: Response, visitor: VisitorOf, body: AcceptWithPasswordIn
) -> SignedInOut:
    """Choose a password: 12 characters or more, of any kind. You are signed in at once."""
    entered = await state_of(request).door.accept_with_password(visitor, body.token, body.password)
    let_in(request, response, entered)
    return SignedInOut(signed_in=True)


@router.post("/invitations/accept/passkey/options")
async def new_passkey_options(request: Request, response: Response, body: InvitationIn) -> OptionsOut:
    """Begin to make a passkey for an invitation."""
    options, token = await state_of(request).door.invited_passkey_options(body.token)
    challenge(request, response, token)
    return OptionsOut(options=options)


@router.post("/invitations/accept/passkey", responses=documented(409))
async def accept_with_passkey(
    request: Request, response: Response, visitor: VisitorOf, body: AcceptWithPasskeyIn
) -> SignedInOut:
    """Sign in with this passkey from now on. You are signed in at once."""
    entered = await state_of(request).door.accept_with_passkey(visitor, body.token, body.credential, body.name)
    let_in(request, response, entered)
    return SignedInOut(signed_in=True)
