"""Signing in: from what a visitor gives to a session, and every failure told in the same words and the same time.

Each step is a transaction of its own: a failure is counted and noted for good, though the visitor gets an error.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Never
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.access import challenges, devices, passkeys, passwords, sessions
from app.access.audit import note
from app.access.challenges import OVER, Kind, Over
from app.access.invitations import NOT_VALID, invited_person, take_invitation
from app.access.opaque import program_of_token, token_hash
from app.access.people import Person, find_person, find_program, folded
from app.access.recovery import use_code
from app.access.session_gate import SessionGate
from app.access.sessions import CLOSED, Lasting, SignedIn, device_name
from app.access.site import Site
from app.access.totp import accept_code, has_totp
from app.access.tries import INSTALLATION, at_account, at_second_factor
from app.core.database import Database
from app.core.keyring import Keyring
from app.core.problems import NotSignedIn

WRONG = "The program, the e-mail address or the password is not right."
WRONG_CODE = "This code is not right, or was used before."
WRONG_PASSKEY = "This passkey is not known here."


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who knocks: an address, a browser, and the cookies that it brought."""

    address: str
    user_agent: str
    session: str | None = None
    challenge: str | None = None
    device: str | None = None


@dataclass(frozen=True, slots=True)
class Entered:
    """A person who is signed in now: the tokens for the session's and the device's cookie."""

    person_id: UUID
    session: str
    device: str


@dataclass(frozen=True, slots=True)
class Asked:
    """The password was right, and a second factor is asked for: the token for the challenge's cookie."""

    challenge: str


class Door:
    """Where people come in."""

    def __init__(self, database: Database, gate: SessionGate, site: Site, keyring: Keyring, lasting: Lasting) -> None:
        self.database = database
        self.site = site
        self.keyring = keyring
        self._gate = gate
        self._lasting = lasting

    @asynccontextmanager
    async def transaction(self, program_id: UUID, actor: str, *, reads: bool = False) -> AsyncIterator[AsyncSession]:
        """A transaction, after which the gate believes none of the sessions that it closed."""
        async with self.database.transaction(program_id, actor, reads=reads) as session:
            yield session
        self._gate.forget(session.info.get(CLOSED, ()))

    async def program(self, slug: str) -> UUID:
        """The program of this slug; for a name that is none's, the installation, in which nobody is found."""
        async with self.database.transaction(None, "sign-in") as session:
            return await find_program(session, slug) or INSTALLATION

    async def by_password(self, visitor: Visitor, program: str, email: str, password: str) -> Entered | Asked:
        """Sign in, or be asked for the second factor. Raises NotSignedIn, TooManyTries."""
        program_id = await self.program(program)
        async with self.transaction(program_id, "sign-in") as session:
            person = await find_person(session, email)
            person_id = None if person is None else person.id
            # Asked for nobody too: the same statements, whether there is an account or not.
            stored = await passwords.stored_hash(session, person_id or INSTALLATION)
            device = await devices.known(session, person_id, visitor.device)
        tries = at_account(self.database, f"{program}\x00{folded(email)}", visitor.address, device)
        await tries.count()
        if not await passwords.verified(stored, password) or person_id is None:
            await self.refuse(program_id, "password", WRONG)
        await tries.succeeded()
        async with self.transaction(program_id, str(person_id)) as session:
            person = await _still_here(session, person_id, WRONG)
            if await has_totp(session, person_id):
                return Asked(await challenges.pose(session, program_id, Kind.SECOND_FACTOR, person_id))
            return await self.enter(session, person, visitor, "password")

    async def by_code(self, visitor: Visitor, code: str, *, recovery: bool = False) -> Entered:
        """Give the second factor that was asked for: the app's code, or one from paper.

        Raises NotSignedIn, TooManyTries.
        """
        token, program_id = self._challenge(visitor)
        method = "recovery_code" if recovery else "totp"
        async with self.transaction(program_id, "sign-in") as session:
            person_id = await challenges.try_once(session, Kind.SECOND_FACTOR, token)
            device = await devices.known(session, person_id, visitor.device)
        if person_id is None:
            raise Over
        tries = at_second_factor(self.database, person_id, visitor.address, device)
        await tries.count()
        entered = None
        async with self.transaction(program_id, str(person_id)) as session:
            if recovery:
                right = await use_code(session, program_id, person_id, code)
            else:
                right = await accept_code(session, self.keyring, person_id, code)
            if right:
                await challenges.take(session, Kind.SECOND_FACTOR, token)
                person = await _still_here(session, person_id, OVER)
                entered = await self.enter(session, person, visitor, method)
        if entered is None:
            await self.refuse(program_id, method, WRONG_CODE)
        await tries.succeeded()
        return entered

    async def passkey_options(self, program: str) -> tuple[dict[str, Any], str]:
        """What a browser needs to sign in with a passkey, and the token for the challenge's cookie."""
        program_id = await self.program(program)
        async with self.transaction(program_id, "sign-in") as session:
            return await passkeys.sign_in_options(session, self.site, program_id)

    async def by_passkey(self, visitor: Visitor, credential: dict[str, Any]) -> Entered:
        """Sign in with a passkey alone. Nobody guesses a signature, so no failures are counted. Raises NotSignedIn."""
        token, program_id = self._challenge(visitor)
        entered = None
        async with self.transaction(program_id, "sign-in") as session:
            challenge = await challenges.take(session, Kind.PASSKEY, token)
            person_id = await passkeys.owner(session, self.site, challenge.data, credential)
            if person_id is not None:
                person = await _still_here(session, person_id, WRONG_PASSKEY)
                entered = await self.enter(session, person, visitor, "passkey")
        if entered is None:
            await self.refuse(program_id, "passkey", WRONG_PASSKEY)
        return entered

    async def invited(self, token: str) -> Person:
        """Whose invitation this is. Raises NotSignedIn."""
        async with self.transaction(_invited_to(token), "sign-in") as session:
            return await invited_person(session, token)

    async def accept_with_password(self, visitor: Visitor, token: str, password: str) -> Entered:
        """Accept an invitation by choosing a password. Raises NotSignedIn, Invalid."""
        person = await self.invited(token)
        await passwords.check_new(password, person.email, person.name)
        hash = await passwords.hashed(password)
        async with self.accepting(token) as (session, person):
            await passwords.store_hash(session, person.program_id, person.id, hash)
            return await self.enter(session, person, visitor, "password")

    async def invited_passkey_options(self, token: str) -> tuple[dict[str, Any], str]:
        """What a browser needs to make a passkey for an invitation, and the token for the challenge's cookie."""
        async with self.transaction(_invited_to(token), "sign-in") as session:
            return await passkeys.registration_options(session, self.site, await invited_person(session, token))

    async def accept_with_passkey(self, visitor: Visitor, token: str, credential: dict[str, Any], name: str) -> Entered:
        """Accept an invitation with a passkey made for it. Raises NotSignedIn, Invalid, Conflict."""
        challenge, _ = self._challenge(visitor)
        async with self.accepting(token) as (session, person):
            await passkeys.register(session, self.site, person, challenge, credential, name)
            return await self.enter(session, person, visitor, "passkey")

    @asynccontextmanager
    async def accepting(self, token: str) -> AsyncIterator[tuple[AsyncSession, Person]]:
        """A transaction in which this invitation is used up. Raises NotSignedIn."""
        async with self.transaction(_invited_to(token), "sign-in") as session:
            person = await invited_person(session, token)
            await self.join(session, person)
            yield session, person

    async def join(self, session: AsyncSession, person: Person) -> None:
        """Use the person's open invitation up. Raises NotSignedIn."""
        await act_as(session, person.id)
        await take_invitation(session, person)

    async def enter(self, session: AsyncSession, person: Person, visitor: Visitor, method: str) -> Entered:
        """A new session, whatever the browser had: a token that somebody planted there before is worth nothing."""
        await act_as(session, person.id)
        if visitor.session is not None:
            before = await session.execute(
                select(SignedIn.id, SignedIn.person_id).where(SignedIn.hash == token_hash(visitor.session))
            )
            for row in before:
                await sessions.close_sessions(session, row.person_id, only=row.id)
        token = await sessions.open_session(
            session, person.program_id, person.id, device_name(visitor.user_agent), self._lasting
        )
        # Nor is a device's token believed that this person never had here.
        known = await devices.known(session, person.id, visitor.device)
        device = visitor.device if known and visitor.device else secrets.token_urlsafe(32)
        await devices.remember(session, person.program_id, person.id, device)
        await note(session, "person.signed_in", person.id, method=method)
        return Entered(person.id, token, device)

    async def refuse(self, program_id: UUID, method: str, words: str) -> Never:
        """Note the failure, saying nothing of the account nor whether there is one, and raise NotSignedIn."""
        if program_id != INSTALLATION:
            async with self.transaction(program_id, "sign-in") as session:
                await note(session, "sign_in.failed", program_id, method=method)
        raise NotSignedIn(words)

    def _challenge(self, visitor: Visitor) -> tuple[str, UUID]:
        """The browser's challenge and its program. Raises NotSignedIn."""
        program_id = program_of_token(visitor.challenge or "")
        if visitor.challenge is None or program_id is None:
            raise Over
        return visitor.challenge, program_id


async def act_as(session: AsyncSession, person_id: UUID) -> None:
    """From here on the trail names this person, who has proved who they are."""
    await session.execute(text("SELECT set_config('openberth.actor', :id, true)"), {"id": str(person_id)})


async def _still_here(session: AsyncSession, person_id: UUID, words: str) -> Person:
    """The person, unless their access has ended meanwhile: then NotSignedIn. Locked, so that it does not end now."""
    person: Person | None = await session.scalar(
        select(Person).where(Person.id == person_id, Person.ended_at.is_(None)).with_for_update(read=True)
    )
    if person is None:
        raise NotSignedIn(words)
    return person


def _invited_to(token: str) -> UUID:
    program_id = program_of_token(token)
    if program_id is None:
        raise NotSignedIn(NOT_VALID)
    return program_id
