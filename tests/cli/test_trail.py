"""The trail on the command line: what the doctor says of it, an export verified offline, retention by hand."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.access.canon import FORMAT
from app.access.chain import seal
from app.access.trail import export, place_after
from app.worker import retire_all, seal_trails
from tests.cli.terminal import ROOT, Done, environment, openberth
from tests.trail import Trail, close, open_trail


@pytest.fixture
async def trail(own_database: str) -> AsyncIterator[Trail]:
    opened = await open_trail(own_database)
    yield opened
    await close(opened)


async def slug(trail: Trail) -> str:
    """The program's slug."""
    found: str = await trail.owner.fetchval("SELECT slug FROM programs WHERE program_id = $1", trail.program_id)
    return found


def holds(done: Done) -> bool:
    """Whether the doctor finds the trail sound. It finds other things too: a test's server syncs nothing to disk."""
    found = re.findall(r"([✓✗]) │ Trail", done.out)
    assert found, done.out + done.err
    return set(found) == {"✓"}


def words(done: Done) -> str:
    """What it said, without the table around it."""
    return " ".join(done.out.replace("│", " ").split())


async def test_the_doctor_verifies_each_trail_and_prints_its_head(trail: Trail) -> None:
    ids = await trail.write(5)
    await seal(trail.database, trail.program_id)
    name = await slug(trail)
    head = f"{name}:{await trail.head()}"
    sound = await openberth("doctor", "--head", head, OPENBERTH_DATABASE_URL=trail.url)
    assert holds(sound), sound.out
    assert head in "".join(sound.out.split())
    unknown = await openberth("doctor", "--head", f"nowhere:{await trail.head()}", OPENBERTH_DATABASE_URL=trail.url)
    assert (holds(unknown), "no such program" in words(unknown)) == (False, True)
    other = await openberth("doctor", "--head", f"{name}:5:{'0' * 64}", OPENBERTH_DATABASE_URL=trail.url)
    assert (holds(other), "noted" in words(other)) == (False, True)
    await trail.superuser.execute("UPDATE audit SET actor = 'x' WHERE id = $1", ids[2])
    broken = await openberth("doctor", OPENBERTH_DATABASE_URL=trail.url)
    assert (broken.status, holds(broken)) == (1, False)
    assert f"{name} is broken at number 3, entry {ids[2]}: changed" in words(broken)


async def test_the_doctor_says_when_nothing_seals(trail: Trail) -> None:
    [id] = await trail.write()
    assert holds(await openberth("doctor", OPENBERTH_DATABASE_URL=trail.url))
    await trail.superuser.execute("UPDATE audit SET at = at - interval '11 min' WHERE id = $1", id)
    # Stopped before its last entry was sealed, long ago: nothing is wrong with that.
    assert holds(await openberth("doctor", OPENBERTH_DATABASE_URL=trail.url))
    await trail.write()
    dead = await openberth("doctor", OPENBERTH_DATABASE_URL=trail.url)
    assert not holds(dead)
    assert "nothing seals" in words(dead)


async def test_a_head_that_is_none_is_explained(trail: Trail) -> None:
    done = await openberth("doctor", "--head", "demo:5", OPENBERTH_DATABASE_URL=trail.url)
    assert (done.status, "number:hash" in done.err) == (1, True)


async def test_an_exported_file_is_verified_without_a_database(trail: Trail, tmp_path: Path) -> None:
    await trail.write(5)
    await seal(trail.database, trail.program_id)
    noted = str(await trail.head())
    async with trail.database.transaction(trail.program_id, "tests") as session:
        start, end = await place_after(session, trail.program_id, 0)
    file = tmp_path / "trail.jsonl"
    lines = [line async for line in export(trail.database, trail.program_id, start, end)]
    file.write_bytes(b"".join(lines))
    nowhere = {"OPENBERTH_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    good = await openberth("trail", "verify", str(file), "--against", noted, **nowhere)
    assert good.status == 0, good.err
    assert noted in good.out
    file.write_bytes(b"".join(lines).replace(b'"nr":3', b'"nr":4').replace(b'"nr": 3', b'"nr": 4'))
    changed = await openberth("trail", "verify", str(file), **nowhere)
    assert (changed.status, "number 3" in changed.err) == (1, True)
    file.write_text(json.dumps({"format": f"{FORMAT}0"}))
    other = await openberth("trail", "verify", str(file), **nowhere)
    assert (other.status, "no export" in other.err, "Traceback" in other.err) == (1, True, False)


async def test_retain_says_what_would_go_and_then_what_went(trail: Trail) -> None:
    ids = await trail.write(3)
    await trail.superuser.execute("UPDATE audit SET at = at - interval '7 years' WHERE id = ANY ($1)", ids)
    await seal(trail.database, trail.program_id)
    dry = await openberth("retain", "--dry-run", OPENBERTH_DATABASE_URL=trail.url)
    assert dry.status == 0, dry.err
    assert len(await trail.seals()) == 3
    done = await openberth("retain", OPENBERTH_DATABASE_URL=trail.url)
    assert done.status == 0, done.err
    for out in (dry.out, done.out):
        assert re.search(r"entries of the trail[^│]*│ 2192 days │ 3 ", out), out
    assert await trail.seals() == []
    assert "for ever" in done.out
    assert await trail.owner.fetchval("SELECT actor FROM audit WHERE action = 'retention.ran'") == "operator"


async def test_the_loops_seal_and_retire_one_broken_program_or_not(trail: Trail) -> None:
    broken = await open_trail(trail.url)
    await broken.write(2)
    await seal(broken.database, broken.program_id)
    # Its next seal will meet one that is there already.
    await broken.superuser.execute("UPDATE audit_chains SET number = 0 WHERE program_id = $1", broken.program_id)
    await broken.write()
    whole = await open_trail(trail.url)
    for each in (trail, whole):
        ids = await each.write(3)
        await each.superuser.execute("UPDATE audit SET at = at - interval '7 years' WHERE id = ANY ($1)", ids[:2])
    with pytest.raises(ExceptionGroup) as raised:
        await seal_trails(trail.database)
    assert len(raised.value.exceptions) == 1
    assert str(broken.program_id) in str(raised.value.exceptions[0].__notes__)
    await retire_all(trail.database)
    for each in (trail, whole):
        assert [number for number, _ in await each.seals()] == [3]
    await close(broken)
    await close(whole)


async def test_work_runs_the_sealer(trail: Trail) -> None:
    ids = await trail.write(3)
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", "work"),
        env=environment(OPENBERTH_DATABASE_URL=trail.url),
        cwd=ROOT,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(30):
            while [entry for _, entry in await trail.seals()] != ids:  # noqa: ASYNC110 - another process does it
                await asyncio.sleep(0.1)
    finally:
        worker.terminate()
        await worker.wait()
