"""The account of the person who calls: who they are, what they sign in with, where they are signed in."""

from typing import Annotated
from uuid import UUID

from fastapi import Request, Response
from pydantic import Field

from app.access import account, passkeys, sessions
from app.access.callers import Caller
from app.access.factors import factors_of
from app.access.roles import Action, Role
from app.api.errors import documented
from app.api.fields import In, Line, Moment, Out
from app.api.routing import face
from app.api.sign_in import Code, Credential, OptionsOut, Secret
from app.core.problems import NotFound
from app.dependencies import Session, requires, secret_answer, state_of
from app.visitors import VisitorOf, carry_on, challenge, let_out

router = face("account")

Own = Annotated[Caller, requires(Action.KEEP_ACCOUNT)]


class FactorsOut(Out):
    """What you sign in with."""

    password: bool
    totp: bool
    passkeys: int
    recovery_codes_left: int
    openid: bool


class AccountOut(Out):
    """You."""

    id: UUID
    organization_id: UUID
    role: Role
    email: str
    name: str
    joined_at: Moment | None
    factors: FactorsOut


class PasswordChange(In):
    """Another password. The old one is needed, if there is one."""

    old_password: Secret | None = None
    password: Secret


class CodeIn(In):
    """A code that the authenticator app shows."""

    code: Code


class EnrolmentOut(Out):
    """For an authenticator app, shown this once."""

    secret: str
    uri: Annotated[str, Field(description="As a QR code shows it.")]


class CodesOut(Out):
    """Recovery codes, each good once in place of the app's, shown this once."""

    recovery_codes: list[str]


class PasskeyIn(In):
    """A passkey that the browser made, and what to call it."""

    credential: Credential
    name: Line


class PasskeyOut(Out):
    """A passkey."""

    id: UUID
    name: str
    created_at: Moment
    used_at: Moment | None


class PasskeysOut(Out):
    """Your passkeys."""

    items: list[PasskeyOut]


class SessionOut(Out):
    """Where you are signed in. `current` is the one you ask in."""

    id: UUID
    device: str
    created_at: Moment
    seen_at: Moment
    idle_until: Moment
    expires_at: Moment
    current: bool


class SessionsOut(Out):
    """Your sessions, the one last used first."""

    items: list[SessionOut]


class SignedOutOut(Out):
    """How many sessions ended."""

    ended: int


class DoneOut(Out):
    """What was removed."""

    removed: str


@router.get("/account", responses=documented(404))
async def read_account(caller: Own, session: Session) -> AccountOut:
    """Who you are, and what you sign in with."""
    person = await account.account_of(session, caller)
    return AccountOut(
        id=person.id,
        organization_id=person.organization_id,
        role=Role(person.role),
        email=person.email,
        name=person.name,
        joined_at=person.joined_at,
        factors=FactorsOut.model_validate(await factors_of(session, caller.id)),
    )


@router.post("/account/password", responses=documented(404, 429))
@secret_answer
async def change_password(
    request: Request, response: Response, caller: Own, visitor: VisitorOf, body: PasswordChange
) -> FactorsOut:
    """Change your password. You stay signed in here, and are signed out everywhere else."""
    door = state_of(request).door
    token = await account.change_password(door, visitor, caller, body.old_password, body.password)
    carry_on(request, response, token)
    async with door.transaction(caller.program_id, str(caller.id)) as session:
        return FactorsOut.model_validate(await factors_of(session, caller.id))


@router.post("/account/totp", responses=documented(404, 409))
@secret_answer
async def begin_totp(request: Request, caller: Own, session: Session) -> EnrolmentOut:
    """Set an authenticator app up. It counts once you have given a code of it."""
    return EnrolmentOut.model_validate(await account.begin_app(session, state_of(request).keyring, caller))


@router.post("/account/totp/confirm", responses=documented(404, 409))
@secret_answer
async def confirm_totp(request: Request, response: Response, caller: Own, session: Session, body: CodeIn) -> CodesOut:
    """Give a code of the app: from now on one is asked for after your password. Keep the recovery codes on paper."""
    codes, token = await account.confirm_app(session, state_of(request).keyring, caller, body.code)
    carry_on(request, response, token)
    return CodesOut(recovery_codes=codes)


@router.delete("/account/totp", responses=documented(404))
@secret_answer
async def remove_totp(request: Request, response: Response, caller: Own, session: Session) -> DoneOut:
    """Sign in with your password alone again. The recovery codes are void."""
    carry_on(request, response, await account.drop_app(session, caller))
    return DoneOut(removed="totp")


@router.post("/account/recovery-codes", responses=documented(404, 409))
@secret_answer
async def new_recovery_codes(request: Request, response: Response, caller: Own, session: Session) -> CodesOut:
    """Ten new recovery codes. Those before are void."""
    codes, token = await account.new_recovery_codes(session, caller)
    carry_on(request, response, token)
    return CodesOut(recovery_codes=codes)


@router.get("/account/passkeys", responses=documented(404))
async def list_passkeys(caller: Own, session: Session) -> PasskeysOut:
    """Your passkeys."""
    await account.account_of(session, caller)
    found = await passkeys.list_passkeys(session, caller.id)
    return PasskeysOut(items=[PasskeyOut.model_validate(each) for each in found])


@router.post("/account/passkeys/options", responses=documented(404))
@secret_answer
async def new_passkey_options(request: Request, response: Response, caller: Own, session: Session) -> OptionsOut:
    """Begin to make a passkey."""
    options, token = await account.begin_passkey(session, state_of(request).site, caller)
    challenge(request, response, token)
    return OptionsOut(options=options)


@router.post("/account/passkeys", status_code=201, responses=documented(404, 409))
@secret_answer
async def add_passkey(
    request: Request, response: Response, caller: Own, visitor: VisitorOf, session: Session, body: PasskeyIn
) -> PasskeyOut:
    """Keep a passkey that your browser made."""
    site = state_of(request).site
    made, token = await account.keep_passkey(session, site, visitor, caller, body.credential, body.name)
    carry_on(request, response, token)
    return PasskeyOut.model_validate(made)


@router.delete("/account/passkeys/{passkey_id}", responses=documented(404, 409))
@secret_answer
async def remove_passkey(
    request: Request, response: Response, caller: Own, session: Session, passkey_id: UUID
) -> DoneOut:
    """Take a passkey away, unless it is your only way in."""
    carry_on(request, response, await account.drop_passkey(session, caller, passkey_id))
    return DoneOut(removed=str(passkey_id))


@router.get("/account/sessions", responses=documented(404))
async def list_sessions(caller: Own, session: Session) -> SessionsOut:
    """Where you are signed in: which browser, since when, last used when. No addresses are kept."""
    current = account.session_of(caller)
    return SessionsOut(
        items=[
            SessionOut(
                id=row.id,
                device=row.device,
                created_at=row.created_at,
                seen_at=row.seen_at,
                idle_until=row.idle_until,
                expires_at=row.expires_at,
                current=row.id == current,
            )
            for row in await sessions.list_sessions(session, caller.id)
        ]
    )


@router.post("/account/sessions/{session_id}/end", responses=documented(404))
async def end_session(caller: Own, session: Session, session_id: UUID) -> SignedOutOut:
    """Sign out elsewhere."""
    ended = await account.sign_out(session, caller, only=session_id)
    if not ended:
        raise NotFound("You are not signed in there.")
    return SignedOutOut(ended=ended)


@router.post("/sign-out", responses=documented(404))
async def sign_out(request: Request, response: Response, caller: Own, session: Session) -> SignedOutOut:
    """Sign out here. The cookie opens nothing any more, wherever a copy of it is."""
    ended = await account.sign_out(session, caller, only=account.session_of(caller))
    let_out(request, response)
    return SignedOutOut(ended=ended)


@router.post("/sign-out/everywhere", responses=documented(404))
async def sign_out_everywhere(request: Request, response: Response, caller: Own, session: Session) -> SignedOutOut:
    """Sign out in every browser."""
    ended = await account.sign_out(session, caller)
    let_out(request, response)
    return SignedOutOut(ended=ended)
