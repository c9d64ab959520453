"""Two real server processes over one database: what one learns, the other does; and nothing of a key in their logs."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from httpx import Response
from sqlalchemy import text

from app.access.roles import Role
from app.core.database import Database
from tests.serving import Served, served
from tests.support import Program, new_program

ENOUGH = 60
TOGETHER = 2.0
"""Seconds within which processes have told each other: one, and another for a busy machine."""


@dataclass(slots=True)
class Pair:
    """Two servers, and a program reached through the first."""

    one: Served
    two: Served
    program: Program

    async def made(self, role: Role = Role.CASE_MANAGER) -> dict[str, Any]:
        """A new key."""
        body = {"organization_id": str(self.program.agency_id), "name": "Another", "role": role}
        return await self.program.made("/v1/keys", body)


@pytest.fixture
async def pair(own_database: str, tmp_path: Path) -> AsyncIterator[Pair]:
    owner = Database(own_database, pool_size=1, as_owner=True)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(owner.close)
        settings: dict[str, object] = {"rate_limit": f"{ENOUGH}/hour", "rate_limit_address": f"{ENOUGH}/hour"}
        one, two = [
            await stack.enter_async_context(
                served(own_database, tmp_path / f"{name}.log", owner=owner, log_level="debug", **settings)
            )
            for name in ("one", "two")
        ]
        yield Pair(one, two, await new_program(one))


async def me(server: Served, secret: str) -> Response:
    """Who this secret is to this server."""
    return await server.http.get("/v1/me", headers={"Authorization": f"Bearer {secret}"})


async def test_a_key_revoked_on_one_process_opens_nothing_on_the_other_within_a_second(pair: Pair) -> None:
    key = await pair.made()
    assert (await me(pair.two, key["key"])).status_code == 200
    await pair.program.made(f"/v1/keys/{key['id']}/revoke", {})
    revoked = time.monotonic()
    assert (await me(pair.one, key["key"])).status_code == 401
    while (await me(pair.two, key["key"])).status_code == 200:
        assert time.monotonic() < revoked + 1.1
        await asyncio.sleep(0.05)


async def test_processes_share_a_callers_quota(pair: Pair) -> None:
    secret = (await pair.made())["key"]
    for _ in range(ENOUGH // 2):
        for server in (pair.one, pair.two):
            assert (await me(server, secret)).status_code == 200
    await asyncio.sleep(TOGETHER)
    for server in (pair.one, pair.two):
        refused = await me(server, secret)
        assert refused.status_code == 429
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.headers["ratelimit-policy"] == f'"caller";q={ENOUGH};w=3600'
        assert refused.headers["ratelimit"].startswith('"caller";r=0;t=')
        assert 1 <= int(refused.headers["retry-after"]) <= 3600
    # Others are none the poorer.
    assert (await me(pair.two, (await pair.made())["key"])).status_code == 200


async def test_guessing_is_slowed_down_on_both_and_locks_out_nobody_who_is_known(pair: Pair) -> None:
    known = (await pair.made())["key"]
    assert (await me(pair.two, known)).status_code == 200
    statuses = [(await me(pair.one, f"openberth_{uuid4()}")).status_code for _ in range(ENOUGH + 5)]
    assert statuses == [401] * ENOUGH + [429] * 5
    # The other process learns of it with the first guess that it sees.
    assert (await me(pair.two, f"openberth_{uuid4()}")).status_code == 401
    await asyncio.sleep(TOGETHER)
    refused = await me(pair.two, f"openberth_{uuid4()}")
    assert refused.status_code == 429
    assert "Your address" in refused.json()["detail"]
    assert "retry-after" in refused.headers
    assert refused.headers["ratelimit-policy"] == f'"address";q={ENOUGH};w=3600'
    assert refused.headers["ratelimit"].startswith('"address";r=0;t=')
    assert (await me(pair.two, known)).status_code == 200


async def test_a_key_in_a_url_opens_nothing_and_nothing_of_a_key_is_logged(pair: Pair) -> None:
    key = await pair.made(Role.PROGRAM_MANAGER)
    secret = key["key"]
    http = pair.one.http
    tried = [
        await http.get("/v1/me", params={"access_token": secret, "key": secret}),
        await http.get("/v1/openings", params={"category": secret}, headers={"Authorization": f"Bearer {secret}"}),
        await http.get("/v1/me", headers={"Authorization": f"Basic {secret}"}),
        await http.get("/v1/me", headers={"Authorization": f"Bearer {secret} {secret}"}),
        await http.get("/v1/me", headers={"Authorization": secret, "X-Api-Key": secret}),
        await http.get(f"/v1/openings/{secret}", headers={"Authorization": f"Bearer {secret}"}),
        await http.post(f"/v1/oauth/token?client_secret={secret}", data={"grant_type": "client_credentials"}),
        await http.post("/v1/oauth/token", data={"client_id": key["id"], "client_secret": secret + "x"}),
        await http.post("/v1/keys", content=secret, headers={"Authorization": f"Bearer {secret}"}),
        await http.post(
            "/v1/participants", json={}, headers={"Authorization": f"Bearer {secret}", "Idempotency-Key": "a b"}
        ),
    ]
    assert [answer.status_code for answer in tried] == [401, 422, 401, 401, 401, 422, 401, 400, 422, 400]
    reader, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
    writer.write(f"GET /{secret} HTTP/9.9\r\nAuthorization: {secret}\0\r\n\r\n".encode())
    await writer.drain()
    assert b" 400 " in await reader.readline()
    writer.close()
    # An answer whose statement the database breaks off is logged with that statement.
    async with pair.one.owner.transaction(None, "tests") as session:
        await session.execute(text("DROP FUNCTION find_secret"))
    assert (await me(pair.one, "openberth_" + secret)).status_code == 500
    await pair.one.kill()
    log = pair.one.log.read_text()
    assert "Invalid HTTP request" in log
    assert "find_secret" in log
    assert "parameters hidden" in log
    assert secret not in log
    assert secret[-20:] not in log
