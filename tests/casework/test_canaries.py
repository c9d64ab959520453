"""Nothing that says who somebody is stands in clear in any table, log line, URL or problem."""

import logging
import re
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.access.roles import Role
from tests.casework.people import CANARIES, IDENTITY, coming, consent, meet, someone, terms, write
from tests.support import Program

UUIDS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def planted(words: str) -> list[str]:
    """The canaries that these words hold, in clear or in hexadecimal."""
    lower = words.lower()
    return [each for each in CANARIES if each.lower() in lower or each.encode().hex() in lower]


async def test_no_table_holds_who_somebody_is(program: Program, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    who = await someone(program)
    await write(program, who, IDENTITY, key=str(uuid4()))
    refused = await write(program, who, IDENTITY | {"colour": "Nightjar"}, key=str(uuid4()))
    assert refused.status_code == 422
    assert planted(refused.text) == []
    path = f"/v1/participants/{who['id']}/consents"
    made = await program.call("POST", path, role=Role.CASE_MANAGER, json=terms(program), key=str(uuid4()))
    incomplete = await program.call(
        "POST", path, role=Role.CASE_MANAGER, json=terms(program, purpose=""), key=str(uuid4())
    )
    assert incomplete.status_code == 422
    assert planted(incomplete.text) == planted(made.text) == []
    by = {"name": IDENTITY["name"], "birth_date": IDENTITY["birth_date"]}
    found = await program.call("POST", "/v1/participants/find", role=Role.CASE_MANAGER, json=by, key=str(uuid4()))
    assert found.json()["matches"]
    over = await consent(program, who)
    end = {"what_happened": "Quillfeather left for Ortolan's"}
    ended = await program.call(
        "POST", f"/v1/consents/{over['id']}/end", role=Role.CASE_MANAGER, json=end, key=str(uuid4())
    )
    assert ended.status_code == 200
    assert (await meet(program, await coming(program, who)))["identity"]["name"] == IDENTITY["name"]
    kept = await rows(program)
    # The search finds what is there: a code is.
    assert {table for table, words in kept.items() if who["code"].lower() in words} == {"participants"}
    assert {table: planted(words) for table, words in kept.items() if planted(words)} == {}
    assert planted(caplog.text) == []


async def rows(program: Program) -> dict[str, str]:
    """All that each table keeps, of whatever program and in whatever column, in small letters.

    Ids are left out: among thousands of random ones, one has a canary's few digits in it.
    """
    async with program.house.owner.transaction(program.id, "tests") as session:
        tables = await session.scalars(
            text("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
        )
        kept = {}
        for table in tables:
            found = await session.scalars(text(f"SELECT to_jsonb(t)::text FROM {table} t"))
            kept[table] = UUIDS.sub("", "\n".join(found).lower())
    return kept


async def test_the_digest_of_a_body_that_names_someone_is_not_kept(program: Program) -> None:
    """From a digest that has no key a name and a birth date could be guessed."""
    who = await program.made("/v1/participants", {}, Role.CASE_MANAGER)
    for identity in (IDENTITY, {"name": "Somebody Else"}):
        await write(program, who, identity, key=str(uuid4()))
    async with program.house.owner.transaction(program.id, "tests") as session:
        kept = await session.scalars(
            text("SELECT fingerprint FROM idempotency WHERE program_id = :id AND status = 409"), {"id": program.id}
        )
        assert len(set(kept)) == 1
