"""Importing a real HUD count, through the command and seen through the API."""

from pathlib import Path

import asyncpg
import pytest

from tests.cli.terminal import ROOT, openberth

REAL = ROOT.parent / "shared" / "data" / "hud_hic_2014_atlanta_seattle_new_mexico.csv"
needs_real = pytest.mark.skipif(not REAL.exists(), reason="the real count is not beside this checkout")


async def _count(url: str, query: str) -> int:
    connection = await asyncpg.connect(url)
    number: int = await connection.fetchval(query)
    await connection.close()
    return number


@needs_real
async def test_the_real_count_loads_unattested_and_masks_survivors(own_database: str) -> None:
    await openberth("demo", OPENBERTH_DATABASE_URL=own_database)
    done = await openberth("import", "hud-hic", str(REAL), OPENBERTH_DATABASE_URL=own_database)
    assert done.status == 0, done.err
    assert "601 rows. 584 openings new" in done.out.replace("\n", " ")
    assert "under development" in done.out.lower()
    assert await _count(own_database, "SELECT count(*) FROM openings WHERE source_key IS NOT NULL") == 584
    assert (
        await _count(own_database, "SELECT count(*) FROM openings WHERE source_key > '' AND attested_at > '2000-1-1'")
        == 0
    )
    assert await _count(own_database, "SELECT count(*) FROM locations WHERE masked AND latitude IS NULL") >= 49
    confidential = "SELECT count(*) FROM openings WHERE confidential AND source_key IS NOT NULL"
    assert await _count(own_database, confidential) == 49


@needs_real
async def test_importing_again_updates_and_leaves_the_providers_word_alone(own_database: str) -> None:
    await openberth("demo", OPENBERTH_DATABASE_URL=own_database)
    await openberth("import", "hud-hic", str(REAL), OPENBERTH_DATABASE_URL=own_database)
    connection = await asyncpg.connect(own_database)
    attested = await connection.fetchval(
        "UPDATE openings SET units_total = 7, attested_at = now(), fresh_until = now() + interval '1 hour'"
        " WHERE id = (SELECT id FROM openings WHERE source_key > '' LIMIT 1) RETURNING id"
    )
    done = await openberth("import", "hud-hic", str(REAL), OPENBERTH_DATABASE_URL=own_database)
    assert "0 openings new, 583 updated, 1 left as their provider attested them" in done.out.replace("\n", " ")
    assert await connection.fetchval("SELECT units_total FROM openings WHERE id = $1", attested) == 7
    await connection.close()


async def test_another_kind_of_file_changes_nothing(own_database: str, tmp_path: Path) -> None:
    await openberth("demo", OPENBERTH_DATABASE_URL=own_database)
    before = await _count(own_database, "SELECT count(*) FROM organizations")
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("name,beds\nA shelter,5\n")
    done = await openberth("import", "hud-hic", str(wrong), OPENBERTH_DATABASE_URL=own_database)
    assert done.status == 1
    assert "not a HUD Housing Inventory Count" in done.err
    assert await _count(own_database, "SELECT count(*) FROM organizations") == before
