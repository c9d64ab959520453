"""The database numbers: in commit order, without gaps, each event once, whoever commits late and whatever is killed."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.delivery.log import READ
from tests.ledger import Ledger, open_ledger
from tests.live.numbers import logged

WRITE = """
INSERT INTO organizations (program_id, id, name)
SELECT $1, gen_random_uuid(), 'n' FROM generate_series(1, $2::int)
"""


@pytest.fixture
async def ledger(own_database: str) -> AsyncIterator[Ledger]:
    """A program alone in its database, and nothing in its log."""
    connection = await asyncpg.connect(own_database)
    yield await open_ledger(connection)
    await connection.close()


@pytest.fixture
async def other(own_database: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A further connection of the owner's."""
    connection = await asyncpg.connect(own_database)
    yield connection
    await connection.close()


async def number(ledger: Ledger, connection: Any = None, limit: int = 1000) -> tuple[int, int, bool]:
    """One pass: the newest number, how many it gave, and whether it left some over."""
    connection = connection or ledger.connection
    async with connection.transaction():
        await connection.execute("SELECT set_config('openberth.program_id', $1, true)", str(ledger.program_id))
        row = await connection.fetchrow("SELECT * FROM number_events($1, false)", limit)
        return row["latest"], row["numbered"], row["more"]


async def write(ledger: Ledger, connection: Any, count: int = 1) -> None:
    """Some events."""
    await connection.execute(WRITE, ledger.program_id, count)


async def test_events_are_numbered_from_one_without_gaps(ledger: Ledger) -> None:
    await number(ledger)
    before = len(await logged(ledger))
    await write(ledger, ledger.connection, 250)
    assert await number(ledger) == (before + 250, 250, False)
    assert len(await logged(ledger)) == before + 250
    assert await number(ledger) == (before + 250, 0, False)
    pages = await ledger.value("SELECT max(cardinality(event_ids)) FROM log_pages WHERE program_id = $1")
    assert pages == 100


async def test_a_transaction_that_commits_late_is_numbered_when_it_does(
    ledger: Ledger, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await number(ledger)
    late = other.transaction()
    await late.start()
    await write(ledger, other, 3)
    ids = await other.fetch("SELECT id FROM events WHERE program_id = $1 ORDER BY id DESC LIMIT 3", ledger.program_id)
    for _ in range(20):
        await write(ledger, ledger.connection, 2)
        await number(ledger)
    before = len(await ledger.connection.fetch(READ, ledger.program_id, 0, 1000))
    await late.commit()
    latest, numbered, _ = await number(ledger)
    assert (latest, numbered) == (before + 3, 3)
    rows = await logged(ledger)
    by_number = await ledger.value(
        "SELECT array_agg(id ORDER BY last_number, nr) FROM log_pages,"
        " unnest(event_ids) WITH ORDINALITY AS u (id, nr) WHERE program_id = $1"
    )
    # Lower ids than forty events before them, and the highest numbers.
    assert by_number[-3:] == sorted(row["id"] for row in ids)
    assert len(rows) == latest
    assert max(by_number[:-3]) > by_number[-1]


async def test_what_was_written_under_a_savepoint_or_rolled_back_is_no_exception(
    ledger: Ledger, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    outer = other.transaction()
    await outer.start()
    inner = other.transaction()
    await inner.start()
    await write(ledger, other, 2)
    await number(ledger)
    await inner.commit()
    undone = other.transaction()
    await undone.start()
    await write(ledger, other, 5)
    await undone.rollback()
    await number(ledger)
    await outer.commit()
    await write(ledger, ledger.connection)
    await number(ledger)
    await logged(ledger)


async def test_where_one_waits_for_anothers_row_it_comes_after_it(
    ledger: Ledger, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """The one that waits has the lower transaction number and the later change; one pass sees both."""
    opening = await ledger.opening(10)
    await number(ledger)
    change = "UPDATE openings SET units_total = $2, version = version + 1 WHERE id = $1"
    waits, first = other.transaction(), ledger.connection.transaction()
    await waits.start()
    await write(ledger, other)  # Takes its transaction number now.
    await first.start()
    await ledger.connection.execute(change, opening, 11)
    waiting = asyncio.create_task(other.execute(change, opening, 12))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await first.commit()
    await waiting
    await waits.commit()
    await number(ledger)
    rows = [row["data"] for row in await logged(ledger) if row["subject_id"] == opening]
    assert ['"units_total": 11' in row for row in rows] == [False, True, False]
    assert '"units_total": 12' in rows[-1]


async def test_more_than_a_pass_takes_is_left_to_the_next_and_late_commits_are_not_lost_in_between(
    ledger: Ledger, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await number(ledger)
    late = other.transaction()
    await late.start()
    await write(ledger, other, 7)
    await write(ledger, ledger.connection, 40)
    assert (await number(ledger, limit=15))[1:] == (15, True)
    await late.commit()
    await write(ledger, ledger.connection, 5)
    assert (await number(ledger, limit=15))[1:] == (15, True)
    passes = 0
    while (await number(ledger, limit=15))[1]:
        passes += 1
        assert passes < 10
    await logged(ledger)


@pytest.mark.parametrize("limit", [3, 1000])
async def test_many_writers_and_relays_at_once(own_database: str, ledger: Ledger, limit: int) -> None:
    draw = random.Random(4)
    writing = True

    async def writer() -> None:
        connection = await asyncpg.connect(own_database)
        for _ in range(30):
            transaction = connection.transaction()
            await transaction.start()
            await write(ledger, connection, draw.randint(1, 4))
            await asyncio.sleep(draw.choice([0, 0, 0.002, 0.02]))
            await write(ledger, connection)
            await (transaction.rollback() if draw.random() < 0.2 else transaction.commit())
        await connection.close()

    async def relay() -> None:
        connection = await asyncpg.connect(own_database)
        while writing:
            await number(ledger, connection, limit)
        await connection.close()

    relays = [asyncio.create_task(relay()) for _ in range(3)]
    await asyncio.gather(*(writer() for _ in range(6)))
    writing = False
    await asyncio.gather(*relays)
    while (await number(ledger, limit=limit))[1]:
        pass
    assert len(await logged(ledger)) > 300


@pytest.mark.parametrize("step", ["before the pass", "after the lock", "after the pass", "after the commit"])
async def test_a_relay_that_is_killed_at_any_step_loses_and_doubles_nothing(
    own_database: str, ledger: Ledger, step: str
) -> None:
    await write(ledger, ledger.connection, 120)
    doomed = await asyncpg.connect(own_database)
    await doomed.execute("BEGIN")
    await doomed.execute("SELECT set_config('openberth.program_id', $1, true)", str(ledger.program_id))
    if step == "after the lock":
        await doomed.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('openberth relay ' || $1, 0))", str(ledger.program_id)
        )
    if step.startswith("after the pass") or step == "after the commit":
        await doomed.fetch("SELECT * FROM number_events(1000, false)")
    if step == "after the commit":
        await doomed.execute("COMMIT")
    await ledger.connection.fetch("SELECT pg_terminate_backend($1)", doomed.get_server_pid())
    await number(ledger)
    await logged(ledger)
    doomed.terminate()


async def test_a_dump_restored_elsewhere_is_numbered_on(ledger: Ledger) -> None:
    await number(ledger)
    # There, transactions are counted from the start: all that comes now has a lower number than what was.
    await ledger.run(
        "UPDATE log_pages SET cluster = 1, seen_xid = seen_xid + 1000000,"
        " taking_xid = seen_xid + 1000000, taking_open = '{}' WHERE program_id = $1"
    )
    await write(ledger, ledger.connection, 30)
    assert await ledger.value("SELECT count(*) FROM programs_behind() WHERE program_id = $1") == 1
    for _ in range(6):
        await number(ledger, limit=8)
    await write(ledger, ledger.connection, 3)
    await number(ledger)
    await logged(ledger)
    assert await ledger.value("SELECT count(*) FROM programs_behind() WHERE program_id = $1") == 0


async def test_who_is_behind_is_known(ledger: Ledger, other: "asyncpg.Connection[asyncpg.Record]") -> None:
    async def behind() -> set[UUID]:
        return {row[0] for row in await ledger.connection.fetch("SELECT program_id FROM programs_behind()")}

    assert await behind() == {ledger.program_id}
    await number(ledger)
    assert await behind() == set()
    late = other.transaction()
    await late.start()
    await write(ledger, other)
    await write(ledger, ledger.connection)
    await number(ledger)
    assert await behind() == set()
    await late.commit()
    assert await behind() == {ledger.program_id}


async def test_old_pages_are_forgotten_with_their_events_and_the_numbers_go_on(ledger: Ledger) -> None:
    await write(ledger, ledger.connection, 10)
    latest, *_ = await number(ledger)
    await write(ledger, ledger.connection, 1)
    await number(ledger)
    async with ledger.connection.transaction():
        await ledger.connection.execute("SELECT set_config('openberth.program_id', $1, true)", str(ledger.program_id))
        assert await ledger.connection.fetchval("SELECT forget_events(clock_timestamp(), 100000)") == latest
    assert [row["number"] for row in await ledger.connection.fetch(READ, ledger.program_id, 0, 1000)] == [latest + 1]
    assert await ledger.value("SELECT count(*) FROM events WHERE program_id = $1") == 1
    await write(ledger, ledger.connection, 1)
    assert (await number(ledger))[0] == latest + 2


async def test_events_of_no_program_are_nobodys(ledger: Ledger) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="no program"):
        await ledger.connection.fetch("SELECT * FROM number_events(1, false)")
