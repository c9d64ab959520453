"""Passwords: Argon2id hashes, and the rules of NIST SP 800-63B §3.1.1: length and no well-known ones, nothing else."""

import asyncio
import unicodedata
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import TypeVar
from uuid import UUID

from pwdlib import PasswordHash
from sqlalchemy import ForeignKeyConstraint, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from zxcvbn import zxcvbn

from app.core.database import Base
from app.core.problems import Invalid

SHORTEST = 12
LONGEST = 256
TOO_SHORT = f"A password has {SHORTEST} characters or more. Several words are a good one."
TOO_LONG = f"A password has {LONGEST} characters at most."
TOO_EASY = (
    "This password is among the first that anyone would try: it is well known, or made of your name, your e-mail"
    " address or a simple pattern. Several words that don't belong together are a good one."
)
_FEWEST_GUESSES = 10**8
"""Below this a password is among the first that guessers try: common ones, names, keyboard walks, repetitions."""
_ESTIMATED = 72
"""How much of a password is looked at: what makes it weak shows in less, and the estimate's time grows fast."""

_hasher = PasswordHash.recommended()
_at_once = asyncio.Semaphore(4)
"""Each hash takes 64 MiB and a tenth of a second of a core: no more of them at a time than a small machine bears."""

Result = TypeVar("Result")


class Password(Base):
    """The hash of a person's password."""

    __tablename__ = "passwords"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    hash: Mapped[str]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (ForeignKeyConstraint(["program_id", "person_id"], ["people.program_id", "people.id"]),)


def _normal(password: str) -> str:
    # The same letters typed on another keyboard may come as other code points (SP 800-63B §3.1.1.2).
    return unicodedata.normalize("NFKC", password)


async def _apart(work: Callable[[], Result]) -> Result:
    """Run in a thread, a few at a time: the loop answers others meanwhile."""
    async with _at_once:
        return await asyncio.to_thread(work)


async def check_new(password: str, *known: str) -> None:
    """Raises Invalid for a password too short or too easily guessed. `known`: the person's own name, address, …"""
    normal = _normal(password)
    if len(normal) < SHORTEST:
        raise Invalid.at("password", TOO_SHORT)
    if len(normal) > LONGEST:
        raise Invalid.at("password", TOO_LONG)
    own = [word for words in known for word in (words, *words.replace("@", " ").replace(".", " ").split())]
    estimate = await _apart(lambda: zxcvbn(normal[:_ESTIMATED], user_inputs=[*own, "openberth"]))
    if estimate["guesses"] < _FEWEST_GUESSES:
        raise Invalid.at("password", TOO_EASY)


async def hashed(password: str) -> str:
    """The Argon2id hash of a password, which carries its salt and parameters."""
    return await _apart(lambda: _hasher.hash(_normal(password)))


@cache
def nobodys_hash() -> str:
    """What a password is held against where there is no account, so that it takes as long to be told no.

    Whoever serves asks for it before the first request: the first answer must take no longer than the others.
    """
    return _hasher.hash("no account has this hash")


async def verified(stored: str | None, password: str) -> bool:
    """Whether this is the password. Without a hash, no; but it takes just as long to say so."""
    right = await _apart(lambda: _hasher.verify(_normal(password), stored or nobodys_hash()))
    return right and stored is not None


async def stored_hash(session: AsyncSession, person_id: UUID) -> str | None:
    """The hash of this person's password; None for one without."""
    found: str | None = await session.scalar(select(Password.hash).where(Password.person_id == person_id))
    return found


async def store_hash(session: AsyncSession, program_id: UUID, person_id: UUID, hash: str) -> None:
    """Give the person this password."""
    values = {"hash": hash, "changed_at": func.clock_timestamp()}
    row = insert(Password).values(program_id=program_id, person_id=person_id, **values)
    await session.execute(row.on_conflict_do_update(index_elements=["program_id", "person_id"], set_=values))


async def forget_password(session: AsyncSession, person_id: UUID) -> None:
    """Take the person's password away."""
    await session.execute(delete(Password).where(Password.person_id == person_id))
