"""Time-based one-time passwords (RFC 6238): the second factor in an authenticator app."""

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import pyotp
from pyotp.exceptions import OTPVerificationError
from sqlalchemy import BigInteger, ForeignKeyConstraint, LargeBinary, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.core.keyring import Keyring
from app.core.problems import Conflict, Invalid

_DRIFT_STEPS = 1
"""A phone's clock may be one step of 30 s off."""


WRONG = "This is not the code that the app shows now. Check the clock of its device."


class Totp(Base):
    """A person's authenticator app. It counts once `confirmed_at`; `last_step` is the last time step accepted."""

    __tablename__ = "totp"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    last_step: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    confirmed_at: Mapped[datetime | None]

    __table_args__ = (ForeignKeyConstraint(["program_id", "person_id"], ["people.program_id", "people.id"]),)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app is given, this once."""

    secret: str
    uri: str


def purpose(person_id: UUID) -> str:
    """What a person's secret is sealed for."""
    return f"totp:{person_id}"


async def begin_totp(
    session: AsyncSession, keyring: Keyring, program_id: UUID, person_id: UUID, email: str
) -> Enrolment:
    """A secret for a new authenticator app, which counts once a code of it has been given. Raises Conflict."""
    secret = pyotp.random_base32(32)
    sealed = await keyring.seal(session, program_id, purpose(person_id), secret.encode())
    values = {"secret": sealed, "last_step": 0}
    row = insert(Totp).values(program_id=program_id, person_id=person_id, **values)
    begun = await session.scalar(
        row.on_conflict_do_update(
            index_elements=["program_id", "person_id"], set_=values, where=Totp.confirmed_at.is_(None)
        ).returning(Totp.person_id)
    )
    if begun is None:
        raise Conflict("You have an authenticator app already. Remove it first, to use another.")
    return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name="Openberth"))


async def confirm_totp(session: AsyncSession, keyring: Keyring, person_id: UUID, code: str) -> None:
    """Let the new app count, now that it has given a right code. Raises Conflict, Invalid."""
    row = await session.scalar(select(Totp).where(Totp.person_id == person_id).with_for_update())
    if row is None or row.confirmed_at is not None:
        raise Conflict("There is no authenticator app to confirm. Begin with `POST /v1/account/totp`.")
    if not await accept_code(session, keyring, person_id, code, confirmed=False):
        raise Invalid.at("code", WRONG)
    row.confirmed_at = await session.scalar(select(func.clock_timestamp()))
    await session.flush()


async def has_totp(session: AsyncSession, person_id: UUID) -> bool:
    """Whether the person signs in with a code of an authenticator app besides their password."""
    query = select(Totp.person_id).where(Totp.person_id == person_id, Totp.confirmed_at.is_not(None))
    return await session.scalar(query) is not None


async def accept_code(
    session: AsyncSession, keyring: Keyring, person_id: UUID, code: str, *, confirmed: bool = True
) -> bool:
    """Whether this is the app's code now. Each time step is accepted once: the statement that says yes moves
    `last_step` on, so that the same code sent twice, even at once, is right only once."""
    row = await session.scalar(select(Totp).where(Totp.person_id == person_id))
    if row is None or (row.confirmed_at is not None) != confirmed or not re.fullmatch(r"[0-9]{6}", code):
        return False
    secret = (await keyring.open(session, row.program_id, purpose(person_id), row.secret)).decode()
    try:
        step = pyotp.TOTP(secret).verify_and_get_timecode(code, valid_window=_DRIFT_STEPS)
    except OTPVerificationError:
        return False
    moved = await session.execute(
        text("UPDATE totp SET last_step = :step WHERE person_id = :person_id AND last_step < :step RETURNING 1"),
        {"step": step, "person_id": person_id},
    )
    return moved.scalar_one_or_none() is not None


async def remove_totp(session: AsyncSession, person_id: UUID) -> bool:
    """Take the authenticator app away; whether there was one."""
    removed = await session.scalar(delete(Totp).where(Totp.person_id == person_id).returning(Totp.person_id))
    return removed is not None
