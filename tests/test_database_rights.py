"""What the app role may not do, whatever statement a request would send: other programs, counts, the trail."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from asyncpg import InsufficientPrivilegeError

from app.core.ids import new_id
from tests.ledger import Ledger, as_app, open_ledger

TENANTS = (
    "programs",
    "organizations",
    "locations",
    "services",
    "openings",
    "participants",
    "bundles",
    "claims",
    "unmet_needs",
    "events",
    "log_pages",
    "watches",
    "audit",
    "idempotency",
)


@pytest.fixture
async def ledger(shared_database: str) -> AsyncIterator[Ledger]:
    connection = await asyncpg.connect(shared_database)
    yield await _furnished(connection)
    await connection.close()


async def _furnished(connection: "asyncpg.Connection[asyncpg.Record]") -> Ledger:
    """A program with a row in every table."""
    ledger = await open_ledger(connection)
    await ledger.claim(await ledger.opening(3))
    await ledger.run(
        "INSERT INTO locations (program_id, id, organization_id, location_type) VALUES ($1, $2, $3, 'virtual')",
        new_id(),
        ledger.organization_id,
    )
    await ledger.run(
        "INSERT INTO unmet_needs (program_id, id, at, category, units, reason, filters)"
        " VALUES ($1, $2, clock_timestamp(), 'housing', 1, 'full', '{}')",
        new_id(),
    )
    await ledger.run(
        "INSERT INTO idempotency (program_id, caller_id, key, fingerprint, status, body)"
        " VALUES ($1, $2, 'k', '', 201, '')",
        new_id(),
    )
    await ledger.run(
        "INSERT INTO watches (program_id, id, caller_id, organization_id, need, until)"
        " VALUES ($1, $2, $2, $3, '{}', now() + interval '1 h')",
        new_id(),
        ledger.organization_id,
    )
    async with as_app(ledger.connection, ledger.program_id) as app:
        await app.fetch("SELECT * FROM number_events(1000, false)")
    return ledger


async def test_every_table_is_under_row_level_security(ledger: Ledger) -> None:
    rows = await ledger.connection.fetch(
        "SELECT relname, relrowsecurity FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        " AND relname <> 'alembic_version'"
    )
    assert {row["relname"] for row in rows} >= {*TENANTS, "keys"}
    assert [row["relname"] for row in rows if not row["relrowsecurity"]] == []


@pytest.mark.parametrize("table", TENANTS)
async def test_only_the_rows_of_ones_own_program_are_seen(ledger: Ledger, table: str) -> None:
    other = await _furnished(ledger.connection)
    async with as_app(ledger.connection, ledger.program_id) as app:
        seen = {row[0] for row in await app.fetch(f"SELECT DISTINCT program_id FROM {table}")}
    assert seen == {ledger.program_id}
    assert other.program_id != ledger.program_id


@pytest.mark.parametrize("table", TENANTS)
async def test_without_a_program_nothing_is_seen(ledger: Ledger, table: str) -> None:
    async with as_app(ledger.connection, None) as app:
        assert await app.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_nothing_can_be_written_into_another_program(ledger: Ledger) -> None:
    other = await _furnished(ledger.connection)
    opening = await other.opening(5)
    for program_id in (ledger.program_id, None):
        with pytest.raises(InsufficientPrivilegeError, match="row-level security"):
            async with as_app(ledger.connection, program_id):
                await other.claim(opening)
        with pytest.raises(InsufficientPrivilegeError, match="row-level security"):
            async with as_app(ledger.connection, program_id):
                await other.opening(1)
        async with as_app(ledger.connection, program_id):
            changed = await other.run("UPDATE openings SET units_total = 0, version = 9 WHERE program_id = $1")
            freed = await other.run("UPDATE claims SET state = 'released' WHERE program_id = $1")
        assert (changed, freed) == ("UPDATE 0", "UPDATE 0")
    assert await other.taken(opening) == 0


async def test_a_claim_can_not_point_into_another_program(ledger: Ledger) -> None:
    other = await _furnished(ledger.connection)
    opening = await other.opening(5)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await ledger.claim(opening)


REFUSED = {
    "its count": "UPDATE openings SET units_taken = 0 WHERE program_id = $1",
    "its next lapse": "UPDATE openings SET next_lapse_at = NULL WHERE program_id = $1",
    "promises kept": "UPDATE organizations SET promises_kept = 99 WHERE program_id = $1",
    "promises broken": "UPDATE organizations SET promises_broken = 0 WHERE program_id = $1",
    "an opening's owner": "UPDATE openings SET organization_id = organization_id WHERE program_id = $1",
    "a claim's units": "UPDATE claims SET units = 1 WHERE program_id = $1",
    "a claim's worker": "UPDATE claims SET claimed_by = claimed_by WHERE program_id = $1",
    "claims away": "DELETE FROM claims WHERE program_id = $1",
    "openings away": "DELETE FROM openings WHERE program_id = $1",
    "an event": "INSERT INTO events (program_id, type, subject_id, data) VALUES ($1, 'x', $1, '{}')",
    "events away": "DELETE FROM events WHERE program_id = $1",
    "the trail": "INSERT INTO audit (program_id, actor, action, subject_id, detail) VALUES ($1, 'x', 'x', $1, '{}')",
    "the trail's past": "UPDATE audit SET actor = 'nobody' WHERE program_id = $1",
    "the trail away": "DELETE FROM audit WHERE program_id = $1",
    "an answer away": "DELETE FROM idempotency WHERE program_id = $1",
    "a key's hash": "SELECT hash FROM keys WHERE program_id = $1",
    "a key": "UPDATE keys SET revoked_at = NULL WHERE program_id = $1",
    "a program": "UPDATE programs SET slug = 'mine' WHERE program_id = $1",
}


@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED)
async def test_the_app_role_can_not_write(ledger: Ledger, statement: str) -> None:
    with pytest.raises(InsufficientPrivilegeError, match="permission denied"):
        async with as_app(ledger.connection, ledger.program_id):
            await ledger.run(statement)


async def test_the_app_role_can_not_publish_an_opening_that_is_taken(ledger: Ledger) -> None:
    for column in ({"units_taken": "0"}, {"next_lapse_at": "NULL"}):
        with pytest.raises(InsufficientPrivilegeError, match="permission denied"):
            async with as_app(ledger.connection, ledger.program_id):
                await ledger.opening(1, **column)


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE claims",
        "CREATE TABLE mine ()",
        "ALTER TABLE claims DISABLE TRIGGER ALL",
        "ALTER TABLE claims DISABLE ROW LEVEL SECURITY",
        "DROP TRIGGER claims_guard ON claims",
        "SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    ],
)
async def test_the_app_role_can_not_switch_the_guards_off(ledger: Ledger, statement: str) -> None:
    with pytest.raises(InsufficientPrivilegeError):
        async with as_app(ledger.connection, ledger.program_id) as app:
            await app.execute(statement)


async def test_the_app_role_has_no_rights_above_its_own(ledger: Ledger) -> None:
    role = await ledger.connection.fetchrow(
        "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin FROM pg_roles"
        " WHERE rolname = 'openberth_app'"
    )
    assert role is not None
    assert not any(role.values())


async def test_holds_of_another_program_can_not_be_expired(ledger: Ledger) -> None:
    other = await _furnished(ledger.connection)
    for program_id in (ledger.program_id, None):
        with pytest.raises(InsufficientPrivilegeError, match="not for program"):
            async with as_app(ledger.connection, program_id) as app:
                await app.fetchval("SELECT expire_lapsed($1, '{}')", other.program_id)


async def test_the_app_role_calls_only_the_functions_that_are_its_own(ledger: Ledger) -> None:
    async with as_app(ledger.connection, ledger.program_id) as app:
        callable_ = await app.fetch(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
            " AND has_function_privilege(oid, 'EXECUTE')"
        )
    assert {row["proname"] for row in callable_} == {"expire_lapsed", "find_key", "every_program", "note",
        "number_events", "programs_behind", "forget_events", "tell_watchers",
    }  # fmt: skip


async def test_a_claim_of_the_app_role_moves_the_count_all_the_same(ledger: Ledger) -> None:
    opening = await ledger.opening(2)
    async with as_app(ledger.connection, ledger.program_id):
        claim = await ledger.claim(opening, 2)
    assert await ledger.taken(opening) == 2
    with pytest.raises(asyncpg.CheckViolationError, match="never_oversold"):
        async with as_app(ledger.connection, ledger.program_id):
            await ledger.claim(opening)
    assert await ledger.trace(claim) == (["claim.held"], ["claim.held"])
