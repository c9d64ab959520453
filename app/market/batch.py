"""One transaction of the desk: look up and lock, decide, write."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from asyncpg import Record

from app.access.idempotency import Kept
from app.core.database import PooledConnection, load_sql
from app.core.ids import new_id, new_one_time_code
from app.core.problems import Invalid, Problem, TooManyHolds
from app.core.rendering import to_json
from app.market.answers import claim_answer
from app.market.calls import Call
from app.market.decide import Held, Item, Offer, Refused, Request, TooMany, decide
from app.market.needs import Need
from app.market.policy import MarketPolicy

LOCK, WORKERS, HOLDS, HOLD = (load_sql(__file__, name) for name in ("lock", "workers", "holds", "hold"))
OPEN = load_sql(__file__, "open").replace("{lock}", LOCK)

NO_PARTICIPANT = "No such participant in this program. POST /v1/participants gives a new code."

Outcome = Kept | Problem | Refused
"""What a batch makes of a call: its answer, an error, or that it can't be held now."""


@dataclass(slots=True)
class _Writes:
    """The rows of `hold.sql`, gathered over a batch: calls, and the items held for each by its number from 1."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    items: list[tuple[Any, ...]] = field(default_factory=list)

    def columns(self) -> list[tuple[Any, ...]]:
        return [column for rows in (self.calls, self.items) for column in zip(*rows, strict=True)]


class Batch:
    """One transaction of the desk, step by step."""

    def __init__(
        self, connection: PooledConnection, program_id: UUID, calls: Sequence[tuple[Call, tuple[Item, ...]]]
    ) -> None:
        self._connection = connection
        self._program_id = program_id
        self._calls = [call for call, _ in calls]
        self._items = [items for _, items in calls]
        self._outcomes: list[Outcome | None] = [None] * len(calls)
        self._people: list[tuple[UUID, str]] = []
        self._openings: dict[UUID, Offer] = {}
        self._now: Any = None

    def finished(self) -> list[Outcome]:
        """The outcome of each call."""
        outcomes = [outcome for outcome in self._outcomes if outcome is not None]
        assert len(outcomes) == len(self._calls), "every call has its outcome"
        return outcomes

    async def open(self) -> None:
        """Find the answers that keys already have and the participants; lock every opening that a call names or has
        found, and expire the holds on them that have lapsed."""
        ids = sorted({id for items in self._items for item in items for id in item.candidates})
        participants = [call.participant for call in self._calls]
        rows = await self._connection.fetch(
            OPEN,
            self._program_id,
            ids,
            [call.caller.id for call in self._calls],
            [call.key for call in self._calls],
            [each if isinstance(each, UUID) else None for each in participants],
            [each if isinstance(each, str) else None for each in participants],
        )
        found = {row["nr"]: row for row in rows if row["nr"] is not None}
        rows = [row for row in rows if row["nr"] is None]
        if any(row["next_lapse_at"] is not None and row["next_lapse_at"] <= row["now"] for row in rows):
            await self._connection.execute("SELECT expire_lapsed($1, $2)", self._program_id, ids)
            rows = await self._connection.fetch(LOCK, self._program_id, ids)
        self._openings = {row[0]: Offer(*row[:17]) for row in rows}
        self._now = max((row["now"] for row in rows), default=None)
        for index, call in enumerate(self._calls):
            self._outcomes[index] = self._settled(call, found[index + 1])

    def _settled(self, call: Call, found: Record) -> Outcome | None:
        """What can be said of a call without deciding: its kept answer, or what is wrong with it."""
        self._people.append((found["participant_id"], found["participant_code"]))
        if found["fingerprint"] is not None:
            try:
                call.asked.refuse_other(found["fingerprint"])
            except Problem as problem:
                return problem
            return Kept(found["status"], found["body"])
        if found["participant_id"] is None and call.participant is not None:
            # Without the code: what is kept of a call that names a shelter must not be nearly somebody's.
            return Invalid.at("participant", NO_PARTICIPANT)
        for nr, wanted in enumerate(call.wanted):
            if wanted.opening_id is not None and wanted.opening_id not in self._openings:
                return Invalid.at(f"items.{nr}.opening_id", f"No opening {wanted.opening_id} in this program.")
        return None

    async def hold(self, policy: MarketPolicy, time_zone: ZoneInfo) -> None:
        """Decide, and write all that is held."""
        undecided = [index for index, outcome in enumerate(self._outcomes) if outcome is None]
        if not undecided:
            return
        if self._now is None:
            self._now = await self._connection.fetchval("SELECT clock_timestamp()")
        holds = await self._holds(policy, undecided)
        requests = [
            Request(caller_id, self._items[index], holds.get(caller_id, 0))
            for index, caller_id in ((index, self._calls[index].caller.id) for index in undecided)
        ]
        outcomes = decide(self._openings, requests, policy=policy, zone=time_zone, now=self._now)
        writes = _Writes()
        for index, outcome in zip(undecided, outcomes, strict=True):
            if isinstance(outcome, Held):
                self._outcomes[index] = self._write(writes, index, outcome)
            elif isinstance(outcome, TooMany):
                self._outcomes[index] = TooManyHolds(
                    f"Your program lets one worker hold {outcome.cap} places at once. Confirm or release one first.",
                    cap=outcome.cap,
                )
            else:
                self._outcomes[index] = outcome
        if writes.calls:
            await self._connection.execute(HOLD, self._program_id, self._now, *writes.columns())

    async def _holds(self, policy: MarketPolicy, undecided: list[int]) -> dict[UUID, int]:
        if policy.max_active_holds is None:
            return {}
        workers = [self._calls[index].caller.id for index in undecided]
        await self._connection.execute(WORKERS, workers)
        rows = await self._connection.fetch(HOLDS, self._program_id, workers, policy.max_active_holds)
        return {row["id"]: row["holds"] for row in rows}

    def _write(self, writes: _Writes, index: int, held: Held) -> Kept:
        call = self._calls[index]
        anonymous = call.participant is None or any(
            self._openings[opening_id].confidential for opening_id, _ in held.placed
        )
        participant_id, code = (None, new_one_time_code()) if anonymous else self._people[index]
        bundle_id = new_id()
        nr = len(writes.calls) + 1
        claims = []
        for item, wanted, (opening_id, hold_until) in zip(self._items[index], call.wanted, held.placed, strict=True):
            opening = self._openings[opening_id]
            claim = claim_answer(
                id=new_id(),
                bundle_id=bundle_id,
                participant=code,
                opening=opening,
                units=item.units,
                held_at=self._now,
                hold_until=hold_until,
            )
            claims.append(claim)
            need = _kept_need(wanted.need, anonymous=anonymous) if wanted.need else None
            writes.items.append((nr, claim["id"], opening_id, opening.organization_id, item.units, need, hold_until))
        answer = Kept(201, to_json({"bundle_id": bundle_id, "claims": claims}))
        caller = call.caller
        writes.calls.append(
            (
                bundle_id,
                participant_id,
                code if anonymous else None,
                caller.id,
                caller.organization_id,
                call.key,
                call.fingerprint(anonymous=anonymous),
                answer.body,
            )
        )
        return answer


def _kept_need(need: Need, *, anonymous: bool) -> str:
    """What was asked for, as a claim keeps it: as coarse as an unmet need where it must not lead to a person."""
    return to_json(need.coarse()).decode() if anonymous else need.model_dump_json(exclude_defaults=True)
