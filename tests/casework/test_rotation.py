"""Rotation and shredding: everything still opens under new keys, nothing is left of the old, and shredded is gone."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.access.programs import add_program
from app.access.roles import Role
from app.casework import rotation
from app.casework.rotation import SEALED, reseal, rewrap, shred
from app.core.database import Database
from app.core.keyring import Keyring, MasterKeys, new_master_key
from tests.casework.people import IDENTITY, coming, consent, meet, someone, write
from tests.casework.test_demographics import said
from tests.support import MASTER_KEYS, Program

OLD = MasterKeys.parse(MASTER_KEYS)
BY = {"name": IDENTITY["name"], "birth_date": IDENTITY["birth_date"]}


@pytest.fixture
async def owner(shared_database: str) -> AsyncIterator[Database]:
    database = Database(shared_database, pool_size=3, as_owner=True)
    yield database
    await database.close()


async def rows(owner: Database, question: str, program: Program) -> list[tuple[Any, ...]]:
    async with owner.transaction(program.id, "tests") as session:
        return [tuple(row) for row in await session.execute(text(question), {"id": program.id})]


async def ended(program: Program, who: dict[str, Any]) -> dict[str, Any]:
    made = await consent(program, who)
    body = {"what_happened": "Ortolan took her in"}
    await program.call("POST", f"/v1/consents/{made['id']}/end", role=Role.CASE_MANAGER, json=body)
    return made


async def test_resealed_all_opens_is_found_and_counted_and_the_old_key_is_gone(
    program: Program, owner: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "BATCH", 2)
    people = [await someone(program, IDENTITY | {"name": f"Canaria {nr}"}) for nr in range(5)]
    await said(program, people[0], {"language": "so"})
    given, over = await consent(program, people[0]), await ended(program, people[0])
    before = await rows(owner, "SELECT id FROM data_keys WHERE program_id = :id", program)
    subjects = await rows(owner, "SELECT subject, language FROM demographics WHERE program_id = :id", program)
    marks = await rows(owner, "SELECT mark FROM identity_marks WHERE program_id = :id", program)
    assert await reseal(owner, Keyring(OLD), program.id) == 5 + 3
    after = await rows(owner, "SELECT id FROM data_keys WHERE program_id = :id", program)
    assert len(after) == 1
    assert after != before
    moved = await rows(owner, "SELECT subject, language FROM demographics WHERE program_id = :id", program)
    assert [each[1] for each in moved] == ["so"]
    assert moved != subjects
    fresh = await rows(owner, "SELECT mark FROM identity_marks WHERE program_id = :id", program)
    assert len(fresh) == len(marks)
    assert not set(fresh) & set(marks)
    for number, who in enumerate(people):
        read = await program.call("GET", f"/v1/participants/{who['id']}/identity", role=Role.CASE_MANAGER)
        assert read.json()["name"] == f"Canaria {number}"
        sought = {"name": f"CANARIA {number}", "birth_date": IDENTITY["birth_date"]}
        found = await program.call("POST", "/v1/participants/find", role=Role.CASE_MANAGER, json=sought)
        assert [each["code"] for each in found.json()["matches"]] == [who["code"]]
    for each in (given, over):
        copy = await program.call("GET", f"/v1/consents/{each['id']}/copy", role=Role.CASE_MANAGER)
        assert "Quillfeather" in copy.text
    # What is said anew takes the place of what was said under the old key.
    await said(program, people[0], {"language": "vi"})
    assert await rows(owner, "SELECT language FROM demographics WHERE program_id = :id", program) == [("vi",)]


async def test_a_rotation_that_was_stopped_goes_on(
    program: Program, owner: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "BATCH", 1)
    people = [await someone(program, {"name": f"Canaria {nr}", "birth_date": "1987-03-09"}) for nr in range(3)]
    ring = Keyring(OLD)
    async with owner.transaction(program.id, "operator") as session:
        await rotation._replace_key(session, ring, program.id)
    assert await rotation._step(owner, ring, program.id) == 1
    # Half under the one key and half under the other, all are read, found and written.
    for number, who in enumerate(people):
        sought = {"name": f"Canaria {number}", "birth_date": "1987-03-09"}
        found = await program.call("POST", "/v1/participants/find", role=Role.CASE_MANAGER, json=sought)
        assert [each["code"] for each in found.json()["matches"]] == [who["code"]]
        twin = await program.made("/v1/participants", {}, Role.CASE_MANAGER)
        assert [each["code"] for each in (await write(program, twin, sought)).json()["matches"]] == [who["code"]]
    assert await reseal(owner, ring, program.id) == 2
    keys = await rows(owner, "SELECT retired_at FROM data_keys WHERE program_id = :id", program)
    assert keys == [(None,)]


async def test_every_sealed_column_is_rotated(owner: Database) -> None:
    """A column that holds what was sealed has a name that says so: one that no rotation knows fails here."""
    async with owner.transaction(None, "tests") as session:
        found = await session.execute(
            text(
                "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
                " AND data_type = 'bytea' AND table_name <> 'idempotency' AND column_name NOT LIKE '%hash'"
            )
        )
        columns = {tuple(row) for row in found}
    known = {(each.table, each.column) for each in SEALED}
    assert columns == known | {
        ("data_keys", "wrapped"),
        ("identity_marks", "mark"),
        ("passkeys", "credential_id"),
        ("passkeys", "public_key"),
        ("sign_in_failures", "counter"),
    }


async def test_master_keys_are_replaced_by_wrapping_again_and_the_old_one_may_go(
    own_database: str, program: Program
) -> None:
    owner = Database(own_database, pool_size=2, as_owner=True)
    program_id = await _a_program(owner)
    async with owner.transaction(program_id, "tests") as session:
        what = await Keyring(OLD).seal(session, program_id, "x:1", b"who")
    new = new_master_key()
    both, alone = MasterKeys.parse(f"{new},{MASTER_KEYS}"), MasterKeys.parse(new)
    assert await rewrap(owner, both) == 1
    assert await rewrap(owner, both) == 0
    async with owner.transaction(program_id, "tests") as session:
        assert await Keyring(alone).open(session, program_id, "x:1", what) == b"who"
        kept = await session.scalars(text("SELECT action FROM audit WHERE action LIKE 'data_key%' ORDER BY id"))
        assert list(kept) == ["data_key.made", "data_key.rewrapped"]
    await owner.close()


async def _a_program(owner: Database) -> UUID:
    async with owner.transaction(None, "tests") as session:
        return (await add_program(session, "one", "One", "UTC")).program_id


async def test_shredded_nobody_is_ever_read_again_and_claims_go_on(program: Program, owner: Database) -> None:
    who = await someone(program)
    given, claim = await consent(program, who), await coming(program, who)
    assert (await meet(program, claim))["withheld"] is None
    assert await shred(owner, program.id) == 1
    for path in (f"/v1/participants/{who['id']}/identity", f"/v1/consents/{given['id']}/copy"):
        response = await program.call("GET", path, role=Role.CASE_MANAGER)
        assert (response.status_code, response.json()["type"].rsplit("/", 1)[1]) == (410, "shredded")
    met = await meet(program, claim)
    assert (met["withheld"], met["participant"]) == ("unreadable", who["code"])
    found = await program.call("POST", "/v1/participants/find", role=Role.CASE_MANAGER, json=BY)
    assert found.json()["matches"] == []
    assert (await program.step(claim, "arrive")).status_code == 200
    kept = await rows(
        owner, "SELECT action, detail FROM audit WHERE program_id = :id AND action = 'program.shredded'", program
    )
    assert kept == [("program.shredded", {"data_keys": 1})]
    destroyed = "SELECT count(*) FROM audit WHERE program_id = :id AND action = 'data_key.destroyed'"
    assert await rows(owner, destroyed, program) == [(1,)]
    # The program may go on, under a key of its own.
    again = await someone(program)
    read = await program.call("GET", f"/v1/participants/{again['id']}/identity", role=Role.CASE_MANAGER)
    assert read.status_code == 200


async def test_an_identity_moved_to_another_row_does_not_open(program: Program, owner: Database) -> None:
    one, other = await someone(program), await someone(program, {"name": "Somebody Else"})
    move = (
        "UPDATE identities SET sealed = (SELECT sealed FROM identities WHERE participant_id = :one)"
        " WHERE participant_id = :other"
    )
    async with owner.transaction(program.id, "tests") as session:
        await session.execute(text(move), {"one": one["id"], "other": other["id"]})
    response = await program.call("GET", f"/v1/participants/{other['id']}/identity", role=Role.CASE_MANAGER)
    assert response.status_code == 500
    assert "Quillfeather" not in response.text
