"""The key ring: what is sealed opens where it was sealed for, and nowhere else."""

import asyncio
import base64
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from app.core.database import Database
from app.core.keyring import (
    BadMasterKeys,
    CanNotOpen,
    Keyring,
    MasterKeys,
    ensure_file,
    new_master_key,
)
from app.core.problems import NoMasterKey, Shredded
from tests.support import MASTER_KEYS, Program, new_program

RING = Keyring(MasterKeys.parse(MASTER_KEYS))


@pytest.fixture
async def app(shared_database: str) -> AsyncIterator[Database]:
    """The database as requests have it: under the app role."""
    database = Database(shared_database, pool_size=10)
    yield database
    await database.close()


async def sealed(app: Database, program_id: UUID, purpose: str = "x:1", plaintext: bytes = b"who") -> bytes:
    async with app.transaction(program_id, "tests") as session:
        return await RING.seal(session, program_id, purpose, plaintext)


async def opened(app: Database, program_id: UUID, what: bytes, purpose: str = "x:1", ring: Keyring = RING) -> bytes:
    async with app.transaction(program_id, "tests") as session:
        return await ring.open(session, program_id, purpose, what)


async def test_what_is_sealed_opens_again_and_never_looks_the_same(app: Database, program: Program) -> None:
    one, other = await sealed(app, program.id), await sealed(app, program.id)
    assert one != other
    assert b"who" not in one
    assert await opened(app, program.id, one) == await opened(app, program.id, other) == b"who"


async def test_it_does_not_open_for_another_purpose_or_program(app: Database, program: Program) -> None:
    other = await new_program(program.house)
    what = await sealed(app, program.id)
    with pytest.raises(CanNotOpen):
        await opened(app, program.id, what, "x:2")
    await sealed(app, other.id)
    # Another program doesn't even have the key; with the other's key put in, it still doesn't open.
    with pytest.raises(Shredded):
        await opened(app, other.id, what)
    theirs = await sealed(app, other.id)
    with pytest.raises(CanNotOpen):
        await opened(app, other.id, theirs[:17] + what[17:])


async def test_no_byte_of_it_can_be_changed(app: Database, program: Program) -> None:
    what = await sealed(app, program.id)
    for place in (0, 1, 16, 17, 28, 29, len(what) - 1):
        changed = bytearray(what)
        changed[place] ^= 1
        with pytest.raises((CanNotOpen, Shredded)):
            await opened(app, program.id, bytes(changed))
    for cut in (b"", what[:20], what[:-1]):
        with pytest.raises(CanNotOpen):
            await opened(app, program.id, cut)


async def test_many_who_seal_first_at_once_share_one_data_key(app: Database, program: Program) -> None:
    made = await asyncio.gather(*(sealed(app, program.id) for _ in range(10)))
    assert len({what[1:17] for what in made}) == 1
    async with program.house.owner.transaction(program.id, "tests") as session:
        count = await session.scalar(text("SELECT count(*) FROM data_keys WHERE program_id = :id"), {"id": program.id})
    assert count == 1


async def test_a_wrapped_key_moved_to_another_program_does_not_unwrap(app: Database, program: Program) -> None:
    other = await new_program(program.house)
    await sealed(app, program.id)
    what = await sealed(app, other.id)
    async with program.house.owner.transaction(program.id, "tests") as session:
        await session.execute(
            text(
                "UPDATE data_keys SET wrapped = (SELECT wrapped FROM data_keys WHERE program_id = :one)"
                " WHERE program_id = :other"
            ),
            {"one": program.id, "other": other.id},
        )
    with pytest.raises(CanNotOpen):
        await opened(app, other.id, what)


async def test_without_the_master_key_nothing_opens_and_the_reason_is_said(app: Database, program: Program) -> None:
    what = await sealed(app, program.id)
    with pytest.raises(NoMasterKey, match="OPENBERTH_MASTER_KEYS"):
        await opened(app, program.id, what, ring=Keyring(None))
    with pytest.raises(NoMasterKey, match="'test'"):
        await opened(app, program.id, what, ring=Keyring(MasterKeys.parse(new_master_key())))
    # Under the same name another key: the name alone opens nothing.
    false = "test:" + base64.b64encode(b"x" * 32).decode()
    with pytest.raises(CanNotOpen):
        await opened(app, program.id, what, ring=Keyring(MasterKeys.parse(false)))


@pytest.mark.parametrize(
    "words",
    ["", " , ", "a", "a:", "a:b", f"a:{'A' * 43}", MASTER_KEYS + "," + MASTER_KEYS, f"a b:{MASTER_KEYS[5:]}", "a:é"],
)
def test_master_keys_that_are_none_are_refused_without_being_shown(words: str) -> None:
    with pytest.raises(BadMasterKeys) as refused:
        MasterKeys.parse(words)
    assert MASTER_KEYS[5:] not in str(refused.value)


@given(st.lists(st.from_regex(r"[a-z0-9._-]{1,40}", fullmatch=True), min_size=1, max_size=5, unique=True))
def test_the_first_master_key_is_the_current_one(ids: list[str]) -> None:
    for separator in (",", "\n", " , \n"):
        ring = MasterKeys.parse(separator.join(f"{id}:{MASTER_KEYS[5:]}" for id in ids))
        assert ring.current == ids[0]
        assert all(id in ring for id in ids)


def test_the_file_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "data.keys"
    ensure_file(file)
    first = file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    ensure_file(file)
    assert file.read_text() == first
    assert list(tmp_path.iterdir()) == [file]
    assert MasterKeys.read(file).current == first.split(":")[0]
    file.chmod(0o640)
    with pytest.raises(BadMasterKeys, match="chmod 600"):
        MasterKeys.read(file)
    with pytest.raises(BadMasterKeys, match="can't be read"):
        MasterKeys.read(tmp_path / str(uuid4()))
