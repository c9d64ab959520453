"""One step of a webhook in the database: what came of tries, what is new in the log, and leases of what is due.

All that changes a webhook or its deliveries happens under the lock of its row: a step here, whatever its owner does
elsewhere. Killed before it commits, a step has not been; after, whoever comes next goes on from there.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.access.roles import Action
from app.access.standing import standing
from app.core.database import load_sql
from app.core.keyring import CanNotOpen, Keyring, purpose_of
from app.core.problems import Shredded
from app.delivery.log import Entry, extent, read
from app.delivery.webhooks.filters import Filter, admitted, lane_of
from app.delivery.webhooks.messages import delivery_id, event
from app.delivery.webhooks.patience import Patience
from app.delivery.webhooks.sending import GONE, Outcome, Parcel
from app.delivery.webhooks.tables import Because, Delivery, Fate, State, Try, Webhook

ACTOR = "webhooks"
READ_NUMBERS = 500
"""How much of the log one step looks through."""

_HEADS = load_sql(__file__, "heads")

secret_purpose = purpose_of("webhooks", "secret")
previous_purpose = purpose_of("webhooks", "previous_secret")
"""What a webhook's secrets are sealed for: casework/rotation.py names the same columns."""


@dataclass(slots=True)
class Step:
    """One step, in the caller's transaction."""

    session: AsyncSession
    keyring: Keyring
    patience: Patience
    webhook: Webhook
    now: datetime
    more: bool = False
    """Whether the log has more to be taken at once."""

    @classmethod
    async def begin(
        cls, session: AsyncSession, keyring: Keyring, patience: Patience, program_id: UUID, id: UUID, *, must: bool
    ) -> "Step | None":
        """The step of this webhook, with its row locked. None where it has been deleted, or, unless this one `must` be
        made, where another has the lock: then that one sees to it."""
        webhook = await session.scalar(
            select(Webhook)
            .where(Webhook.program_id == program_id, Webhook.id == id)
            .with_for_update(skip_locked=not must)
        )
        if webhook is None:
            return None
        # After the lock: the clock must be younger than whatever the step before wrote.
        now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
        return cls(session, keyring, patience, webhook, now)

    async def go(self, outcomes: Sequence[Outcome], room: int) -> list[Parcel]:
        """Write down the outcomes, take what is new, and lease at most so many tries."""
        webhook = self.webhook
        for outcome in outcomes:
            await self._record(outcome)
        caller = await self._caller()
        if caller is None:
            webhook.due_at = None
            return []
        if webhook.state == State.ON:
            await self._take(caller)
        await self.session.flush()
        return await self._lease(caller, room)

    def _switch_off(self, because: Because) -> None:
        webhook = self.webhook
        webhook.state, webhook.off_because, webhook.state_since = State.OFF, because, self.now

    async def _caller(self) -> Caller | None:
        """Whom the webhook acts as, asked anew; where they are none any more, it is switched off."""
        webhook = self.webhook
        caller = await standing(self.session, webhook.program_id, webhook.caller_id, webhook.scopes)
        if caller is None or not caller.may(Action.KEEP_WEBHOOKS):
            if webhook.state == State.ON:
                self._switch_off(Because.CALLER_ENDED if caller is None else Because.NOT_PERMITTED)
            return None
        return caller

    # What came of tries.

    async def _record(self, outcome: Outcome) -> None:
        here = Try.program_id == self.webhook.program_id, Try.delivery_id == outcome.delivery_id
        await self.session.execute(
            update(Try)
            .where(*here, Try.nr == outcome.nr)
            .values(status=outcome.status, answer=outcome.answer, ms=outcome.ms, error=outcome.error)
            .execution_options(synchronize_session=False)
        )
        delivery = await self.session.get(Delivery, (self.webhook.program_id, outcome.delivery_id))
        if outcome.accepted:
            await self._accepted()
        elif outcome.status == GONE and self.webhook.state == State.ON:
            self._switch_off(Because.GONE)
        # Skipped meanwhile, or its lease ran out and another tries it by now: then its fate is none of this try's.
        if delivery is None or delivery.ended_at is not None or delivery.tries != outcome.nr:
            return
        delivery.leased_until = None
        if outcome.accepted:
            self._end(delivery, Fate.DELIVERED)
        elif delivery.number is None:
            # Tests say nothing of whether events arrive.
            self._end(delivery, Fate.FAILED)
        else:
            await self._put_off(delivery, outcome)

    async def _accepted(self) -> None:
        """The endpoint has taken something."""
        if self._is_out():
            # It is back: what was put off, for hours perhaps, goes now.
            await self._move(self.now, Delivery.due_at > self.now)
        self.webhook.accepted_at, self.webhook.failing_since = self.now, None

    async def _put_off(self, delivery: Delivery, outcome: Outcome) -> None:
        webhook = self.webhook
        webhook.failing_since = webhook.failing_since or self.now
        if webhook.state == State.ON and self.patience.switches_off(webhook.failing_since, self.now):
            self._switch_off(Because.FAILING)
        first = delivery.first_tried_at or self.now
        if self.patience.gives_up(first, self.now, webhook.accepted_at):
            self._end(delivery, Fate.FAILED)
            return
        # Chance, so that what failed together does not come back together; nothing hangs on its being guessed.
        draw = random.random()  # noqa: S311
        delivery.due_at = self.now + self.patience.until_next(self.now - first, outcome.asked, draw)
        if self._is_out():
            # One try tells of the whole endpoint: what else is due need not find out by itself.
            await self._move(delivery.due_at, Delivery.due_at <= self.now)

    def _is_out(self) -> bool:
        """Whether nothing has been accepted for so long that it is the endpoint, and not one event."""
        since = self.webhook.failing_since
        return since is not None and self.now - since >= self.patience.outage

    async def _move(self, due_at: datetime, those: ColumnElement[bool]) -> None:
        """Give those that nobody is sending another time."""
        await self.session.execute(
            update(Delivery)
            .where(
                Delivery.program_id == self.webhook.program_id,
                Delivery.webhook_id == self.webhook.id,
                Delivery.ended_at.is_(None),
                Delivery.leased_until.is_(None),
                Delivery.number.is_not(None),
                those,
            )
            .values(due_at=due_at)
            .execution_options(synchronize_session=False)
        )

    def _end(self, delivery: Delivery, fate: Fate) -> None:
        delivery.state, delivery.ended_at = fate, self.now

    # What is new.

    async def _take(self, caller: Caller) -> None:
        """Take from the log what comes next, unless enough is under way already."""
        webhook, session = self.webhook, self.session
        found = await extent(session, webhook.program_id)
        if webhook.after_number >= found.latest:
            return
        if not found.holds_all_after(webhook.after_number):
            self._switch_off(Because.LOG_GONE)
            return
        trying = await session.scalar(
            select(func.count())
            .select_from(Delivery)
            .where(
                Delivery.program_id == webhook.program_id,
                Delivery.webhook_id == webhook.id,
                Delivery.ended_at.is_(None),
            )
        )
        room = self.patience.most_trying - (trying or 0)
        if room <= 0:
            return
        entries = await read(session, webhook.program_id, webhook.after_number, min(READ_NUMBERS, room))
        seen = [entry for entry in entries if entry.seen_by(caller)]
        filter = Filter.model_validate(webhook.filter)
        await self._add(await admitted(session, webhook.program_id, seen, webhook.types, filter))
        webhook.after_number = entries[-1].number
        self.more = webhook.after_number < found.latest and len(entries) < room

    async def _add(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        webhook = self.webhook
        adding = insert(Delivery).values(
            [
                {
                    "program_id": webhook.program_id,
                    "id": delivery_id(webhook.id, entry.number),
                    "webhook_id": webhook.id,
                    "number": entry.number,
                    "lane": lane_of(entry),
                    "type": entry.type,
                    "body": event(webhook.program_id, entry),
                }
                for entry in entries
            ]
        )
        # What is there already is replayed; what is still being tried goes on as it was.
        again: dict[str, Any] = {
            "state": Fate.TRYING, "ended_at": None, "first_tried_at": None, "due_at": self.now, "taken_at": self.now
        }  # fmt: skip
        await self.session.execute(
            adding.on_conflict_do_update(
                index_elements=["program_id", "id"], set_=again, where=Delivery.ended_at.is_not(None)
            )
        )

    # What is due.

    async def _lease(self, caller: Caller, room: int) -> list[Parcel]:
        """Lease what may be sent now, and find when there is something to do next."""
        webhook, patience = self.webhook, self.patience
        under_way = await self._leases()
        at_once = 1 if webhook.failing_since is not None else patience.at_once
        most = min(room, at_once - len(under_way))
        connection = await self.session.connection()
        sent = webhook.state == State.ON
        values = (webhook.program_id, webhook.id, sent, webhook.after_number, patience.at_once + 1)
        heads = (await connection.exec_driver_sql(_HEADS, values)).all()
        due = [head for head in heads if head.ready_at <= self.now][: max(0, most)]
        parcels = await self._pack(caller, due)
        leased = {head.id for head in due}
        times = [head.ready_at for head in heads if head.id not in leased]
        if parcels is None:
            webhook.due_at = None
            return []
        if len(parcels) < len(due):
            # What was withheld makes room for the next of its lane.
            times.append(self.now)
        if parcels:
            times.append(self.now + patience.lease)
        next_at = min(times, default=None)
        if next_at is not None and at_once <= len(under_way) + len(parcels):
            # No more at once: whoever sends comes back by itself, and if it died, its lease runs out.
            next_at = max(next_at, min([*under_way, self.now + patience.lease]))
        webhook.due_at = next_at
        return parcels

    async def _leases(self) -> list[datetime]:
        """Until when what is being sent is waited for."""
        found = await self.session.scalars(
            select(Delivery.leased_until).where(
                Delivery.program_id == self.webhook.program_id,
                Delivery.webhook_id == self.webhook.id,
                Delivery.ended_at.is_(None),
                Delivery.leased_until > self.now,
            )
        )
        return [until for until in found if until is not None]

    async def _pack(self, caller: Caller, due: Sequence[Row[Any]]) -> list[Parcel] | None:
        """The tries of these deliveries; those that the caller may not see any more are ended instead. None when the
        webhook can't sign any more, and so is switched off."""
        secrets = await self._secrets() if due else []
        if secrets is None:
            if self.webhook.state == State.ON:
                self._switch_off(Because.SECRET_LOST)
            return None
        parcels = []
        for head in due:
            delivery = await self.session.get_one(Delivery, (self.webhook.program_id, head.id), populate_existing=True)
            if head.number is None or await self._still_seen(caller, head.number):
                parcels.append(await self._leased(delivery, secrets))
            else:
                self._end(delivery, Fate.WITHHELD)
        return parcels

    async def _leased(self, delivery: Delivery, secrets: list[bytes]) -> Parcel:
        delivery.tries += 1
        delivery.first_tried_at = delivery.first_tried_at or self.now
        delivery.leased_until = self.now + self.patience.lease
        # Written now, so that a try whose process died stands in the log too.
        await self.session.execute(
            insert(Try).values(
                program_id=delivery.program_id,
                delivery_id=delivery.id,
                nr=delivery.tries,
                at=self.now,
                url=self.webhook.url,
            )
        )
        return Parcel(delivery.id, delivery.tries, self.now, self.webhook.url, delivery.body, secrets)

    async def _still_seen(self, caller: Caller, number: int) -> bool:
        """Whether the caller may see the event now. One that has left the log can't be asked about."""
        found = await read(self.session, self.webhook.program_id, number - 1, 1)
        return bool(found) and found[0].seen_by(caller)

    async def _secrets(self) -> list[bytes] | None:
        """What to sign with: the secret, and the one before for as long as that is good. None when they are lost."""
        webhook = self.webhook
        sealed = [(secret_purpose(webhook.id), webhook.secret)]
        if webhook.previous_secret is not None and webhook.previous_until and webhook.previous_until > self.now:
            sealed.append((previous_purpose(webhook.id), webhook.previous_secret))
        try:
            return [
                await self.keyring.open(self.session, webhook.program_id, purpose, text) for purpose, text in sealed
            ]
        except (CanNotOpen, Shredded):
            return None
