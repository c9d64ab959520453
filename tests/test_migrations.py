"""Migrations: there and back, without drift from the code, and never hanging behind somebody's lock."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from app import schema
from app.core.database import asyncpg_url
from app.core.ids import new_id
from tests import catalog
from tests.conftest import Server
from tests.ledger import open_ledger

FOLDER = Path(__file__).parent.parent / "alembic"
EVERYTHING = catalog.TABLES | catalog.REST


@pytest.fixture
async def empty_database(server: Server) -> AsyncIterator[str]:
    """The owner's address of a database in which nothing is."""
    name = f"empty_{uuid4().hex[:12]}"
    await server.admin(f"CREATE DATABASE {name} OWNER openberth_owner")
    yield server.url(name)
    await server.admin(f"DROP DATABASE {name} WITH (FORCE)")


async def in_database(url: str, job: Any) -> Any:
    """What a synchronous job answers that is given a connection."""
    engine = create_async_engine(asyncpg_url(url))
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(job)
    finally:
        await engine.dispose()


async def test_up_from_nothing_down_to_nothing_and_up_again(empty_database: str) -> None:
    nothing = await catalog.read(empty_database, EVERYTHING)
    await asyncio.to_thread(schema.upgrade, empty_database)
    first = await catalog.read(empty_database, EVERYTHING)
    assert all(first[name] for name in EVERYTHING if name != "types")

    await asyncio.to_thread(schema.downgrade, empty_database, "base")
    assert not catalog.differences(nothing, await catalog.read(empty_database, EVERYTHING))

    await asyncio.to_thread(schema.upgrade, empty_database)
    assert not catalog.differences(first, await catalog.read(empty_database, EVERYTHING))


async def test_upgrading_twice_changes_nothing(own_database: str) -> None:
    before = await catalog.read(own_database, EVERYTHING)
    await asyncio.to_thread(schema.upgrade, own_database)
    assert not catalog.differences(before, await catalog.read(own_database, EVERYTHING))


# What alembic doesn't know is compared below, with everything else.
@pytest.mark.filterwarnings("ignore:Did not recognize type 'cube'", "ignore:Computed default")
async def test_alembic_finds_no_drift(own_database: str) -> None:
    def compare(connection: Connection) -> list[Any]:
        options = {"compare_type": True, "compare_server_default": True}
        found: list[Any] = compare_metadata(MigrationContext.configure(connection, opts=options), schema.METADATA)
        return found

    assert await in_database(own_database, compare) == []


async def test_the_code_describes_the_migrated_tables_to_the_letter(own_database: str, empty_database: str) -> None:
    """Alembic's comparison passes over check constraints, partial indexes and storage; the catalogs don't."""

    def create(connection: Connection) -> None:
        for extension in ("cube", "btree_gist"):
            connection.execute(text(f"CREATE EXTENSION {extension}"))
        schema.METADATA.create_all(connection)

    await in_database(empty_database, create)
    migrated = await catalog.read(own_database, catalog.TABLES)
    described = await catalog.read(empty_database, catalog.TABLES)
    assert all(described.values())
    assert not catalog.differences(migrated, described)


async def test_what_was_claimed_of_shelters_before_becomes_anonymous(empty_database: str) -> None:
    before = ScriptDirectory(str(FOLDER)).get_revision("2026_11_24_f_survivors").down_revision
    assert isinstance(before, str)
    await asyncio.to_thread(schema.upgrade, empty_database, before)
    connection = await asyncpg.connect(empty_database)
    try:
        ledger = await open_ledger(connection)
        # One provider like any other, and one that serves survivors; a claim on each, with its kept answer.
        answers = {}
        for survivors in (False, True):
            ledger.organization_id, ledger.service_id, ledger.bundle_id = new_id(), new_id(), new_id()
            await ledger.run(
                "INSERT INTO organizations (program_id, id, name, serves_survivors) VALUES ($1, $2, 'An agency', $3)",
                ledger.organization_id,
                survivors,
            )
            await ledger.run(
                "INSERT INTO services (program_id, id, organization_id, name, category)"
                " VALUES ($1, $2, $3, 'A service', 'housing')",
                ledger.service_id,
                ledger.organization_id,
            )
            await ledger.run(
                "INSERT INTO bundles (program_id, id, participant_id, claimed_by, created_at)"
                " SELECT $1, $2, id, $2, clock_timestamp() FROM participants WHERE program_id = $1",
                ledger.bundle_id,
            )
            await ledger.claim(await ledger.opening(3, latitude="47", longitude="-122"))
            answers[survivors] = f'{{"bundle_id": "{ledger.bundle_id}"}}'
            await ledger.run(
                "INSERT INTO idempotency (program_id, caller_id, key, fingerprint, status, body)"
                " VALUES ($1, $2, 'k', '', 201, convert_to($3, 'UTF8'))",
                new_id(),
                answers[survivors],
            )
        await asyncio.to_thread(schema.upgrade, empty_database)
        rows = await connection.fetch(
            "SELECT o.confidential, o.latitude, b.participant_id IS NULL AS anonymous, o.units_taken FROM openings o"
            " JOIN claims c ON c.opening_id = o.id JOIN bundles b ON b.id = c.bundle_id ORDER BY o.confidential"
        )
        assert [tuple(row) for row in rows] == [(False, 47, False, 1), (True, None, True, 1)]
        kept = [row[0] for row in await connection.fetch("SELECT convert_from(body, 'UTF8') FROM idempotency")]
        assert kept == [answers[False]]
    finally:
        await connection.close()


async def test_what_shelters_wrote_down_of_people_before_is_erased_and_their_calls_become_anonymous(
    empty_database: str,
) -> None:
    before = ScriptDirectory(str(FOLDER)).get_revision("2026_11_24_h_shelters").down_revision
    assert isinstance(before, str)
    await asyncio.to_thread(schema.upgrade, empty_database, before)
    connection = await asyncpg.connect(empty_database)
    try:
        ledger = await open_ledger(connection)
        agency = ledger.organization_id
        shelter, opening = new_id(), await ledger.opening(9)
        await ledger.run(
            "INSERT INTO organizations (program_id, id, name, serves_survivors) VALUES ($1, $2, 'A shelter', true)",
            shelter,
        )
        # Of each: a participant, who they are, what they signed; and claims by workers of each for each.
        for whose in (agency, shelter):
            someone = new_id()
            await ledger.run(
                "INSERT INTO participants (program_id, id, code, organization_id, reference)"
                " VALUES ($1, $2, $3, $4, 'R')",
                someone,
                f"P-{whose}",
                whose,
            )
            await ledger.run("INSERT INTO identities (program_id, participant_id, sealed) VALUES ($1, $2, '')", someone)
            await ledger.run(
                "INSERT INTO identity_marks (program_id, mark, participant_id) VALUES ($1, uuid_send($2), $2)", someone
            )
            await ledger.run(
                "INSERT INTO consents (program_id, id, participant_id, organization_id, recorded_by, text_version,"
                " kinds, disclosers, recipients, treating_providers, expiry, signed_on, sealed) VALUES ($1, $2, $2, $3,"
                " $1, 'x', ARRAY['name'], ARRAY[$4::uuid], ARRAY[$4::uuid], false, 'event', current_date, '')",
                someone,
                whose,
                agency,
            )
            for worker in (agency, shelter):
                ledger.bundle_id = new_id()
                await ledger.run(
                    "INSERT INTO bundles (program_id, id, participant_id, claimed_by, created_at)"
                    " VALUES ($1, $2, $3, $2, clock_timestamp())",
                    ledger.bundle_id,
                    someone,
                )
                ledger.organization_id = worker
                await ledger.claim(opening)
                await ledger.run(
                    "INSERT INTO idempotency (program_id, caller_id, key, fingerprint, status, body)"
                    " VALUES ($1, $2, 'k', '', 201, convert_to($3, 'UTF8'))",
                    ledger.bundle_id,
                    f"{ledger.bundle_id} {'named' if whose == worker == agency else 'nobody'}",
                )
        await asyncio.to_thread(schema.upgrade, empty_database)
        calls = await connection.fetch(
            "SELECT p.organization_id, c.worker_organization_id FROM claims c JOIN bundles b ON b.id = c.bundle_id"
            " LEFT JOIN participants p ON p.id = b.participant_id"
        )
        named = [row for row in calls if row["organization_id"] is not None]
        assert (len(calls), [tuple(row) for row in named]) == (4, [(agency, agency)])
        [kept] = [row[0] for row in await connection.fetch("SELECT convert_from(body, 'UTF8') FROM idempotency")]
        assert kept.endswith("named")
        for table in ("identities", "identity_marks", "consents"):
            [row] = await connection.fetch(
                f"SELECT p.organization_id FROM {table} t JOIN participants p ON p.id = t.participant_id"
            )
            assert row[0] == agency, table
        left = await connection.fetch("SELECT organization_id FROM participants WHERE reference IS NOT NULL")
        assert [row[0] for row in left] == [agency]
        traced = await connection.fetch("SELECT action FROM audit WHERE action LIKE '%.erased' ORDER BY id")
        assert [row[0] for row in traced] == ["identity.erased", "consent.erased"]
    finally:
        await connection.close()


def test_migrations_are_named_by_their_day_and_come_in_that_order() -> None:
    scripts = ScriptDirectory(str(FOLDER))
    newest_first = list(scripts.walk_revisions())
    files = [Path(script.path).name for script in reversed(newest_first)]
    assert files
    assert files == sorted(file.name for file in (FOLDER / "versions").glob("*.py"))
    for script, file in zip(reversed(newest_first), files, strict=True):
        assert re.fullmatch(r"\d{4}_\d{2}_\d{2}_[a-z0-9_]+\.py", file)
        assert file.startswith(script.revision)
    assert len(scripts.get_heads()) == 1
    for statements in (FOLDER / "sql").iterdir():
        assert re.fullmatch(r"\d{4}_\d{2}_\d{2}_[a-z0-9_]+\.sql", statements.name)
        assert statements.name[:10] in {name[:10] for name in files}


def test_every_migration_begins_by_limiting_how_long_it_waits() -> None:
    statements = schema.upgrade_sql()
    assert "SET lock_timeout = '" in statements
    assert "SET statement_timeout = '" in statements
    assert statements.index("SET lock_timeout") < statements.index("CREATE TABLE")
    assert not re.search(r"SET lock_timeout = '?0", statements)


async def test_a_migration_gives_up_behind_a_lock_and_leaves_all_as_it_was(own_database: str) -> None:
    before = await catalog.read(own_database, EVERYTHING)
    busy = await asyncpg.connect(own_database)
    try:
        async with busy.transaction():
            await busy.execute("LOCK TABLE claims IN ACCESS SHARE MODE")
            with pytest.raises(DBAPIError, match="lock timeout"):
                await asyncio.to_thread(schema.downgrade, own_database, "base")
            assert await busy.fetchval("SELECT count(*) FROM claims") == 0
    finally:
        await busy.close()
    assert not catalog.differences(before, await catalog.read(own_database, EVERYTHING))
