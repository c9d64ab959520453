"""A person's own account: what they sign in with, changed by themselves and by nobody who found their screen open.

Whatever changes how a person proves who they are renews their session and ends every other.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access import passkeys, passwords, recovery, totp
from app.access.audit import note
from app.access.callers import Caller
from app.access.factors import factors_of
from app.access.people import Person, get_person
from app.access.sessions import SignedIn, close_sessions, renew_session
from app.access.sign_in import Door, Visitor
from app.access.site import Site
from app.access.tries import at_account
from app.core.keyring import Keyring
from app.core.problems import Conflict, Forbidden, Invalid, NotFound

FRESH = timedelta(minutes=15)


OLD_ONE_WRONG = "This is not your password."


class SignInAgain(Forbidden):
    """403: for this the person must have signed in a moment ago."""

    slug = "sign-in-again"
    title = "Sign in again first"


def session_of(caller: Caller) -> UUID:
    """The session in which a person calls. Raises NotFound for a key."""
    if caller.session_id is None:
        raise NotFound("A key has no account. Passwords, factors and sessions are those of a person who signs in.")
    return caller.session_id


async def account_of(session: AsyncSession, caller: Caller) -> Person:
    """The caller's account. Raises NotFound for a key."""
    session_of(caller)
    return await get_person(session, caller.id)


async def fresh_account(session: AsyncSession, caller: Caller) -> Person:
    """The same, if the person signed in a moment ago: what is changed now outlasts the session.

    Raises NotFound, SignInAgain.
    """
    person = await account_of(session, caller)
    recent = select(SignedIn.id).where(
        SignedIn.id == session_of(caller), SignedIn.created_at > func.clock_timestamp() - FRESH
    )
    if await session.scalar(recent) is None:
        raise SignInAgain(
            f"To change what you sign in with, sign in again: it must be less than {FRESH.seconds // 60} minutes ago."
        )
    return person


async def renewed(session: AsyncSession, caller: Caller) -> str:
    """The session's new token, every other session of the caller's ended."""
    return await renew_session(session, caller.id, session_of(caller))


async def change_password(door: Door, visitor: Visitor, caller: Caller, old: str | None, new: str) -> str:
    """Another password, or a first one for who had none: the session's new token.

    Raises NotFound, Invalid, TooManyTries; SignInAgain where there is no old password to prove who asks.
    """
    async with door.transaction(caller.program_id, str(caller.id)) as session:
        person = await account_of(session, caller)
        stored = await passwords.stored_hash(session, caller.id)
        if stored is None:
            await fresh_account(session, caller)
    if stored is not None:
        tries = at_account(door.database, f"change:{caller.id}", visitor.address, str(caller.session_id))
        await tries.count()
        if not await passwords.verified(stored, old or ""):
            raise Invalid.at("old_password", OLD_ONE_WRONG)
        await tries.succeeded()
    await passwords.check_new(new, person.email, person.name)
    hash = await passwords.hashed(new)
    async with door.transaction(caller.program_id, str(caller.id)) as session:
        await passwords.store_hash(session, caller.program_id, caller.id, hash)
        return await renewed(session, caller)


async def begin_app(session: AsyncSession, keyring: Keyring, caller: Caller) -> totp.Enrolment:
    """A secret for an authenticator app, which counts once a code of it was given.

    Raises NotFound, SignInAgain; Conflict where there is an app already.
    """
    person = await fresh_account(session, caller)
    return await totp.begin_totp(session, keyring, caller.program_id, caller.id, person.email)


async def confirm_app(session: AsyncSession, keyring: Keyring, caller: Caller, code: str) -> tuple[list[str], str]:
    """Let the app count, now that it gave a right code: recovery codes, and the session's new token.

    Raises NotFound, SignInAgain, Conflict, Invalid.
    """
    await fresh_account(session, caller)
    await totp.confirm_totp(session, keyring, caller.id, code)
    codes = await recovery.new_codes(session, caller.program_id, caller.id)
    return codes, await renewed(session, caller)


async def drop_app(session: AsyncSession, caller: Caller) -> str:
    """Take the authenticator app away, and with it the recovery codes: the session's new token.

    Raises NotFound, SignInAgain.
    """
    await fresh_account(session, caller)
    if not await totp.remove_totp(session, caller.id):
        raise NotFound("You have no authenticator app.")
    await recovery.forget_codes(session, caller.id)
    return await renewed(session, caller)


async def new_recovery_codes(session: AsyncSession, caller: Caller) -> tuple[list[str], str]:
    """Ten codes in place of those before, and the session's new token. Raises NotFound, SignInAgain."""
    await fresh_account(session, caller)
    if not await totp.has_totp(session, caller.id):
        raise NotFound("Recovery codes stand in for an authenticator app, and you have none.")
    codes = await recovery.new_codes(session, caller.program_id, caller.id)
    return codes, await renewed(session, caller)


async def begin_passkey(session: AsyncSession, site: Site, caller: Caller) -> tuple[dict[str, Any], str]:
    """What a browser needs to make a passkey, and the token for its challenge. Raises NotFound, SignInAgain."""
    return await passkeys.registration_options(session, site, await fresh_account(session, caller))


async def keep_passkey(
    session: AsyncSession, site: Site, visitor: Visitor, caller: Caller, credential: dict[str, Any], name: str
) -> tuple[passkeys.Passkey, str]:
    """Keep the passkey that a browser made: it, and the session's new token.

    Raises NotFound, SignInAgain, NotSignedIn, Invalid, Conflict.
    """
    person = await fresh_account(session, caller)
    made = await passkeys.register(session, site, person, visitor.challenge or "", credential, name)
    return made, await renewed(session, caller)


async def drop_passkey(session: AsyncSession, caller: Caller, passkey_id: UUID) -> str:
    """Take a passkey away: the session's new token. Raises NotFound, SignInAgain; Conflict for the only way in."""
    await fresh_account(session, caller)
    await passkeys.remove_passkey(session, caller.id, passkey_id)
    left = await factors_of(session, caller.id)
    if not (left.password or left.passkeys or left.openid):
        raise Conflict("This passkey is your only way in. Choose a password first, or make another passkey.")
    return await renewed(session, caller)


async def sign_out(session: AsyncSession, caller: Caller, *, only: UUID | None = None) -> int:
    """End the caller's sessions, or `only` one of them. Answers how many ended."""
    session_of(caller)
    ended = await close_sessions(session, caller.id, only=only)
    if ended:
        await note(session, "person.signed_out", caller.id, sessions=ended)
    return ended
