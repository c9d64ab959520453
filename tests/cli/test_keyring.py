"""The key ring's commands: a new master key, rotation, a new data key, and a program's end."""

from uuid import UUID

import asyncpg
import pytest

from app.core.database import Database
from app.core.keyring import Keyring, MasterKeys
from app.core.problems import Shredded
from tests.cli.terminal import openberth
from tests.support import MASTER_KEYS


async def sealed(url: str) -> tuple[UUID, bytes]:
    """Something sealed for the demonstration program, and that program's id."""
    await openberth("demo", OPENBERTH_DATABASE_URL=url)
    connection = await asyncpg.connect(url)
    program_id: UUID = await connection.fetchval("SELECT program_id FROM programs")
    await connection.close()
    owner = Database(url, pool_size=1, as_owner=True)
    async with owner.transaction(program_id, "tests") as session:
        what = await Keyring(MasterKeys.parse(MASTER_KEYS)).seal(session, program_id, "x:1", b"who")
    await owner.close()
    return program_id, what


async def test_a_master_key_is_replaced_and_the_doctor_knows_what_is_lacking(own_database: str) -> None:
    await sealed(own_database)
    new = (await openberth("keyring", "new")).out.strip()
    url = {"OPENBERTH_DATABASE_URL": own_database}
    without = await openberth("keyring", "rotate", **url)
    assert (without.status, "OPENBERTH_MASTER_KEYS" in without.err) == (1, True)
    lacking = await openberth("doctor", OPENBERTH_MASTER_KEYS=new, **url)
    assert "test lacking" in lacking.out
    both = f"{new},{MASTER_KEYS}"
    first = await openberth("keyring", "rotate", OPENBERTH_MASTER_KEYS=both, **url)
    again = await openberth("keyring", "rotate", OPENBERTH_MASTER_KEYS=both, **url)
    assert (first.out[:2], again.out[:2]) == ("1 ", "0 "), first.err + again.err
    sound = await openberth("doctor", OPENBERTH_MASTER_KEYS=new, **url)
    assert "every program's data key can be unwrapped" in sound.out
    bad = await openberth("doctor", OPENBERTH_MASTER_KEYS="nonsense", **url)
    assert (bad.status, "Traceback" in bad.err, "openberth keyring new" in bad.err) == (1, False, True)


async def test_a_program_is_shredded_only_when_its_slug_is_typed(own_database: str) -> None:
    program_id, what = await sealed(own_database)
    settings = {"OPENBERTH_DATABASE_URL": own_database, "OPENBERTH_MASTER_KEYS": MASTER_KEYS}
    wrong = await openberth("program", "shred", "demo", typed="Demo\n", **settings)
    assert wrong.status == 1
    assert "Nothing was done" in wrong.err
    resealed = await openberth("keyring", "reseal", "demo", **settings)
    assert resealed.out.startswith("0 texts sealed again"), resealed.err
    shredded = await openberth("program", "shred", "demo", typed="demo\n", **settings)
    assert shredded.status == 0, shredded.err
    assert "Destroyed 1 data key of demo" in shredded.out
    assert "Backups" in shredded.out
    again = await openberth("program", "shred", "demo", typed="demo\n", **settings)
    assert "nothing to destroy" in again.out
    nowhere = await openberth("program", "shred", "nowhere", typed="nowhere\n", **settings)
    assert (nowhere.status, "No program" in nowhere.err) == (1, True)
    owner = Database(own_database, pool_size=1, as_owner=True)
    with pytest.raises(Shredded):
        async with owner.transaction(None, "tests") as session:
            await Keyring(MasterKeys.parse(MASTER_KEYS)).open(session, program_id, "x:1", what)
    await owner.close()
