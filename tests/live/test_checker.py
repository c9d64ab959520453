"""The checker: boards over two processes during a load, cut off again and again, and a process killed under them.

Each board fails on a skipped or repeated number (tests/live/board.py); at the end each shows what the database has.
"""

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

from httpx import TransportError

from app.access.roles import Role
from app.core.database import Database
from tests import books
from tests.live.board import Board, at, latest, open_now
from tests.serving import served
from tests.support import Program, new_program

SEED = 4
SECONDS = 8
SPOTS = ((47.60, -122.33), (47.62, -122.30), (47.75, -122.33))


async def act(program: Program, openings: list[str], people: list[str], draw: random.Random) -> None:
    """One thing that somebody does."""
    opening = draw.choice(openings)
    match draw.randrange(10):
        case 0:
            await program.call("POST", f"/v1/openings/{opening}/adjust", json={"by": draw.choice([-1, 1, 2])})
        case 1:
            pets = draw.choice(["yes", "no"])
            body = {"attributes": {"pets": pets}}
            await program.call("PATCH", f"/v1/openings/{opening}", headers={"If-Match": "*"}, json=body)
        case 2:
            await program.call("POST", f"/v1/openings/{opening}/attest", json={})
        case 3 | 4 | 5:
            claims = (await program.call("GET", "/v1/claims", params={"state": "held"})).json().get("items", [])
            if claims:
                verb = draw.choice(["release", "confirm"])
                await program.call("POST", f"/v1/claims/{draw.choice(claims)['id']}/{verb}")
        case _:
            item = {"opening_id": opening, "units": 1}
            await program.claim(item, participant=draw.choice(people))


async def busy(sides: list[Program], openings: list[str], people: list[str], until: asyncio.Event, seed: int) -> None:
    """Act on whichever process answers, until told to stop."""
    draw = random.Random(seed)
    while not until.is_set():
        try:
            await act(draw.choice(sides), openings, people, draw)
        except TransportError:
            await asyncio.sleep(0.05)


async def test_every_picture_is_the_databases_in_the_end(own_database: str, tmp_path: Path) -> None:
    owner = Database(own_database, pool_size=4, as_owner=True)
    draw = random.Random(SEED)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(owner.close)
        here = await stack.enter_async_context(served(own_database, tmp_path / "here.log", owner=owner))
        there = await stack.enter_async_context(served(own_database, tmp_path / "there.log", owner=owner))
        program = await new_program(here)
        sides = [program, at(program, there)]
        services = [
            await program.service(latitude=lat, longitude=lon, attributes={"pets": draw.choice(["yes", "no"])})
            for lat, lon in SPOTS
        ]
        openings = [(await program.opening(4, service=service))["id"] for service in services for _ in range(4)]
        people = [await program.participant() for _ in range(4)]
        wishes: list[tuple[dict[str, Any], dict[str, str]]] = [
            ({"own_claims": True}, {}),
            ({"category": "housing", "needs": ["pets"]}, {"category": "housing", "needs": "pets"}),
            ({"near": "47.61,-122.32", "within_km": 6}, {"near": "47.61,-122.32", "within_km": "6"}),
            ({"units": 3}, {"units": "3"}),
        ]
        boards = [
            (Board(sides[nr % 2], Role.CASE_MANAGER, wanted), query)
            for nr, (wanted, query) in enumerate(wish for wish in wishes for _ in range(3))
        ]
        listening = [asyncio.create_task(board.run()) for board, _ in boards]
        over = asyncio.Event()
        load = [asyncio.create_task(busy(sides, openings, people, over, seed)) for seed in range(6)]
        for nr in range(SECONDS * 4):
            await asyncio.sleep(0.25)
            await draw.choice(boards)[0].cut()
            if nr == SECONDS * 2:
                await there.kill()
                again = await stack.enter_async_context(served(own_database, tmp_path / "again.log", owner=owner))
                sides[1] = at(program, again)
                for board, _ in boards:
                    if board.program.house is there:
                        board.move(sides[1])
        over.set()
        await asyncio.gather(*load)
        # A last change that everyone is told of, so that each is known to have been told all before it.
        await program.opening(
            9, service=await program.service("housing", latitude=47.61, longitude=-122.32, attributes={"pets": "yes"})
        )
        newest = await latest(program)
        for board, query in boards:
            await board.reaches(newest)
            assert board.shows() == await open_now(program, **query), query
            assert board.number == newest
        held = {each["id"] for state in ("held", "confirmed", "arrived") for each in await every_claim(program, state)}
        for board, _ in boards[:3]:
            assert set(board.claims) == held
        assert sum(board.connections for board, _ in boards) >= 30
        # Reconnecting resumes: a snapshot is taken once, by each that was never told more than it could resume.
        assert {board.snapshots for board, _ in boards} == {1}
        for task in listening:
            assert not task.done(), task.exception()
            task.cancel()
    await books.check(own_database)


async def every_claim(program: Program, state: str) -> list[dict[str, str]]:
    """All claims in a state."""
    found: list[dict[str, str]] = []
    cursor: str | None = None
    while True:
        query = {"state": state, "limit": "200"} | ({"cursor": cursor} if cursor else {})
        page = (await program.call("GET", "/v1/claims", params=query)).json()
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            return found


async def test_a_key_and_nothing_else_is_needed_to_resume_on_another_process(own_database: str, tmp_path: Path) -> None:
    owner = Database(own_database, pool_size=4, as_owner=True)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(owner.close)
        here = await stack.enter_async_context(served(own_database, tmp_path / "here.log", owner=owner))
        program = await new_program(here)
        opening = await program.opening(50)
        board = Board(program, Role.CASE_MANAGER, {})
        listening = asyncio.create_task(board.run())
        await board.reaches(await latest(program))
        await here.kill()
        there = await stack.enter_async_context(served(own_database, tmp_path / "there.log", owner=owner))
        program = at(program, there)
        person = await program.participant()
        for _ in range(5):
            await program.claim({"opening_id": opening["id"], "units": 1}, participant=person, key=str(uuid4()))
        board.move(program)
        newest = await latest(program)
        await board.reaches(newest - 1)
        assert board.shows() == {opening["id"]: 45}
        assert board.snapshots == 1
        listening.cancel()
