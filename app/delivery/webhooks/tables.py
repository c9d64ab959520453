"""The tables of webhooks: subscriptions, what is delivered to each, and every try of that."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base


class State(StrEnum):
    """Whether a webhook is sent to. `paused` by whoever keeps it; `off` by itself."""

    ON = "on"
    PAUSED = "paused"
    OFF = "off"


class Because(StrEnum):
    """Why a webhook is off."""

    FAILING = "failing"
    GONE = "gone"
    CALLER_ENDED = "caller_ended"
    NOT_PERMITTED = "not_permitted"
    SECRET_LOST = "secret_lost"  # noqa: S105 - a reason, and no secret
    LOG_GONE = "log_gone"


class Fate(StrEnum):
    """How a delivery stands. `failed`: given up after a day in which others were accepted; `withheld`: its caller may
    not see it any more; `skipped`: whoever resumed the webhook went on from where the log was then."""

    TRYING = "trying"
    DELIVERED = "delivered"
    FAILED = "failed"
    WITHHELD = "withheld"
    SKIPPED = "skipped"


def _one_of(column: str, words: type[StrEnum]) -> str:
    return f"{column} IN ({', '.join(repr(str(word)) for word in words)})"


class Webhook(Base):
    """A subscription. It acts as its caller, narrowed to the scopes that made it, and is sent what they may see.

    `after_number`: what the log has up to this number has been taken from it. `due_at`: when there is something to do
    for it though the log has not grown. `failing_since`: of the first failure since something was last accepted.
    """

    __tablename__ = "webhooks"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    caller_id: Mapped[UUID]
    organization_id: Mapped[UUID]
    scopes: Mapped[list[str] | None]
    name: Mapped[str]
    url: Mapped[str]
    types: Mapped[list[str] | None]
    filter: Mapped[dict[str, Any]]
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    previous_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_until: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(server_default=State.ON)
    off_because: Mapped[str | None]
    state_since: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    after_number: Mapped[int] = mapped_column(BigInteger)
    accepted_at: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "organization_id"], ["organizations.program_id", "organizations.id"]),
        CheckConstraint(_one_of("state", State), name="state_known"),
        CheckConstraint(_one_of("off_because", Because), name="off_because_known"),
        CheckConstraint("(state = 'off') = (off_because IS NOT NULL)", name="off_says_why"),
        Index(None, "program_id", "caller_id"),
        Index(None, "program_id", "organization_id"),
    )


class Delivery(Base):
    """One event for one webhook, or a test, which has no number. Its id is the `webhook-id`, the same for every try.

    `lane`: the opening that it is about, or else what it is about. In a lane, the lowest number goes first, and the
    next only when that has ended. `leased_until`: somebody is sending it; who dies doing so is waited for until then.
    `first_tried_at` begins anew when its webhook is resumed, replayed, or gets another address.
    """

    __tablename__ = "webhook_deliveries"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    webhook_id: Mapped[UUID]
    number: Mapped[int | None] = mapped_column(BigInteger)
    lane: Mapped[UUID]
    type: Mapped[str]
    body: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=Fate.TRYING)
    tries: Mapped[int] = mapped_column(server_default=text("0"))
    first_tried_at: Mapped[datetime | None]
    due_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    leased_until: Mapped[datetime | None]
    taken_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "webhook_id"], ["webhooks.program_id", "webhooks.id"], ondelete="CASCADE"),
        CheckConstraint(_one_of("state", Fate), name="state_known"),
        CheckConstraint("(state = 'trying') = (ended_at IS NULL)", name="ended_says_how"),
        Index("ix_webhook_deliveries_number", "program_id", "webhook_id", "number", unique=True),
        Index(
            "ix_webhook_deliveries_trying",
            "program_id", "webhook_id", "lane", "number",
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_webhook_deliveries_newest", "program_id", "webhook_id", "taken_at", "id"),
        Index(None, "program_id", "ended_at"),
    )  # fmt: skip


class Try(Base):
    """One try of a delivery: where it went, and what was answered. Without `ms` it is under way, or was cut off."""

    __tablename__ = "webhook_tries"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    delivery_id: Mapped[UUID] = mapped_column(primary_key=True)
    nr: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    url: Mapped[str]
    status: Mapped[int | None]
    answer: Mapped[str | None]
    ms: Mapped[int | None]
    error: Mapped[str | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["program_id", "delivery_id"], ["webhook_deliveries.program_id", "webhook_deliveries.id"],
            ondelete="CASCADE",
        ),
    )  # fmt: skip
