"""After a crash: what was acknowledged is there as it was answered, and what was in flight gets one true answer."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from tests import books
from tests.crash.load import Answer, Body, Load, ask
from tests.support import Program

# So that the checks don't drown the server that is being checked.
AT_ONCE = asyncio.Semaphore(4)


async def check(program: Program, load: Load, url: str) -> None:
    """Everything that must hold once the servers are back."""
    assert {status for status, _ in load.failures} <= {503}, load.failures
    assert load.open, "nothing was in flight, so this crash proved nothing"
    await _kept(load, url)
    await asyncio.gather(*(_settle(program, load, key, body) for key, body in list(load.open.items())))
    await asyncio.gather(*(_again(program, key, body, answer) for key, (body, answer) in load.answered.items()))
    await _kept(load, url)
    await _none_doubled(load, url)
    await books.check(url)


async def _again(program: Program, key: str, body: Body, answer: Answer) -> None:
    """The same key and body get the same bytes."""
    async with AT_ONCE:
        response = await ask(program, key, body)
    assert (response.status_code, response.content) == answer


async def _settle(program: Program, load: Load, key: str, body: Body) -> None:
    """A call whose fate was unknown is answered by its first retry, and alike by each."""
    async with AT_ONCE:
        first = await ask(program, key, body)
        answers = [first, *await asyncio.gather(ask(program, key, body), ask(program, key, body))]
    assert first.status_code in {201, 409}, first.text
    assert len({(answer.status_code, answer.content) for answer in answers}) == 1
    load.answered[key] = (load.open.pop(key), (first.status_code, first.content))


def _held(load: Load) -> dict[str, dict[str, Any]]:
    """Every claim that was answered as held, by its id."""
    bodies = (orjson.loads(content) for _, (status, content) in load.answered.values() if status == 201)
    return {claim["id"]: claim for body in bodies for claim in body["claims"]}


async def _rows(url: str, question: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(question)
    finally:
        await connection.close()


async def _kept(load: Load, url: str) -> None:
    """Every claim that was acknowledged is stored as it was answered."""
    rows = await _rows(url, "SELECT id, bundle_id, opening_id, units, state FROM claims")
    stored = {str(row["id"]): row for row in rows}
    for id, claim in _held(load).items():
        assert id in stored, f"claim {id} was answered 201 and is lost"
        row = stored[id]
        expected = (UUID(claim["bundle_id"]), UUID(claim["opening_id"]), claim["units"], claim["state"])
        assert (row["bundle_id"], row["opening_id"], row["units"], row["state"]) == expected


async def _none_doubled(load: Load, url: str) -> None:
    """Once every call has its answer, there is no claim that no answer speaks of."""
    stored = {str(row["id"]) for row in await _rows(url, "SELECT id FROM claims")}
    assert stored == _held(load).keys()
    needs = {str(row["id"]) for row in await _rows(url, "SELECT id FROM unmet_needs")}
    refused = (orjson.loads(content) for _, (status, content) in load.answered.values() if status == 409)
    assert needs == {item["unmet_need_id"] for problem in refused for item in problem["refused"]}
