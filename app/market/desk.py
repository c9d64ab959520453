"""The desk: takes the claims of one program in batches, so that a hot opening is locked once for many.

While one batch is in the database, later claims gather; when it returns, the next takes all that gathered.
There is no timer: alone, a claim goes at once.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.access.idempotency import Kept, refuse_other
from app.core.database import Database, PooledConnection, load_sql
from app.core.ids import new_id
from app.core.problems import Busy, Invalid, Problem, TooManyHolds
from app.core.rendering import to_json
from app.market.answers import claim_answer
from app.market.calls import Call, Wanted
from app.market.decide import Held, Item, Offer, Refused, Request, TooMany, decide
from app.market.policy import MarketPolicy, zone
from app.market.refusals import refuse
from app.market.search import SHORTLIST, search

log = logging.getLogger(__name__)

LOOKUP, LOCK, WORKERS, HOLDS, HOLD = (
    load_sql(__file__, name) for name in ("lookup", "lock", "workers", "holds", "hold")
)

LOOKS = 30
"""How often one call looks for open places, each time it lost all it had found to others."""
FIRST_LOOK = 16
"""How many candidates the first look brings; each further look brings twice as many."""
POLICY_SECONDS = 1.0
"""How long a program's policy is believed before it is read again."""
TRIES = 3
"""How often a call that breaks is tried alone before its error is its caller's."""
SIDE_WORK = 4
"""How many searches and refusals of this desk may be in the database at once, beside its batch."""


Outcome = Kept | Problem | Refused
"""What a batch makes of a call: its answer, an error, or that it can't be held now."""


@dataclass(slots=True)
class _Waiting:
    call: Call
    outcome: asyncio.Future[Outcome]


@dataclass(slots=True)
class _Flight:
    """A call on its way, and the answer that its twins (same caller, same key) wait for."""

    fingerprint: bytes
    answer: asyncio.Future[Kept]


@dataclass(slots=True)
class _Writes:
    """The columns of `hold.sql`, gathered over a batch."""

    bundles: list[tuple[Any, ...]] = field(default_factory=list)
    claims: list[tuple[Any, ...]] = field(default_factory=list)
    answers: list[tuple[Any, ...]] = field(default_factory=list)

    def columns(self) -> list[list[Any]]:
        return [
            list(column) for rows in (self.bundles, self.claims, self.answers) for column in zip(*rows, strict=True)
        ]


class Desk:
    """The desk of one program in this process."""

    def __init__(self, database: Database, program_id: UUID, *, queue: int, batch: int) -> None:
        self._database = database
        self._program_id = program_id
        self._bound = queue
        self._batch = batch
        self._waiting: deque[_Waiting] = deque()
        self._flights: dict[tuple[UUID, str], _Flight] = {}
        self._runner: asyncio.Task[None] | None = None
        self._side = asyncio.Semaphore(SIDE_WORK)
        self._policy: tuple[float, MarketPolicy, ZoneInfo] | None = None

    async def claim(self, call: Call) -> Kept:
        """Hold everything the call asks for, or refuse it with alternatives; both are committed when this returns.

        Raises Busy when too much is waiting, Invalid for a participant or opening that does not exist,
        TooManyHolds, KeyReused.
        """
        name = (call.caller.id, call.key)
        if twin := self._flights.get(name):
            refuse_other(twin.fingerprint, call.fingerprint)
            return await asyncio.shield(twin.answer)
        if len(self._flights) >= self._bound:
            raise Busy(f"{self._bound} claims are waiting at this desk. Try again in a second, with the same key.")
        flight = _Flight(call.fingerprint, asyncio.get_running_loop().create_future())
        self._flights[name] = flight
        try:
            answer = await self._claim(call)
        except BaseException as error:
            # A twin must not be taken for cancelled because the first of the two was.
            told = error if isinstance(error, Exception) else Busy("The request was cut off. Try again, same key.")
            flight.answer.set_exception(told)
            flight.answer.exception()  # Seen: most calls have no twin to hear it.
            raise
        finally:
            del self._flights[name]
        flight.answer.set_result(answer)
        return answer

    async def _claim(self, call: Call) -> Kept:
        searching = any(wanted.need for wanted in call.wanted)
        capped = False
        for look in range(LOOKS):
            items = await self._look(call, look) if searching else _named(call)
            outcome = await self._queue(replace(call, items=items))
            if isinstance(outcome, Kept):
                return outcome
            if isinstance(outcome, TooManyHolds) and not capped:
                # One too many may be the hold that another process has just made for this very call.
                capped = True
                continue
            if isinstance(outcome, Problem):
                raise outcome
            if not outcome.look_again:
                async with self._side:
                    return await refuse(self._database, call, outcome)
        raise Busy("What fits is being claimed faster than it can be found. Try again, with the same key.")

    async def _look(self, call: Call, look: int) -> tuple[Item, ...]:
        """The call's items with the candidates that a search finds for them now."""
        limit = min(FIRST_LOOK << look, SHORTLIST)
        items = []
        async with self._side, self._database.transaction(self._program_id, str(call.caller.id)) as session:
            for wanted in call.wanted:
                if wanted.need is None:
                    items.append(_item(wanted))
                    continue
                found = await search(session, self._program_id, wanted.need, limit=limit)
                candidates = tuple(each.opening.id for each in found)
                items.append(Item(wanted.units, candidates, wanted.need, complete=len(found) < limit))
        return tuple(items)

    async def _queue(self, call: Call) -> Outcome:
        waiting = _Waiting(call, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        return await waiting.outcome

    async def _run(self) -> None:
        try:
            while self._waiting:
                count = min(len(self._waiting), self._batch)
                await self._serve([self._waiting.popleft() for _ in range(count)])
        finally:
            self._runner = None

    async def _serve(self, batch: list[_Waiting]) -> None:
        """Answer every call of the batch. If the batch breaks, each is tried alone: none can spoil another's."""
        try:
            outcomes = await self._transact([each.call for each in batch])
        except Exception as error:
            log.info("a batch of %d claims broke and is tried one by one: %r", len(batch), error)
            for each in batch:
                await self._serve_alone(each)
            return
        for each, outcome in zip(batch, outcomes, strict=True):
            _tell(each, outcome)

    async def _serve_alone(self, waiting: _Waiting) -> None:
        """Answer one call. What broke it may pass: another process took its key just now, the opening lapsed
        between decision and insert, the connection is gone. Its key makes trying again safe even then."""
        for attempt in range(TRIES):
            try:
                [outcome] = await self._transact([waiting.call])
            except Exception as error:
                if attempt == TRIES - 1 and not waiting.outcome.done():
                    waiting.outcome.set_exception(error)
            else:
                _tell(waiting, outcome)
                return

    async def _transact(self, calls: Sequence[Call]) -> list[Outcome]:
        async with self._database.batch(self._program_id, "desk") as connection:
            batch = _Batch(connection, self._program_id, calls)
            await batch.look_up()
            await batch.lock()
            policy, time_zone = await self._rules(connection)
            await batch.hold(policy, time_zone)
        return batch.finished()

    async def _rules(self, connection: PooledConnection) -> tuple[MarketPolicy, ZoneInfo]:
        if self._policy is None or self._policy[0] < monotonic():
            row = await connection.fetchrow(
                "SELECT policy::text, time_zone FROM programs WHERE program_id = $1", self._program_id
            )
            assert row is not None, "a caller's key belongs to a program that exists"
            self._policy = (
                monotonic() + POLICY_SECONDS,
                MarketPolicy.model_validate_json(row["policy"]).complete(),
                zone(row["time_zone"]),
            )
        return self._policy[1], self._policy[2]


class _Batch:
    """One transaction of the desk, step by step."""

    def __init__(self, connection: PooledConnection, program_id: UUID, calls: Sequence[Call]) -> None:
        self._connection = connection
        self._program_id = program_id
        self._calls = calls
        self._outcomes: list[Outcome | None] = [None] * len(calls)
        self._people: list[tuple[UUID, str]] = []
        self._openings: dict[UUID, Offer] = {}
        self._now: Any = None

    def finished(self) -> list[Outcome]:
        """The outcome of each call."""
        outcomes = [outcome for outcome in self._outcomes if outcome is not None]
        assert len(outcomes) == len(self._calls), "every call has its outcome"
        return outcomes

    def _open(self) -> list[int]:
        """The calls that have no outcome yet."""
        return [index for index, outcome in enumerate(self._outcomes) if outcome is None]

    async def look_up(self) -> None:
        """Find the answers that keys already have, and the participants."""
        ids = [c.participant if isinstance(c.participant, UUID) else None for c in self._calls]
        codes = [c.participant if isinstance(c.participant, str) else None for c in self._calls]
        rows = await self._connection.fetch(
            LOOKUP,
            self._program_id,
            [call.caller.id for call in self._calls],
            [call.key for call in self._calls],
            ids,
            codes,
        )
        for index, (call, row) in enumerate(zip(self._calls, rows, strict=True)):
            self._people.append((row["participant_id"], row["participant_code"]))
            if row["fingerprint"] is not None:
                try:
                    refuse_other(row["fingerprint"], call.fingerprint)
                    self._outcomes[index] = Kept(row["status"], row["body"])
                except Problem as problem:
                    self._outcomes[index] = problem
            elif row["participant_id"] is None:
                self._outcomes[index] = Invalid.at(
                    "participant",
                    f"No participant {call.participant} in this program. POST /v1/participants gives a new code.",
                )

    async def lock(self) -> None:
        """Lock every opening that a call names or has found, and expire the holds on them that have lapsed."""
        ids = sorted({id for i in self._open() for item in self._calls[i].items for id in item.candidates})
        rows = await self._connection.fetch(LOCK, self._program_id, ids)
        if any(row["next_lapse_at"] is not None and row["next_lapse_at"] <= row["now"] for row in rows):
            await self._connection.execute("SELECT expire_lapsed($1, $2)", self._program_id, ids)
            rows = await self._connection.fetch(LOCK, self._program_id, ids)
        self._openings = {row[0]: Offer(*row[:16]) for row in rows}
        self._now = max((row["now"] for row in rows), default=None)
        for index in self._open():
            call = self._calls[index]
            for nr, wanted in enumerate(call.wanted):
                if wanted.opening_id is not None and wanted.opening_id not in self._openings:
                    self._outcomes[index] = Invalid.at(
                        f"items.{nr}.opening_id", f"No opening {wanted.opening_id} in this program."
                    )

    async def hold(self, policy: MarketPolicy, time_zone: ZoneInfo) -> None:
        """Decide, and write all that is held."""
        undecided = self._open()
        if not undecided:
            return
        if self._now is None:
            self._now = await self._connection.fetchval("SELECT clock_timestamp()")
        holds = await self._holds(policy, undecided)
        requests = [
            Request(call.caller.id, call.items, holds.get(call.caller.id, 0))
            for call in (self._calls[index] for index in undecided)
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
        if writes.claims:
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
        participant_id, code = self._people[index]
        bundle_id = new_id()
        writes.bundles.append((bundle_id, participant_id, call.caller.id))
        claims = []
        for item, (opening_id, hold_until) in zip(call.items, held.placed, strict=True):
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
            writes.claims.append(
                (
                    claim["id"],
                    bundle_id,
                    opening_id,
                    opening.organization_id,
                    call.caller.id,
                    call.caller.organization_id,
                    item.units,
                    item.need.model_dump_json(exclude_defaults=True) if item.need else None,
                    hold_until,
                )
            )
        answer = Kept(201, to_json({"bundle_id": bundle_id, "claims": claims}))
        writes.answers.append((call.caller.id, call.key, call.fingerprint, answer.body))
        return answer


def _tell(waiting: _Waiting, outcome: Outcome) -> None:
    if not waiting.outcome.done():
        waiting.outcome.set_result(outcome)


def _item(wanted: Wanted) -> Item:
    assert wanted.opening_id is not None, "an item names an opening or a need"
    return Item(wanted.units, (wanted.opening_id,))


def _named(call: Call) -> tuple[Item, ...]:
    return tuple(_item(wanted) for wanted in call.wanted)


class Desks:
    """The desks of this process, one for each program that has asked."""

    def __init__(self, database: Database, *, queue: int, batch: int) -> None:
        self._database = database
        self._queue = queue
        self._batch = batch
        self._desks: dict[UUID, Desk] = {}

    def of(self, program_id: UUID) -> Desk:
        """The desk of a program."""
        if program_id not in self._desks:
            self._desks[program_id] = Desk(self._database, program_id, queue=self._queue, batch=self._batch)
        return self._desks[program_id]
