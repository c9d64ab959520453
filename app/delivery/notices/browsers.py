"""The browsers that people let themselves be told in: their push subscriptions, which open to whoever has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

import orjson
from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.core.ids import new_id
from app.core.keyring import Keyring, purpose_of
from app.core.problems import Conflict, NotFound

MOST = 10
"""Browsers of one person: enough for every device, and few enough that nobody makes us call the whole world."""


class PushSubscription(Base):
    """One browser. `sealed` holds where to send to and the keys to encrypt with; `endpoint_hash` finds it again."""

    __tablename__ = "push_subscriptions"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    endpoint_hash: Mapped[bytes] = mapped_column(LargeBinary)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    device: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "person_id"], ["people.program_id", "people.id"]),
        Index(None, "program_id", "endpoint_hash", unique=True),
        Index(None, "program_id", "person_id"),
    )


@dataclass(frozen=True, slots=True)
class Target:
    """Where a browser takes messages, and what to encrypt them with (RFC 8291): its public key and its secret."""

    endpoint: str
    public_key: bytes
    secret: bytes


purpose = purpose_of("push_subscriptions", "sealed")
"""What a subscription is sealed for."""


async def add_browser(
    session: AsyncSession, keyring: Keyring, program_id: UUID, person_id: UUID, device: str, target: Target
) -> PushSubscription:
    """Tell this person in this browser from now on, and nobody else there. Raises Conflict for one too many.

    A browser has one subscription, whoever signs in with it: the last who asks has it.
    """
    digest = sha256(target.endpoint.encode()).digest()
    known = select(PushSubscription).where(
        PushSubscription.program_id == program_id, PushSubscription.endpoint_hash == digest
    )
    id = await session.scalar(known.with_only_columns(PushSubscription.id))
    others = await session.scalar(
        select(func.count())
        .select_from(PushSubscription)
        .where(
            PushSubscription.program_id == program_id,
            PushSubscription.person_id == person_id,
            PushSubscription.endpoint_hash != digest,
        )
    )
    if (others or 0) >= MOST:
        raise Conflict(f"You are told in {MOST} browsers already. Take one away first.")
    if id is None:
        new = new_id()
        row = insert(PushSubscription).values(
            program_id=program_id,
            id=new,
            person_id=person_id,
            endpoint_hash=digest,
            sealed=await _sealed(session, keyring, program_id, new, target),
            device=device,
        )
        if await session.scalar(row.on_conflict_do_nothing().returning(PushSubscription.id)) is not None:
            return (await session.scalars(known)).one()
    # Its own id is part of what was sealed, so the row that is there is changed.
    row_there = (await session.scalars(known.with_for_update())).one()
    row_there.person_id = person_id
    row_there.device = device
    row_there.sealed = await _sealed(session, keyring, program_id, row_there.id, target)
    await session.flush()
    return row_there


async def _sealed(
    session: AsyncSession, keyring: Keyring, program_id: UUID, subscription_id: UUID, target: Target
) -> bytes:
    words = {"endpoint": target.endpoint, "public_key": target.public_key.hex(), "secret": target.secret.hex()}
    return await keyring.seal(session, program_id, purpose(subscription_id), orjson.dumps(words))


async def list_browsers(session: AsyncSession, program_id: UUID, person_id: UUID) -> Sequence[PushSubscription]:
    """The browsers that a person is told in, in the order in which they were added."""
    found = await session.scalars(
        select(PushSubscription)
        .where(PushSubscription.program_id == program_id, PushSubscription.person_id == person_id)
        .order_by(PushSubscription.id)
    )
    return found.all()


async def remove_browser(
    session: AsyncSession, program_id: UUID, person_id: UUID, subscription_id: UUID
) -> PushSubscription:
    """Tell the person in this browser no more. Raises NotFound."""
    removed: PushSubscription | None = await session.scalar(
        delete(PushSubscription)
        .where(
            PushSubscription.program_id == program_id,
            PushSubscription.person_id == person_id,
            PushSubscription.id == subscription_id,
        )
        .returning(PushSubscription)
    )
    if removed is None:
        raise NotFound("You are told in no such browser.")
    return removed


async def forget(session: AsyncSession, program_id: UUID, subscription_id: UUID) -> None:
    """Forget a subscription that its push service no longer knows."""
    await session.execute(
        delete(PushSubscription).where(
            PushSubscription.program_id == program_id, PushSubscription.id == subscription_id
        )
    )


async def open_target(
    session: AsyncSession, keyring: Keyring, program_id: UUID, person_id: UUID, subscription_id: UUID
) -> Target | None:
    """Where this browser takes messages; None where it is no longer this person's. Raises Shredded, NoMasterKey."""
    sealed = await session.scalar(
        select(PushSubscription.sealed).where(
            PushSubscription.program_id == program_id,
            PushSubscription.id == subscription_id,
            PushSubscription.person_id == person_id,
        )
    )
    if sealed is None:
        return None
    words = orjson.loads(await keyring.open(session, program_id, purpose(subscription_id), sealed))
    return Target(words["endpoint"], bytes.fromhex(words["public_key"]), bytes.fromhex(words["secret"]))
