"""The database keeps the promises by itself: what its owner may not do either, with no Python above it."""

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import product

import asyncpg
import pytest
from asyncpg import CheckViolationError

from app.core.ids import new_id
from app.market.vocabulary import NEXT, ClaimState
from tests import books
from tests.ledger import Ledger, open_ledger

PATHS: dict[ClaimState, tuple[str, ...]] = {
    ClaimState.HELD: (),
    ClaimState.CONFIRMED: ("confirmed",),
    ClaimState.ARRIVED: ("confirmed", "arrived"),
    ClaimState.COMPLETED: ("confirmed", "arrived", "completed"),
    ClaimState.RELEASED: ("released",),
    ClaimState.DECLINED: ("declined",),
    ClaimState.NO_SHOW: ("confirmed", "no_show"),
}
"""How a claim gets into a state. `expired` is left out: only time brings a claim there."""

LAPSE = "UPDATE claims SET hold_until = clock_timestamp() + interval '20 ms' WHERE program_id = $1 AND id = $2"


@pytest.fixture
async def ledger(shared_database: str) -> AsyncIterator[Ledger]:
    """A program of this test's own, spoken to as the owner. Whatever a test does, the books balance after it."""
    connection = await asyncpg.connect(shared_database)
    try:
        ledger = await open_ledger(connection)
        yield ledger
        assert not await books.faults(connection, "counts", "lapses", "trail", program_id=ledger.program_id)
    finally:
        await connection.close()


async def lapse(ledger: Ledger, claim_id: object) -> None:
    await ledger.run(LAPSE, claim_id)
    await asyncio.sleep(0.03)


async def test_an_insert_can_not_oversell(ledger: Ledger) -> None:
    opening = await ledger.opening(3)
    await ledger.claim(opening, 2)
    with pytest.raises(CheckViolationError, match="never_oversold"):
        await ledger.claim(opening, 2)
    assert await ledger.taken(opening) == 2


async def test_one_insert_of_many_can_not_oversell(ledger: Ledger) -> None:
    opening = await ledger.opening(3)
    with pytest.raises(CheckViolationError, match="never_oversold"):
        await ledger.run(
            "INSERT INTO claims (program_id, id, bundle_id, opening_id, organization_id, claimed_by,"
            " worker_organization_id, units, state, held_at, hold_until)"
            " SELECT $1, gen_random_uuid(), $2, $3, $4, $4, $4, 1, 'held', clock_timestamp(),"
            " clock_timestamp() + interval '1 h' FROM generate_series(1, 4)",
            ledger.bundle_id,
            opening,
            ledger.organization_id,
        )
    assert await ledger.taken(opening) == 0


async def test_the_total_can_not_drop_below_what_is_taken(ledger: Ledger) -> None:
    opening = await ledger.opening(3)
    await ledger.claim(opening, 2)
    with pytest.raises(CheckViolationError, match="never_oversold"):
        await ledger.run("UPDATE openings SET units_total = 1 WHERE program_id = $1 AND id = $2", opening)


async def test_more_units_can_not_be_written_into_a_claim(ledger: Ledger) -> None:
    opening = await ledger.opening(3)
    claim = await ledger.claim(opening, 1)
    with pytest.raises(CheckViolationError, match="never change"):
        await ledger.run("UPDATE claims SET units = 9 WHERE program_id = $1 AND id = $2", claim)


@pytest.mark.parametrize("count", [0, 2, 3])
async def test_nobody_writes_the_count(ledger: Ledger, count: int) -> None:
    opening = await ledger.opening(3)
    await ledger.claim(opening, 1)
    with pytest.raises(CheckViolationError, match="kept by the database"):
        await ledger.run("UPDATE openings SET units_taken = $3 WHERE program_id = $1 AND id = $2", opening, count)


@pytest.mark.parametrize("column", [{"units_taken": "1"}, {"next_lapse_at": "clock_timestamp()"}])
async def test_an_opening_is_born_without_claims(ledger: Ledger, column: dict[str, str]) -> None:
    with pytest.raises(CheckViolationError, match="has no claims"):
        await ledger.opening(3, **column)


async def test_the_count_follows_every_change_made_by_hand(ledger: Ledger) -> None:
    opening = await ledger.opening(9)
    claims = [await ledger.claim(opening, units) for units in (1, 2, 3)]
    assert await ledger.taken(opening) == 6
    await ledger.move(claims[0], "confirmed")
    assert await ledger.taken(opening) == 6
    await ledger.move(claims[1], "released")
    assert await ledger.taken(opening) == 4
    await ledger.run("DELETE FROM claims WHERE program_id = $1")
    assert await ledger.taken(opening) == 0
    assert (await ledger.trace(claims[2]))[1] == ["claim.held", "claim.deleted"]


async def test_one_update_of_many_claims_frees_them_all(ledger: Ledger) -> None:
    openings = [await ledger.opening(5), await ledger.opening(5)]
    for opening in openings * 2:
        await ledger.claim(opening, 2)
    await ledger.run("UPDATE claims SET state = 'released', ended_at = clock_timestamp() WHERE program_id = $1")
    assert [await ledger.taken(opening) for opening in openings] == [0, 0]


async def test_claims_can_not_be_truncated(ledger: Ledger) -> None:
    for table in ("claims CASCADE", "bundles CASCADE", "openings CASCADE"):
        with pytest.raises(CheckViolationError, match="can't be truncated"):
            await ledger.connection.execute(f"TRUNCATE {table}")


@pytest.mark.parametrize("start", PATHS)
async def test_only_the_steps_in_the_table_can_be_taken(ledger: Ledger, start: ClaimState) -> None:
    for end in ClaimState:
        opening = await ledger.opening(1)
        claim = await ledger.claim(opening)
        for state in PATHS[start]:
            await ledger.move(claim, state)
        # An unlapsed hold isn't expired by anyone: the clock does that, and nobody else.
        if end == start or (end in NEXT[start] and end != ClaimState.EXPIRED):
            await ledger.move(claim, end)
            continue
        with pytest.raises(CheckViolationError, match=r"can't follow|it can only be expired"):
            await ledger.move(claim, end)


async def test_a_lapsed_hold_can_be_expired_and_nothing_else(ledger: Ledger) -> None:
    opening = await ledger.opening(1)
    claim = await ledger.claim(opening)
    await lapse(ledger, claim)
    for state in ("confirmed", "released", "declined", "held"):
        with pytest.raises(CheckViolationError, match="only be expired"):
            await ledger.move(claim, state)
    with pytest.raises(CheckViolationError, match="only be expired"):
        await ledger.run(
            "UPDATE claims SET hold_until = hold_until + interval '1 h' WHERE program_id = $1 AND id = $2", claim
        )
    await ledger.move(claim, "expired")
    assert await ledger.taken(opening) == 0


async def test_a_hold_that_lapses_while_its_writer_waits_is_not_confirmed(ledger: Ledger, shared_database: str) -> None:
    """The clock is read after the lock: a transaction that began in time is too late all the same."""
    claim = await ledger.claim(await ledger.opening(1))
    other = await asyncpg.connect(shared_database)
    try:
        async with other.transaction():
            await other.execute("SELECT FROM claims WHERE id = $1 FOR UPDATE", claim)
            await other.execute(
                "UPDATE claims SET hold_until = clock_timestamp() + interval '100 ms' WHERE id = $1", claim
            )
            confirming = asyncio.create_task(ledger.move(claim, "confirmed"))
            await asyncio.sleep(0.2)
            assert not confirming.done()
        with pytest.raises(CheckViolationError, match="only be expired"):
            await confirming
    finally:
        await other.close()


async def test_a_shortened_hold_is_expected_to_lapse_sooner(ledger: Ledger) -> None:
    opening = await ledger.opening(1)
    claim = await ledger.claim(opening)
    await lapse(ledger, claim)
    lapsed = await ledger.value(
        "SELECT next_lapse_at < clock_timestamp() FROM openings WHERE program_id = $1 AND id = $2", opening
    )
    assert lapsed is True


@pytest.mark.parametrize(
    "column",
    [
        "program_id",
        "id",
        "bundle_id",
        "opening_id",
        "organization_id",
        "claimed_by",
        "worker_organization_id",
        "units",
        "held_at",
    ],
)
async def test_what_a_claim_is_never_changes(ledger: Ledger, column: str) -> None:
    claim = await ledger.claim(await ledger.opening(5))
    value = {"units": "units + 1", "held_at": "held_at - interval '1 h'"}.get(column, "gen_random_uuid()")
    with pytest.raises(CheckViolationError, match="never change"):
        await ledger.run(f"UPDATE claims SET {column} = {value} WHERE program_id = $1 AND id = $2", claim)


@pytest.mark.parametrize(
    "terms",
    [
        {"withdrawn_at": "clock_timestamp()"},
        {"fresh_until": "clock_timestamp() - interval '1 s'"},
        {"fresh_until": "NULL"},
        {"ends_at": "clock_timestamp() - interval '1 s'"},
    ],
    ids=["withdrawn", "stale", "never attested", "ended"],
)
async def test_an_opening_that_is_off_the_board_can_not_be_claimed(ledger: Ledger, terms: dict[str, str]) -> None:
    opening = await ledger.opening(1, **terms)
    with pytest.raises(CheckViolationError, match="can't be made"):
        await ledger.claim(opening)
    assert await ledger.taken(opening) == 0


@pytest.mark.parametrize("state", [state for state in ClaimState if state is not ClaimState.HELD])
async def test_a_claim_starts_as_held(ledger: Ledger, state: str) -> None:
    opening = await ledger.opening(1)
    with pytest.raises(CheckViolationError):
        await ledger.claim(opening, state=state)
    with pytest.raises(CheckViolationError, match="can't be made"):
        await ledger.claim(opening, seconds=-1)


async def test_a_change_its_event_and_its_entry_commit_together_or_not_at_all(ledger: Ledger) -> None:
    opening = await ledger.opening(2)
    undone = ledger.connection.transaction()
    await undone.start()
    ghost = await ledger.claim(opening)
    assert await ledger.trace(ghost) == (["claim.held"], ["claim.held"])
    await undone.rollback()
    assert await ledger.trace(ghost) == ([], [])

    claim = await ledger.claim(opening)
    await ledger.move(claim, "confirmed")
    await ledger.move(claim, "arrived")
    steps = ["claim.held", "claim.confirmed", "claim.arrived"]
    assert await ledger.trace(claim) == (steps, steps)


async def test_a_change_of_an_opening_leaves_its_event_and_its_entry(ledger: Ledger) -> None:
    opening = await ledger.opening(2)
    where = "WHERE program_id = $1 AND id = $2"
    await ledger.run(f"UPDATE openings SET units_total = 5, version = version + 1 {where}", opening)
    await ledger.run(f"UPDATE openings SET fresh_until = fresh_until + interval '1 h' {where}", opening)
    await ledger.claim(opening)
    await ledger.run(f"UPDATE openings SET withdrawn_at = clock_timestamp(), version = version + 1 {where}", opening)
    told, kept = await ledger.trace(opening)
    assert told == ["opening.published", "opening.changed", "opening.attested", "opening.changed", "opening.withdrawn"]
    # The claim's own entry stands for what it did to the count.
    assert kept == ["opening.published", "opening.changed", "opening.attested", "opening.withdrawn"]


async def test_a_change_by_hand_names_who_made_it(ledger: Ledger) -> None:
    opening = await ledger.opening(2)
    assert (
        await ledger.value("SELECT actor FROM audit WHERE program_id = $1 AND subject_id = $2", opening)
        == "database:openberth_owner"
    )


async def test_what_is_added_to_the_directory_leaves_its_trace(ledger: Ledger) -> None:
    assert await ledger.trace(ledger.organization_id) == (["organization.added"], ["organization.added"])
    assert await ledger.trace(ledger.service_id) == (["service.added"], ["service.added"])


CHANGES = {
    "organizations": ("description = 'Beds'", {"description": "Beds"}),
    "locations": ("city = 'Ravenna', masked = true", {"city": "(not shown)", "masked": True}),
    "services": ("status = 'inactive', minimum_age = 18", {"status": "inactive", "minimum_age": 18}),
}
"""A change of each table of the directory, and what the trail says of it."""


@pytest.mark.parametrize("table", CHANGES)
async def test_a_change_of_the_directory_leaves_its_event_and_its_entry(ledger: Ledger, table: str) -> None:
    location_id = new_id()
    await ledger.run(
        "INSERT INTO locations (program_id, id, organization_id, location_type) VALUES ($1, $2, $3, 'physical')",
        location_id,
        ledger.organization_id,
    )
    ids = {"organizations": ledger.organization_id, "locations": location_id, "services": ledger.service_id}
    changes, said = CHANGES[table]
    # The second time nothing is otherwise than it was.
    for _ in range(2):
        await ledger.run(f"UPDATE {table} SET {changes} WHERE program_id = $1 AND id = $2", ids[table])
    one = table.removesuffix("s")
    assert await ledger.trace(ids[table]) == ([f"{one}.added", f"{one}.changed"],) * 2
    detail = await ledger.value(
        "SELECT detail FROM audit WHERE program_id = $1 AND subject_id = $2 ORDER BY id DESC", ids[table]
    )
    assert json.loads(detail) == said
    told = await ledger.value("SELECT data FROM events WHERE program_id = $1 AND type = $2", f"{one}.changed")
    assert json.loads(told) == {}


PLACED = {"latitude": "47.6", "longitude": "-122.3"}
OVER = {"withdrawn": {"withdrawn_at": "now()"}, "ended": {"ends_at": "now() - interval '1 s'"}}


@pytest.mark.parametrize("over", OVER.values(), ids=OVER)
async def test_openings_follow_a_change_made_by_hand(ledger: Ledger, over: dict[str, str]) -> None:
    location_id = new_id()
    await ledger.run(
        "INSERT INTO locations (program_id, id, organization_id, location_type, latitude, longitude)"
        " VALUES ($1, $2, $3, 'physical', 47.6, -122.3)",
        location_id,
        ledger.organization_id,
    )
    await ledger.run("UPDATE services SET location_id = $2 WHERE program_id = $1", location_id)
    open_, over_ = await ledger.opening(2, **PLACED), await ledger.opening(2, **PLACED | over)
    claim = await ledger.claim(open_)

    async def points() -> list[tuple[object, ...]]:
        question = "SELECT id, latitude, version FROM openings WHERE program_id = $1"
        rows = {row["id"]: row for row in await ledger.connection.fetch(question, ledger.program_id)}
        return [(rows[id]["latitude"], rows[id]["version"]) for id in (open_, over_)]

    await ledger.run("UPDATE locations SET city = 'Ravenna' WHERE program_id = $1")
    await ledger.run("UPDATE services SET name = 'Beds' WHERE program_id = $1")
    await ledger.run("UPDATE organizations SET name = 'A house' WHERE program_id = $1")
    assert await points() == [(47.6, 4), (47.6, 1)]
    await ledger.run("UPDATE locations SET masked = true WHERE program_id = $1")
    assert await points() == [(None, 5), (None, 2)]
    # What changed of the place stands in the trail once, at the place.
    assert (await ledger.trace(open_))[1] == ["opening.published"]
    assert (await ledger.trace(open_))[0].count("opening.changed") == 5
    await ledger.move(claim, "released")
    assert await ledger.taken(open_) == 0


async def test_promises_are_counted_from_what_became_of_claims(ledger: Ledger) -> None:
    opening = await ledger.opening(9)
    for state in ("arrived", "no_show"):
        claim = await ledger.claim(opening)
        await ledger.move(claim, "confirmed")
        await ledger.move(claim, state)
    for reason in ("place_no_longer_available", "place_entered_in_error", "unsafe"):
        await ledger.run(
            "UPDATE claims SET state = 'declined', reason = $3 WHERE program_id = $1 AND id = $2",
            await ledger.claim(opening),
            reason,
        )
    counted = await ledger.connection.fetchrow(
        "SELECT promises_kept, promises_broken FROM organizations WHERE id = $1", ledger.organization_id
    )
    assert counted is not None
    assert tuple(counted) == (1, 2)
    # They are no change of what the organization says of itself, and no board need show its openings anew.
    assert await ledger.trace(ledger.organization_id) == (["organization.added"], ["organization.added"])
    assert await ledger.value("SELECT version FROM openings WHERE program_id = $1 AND id = $2", opening) == 1


async def test_a_decline_has_a_reason_and_nothing_else_has(ledger: Ledger) -> None:
    claim = await ledger.claim(await ledger.opening(1))
    for state, reason in (("declined", None), ("released", "unsafe")):
        with pytest.raises(CheckViolationError, match="declined_with_reason"):
            await ledger.run(
                "UPDATE claims SET state = $3, reason = $4 WHERE program_id = $1 AND id = $2", claim, state, reason
            )


async def test_one_key_keeps_one_answer(ledger: Ledger) -> None:
    keep = (
        "INSERT INTO idempotency (program_id, caller_id, key, fingerprint, status, body)"
        " VALUES ($1, $2, 'k', '', 201, '')"
    )
    callers = [new_id(), new_id()]
    for caller in callers:
        await ledger.run(keep, caller)
    with pytest.raises(asyncpg.UniqueViolationError):
        await ledger.run(keep, callers[0])


async def test_contenders_on_connections_of_their_own_can_not_oversell(ledger: Ledger, shared_database: str) -> None:
    opening = await ledger.opening(10)
    connections = [await asyncpg.connect(shared_database) for _ in range(8)]

    async def contend(number: int) -> int:
        contender = Ledger(
            connections[number], ledger.program_id, ledger.organization_id, ledger.service_id, ledger.bundle_id
        )
        held = 0
        for _, units in product(range(4), (1, 2)):
            try:
                await contender.claim(opening, units)
            except CheckViolationError:
                continue
            held += units
        return held

    try:
        held = await asyncio.gather(*map(contend, range(len(connections))))
    finally:
        for connection in connections:
            await connection.close()
    assert sum(held) == 10 == await ledger.taken(opening)


async def test_what_an_event_tells_of_an_opening_is_no_call_for_each_row(ledger: Ledger) -> None:
    """PostgreSQL puts the function into the statement only while it promises no more than what it calls."""
    plan = await ledger.connection.fetch("EXPLAIN VERBOSE SELECT opening_facts(o) FROM openings o")
    assert any("jsonb_build_object" in row[0] for row in plan)
