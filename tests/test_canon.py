"""The bytes of an entry: the same in Python and in PostgreSQL, whatever the session is set to; and exports checked."""

import copy
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.access.canon import FORMAT, START, Head, NotATrail, check_export, entry_bytes, next_hash, read_json

# What jsonb can hold: any text but NUL and lone surrogates.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
NUMBERS = st.integers() | st.decimals(
    allow_nan=False, allow_infinity=False, places=6, min_value=-(10**15), max_value=10**15
)
LITERALS = NUMBERS.map(str)
TIMES = st.integers(-(10**15), 10**16).map(lambda us: datetime.fromtimestamp(0, UTC) + timedelta(microseconds=us))


def documents() -> st.SearchStrategy[str]:
    """JSON texts, with numbers written as people and systems do: 1.10, 12, -0.000001."""
    leaves = st.none().map(lambda _: "null") | st.booleans().map(json.dumps) | LITERALS | TEXT.map(json.dumps)
    values = st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=4).map(lambda items: "[" + ",".join(items) + "]")
            | st.dictionaries(TEXT, inner, max_size=4).map(
                lambda pairs: "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in pairs.items()) + "}"
            )
        ),
        max_leaves=12,
    )
    return st.dictionaries(TEXT, values, max_size=5).map(
        lambda pairs: "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in pairs.items()) + "}"
    )


@pytest.fixture(scope="module")
async def connection(shared_database: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    opened = await asyncpg.connect(shared_database)
    yield opened
    await opened.close()


SETTINGS = {
    "TimeZone": "Asia/Kathmandu",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "search_path": "pg_temp",
}

BYTES = """
SELECT public.audit_bytes(ROW($1::uuid, $2::bigint, $3::timestamptz, $4::text, $5::text, $1::uuid, $6::jsonb)
                          ::public.audit) AS bytes,
       $6::jsonb::text AS detail
"""


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    program_id=st.uuids(),
    id=st.integers(1, 2**63 - 1),
    at=TIMES,
    actor=TEXT,
    detail=documents(),
)
async def test_python_and_postgresql_make_the_same_bytes(
    connection: Any, program_id: Any, id: int, at: datetime, actor: str, detail: str
) -> None:
    async with connection.transaction():
        for name, value in SETTINGS.items():
            await connection.execute(f"SET LOCAL {name} = {value if ',' in value else repr(value)}")
        row = await connection.fetchrow(BYTES, program_id, id, at, actor, "a.b", detail)
    line = {"program_id": str(program_id), "id": id, "at": at.isoformat(), "actor": actor, "action": "a.b",
            "subject_id": str(program_id)}  # fmt: skip
    exported = json.dumps(line)[:-1] + f', "detail": {row["detail"]}}}'
    assert entry_bytes(read_json(exported)) == row["bytes"]
    # However a tool has laid the export out in between.
    shuffled = json.dumps(line, sort_keys=True, indent=2)[:-1] + f', "detail": {row["detail"]}}}'
    assert entry_bytes(read_json(shuffled)) == row["bytes"]


ID = "01900000-0000-7000-8000-000000000000"


def an_export(count: int) -> list[dict[str, Any]]:
    """A whole export of so many entries."""
    lines: list[dict[str, Any]] = [{"format": FORMAT, "program_id": ID, "after": str(START)}]
    here = START
    for number in range(1, count + 1):
        entry = {"program_id": ID, "id": 10 * number, "at": "2026-11-24T10:00:00.000001Z", "actor": "clock",
                 "action": "claim.expired", "subject_id": ID, "detail": {"nr": number}}  # fmt: skip
        here = Head(number, next_hash(here.hash, entry_bytes(entry)))
        lines.append({"number": number, "hash": here.hash.hex(), "entry": entry})
    return [*lines, {"end": str(here)}]


def written(lines: list[dict[str, Any]]) -> list[str]:
    return [json.dumps(line) for line in lines]


def test_a_whole_export_holds() -> None:
    for count in (0, 1, 5):
        checked = check_export(written(an_export(count)))
        assert checked.fault is None
        assert checked.head.number == count


@pytest.mark.parametrize("field", ["id", "at", "actor", "action", "subject_id", "detail"])
def test_each_field_of_an_entry_is_held(field: str) -> None:
    other = {"id": 31, "at": "2026-11-24T10:00:00.000002Z", "actor": "x", "action": "x",
             "subject_id": ID.replace("7", "6"), "detail": {"nr": "3"}}  # fmt: skip
    lines = copy.deepcopy(an_export(5))
    lines[3]["entry"][field] = other[field]
    fault = check_export(written(lines)).fault
    assert fault is not None
    assert fault.number == 3
    assert fault.words.startswith("changed")


def test_what_is_left_out_put_in_swapped_or_cut_is_found() -> None:
    whole = an_export(6)
    spoiled = {
        "one left out": (whole[:3] + whole[4:], 3),
        "one twice": (whole[:3] + whole[2:], 3),
        "swapped": ([*whole[:2], whole[3], whole[2], *whole[4:]], 2),
        "cut": (whole[:4], 4),
        "cut, with its end": ([*whole[:4], whole[-1]], 4),
        "something after the end": ([*whole, whole[-1]], 7),
    }
    for name, (lines, number) in spoiled.items():
        fault = check_export(written(lines)).fault
        assert fault is not None, name
        assert fault.number == number, name


def test_a_noted_head_must_be_in_the_export() -> None:
    lines = written(an_export(4))
    for number in range(5):
        noted = START if number == 0 else Head(number, bytes.fromhex(an_export(4)[number]["hash"]))
        assert check_export(lines, noted).fault is None
    for noted in (Head(2, bytes(32)), Head(5, bytes(32)), Head(4, bytes(32)), Head(0, b"x" * 32)):
        assert check_export(lines, noted).fault is not None


@pytest.mark.parametrize(
    "lines", [[], ["{}"], ["[]"], ["nothing"], ['{"format": "openberth-trail-1"}'],
              [written(an_export(1))[0], '{"number": 1}'], [written(an_export(1))[0], '{"number"']],
)  # fmt: skip
def test_another_file_is_no_trail(lines: list[str]) -> None:
    with pytest.raises(NotATrail):
        check_export(lines)


@pytest.mark.parametrize("words", ["", "1", "1:", ":" + "0" * 64, "x:" + "0" * 64, "1:" + "g" * 64, "-1:" + "0" * 64])
def test_what_is_no_head_is_refused(words: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - either of two sentences
        Head.parse(words)
