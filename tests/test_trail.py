"""The trail in the database: sealed without a gap, changed by nobody, and whatever is broken is found and named."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from sqlalchemy import func, select

from app.access import chain
from app.access.canon import START, Head, next_hash
from app.access.chain import programs_unsealed, seal, state_of_trail
from app.access.verify import verify
from app.worker import seal_trails
from tests.trail import WRITE, Trail, close, open_trail


@pytest.fixture
async def trail(shared_database: str) -> AsyncIterator[Trail]:
    opened = await open_trail(shared_database)
    yield opened
    await close(opened)


async def rejected(trail: Trail, statement: str, *values: Any) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match=r"trail|begins and ends"):
        await trail.owner.execute(statement, *values)


# Sealing.


async def test_every_entry_is_sealed_once_in_order(trail: Trail) -> None:
    first = await trail.write(3)
    assert await seal(trail.database, trail.program_id) == 3
    second = await trail.write(2)
    assert await seal(trail.database, trail.program_id) == 2
    assert await seal(trail.database, trail.program_id) == 0
    assert await trail.seals() == list(enumerate(first + second, 1))
    assert (await verify(trail.database, trail.program_id)).head == await trail.head()


async def test_what_commits_late_under_lower_ids_is_sealed_late(trail: Trail) -> None:
    late = await asyncpg.connect(trail.url)
    transaction = late.transaction()
    await transaction.start()
    [low] = [row["id"] for row in await late.fetch(WRITE, trail.program_id, "test.late", 1)]
    sealed = []
    # Passes go by, and nothing may settle above the open one.
    for _ in range(4):
        sealed += await trail.write(2)
        await seal(trail.database, trail.program_id)
        settled = await trail.owner.fetchval(
            "SELECT settled_id FROM audit_chains WHERE program_id = $1", trail.program_id
        )
        assert settled < low
    await transaction.commit()
    await late.close()
    assert await seal(trail.database, trail.program_id) == 1
    assert low < min(sealed)
    assert await trail.seals() == list(enumerate([*sealed, low], 1))
    assert (await verify(trail.database, trail.program_id)).fault is None


async def test_what_is_long_settled_is_not_looked_at_again_and_idle_passes_write_nothing(trail: Trail) -> None:
    last = 0
    for _ in range(3):
        last = (await trail.write(5))[-1]
        await seal(trail.database, trail.program_id)
    # Other tests' transactions on this server may hold the horizon for a moment.
    row: Any = None
    async with asyncio.timeout(20):
        while row is None or row["settled_id"] < last:
            await seal(trail.database, trail.program_id)
            row = await trail.owner.fetchrow(
                "SELECT *, xmin::text AS written_by FROM audit_chains WHERE program_id = $1", trail.program_id
            )
    assert row["fence_id"] is None
    await seal(trail.database, trail.program_id)
    again = await trail.owner.fetchval("SELECT xmin::text FROM audit_chains WHERE program_id = $1", trail.program_id)
    assert again == row["written_by"]


async def test_more_than_a_pass_takes_is_sealed_by_several(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "BATCH", 7)
    ids = await trail.write(50)
    assert await seal(trail.database, trail.program_id) == 50
    assert await trail.seals() == list(enumerate(ids, 1))
    assert await seal(trail.database, trail.program_id) == 0
    assert (await verify(trail.database, trail.program_id)).links == 50


async def test_a_fence_from_another_server_is_drawn_anew(trail: Trail) -> None:
    await trail.write()
    await seal(trail.database, trail.program_id)
    await trail.superuser.execute(
        "UPDATE audit_chains SET fence_id = 9e17, fence_xid = 9e17 WHERE program_id = $1", trail.program_id
    )
    await trail.write()
    assert await seal(trail.database, trail.program_id) == 1
    fence = await trail.owner.fetchrow(
        "SELECT fence_id, fence_xid FROM audit_chains WHERE program_id = $1", trail.program_id
    )
    assert fence is not None
    assert fence["fence_id"] < 9e17
    assert fence["fence_xid"] < 9e17


async def test_the_loop_goes_where_there_is_something_to_seal_or_settle(trail: Trail) -> None:
    async def unsealed() -> bool:
        async with trail.database.transaction(None, "tests", reads=True) as session:
            return trail.program_id in await programs_unsealed(session)

    assert not await unsealed()
    await trail.write(2)
    assert await unsealed()
    async with asyncio.timeout(20):
        while await unsealed():
            await seal_trails(trail.database)
    assert await trail.whole()
    settled = "SELECT settled_id FROM audit_chains WHERE program_id = $1"
    assert await trail.owner.fetchval(settled, trail.program_id) >= (await trail.seals())[-1][1]


async def test_one_program_seals_only_its_own(trail: Trail) -> None:
    await trail.write()
    connection = await asyncpg.connect(trail.url)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="not for program"):
        await connection.execute("SELECT seal_trail($1, 10)", trail.program_id)
    await connection.close()
    assert await trail.seals() == []


async def test_whoever_comes_second_leaves_the_sealing_to_the_first(trail: Trail) -> None:
    await trail.write(2)
    async with trail.database.transaction(trail.program_id, "clock") as session:
        assert await session.scalar(select(func.seal_trail(trail.program_id, 10))) == 2
        assert await seal(trail.database, trail.program_id) == 0
    assert await trail.whole()


# Nobody changes it.


async def test_not_even_the_owner_changes_it_by_a_plain_statement(trail: Trail) -> None:
    await trail.write(2)
    await seal(trail.database, trail.program_id)
    for table in ("audit", "audit_seals"):
        for statement in (
            "UPDATE {} SET program_id = program_id WHERE program_id = $1",
            "DELETE FROM {} WHERE program_id = $1",
        ):
            await rejected(trail, statement.format(table), trail.program_id)
    await rejected(trail, "DELETE FROM audit_chains WHERE program_id = $1", trail.program_id)
    for table in ("audit", "audit_seals", "audit_chains"):
        await rejected(trail, f"TRUNCATE {table}")
    assert await trail.whole()


# What is broken is found.

BREAKS = {
    "its detail": (
        'UPDATE audit SET detail = \'{"nr": 4, "share": 1.1}\' WHERE program_id = $1 AND id = $2',
        "changed",
    ),
    "its actor": ("UPDATE audit SET actor = 'someone' WHERE program_id = $1 AND id = $2", "changed"),
    "its time": ("UPDATE audit SET at = at - interval '1 us' WHERE program_id = $1 AND id = $2", "changed"),
    "its subject": ("UPDATE audit SET subject_id = $1 WHERE program_id = $1 AND id = $2", "changed"),
    "the entry away": ("DELETE FROM audit WHERE program_id = $1 AND id = $2", "missing"),
    "its seal away": ("DELETE FROM audit_seals WHERE program_id = $1 AND entry_id = $2", "gap"),
    "its hash": ("UPDATE audit_seals SET hash = sha256('') WHERE program_id = $1 AND entry_id = $2", "changed"),
}


@pytest.mark.parametrize(("statement", "what"), BREAKS.values(), ids=BREAKS)
async def test_one_broken_entry_is_found_and_named(trail: Trail, statement: str, what: str) -> None:
    ids = await trail.write(9)
    await seal(trail.database, trail.program_id)
    assert await trail.superuser.execute(statement, trail.program_id, ids[3]) in {"UPDATE 1", "DELETE 1"}
    # A pass later, to know that sealing hides nothing.
    await trail.write()
    await seal(trail.database, trail.program_id)
    fault = (await verify(trail.database, trail.program_id)).fault
    assert fault is not None
    assert fault.words.startswith(what)
    assert fault.number == 4
    # An entry whose seal went before it was settled has been sealed anew, at the end: the gap names no entry then.
    if what != "gap":
        assert fault.entry_id == ids[3]


async def test_an_entry_whose_seal_is_gone_is_named_once_it_is_settled(trail: Trail) -> None:
    ids = await trail.write(5)
    await settled(trail, ids[-1])
    await trail.superuser.execute(
        "DELETE FROM audit_seals WHERE program_id = $1 AND entry_id = $2", trail.program_id, ids[1]
    )
    fault = (await verify(trail.database, trail.program_id)).fault
    assert fault is not None
    assert (fault.number, fault.entry_id) == (2, ids[1])


async def settled(trail: Trail, last: int) -> None:
    """Seal until nothing up to `last` can come any more."""
    async with asyncio.timeout(20):
        while True:
            await seal(trail.database, trail.program_id)
            id = await trail.owner.fetchval(
                "SELECT settled_id FROM audit_chains WHERE program_id = $1", trail.program_id
            )
            if id is not None and id >= last:
                return


async def test_swapped_entries_are_found(trail: Trail) -> None:
    ids = await trail.write(6)
    await seal(trail.database, trail.program_id)
    await trail.superuser.execute(
        "UPDATE audit a SET detail = b.detail FROM audit b WHERE a.program_id = $1 AND b.program_id = $1"
        " AND (a.id, b.id) IN (($2::bigint, $3::bigint), ($3::bigint, $2::bigint))",
        trail.program_id,
        ids[1],
        ids[4],
    )
    fault = (await verify(trail.database, trail.program_id)).fault
    assert fault is not None
    assert (fault.number, fault.entry_id) == (2, ids[1])


async def test_an_entry_put_in_without_a_seal_is_found(trail: Trail) -> None:
    ids = await trail.write(4)
    await trail.write(2)
    await settled(trail, ids[-1])
    await trail.superuser.execute("DELETE FROM audit WHERE program_id = $1 AND id = $2", trail.program_id, ids[0])
    await trail.superuser.execute(
        "INSERT INTO audit (program_id, id, at, actor, action, subject_id, detail) OVERRIDING SYSTEM VALUE"
        " VALUES ($1, $2, now(), 'x', 'x', $1, '{}')",
        trail.program_id,
        ids[0],
    )
    fault = (await verify(trail.database, trail.program_id)).fault
    assert fault is not None
    assert (fault.number, fault.entry_id) == (1, ids[0])


async def test_an_entry_below_all_that_is_settled_is_found(trail: Trail) -> None:
    ids = await trail.write(4)
    await settled(trail, ids[-1])
    await trail.superuser.execute(
        "INSERT INTO audit (program_id, id, at, actor, action, subject_id, detail) OVERRIDING SYSTEM VALUE"
        " VALUES ($1, -5, now(), 'x', 'x', $1, '{}')",
        trail.program_id,
    )
    await settled(trail, (await trail.write())[-1])
    fault = (await verify(trail.database, trail.program_id)).fault
    assert fault is not None
    assert fault.entry_id == -5
    assert fault.words.startswith("extra")


async def test_an_entry_put_in_with_a_forged_seal_is_found(trail: Trail) -> None:
    """Between others the numbers or hashes don't fit; at the end the chain knows that it ends before."""
    await trail.write(4)
    await seal(trail.database, trail.program_id)
    head = await trail.head()
    [forged] = [
        row["id"]
        for row in await trail.superuser.fetch(
            "INSERT INTO audit (program_id, actor, action, subject_id, detail)"
            " VALUES ($1, 'x', 'x', $1, '{}') RETURNING id",
            trail.program_id,
        )
    ]
    entry = await trail.owner.fetchval("SELECT audit_bytes(a) FROM audit a WHERE id = $1", forged)
    add = "INSERT INTO audit_seals (program_id, number, entry_id, hash) VALUES ($1, $2, $3, $4)"
    await trail.superuser.execute(add, trail.program_id, 5, forged, next_hash(head.hash, entry))
    fault = (await verify(trail.database, trail.program_id)).fault
    assert fault is not None
    assert (fault.number, fault.entry_id) == (5, forged)
    assert fault.words.startswith("extra")


async def test_a_tail_cut_off_is_found(trail: Trail) -> None:
    await trail.write(6)
    await seal(trail.database, trail.program_id)
    noted = await trail.head()
    await cut(trail, 4)
    fault = (await verify(trail.database, trail.program_id)).fault
    assert fault is not None
    assert fault.number == 5
    assert fault.words.startswith("cut off")
    # Whoever mends the head too leaves nothing to see, but for a head noted elsewhere.
    await trail.superuser.execute(
        "UPDATE audit_chains c SET number = s.number, hash = s.hash FROM audit_seals s"
        " WHERE c.program_id = $1 AND s.program_id = $1 AND s.number = 4",
        trail.program_id,
    )
    assert (await verify(trail.database, trail.program_id)).fault is None
    fault = (await verify(trail.database, trail.program_id, noted)).fault
    assert fault is not None
    assert fault.words.startswith("cut off")
    # Nor does it help to write others in their place.
    await trail.write(5)
    await seal(trail.database, trail.program_id)
    assert (await verify(trail.database, trail.program_id)).fault is None
    fault = (await verify(trail.database, trail.program_id, noted)).fault
    assert fault is not None
    assert fault.number == 6
    assert "noted" in fault.words


async def cut(trail: Trail, after: int) -> None:
    """Delete the seals after this number and their entries."""
    await trail.superuser.execute(
        "WITH gone AS (DELETE FROM audit_seals WHERE program_id = $1 AND number > $2 RETURNING entry_id)"
        " DELETE FROM audit WHERE program_id = $1 AND id IN (SELECT entry_id FROM gone)",
        trail.program_id,
        after,
    )


async def test_a_chain_without_its_row_is_found(trail: Trail) -> None:
    await trail.write(2)
    await seal(trail.database, trail.program_id)
    await trail.superuser.execute("DELETE FROM audit_chains WHERE program_id = $1", trail.program_id)
    fault = (await verify(trail.database, trail.program_id)).fault
    assert fault is not None
    assert fault.number == 1


async def test_every_head_noted_on_the_way_is_found_again(trail: Trail) -> None:
    heads = [START]
    for count in random.Random(20261124).choices(range(1, 9), k=6):
        await trail.write(count)
        await seal(trail.database, trail.program_id)
        heads.append(await trail.head())
    for head in heads:
        assert (await verify(trail.database, trail.program_id, head)).fault is None
        assert Head.parse(str(head)) == head


async def test_a_verification_in_segments_finds_the_same(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = await trail.write(23)
    await seal(trail.database, trail.program_id)
    monkeypatch.setattr("app.access.verify._SEGMENT", 5)
    assert (await verify(trail.database, trail.program_id)).links == 23
    for broken in (ids[20], ids[15], ids[10]):
        await trail.superuser.execute(
            "UPDATE audit SET action = 'x' WHERE program_id = $1 AND id = $2", trail.program_id, broken
        )
        fault = (await verify(trail.database, trail.program_id)).fault
        assert fault is not None
        assert fault.entry_id == broken


async def test_the_state_counts_what_is_not_sealed(trail: Trail) -> None:
    async with trail.database.transaction(trail.program_id, "tests") as session:
        assert (await state_of_trail(session, trail.program_id)).unsealed == 0
    await trail.write(3)
    async with trail.database.transaction(trail.program_id, "tests") as session:
        state = await state_of_trail(session, trail.program_id)
    assert (state.unsealed, state.oldest is not None) == (3, True)
    await seal(trail.database, trail.program_id)
    async with trail.database.transaction(trail.program_id, "tests") as session:
        state = await state_of_trail(session, trail.program_id)
    assert (state.number, state.unsealed, state.oldest) == (3, 0, None)
