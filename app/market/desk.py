"""The desk: takes the claims of one program in batches, so that a hot opening is locked once for many.

While a batch is in the database, later claims gather; when it returns, the next takes all that gathered. There is no
timer: alone, a claim goes at once.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from uuid import UUID
from zoneinfo import ZoneInfo

from app.access.callers import NAMES_NOBODY
from app.access.idempotency import Asked, Kept
from app.core.database import Batches, Database, PooledConnection
from app.core.metrics import BATCH, CLAIMS
from app.core.problems import Busy, Invalid, KeyReused, Problem, TooManyHolds
from app.market.batch import Batch, Outcome
from app.market.calls import Call, Wanted
from app.market.decide import Item
from app.market.policy import MarketPolicy, zone
from app.market.refusals import keep_refusal, refuse
from app.market.search import SHORTLIST, for_a_find, search

HELD, REFUSED = CLAIMS.labels("held"), CLAIMS.labels("refused")

log = logging.getLogger(__name__)

LOOKS = 30
"""How often one call looks for open places, each time it lost all it had found to others."""
FIRST_LOOK = 16
"""How many candidates the first look brings; each further look brings twice as many."""
POLICY_SECONDS = 1.0
"""How long a program's policy is believed before it is read again."""
NOT_HALVED = 16
"""A batch of so few goes whole: what is saved by halving it would be lost on the transaction more."""
TRIES = 3
"""How often a call that breaks is tried alone before its error is its caller's."""
SIDE_WORK = 4
"""How many searches and refusals of this desk may be in the database at once, beside its batch."""


@dataclass(slots=True)
class _Waiting:
    call: Call
    items: tuple[Item, ...]
    outcome: asyncio.Future[Outcome]


@dataclass(slots=True)
class _Flight:
    """A call on its way, and the answer that its twins (same caller, same key) wait for."""

    asked: Asked
    answer: asyncio.Future[Kept]


class Desk:
    """The desk of one program in this process."""

    def __init__(self, database: Database, program_id: UUID, *, queue: int, batch: int) -> None:
        self._database = database
        self._program_id = program_id
        self._bound = queue
        self._batch = batch
        self._waiting: deque[_Waiting] = deque()
        self._flights: dict[tuple[UUID, str], _Flight] = {}
        self._running: asyncio.Task[None] | None = None
        self._side = asyncio.Semaphore(SIDE_WORK)
        self._policy: tuple[float, MarketPolicy, ZoneInfo] | None = None

    async def claim(self, call: Call) -> Kept:
        """Hold everything the call asks for, or refuse it with alternatives; both are committed when this returns.

        Raises Busy when too much is waiting, KeyReused, and Invalid when a caller whose organization serves survivors
        names a participant: before anything of the call is kept.
        """
        if call.participant is not None and call.caller.serves_survivors:
            raise Invalid.at("participant", NAMES_NOBODY)
        name = (call.caller.id, call.key)
        if twin := self._flights.get(name):
            call.asked.refuse_other(twin.asked.named)
            return await asyncio.shield(twin.answer)
        if len(self._flights) >= self._bound:
            raise Busy(f"{self._bound} claims are waiting at this desk. Try again in a second, with the same key.")
        flight = _Flight(call.asked, asyncio.get_running_loop().create_future())
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
        (HELD if answer.status == 201 else REFUSED).inc()
        return answer

    async def _claim(self, call: Call) -> Kept:
        searching = any(wanted.opening_id is None for wanted in call.wanted)
        capped = False
        for look in range(LOOKS):
            items = await self._look(call, look) if searching else _named(call)
            outcome = await self._queue(call, items)
            if isinstance(outcome, Kept):
                return outcome
            if isinstance(outcome, TooManyHolds) and not capped:
                # One too many may be the hold that another process has just made for this very call.
                capped = True
                continue
            if isinstance(outcome, KeyReused):
                raise outcome
            if isinstance(outcome, Problem):
                return await keep_refusal(self._database, call, outcome)
            if not outcome.look_again:
                async with self._side:
                    return await refuse(self._database, call, outcome)
        raise Busy("What fits is being claimed faster than it can be found. Try again, with the same key.")

    async def _look(self, call: Call, look: int) -> tuple[Item, ...]:
        """The call's items with the candidates that a search finds for them now."""
        limit = min(FIRST_LOOK << look, SHORTLIST)
        items = []
        async with self._side, self._database.transaction(self._program_id, str(call.caller.id), reads=True) as session:
            for wanted in call.wanted:
                if wanted.opening_id is not None:
                    items.append(_item(wanted))
                    continue
                assert wanted.need is not None, "an item names an opening or a need"
                ruled_out = for_a_find(wanted.need)
                found = await search(session, self._program_id, wanted.need, limit=limit, ruled_out=ruled_out)
                candidates = tuple(each.opening.id for each in found)
                # What lies beyond the longest list is not worth looking for again.
                complete = len(found) < limit or limit == SHORTLIST
                items.append(Item(wanted.units, candidates, wanted.need, complete))
        return tuple(items)

    async def _queue(self, call: Call, items: tuple[Item, ...]) -> Outcome:
        waiting = _Waiting(call, items, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await waiting.outcome

    async def _run(self) -> None:
        """Batch after batch, while anyone waits."""
        try:
            while self._waiting:
                await self._serve()
        finally:
            # In the same step as the last look at the queue: nobody comes in between and finds a task that has gone.
            self._running = None

    def _more(self) -> bool:
        """Whether another batch is to follow."""
        return bool(self._waiting)

    def _gather(self) -> list[_Waiting]:
        """The calls of the next batch: of many, half of those at the desk. While it is in the database there are others
        to read and answer then; had it taken all, there would be nothing to do but wait for it."""
        most = min(self._batch, max(NOT_HALVED, len(self._flights) // 2))
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), most))]

    async def _serve(self) -> None:
        """Answer batch after batch on one connection. If one breaks, each of its calls is tried alone: none can
        spoil another's."""
        batch = self._gather()
        try:
            async with self._database.batches(self._program_id, "desk") as batches:
                while batch:
                    outcomes = await self._transact(batches, batch)
                    BATCH.observe(len(batch))
                    for each, outcome in zip(batch, outcomes, strict=True):
                        _tell(each, outcome)
                    batch = self._gather()
        except Exception as error:
            log.info("a batch of %d claims broke and is tried one by one: %r", len(batch), error)
            for each in batch:
                await self._serve_alone(each)

    async def _serve_alone(self, waiting: _Waiting) -> None:
        """Answer one call. What broke it may pass: another process took its key just now, the opening lapsed
        between decision and insert, the connection is gone. Its key makes trying again safe even then."""
        for attempt in range(TRIES):
            try:
                async with self._database.batches(self._program_id, "desk") as batches:
                    [outcome] = await self._transact(batches, [waiting])
            except Exception as error:
                if attempt == TRIES - 1 and not waiting.outcome.done():
                    waiting.outcome.set_exception(error)
            else:
                _tell(waiting, outcome)
                return

    async def _transact(self, batches: Batches, waiting: Sequence[_Waiting]) -> list[Outcome]:
        async with batches.transaction(self._more) as connection:
            calls = [(each.call, each.items) for each in waiting]
            batch = Batch(connection, self._program_id, calls)
            await batch.open()
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
