"""The trail through HTTP: read, exported, checked; and each view of it in it."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from httpx import Response
from sqlalchemy import text

from app.access import trail as reading
from app.access.canon import Head, check_export
from app.access.chain import seal
from app.access.roles import Role
from app.core.database import Database
from tests.hostile import NUL, refused
from tests.serving import served
from tests.support import Program, new_program


async def page(program: Program, **filters: Any) -> dict[str, Any]:
    """One page of the trail."""
    response = await program.call("GET", "/v1/trail", params=filters)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def entries(program: Program, **filters: Any) -> list[dict[str, Any]]:
    """The entries of one page."""
    found: list[dict[str, Any]] = (await page(program, **filters))["items"]
    return found


async def sealed(program: Program) -> None:
    """Seal the program's trail."""
    app: Any = program.house
    await seal(app.app.state.house.database, program.id)


async def test_an_entry_says_who_did_what_to_what_and_gets_its_seal(program: Program) -> None:
    claim = await program.held(await program.opening())
    [fresh] = await entries(program, subject_id=claim["id"])
    assert fresh["action"] == "claim.held"
    assert (fresh["number"], fresh["hash"]) == (None, None)
    await sealed(program)
    looked, now = await entries(program, subject_id=claim["id"])
    assert looked["action"] == "trail.read"
    assert now["number"] > 0
    assert len(bytes.fromhex(now["hash"])) == 32


async def test_each_filter_keeps_what_it_says_and_pages_join_without_a_gap(program: Program) -> None:
    claim = await program.held(await program.opening())
    await program.step(claim, "confirm")
    everything = await entries(program, limit=200)
    assert [each["id"] for each in everything] == sorted((each["id"] for each in everything), reverse=True)
    claims = await entries(program, action="claim.")
    assert {each["action"] for each in claims} == {"claim.held", "claim.confirmed"}
    worker = claims[-1]["actor"]
    assert {each["actor"] for each in await entries(program, actor=worker)} == {worker}
    moment = claims[-1]["at"]
    since = await entries(program, since=moment, limit=200)
    until = await entries(program, until=moment, limit=200)
    assert claims[-1]["id"] in {each["id"] for each in since} - {each["id"] for each in until}
    assert await entries(program, action="claim%") == []

    pages: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        found = await page(program, limit=3, until=everything[0]["at"], **cursor)
        pages += found["items"]
        if found["next"] is None:
            break
        cursor = {"cursor": found["next"]}
    assert pages == everything[1:]


async def test_that_the_trail_was_read_is_in_it(program: Program) -> None:
    subject = str(uuid4())
    await entries(program, subject_id=subject, actor="someone@example.org")
    await program.call("GET", "/v1/trail/export")
    exported, read = await entries(program, action="trail.")
    assert (exported["action"], read["action"]) == ("trail.exported", "trail.read")
    assert (read["subject_id"], read["detail"]) == (subject, {"by": ["actor"]})
    assert (exported["subject_id"], exported["detail"]) == (str(program.id), {"after": 0, "to": 0})
    assert read["actor"] == (await program.call("GET", "/v1/me")).json()["id"]


async def test_another_programs_trail_is_not_there(program: Program, other_program: Program) -> None:
    claim = await other_program.held(await other_program.opening())
    assert await entries(program, subject_id=claim["id"]) == []
    assert claim["id"] not in (await program.call("GET", "/v1/trail/export")).text


async def export(program: Program, **parameters: Any) -> Response:
    """The whole export."""
    response = await program.call("GET", "/v1/trail/export", params=parameters)
    assert response.status_code == 200, response.text
    return response


async def test_an_export_holds_without_the_database(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_CHUNK", 4)
    await program.held(await program.opening())
    await sealed(program)
    head = (await program.call("GET", "/v1/trail/head")).json()["head"]
    first = await export(program)
    assert first.headers["content-type"].startswith("application/x-ndjson")
    checked = check_export(first.content.splitlines())
    assert checked.fault is None
    assert (checked.program_id, str(checked.head)) == (str(program.id), head)
    assert checked.head.number > 4

    await program.held(await program.opening())
    await sealed(program)
    # The next export carries on where the last one ended.
    following = check_export((await export(program, after=checked.head.number)).content.splitlines(), checked.head)
    assert following.fault is None
    assert following.start == checked.head
    assert following.head.number > checked.head.number


async def test_an_export_of_an_empty_or_unsealed_trail_is_whole(program: Program) -> None:
    checked = check_export((await export(program)).content.splitlines())
    assert (checked.fault, checked.head.number) == (None, 0)
    refused(await program.call("GET", "/v1/trail/export", params={"after": 1}), "after")


async def test_the_operator_learns_whether_it_holds_and_nothing_else(program: Program) -> None:
    claim = await program.held(await program.opening())
    await sealed(program)
    for path in ("/v1/trail/head", "/v1/trail/check"):
        response = await program.call("GET", path, role=Role.OPERATOR)
        assert response.status_code == 200, response.text
        assert claim["id"] not in response.text
        assert claim["participant"] not in response.text
    assert (await program.call("GET", "/v1/trail", role=Role.OPERATOR)).status_code == 403
    assert (await program.call("GET", "/v1/trail/export", role=Role.OPERATOR)).status_code == 403


async def test_a_check_says_what_is_broken_and_knows_a_noted_head(program: Program) -> None:
    await program.held(await program.opening())
    head = (await program.call("GET", "/v1/trail/head", role=Role.OPERATOR)).json()
    assert (head["number"], head["unsealed"] > 0) == (0, True)
    await sealed(program)
    head = (await program.call("GET", "/v1/trail/head", role=Role.OPERATOR)).json()
    assert (head["unsealed"], head["oldest_unsealed_at"]) == (0, None)

    async def check(**parameters: Any) -> dict[str, Any]:
        response = await program.call("GET", "/v1/trail/check", role=Role.OPERATOR, params=parameters)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    good = await check(against=head["head"])
    assert (good["holds"], good["checked"], good["head"], good["fault"]) == (True, head["number"], head["head"], None)
    beyond = await check(against=str(Head(head["number"] + 1, bytes(32))))
    assert not beyond["holds"]
    other = await check(against=str(Head(head["number"], bytes(32))))
    assert other["fault"]["number"] == head["number"]


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        ("/v1/trail", "subject_id", "x"),
        ("/v1/trail", "actor", NUL),
        ("/v1/trail", "action", ""),
        ("/v1/trail", "since", "2026-11-24"),
        ("/v1/trail", "since", "0001-01-01T00:00:00+14:00"),
        ("/v1/trail", "until", "9999-12-31T23:59:59-14:00"),
        ("/v1/trail", "cursor", "x"),
        ("/v1/trail", "cursor", "LTE"),
        ("/v1/trail", "cursor", "OTk5OTk5OTk5OTk5OTk5OTk5OQ"),
        ("/v1/trail", "limit", "0"),
        ("/v1/trail/export", "after", "-1"),
        ("/v1/trail/export", "after", str(10**30)),
        ("/v1/trail/check", "against", "1:x"),
        ("/v1/trail/check", "against", NUL),
    ],
)
async def test_hostile_parameters_are_refused_by_name(program: Program, path: str, field: str, value: str) -> None:
    refused(await program.call("GET", path, params={field: value}), field)


async def test_an_export_stops_when_its_reader_goes(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    chunk = reading._chunk

    async def counted(session: Any, *place: Any) -> Any:
        read.append(place)
        return await chunk(session, *place)

    monkeypatch.setattr(reading, "_chunk", counted)
    monkeypatch.setattr(reading, "_CHUNK", 5)
    await fill(program, 500)
    await sealed(program)
    gone = asyncio.Event()
    sent = []

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if len(sent) == 4:
            gone.set()
        await asyncio.sleep(0.01)

    secret = program.keys[Role.PROGRAM_MANAGER]
    path = "/v1/trail/export"
    scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "GET",
             "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
             "headers": [(b"authorization", f"Bearer {secret}".encode())], "server": ("house", 80),
             "client": ("127.0.0.1", 1)}  # fmt: skip
    app: Any = program.house
    await app.app(scope, receive, send)
    assert sent[0]["status"] == 200
    assert 1 <= len(read) < 20
    await asyncio.sleep(0.1)
    assert 1 <= len(read) < 20


async def fill(program: Program, count: int) -> None:
    """So many entries of some length, by the owner."""
    async with program.house.owner.transaction(program.id, "tests") as session:
        more = text(
            "INSERT INTO audit (program_id, actor, action, subject_id, detail)"
            " SELECT :id, 'x', 'test.done', :id, jsonb_build_object('words', repeat('x', 400))"
            " FROM generate_series(1, CAST(:count AS integer))"
        )
        await session.execute(more, {"id": program.id, "count": count})


async def test_a_slow_reader_of_an_export_keeps_no_transaction_open(own_database: str, tmp_path: Path) -> None:
    owner = Database(own_database, pool_size=2, as_owner=True)
    long_open = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND xact_start < clock_timestamp() - interval '1 s'"
    )
    async with served(own_database, tmp_path / "server.log", owner=owner) as server:
        program = await new_program(server)
        await fill(program, 60_000)
        await seal(owner, program.id)
        headers = {"Authorization": f"Bearer {program.keys[Role.PROGRAM_MANAGER]}"}
        async with server.http.stream("GET", "/v1/trail/export", headers=headers) as response:
            assert response.status_code == 200
            assert "openberth-trail" in await anext(response.aiter_lines())
            # It takes nothing for two seconds, and the server can't be done: it is more than any buffer holds.
            await asyncio.sleep(2)
            async with owner.transaction(None, "tests") as session:
                assert await session.scalar(long_open) == 0
        assert "Traceback" not in server.said()
    await owner.close()
