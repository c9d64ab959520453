"""A whole run against the application in this process; and against servers that lie or break."""

import io
import json
from collections.abc import Callable
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from httpx import ASGITransport
from rich.console import Console

from app.access.roles import Role
from app.core.database import Database
from app.core.settings import Settings
from app.main import create_app
from app.market import decide, search
from app.simulate import simulate
from tests.support import House, Program, new_program


class Lying(httpx.AsyncBaseTransport):
    """Passes requests on to the application, and hands its answers to `lie` before they go back."""

    def __init__(self, app: FastAPI, lie: Callable[[httpx.Request, Any], Any]) -> None:
        self._honest = ASGITransport(app, raise_app_exceptions=False)
        self._lie = lie

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._honest.handle_async_request(request)
        body = await answer.aread()
        headers = {"etag": answer.headers["etag"]} if "etag" in answer.headers else {}
        if answer.status_code < 300:
            body = json.dumps(self._lie(request, json.loads(body))).encode()
        return httpx.Response(answer.status_code, headers=headers, content=body)


def honest(house: House) -> httpx.AsyncBaseTransport:
    """The application as it is."""
    return ASGITransport(house.app, raise_app_exceptions=False)


async def run(
    program: Program,
    transport: httpx.AsyncBaseTransport,
    *,
    roles: tuple[Role, Role | None] = (Role.PROGRAM_MANAGER, None),
    live: bool = False,
) -> tuple[bool, str]:
    """Whether a short run was satisfied, and what it printed."""
    out = io.StringIO()
    worker, provider = roles
    held = await simulate(
        "http://house",
        program.keys[worker],
        provider_key=provider and program.keys[provider],
        providers=2,
        case_managers=4,
        duration=2,
        seed=7,
        console=Console(file=out, width=160),
        live=live,
        transport=transport,
    )
    return held, out.getvalue()


async def test_a_city_runs_and_every_promise_is_held(house: House, program: Program) -> None:
    held, said = await run(program, honest(house))
    assert held, said
    assert "claims were acknowledged" in said
    assert "Every promise was held" in said


async def test_a_case_managers_and_a_providers_key_do(house: House, program: Program) -> None:
    held, said = await run(program, honest(house), roles=(Role.CASE_MANAGER, Role.PROVIDER), live=True)
    assert held, said


async def test_a_key_that_does_not_work_is_said_at_once(house: House, program: Program) -> None:
    program.keys[Role.EVALUATOR] = "nonsense"
    held, said = await run(program, honest(house), roles=(Role.EVALUATOR, None))
    assert not held
    assert "The key doesn't work" in said


async def test_a_list_that_leaves_claims_out_is_found(house: House, program: Program) -> None:
    def lie(request: httpx.Request, answer: Any) -> Any:
        if request.url.path == "/v1/claims" and request.method == "GET":
            answer["items"] = answer["items"][1:]
        return answer

    held, said = await run(program, Lying(house.app, lie))
    assert not held
    assert "the count is that of the claims" in said


async def test_an_answer_that_differs_each_time_is_found(house: House, program: Program) -> None:
    def lie(request: httpx.Request, answer: Any) -> Any:
        if request.url.path == "/v1/claims" and request.method == "POST":
            answer["claims"][0]["extensions"] = id(request)
        return answer

    held, said = await run(program, Lying(house.app, lie))
    assert not held
    assert "the same key gets the same answer" in said


async def test_a_server_that_truly_oversells_is_found(own_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database's own guard is gone, and so are the rule and the search that would have spared it.

    Search shows full openings too: so that every case manager runs into one, not only the few who lose a race.
    """
    connection = await asyncpg.connect(own_database)
    await connection.execute("ALTER TABLE openings DROP CONSTRAINT ck_openings_never_oversold")
    await connection.close()
    rule = decide._why_not

    def blind(opening: Any, item: Any, free: int, terms: Any) -> Any:
        return rule(opening, item, free + 1000, terms)

    monkeypatch.setattr(decide, "_why_not", blind)
    open_units = "o.units_total - o.units_taken"
    monkeypatch.setattr(search, "_SEARCH", search._SEARCH.replace(open_units, f"1000 + {open_units}"))
    # Without its cache, where other tests' statements are and this one's would stay.
    monkeypatch.setattr(search, "_statement", search._statement.__wrapped__)
    app = create_app(Settings(database_url=own_database), loops=False)
    owner = Database(own_database, pool_size=2, as_owner=True)
    async with app.router.lifespan_context(app), httpx.AsyncClient() as http:
        oversold = House(app, http, owner)
        held, said = await run(await new_program(oversold), honest(oversold))
    await owner.close()
    assert not held
    assert "never oversold" in said
