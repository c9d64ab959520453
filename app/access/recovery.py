"""Recovery codes: ten on paper, each good once in place of the authenticator app."""

import hashlib
import secrets
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, LargeBinary, delete, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base

HOW_MANY = 10
# Crockford's base 32: no I, L, O or U, so that a code written down is read as it was.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class RecoveryCodes(Base):
    """The hashes of a person's codes that are not used yet."""

    __tablename__ = "recovery_codes"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    hashes: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary))

    __table_args__ = (ForeignKeyConstraint(["program_id", "person_id"], ["people.program_id", "people.id"]),)


def _hash(program_id: UUID, person_id: UUID, code: str) -> bytes:
    # A code is 80 random bits: one round of SHA-256 can't be guessed back.
    read = code.upper().replace("-", "").replace(" ", "").translate(str.maketrans("ILO", "110"))
    return hashlib.sha256(program_id.bytes + person_id.bytes + read.encode("utf-8", "surrogatepass")).digest()


async def new_codes(session: AsyncSession, program_id: UUID, person_id: UUID) -> list[str]:
    """Ten new codes, shown this once; those before are void."""
    codes = ["-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4)) for _ in range(HOW_MANY)]
    values = {"hashes": [_hash(program_id, person_id, code) for code in codes]}
    row = insert(RecoveryCodes).values(program_id=program_id, person_id=person_id, **values)
    await session.execute(row.on_conflict_do_update(index_elements=["program_id", "person_id"], set_=values))
    return codes


async def use_code(session: AsyncSession, program_id: UUID, person_id: UUID, code: str) -> bool:
    """Whether this is one of the person's codes, which is used up by that."""
    used = await session.execute(
        text(
            "UPDATE recovery_codes SET hashes = array_remove(hashes, CAST(:hash AS bytea))"
            " WHERE person_id = :person_id AND CAST(:hash AS bytea) = ANY (hashes) RETURNING 1"
        ),
        {"hash": _hash(program_id, person_id, code), "person_id": person_id},
    )
    return used.scalar_one_or_none() is not None


async def codes_left(session: AsyncSession, person_id: UUID) -> int:
    """How many codes are not used yet."""
    hashes = await session.scalar(select(RecoveryCodes.hashes).where(RecoveryCodes.person_id == person_id))
    return len(hashes or ())


async def forget_codes(session: AsyncSession, person_id: UUID) -> None:
    """Void every code."""
    await session.execute(delete(RecoveryCodes).where(RecoveryCodes.person_id == person_id))
