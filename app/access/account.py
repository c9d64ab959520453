"""A person's own account: what they sign in with, changed by themselves and by nobody who found their screen open.

Whatever changes how a person proves who they are renews their session and ends every other.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access import passkeys, passwords
from app.access.audit import note
from app.access.callers import Caller
from app.access.factors import factors_of
from app.access.people import Person, get_person
from app.access.sessions import SignedIn, close_sessions, renew_session
from app.access.sign_in import Door, Visitor
from app.access.totp import remove_totp
from app.access.tries import at_account
from app.core.problems import Conflict, Forbidden, Invalid, NotFound

FRESH = timedelta(minutes=15)


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
            raise Invalid.at("old_password", "This is not your password.")
        await tries.succeeded()
    await passwords.check_new(new, person.email, person.name)
    hash = await passwords.hashed(new)
    async with door.transaction(caller.program_id, str(caller.id)) as session:
        await passwords.store_hash(session, caller.program_id, caller.id, hash)
        return await renewed(session, caller)


async def drop_totp(session: AsyncSession, caller: Caller) -> None:
    """Take the authenticator app away. Raises NotFound, SignInAgain."""
    await fresh_account(session, caller)
    if not await remove_totp(session, caller.id):
        raise NotFound("You have no authenticator app.")


async def drop_passkey(session: AsyncSession, caller: Caller, passkey_id: UUID) -> None:
    """Take a passkey away. Raises NotFound, SignInAgain; Conflict for the only way in."""
    await fresh_account(session, caller)
    await passkeys.remove_passkey(session, caller.id, passkey_id)
    left = await factors_of(session, caller.id)
    if not (left.password or left.passkeys or left.openid):
        raise Conflict("This passkey is your only way in. Choose a password first, or make another passkey.")


async def sign_out(session: AsyncSession, caller: Caller, *, only: UUID | None = None) -> int:
    """End the caller's sessions, or `only` one of them. Answers how many ended."""
    session_of(caller)
    ended = await close_sessions(session, caller.id, only=only)
    if ended:
        await note(session, "person.signed_out", caller.id, sessions=ended)
    return ended
