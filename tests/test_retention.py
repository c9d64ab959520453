"""Retention: what is old goes and says so, what is not stays, and the trail's chain holds without its beginning."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import func, select, text

from app.access import retention
from app.access.chain import seal
from app.access.retention import KINDS, retire
from app.access.verify import verify
from app.core.database import Database
from tests.hostile import refused
from tests.ledger import as_app, open_ledger
from tests.support import Program
from tests.trail import Trail, close, open_trail

DOCS = Path(__file__).parent.parent / "docs" / "trail.md"


@pytest.fixture
async def trail(shared_database: str) -> AsyncIterator[Trail]:
    opened = await open_trail(shared_database)
    yield opened
    await close(opened)


async def gone(trail: Trail, **options: Any) -> dict[str, int]:
    """What retention took away, by kind."""
    return {each.kind: each.count for each in await retire(trail.database, trail.program_id, "clock", **options)}


async def policy(trail: Trail, document: str) -> None:
    """Set the program's policy by hand."""
    await trail.owner.execute(
        "UPDATE programs SET retention = $2::jsonb WHERE program_id = $1", trail.program_id, document
    )


async def said(trail: Trail) -> list[dict[str, Any]]:
    """What the trail says of retention."""
    rows = await trail.owner.fetch(
        "SELECT detail ->> 'kind' AS kind, (detail ->> 'count')::int AS count, detail ->> 'older_than' AS older_than,"
        " actor FROM audit WHERE program_id = $1 AND action = 'retention.ran' ORDER BY id",
        trail.program_id,
    )
    return [dict(row) for row in rows]


async def aged(trail: Trail, count: int, days: int) -> list[int]:
    """Entries of so many days ago, sealed."""
    ids = await trail.write(count, "test.aged")
    await trail.superuser.execute(
        "UPDATE audit SET at = at - $2 * interval '1 day' WHERE program_id = $1 AND id = ANY ($3)",
        trail.program_id,
        days,
        ids,
    )
    await seal(trail.database, trail.program_id)
    return ids


async def test_the_trail_holds_after_its_beginning_was_retired(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_BATCH", 4)
    await aged(trail, 10, 2193)
    before = await trail.head()
    kept = await aged(trail, 3, 2191)
    assert (await gone(trail))["trail"] == 10
    assert [entry for _, entry in await trail.seals()] == kept
    await seal(trail.database, trail.program_id)
    verdict = await verify(trail.database, trail.program_id, before)
    assert (verdict.fault, verdict.links) == (None, 6)
    assert [(each["kind"], each["count"], each["actor"]) for each in await said(trail)] == [
        ("trail", 4, "clock"),
        ("trail", 4, "clock"),
        ("trail", 2, "clock"),
    ]
    assert (await gone(trail))["trail"] == 0
    # And it goes on being verified from there: what is broken after the anchor is found.
    await trail.superuser.execute("DELETE FROM audit WHERE program_id = $1 AND id = $2", trail.program_id, kept[0])
    fault = (await verify(trail.database, trail.program_id)).fault
    assert fault is not None
    assert (fault.number, fault.entry_id) == (11, kept[0])


async def test_an_anchor_that_was_moved_is_found(trail: Trail) -> None:
    await aged(trail, 6, 2193)
    await aged(trail, 2, 1)
    await gone(trail)
    await trail.superuser.execute("UPDATE audit_chains SET retired_number = 5 WHERE program_id = $1", trail.program_id)
    assert (await verify(trail.database, trail.program_id)).fault is not None


async def test_a_head_that_was_retired_can_not_be_compared_and_says_so(trail: Trail) -> None:
    await aged(trail, 2, 2193)
    noted = await trail.head()
    await aged(trail, 2, 2193)
    await gone(trail)
    verdict = await verify(trail.database, trail.program_id, noted)
    assert verdict.fault is None
    assert "retired" in verdict.remark


async def test_what_is_broken_is_evidence_and_stays(trail: Trail) -> None:
    ids = await aged(trail, 5, 2193)
    await trail.superuser.execute(
        "UPDATE audit SET actor = 'nobody' WHERE program_id = $1 AND id = $2", trail.program_id, ids[2]
    )
    with pytest.raises(Exception, match="broken at number 3"):
        await gone(trail)
    assert len(await trail.seals()) == 5


async def test_under_a_legal_hold_nothing_goes(trail: Trail) -> None:
    await aged(trail, 3, 4000)
    await policy(trail, '{"legal_hold": true}')
    assert set((await gone(trail)).values()) == {0}
    # Nor by the function itself, whoever calls it.
    async with trail.database.transaction(trail.program_id, "tests") as session:
        assert await session.scalar(select(func.retire_trail(2192, 100))) == 0
    assert len(await trail.seals()) == 3


async def test_a_dry_run_counts_all_and_takes_nothing(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_BATCH", 2)
    await aged(trail, 7, 2193)
    assert (await gone(trail, dry_run=True))["trail"] == 7
    assert (len(await trail.seals()), await said(trail)) == (7, [])


@pytest.mark.parametrize("kind", KINDS)
async def test_no_function_takes_what_is_younger_than_its_least(trail: Trail, kind: str) -> None:
    async with trail.database.transaction(trail.program_id, "tests") as session:
        assert await session.scalar(select(getattr(func, KINDS[kind].function)(KINDS[kind].at_least, 10))) == 0
    for days in (KINDS[kind].at_least - 1, 0, -1, None):
        with pytest.raises(Exception, match=f"at least {KINDS[kind].at_least} days"):
            async with trail.database.transaction(trail.program_id, "tests") as session:
                await session.execute(
                    text(f"SELECT {KINDS[kind].function}(CAST(:days AS integer), 10)"), {"days": days}
                )


EACH = {
    "events": "UPDATE log_pages SET at = at - $2 * interval '1 day' WHERE program_id = $1",
    "webhook_deliveries": "UPDATE webhook_deliveries SET ended_at = ended_at - $2 * interval '1 day'"
    " WHERE program_id = $1",
    "answers": "UPDATE idempotency SET created_at = created_at - $2 * interval '1 day' WHERE program_id = $1",
    "needs": "UPDATE claims SET ended_at = ended_at - $2 * interval '1 day' WHERE program_id = $1",
    "unmet_needs": "UPDATE unmet_needs SET at = at - $2 * interval '1 day' WHERE program_id = $1",
    "notices": "UPDATE notices SET created_at = created_at - $2 * interval '1 day' WHERE program_id = $1",
    "board": "UPDATE board_samples SET at = at - $2 * interval '1 day' WHERE program_id = $1",
}
LEFT = {
    "events": "SELECT count(*) FROM events WHERE program_id = $1",
    "webhook_deliveries": "SELECT count(*) FROM webhook_deliveries WHERE program_id = $1 AND ended_at IS NOT NULL",
    "answers": "SELECT count(*) FROM idempotency WHERE program_id = $1",
    "needs": "SELECT count(*) FROM claims WHERE program_id = $1 AND need IS NOT NULL",
    "unmet_needs": "SELECT count(*) FROM unmet_needs WHERE program_id = $1",
    "notices": "SELECT count(*) FROM notices WHERE program_id = $1",
    "board": "SELECT count(*) FROM board_samples WHERE program_id = $1",
}


def test_every_kind_is_tried_here() -> None:
    assert {*EACH, "trail"} == set(KINDS)


@pytest.mark.parametrize("kind", EACH)
async def test_what_is_old_goes_and_what_is_younger_stays(shared_database: str, kind: str) -> None:
    connection = await asyncpg.connect(shared_database)
    superuser = await asyncpg.connect(shared_database.replace("openberth_owner", "postgres", 1))
    await superuser.execute("SET session_replication_role = replica")
    database = Database(shared_database, pool_size=1)
    ledger = await open_ledger(connection)
    opening = await ledger.opening(9)
    ended, still = await ledger.claim(opening), await ledger.claim(opening)
    await ledger.run("UPDATE claims SET need = '{\"units\": 1}' WHERE program_id = $1")
    await ledger.move(ended, "released")
    await ledger.run("UPDATE claims SET ended_at = now() WHERE program_id = $1 AND id = $2", ended)
    await ledger.run(
        "INSERT INTO unmet_needs (program_id, id, at, category, units, reason, filters)"
        " VALUES ($1, gen_random_uuid(), now(), 'housing', 1, 'full', '{}')"
    )
    await ledger.run(
        "INSERT INTO idempotency (program_id, caller_id, key, fingerprint, status, body)"
        " VALUES ($1, $1, 'k', '', 201, '')"
    )
    await ledger.run(
        "INSERT INTO people (program_id, id, organization_id, role, email, name)"
        " VALUES ($1, $1, $2, 'case_manager', 'a@example.org', 'A')",
        ledger.organization_id,
    )
    await ledger.run(
        "INSERT INTO notices (program_id, id, person_id, kind, subject_id, moment, channel, destination, useful_until)"
        " VALUES ($1, $1, $1, 'test', $1, now(), 'email', $1, now())"
    )
    await ledger.run(
        "INSERT INTO webhooks (program_id, id, caller_id, organization_id, name, url, filter, secret, after_number)"
        " VALUES ($1, $1, $1, $2, 'w', 'https://w.example', '{}', '', 0)",
        ledger.organization_id,
    )
    # One has ended, and one is still being tried, which never goes.
    await ledger.run(
        "INSERT INTO webhook_deliveries (program_id, id, webhook_id, lane, type, body, state, ended_at)"
        " VALUES ($1, $1, $1, $1, 't', '{}', 'delivered', now()),"
        " ($1, gen_random_uuid(), $1, $1, 't', '{}', 'trying', NULL)"
    )
    await ledger.run("INSERT INTO webhook_tries (program_id, delivery_id, nr, at, url) VALUES ($1, $1, 1, now(), 'w')")
    await ledger.run("""UPDATE programs SET retention = '{"days": {"answers": 40}}' WHERE program_id = $1""")
    async with as_app(connection, ledger.program_id) as app:
        await app.fetch("SELECT sample_board()")
    newest = await ledger.opening(1)
    for _ in range(2):
        async with as_app(connection, ledger.program_id) as app:
            await app.fetch("SELECT * FROM number_events(1000, false)")
        # The newest page of the log stays, whatever its age: numbers go on from there.
        newest = await ledger.opening(1)
    days = KINDS[kind].days or 40
    there = await ledger.value(LEFT[kind])
    told = await ledger.value("SELECT count(*) FROM events WHERE program_id = $1")

    await superuser.execute(EACH[kind], ledger.program_id, days - 1)
    assert {each.count for each in await retire(database, ledger.program_id, "clock")} == {0}
    await superuser.execute(EACH[kind], ledger.program_id, days + 1)
    counts = {each.kind: each.count for each in await retire(database, ledger.program_id, "clock")}
    unnumbered = await ledger.value("SELECT count(*) FROM events WHERE program_id = $1 AND subject_id = $2", newest)
    went = 1 if kind == "needs" else there - 1 - unnumbered if kind == "events" else there
    assert counts == dict.fromkeys(KINDS, 0) | {kind: went}
    assert await ledger.value(LEFT[kind]) == there - went
    if kind == "needs":
        assert await ledger.value("SELECT need IS NOT NULL FROM claims WHERE program_id = $1 AND id = $2", still)
        assert await ledger.value("SELECT state FROM claims WHERE program_id = $1 AND id = $2", ended) == "released"
        # Forgetting is no change of a claim that anyone is told of.
        assert await ledger.value("SELECT count(*) FROM events WHERE program_id = $1") == told
    entry = await ledger.value("SELECT detail::text FROM audit WHERE program_id = $1 AND action = 'retention.ran'")
    assert f'"kind": "{kind}"' in entry
    assert f'"count": {went}' in entry
    assert '"older_than": "20' in entry
    await database.close()
    await connection.close()
    await superuser.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_one_programs_retention_touches_no_other(shared_database: str, kind: str) -> None:
    connection = await asyncpg.connect(shared_database)
    ledger = await open_ledger(connection)
    async with as_app(connection, None) as app:
        assert await app.fetchval(f"SELECT {KINDS[kind].function}($1, 100)", KINDS[kind].at_least) == 0
    assert await ledger.value("SELECT count(*) FROM audit WHERE program_id = $1") > 0
    await connection.close()


# The policy.


async def test_a_program_sets_how_long_it_keeps_what(program: Program) -> None:
    defaults = (await program.call("GET", "/v1/program")).json()["retention"]
    assert defaults == {"days": {name: kind.days for name, kind in KINDS.items()}, "legal_hold": False}
    body = {"retention": {"days": {"events": 30, "unmet_needs": None}, "legal_hold": True}}
    changed = await program.call("PATCH", "/v1/program", json=body)
    assert changed.status_code == 200, changed.text
    assert changed.json()["retention"] == {
        "days": defaults["days"] | {"events": 30, "unmet_needs": None},
        "legal_hold": True,
    }
    back = await program.call("PATCH", "/v1/program", json={"retention": {}})
    assert back.json()["retention"] == defaults


@pytest.mark.parametrize(
    "retention",
    [
        {"days": {"everything": 30}},
        {"days": {"trail": 1095}},
        {"days": {"events": 0}},
        {"days": {"events": 10**9}},
        {"days": {"events": "long"}},
        {"days": []},
        {"legal_hold": "perhaps"},
        {"forever": True},
    ],
)
async def test_a_policy_that_can_not_be_is_refused(program: Program, retention: dict[str, Any]) -> None:
    refused(await program.call("PATCH", "/v1/program", json={"retention": retention}))


def test_the_docs_name_every_kind_and_how_long_it_is_kept() -> None:
    table = {
        cells[0].strip(" `"): cells
        for line in DOCS.read_text().splitlines()
        if len(cells := line.strip("|").split("|")) == 4
    }
    for name, kind in KINDS.items():
        assert name in table
        days = "for ever" if kind.days is None else f"{kind.days} days"
        assert days in table[name][2]
        assert str(kind.at_least) in table[name][3]
