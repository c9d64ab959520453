"""Answers kept by `Idempotency-Key`: the same key and body give the same answer for ever."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID

from sqlalchemy import LargeBinary, SmallInteger, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.access.callers import Caller
from app.core.database import Base
from app.core.problems import KeyReused


class Answer(Base):
    """The answer that a caller's key got: status, body and `ETag`, byte for byte as first sent."""

    __tablename__ = "idempotency"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    caller_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int] = mapped_column(SmallInteger)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    etag: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


@dataclass(frozen=True, slots=True)
class Kept:
    """A stored answer, to be sent again as it was."""

    status: int
    body: bytes
    etag: str | None = None


def fingerprint(method: str, path: str, body: bytes) -> bytes:
    """What makes two requests the same: method, path and body, as a SHA-256."""
    digest = hashlib.sha256(method.encode())
    digest.update(b" " + path.encode() + b"\n")
    digest.update(body)
    return digest.digest()


class Asked:
    """A call to claim, by the fingerprints under which its answer may be kept.

    `named` is of all that was sent. But whoever has the participants' codes can try them all until one gives that
    fingerprint, so a call that ends on a confidential opening, or names one, is kept under the `nameless` one: of the
    same body without its participant. The price: such a key repeated for somebody else gets the first answer, which
    says nothing of either, instead of being refused. A call without a participant has nothing to leave out.
    """

    def __init__(self, method: str, path: str, body: bytes) -> None:
        self.named = fingerprint(method, path, body)
        self._sent = method, path, body

    @cached_property
    def nameless(self) -> bytes:
        """The fingerprint without the participant; worked out only where it is needed. The body must be JSON."""
        method, path, body = self._sent
        rest = json.loads(body)
        rest.pop("participant", None)
        return fingerprint(method, path, b"nameless\n" + json.dumps(rest, sort_keys=True).encode())

    def refuse_other(self, stored: bytes) -> None:
        """Raises KeyReused when the stored request is not this one."""
        if stored != self.named:
            refuse_other(stored, self.nameless)


def refuse_other(stored: bytes, asked: bytes) -> None:
    """Raises KeyReused when the stored request is not the one now asked."""
    if stored != asked:
        raise KeyReused(
            "This Idempotency-Key was used before with another request. Use a new key for a new request;"
            " repeat a request with the key, path and body that it had."
        )


async def begin(session: AsyncSession, caller: Caller, key: str, asked: bytes) -> Kept | None:
    """Take the key for this transaction; answer what it already got, if anything. Raises KeyReused."""
    before = await take(session, caller, key, asked)
    if before is None:
        return None
    stored, kept = before
    refuse_other(stored, asked)
    return kept


async def take(session: AsyncSession, caller: Caller, key: str, asked: bytes) -> tuple[bytes, Kept] | None:
    """Take the key for this transaction, under this fingerprint; answer the fingerprint and answer that it has, if any.

    A second request with the same key waits here until the first has committed or rolled back, since both
    insert the same primary key.
    """
    identity = {"program_id": caller.program_id, "caller_id": caller.id, "key": key}
    taken = await session.execute(
        insert(Answer)
        .values(**identity, fingerprint=asked, status=0, body=b"")
        .on_conflict_do_nothing()
        .returning(Answer.key)
    )
    if taken.scalar_one_or_none() is not None:
        return None
    stored = (
        await session.execute(select(Answer.fingerprint, Answer.status, Answer.body, Answer.etag).filter_by(**identity))
    ).one()
    return stored.fingerprint, Kept(stored.status, stored.body, stored.etag)


async def keep(session: AsyncSession, caller: Caller, key: str, answer: Kept) -> None:
    """Store the answer of the key that `begin` took, in the same transaction as what it did."""
    await session.execute(
        update(Answer)
        .filter_by(program_id=caller.program_id, caller_id=caller.id, key=key)
        .values(status=answer.status, body=answer.body, etag=answer.etag)
    )
