"""(h) The board among a hundred thousand openings, beside the API's search for the same need."""

import asyncio
import gzip
import random
import time
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from sqlalchemy import insert

from app.access.people import Person
from app.access.roles import Role
from app.access.sessions import Lasting, open_session
from app.core.database import Database
from app.core.ids import new_id
from app.web.board import SHOWN
from bench.figures import Figure, at_most
from bench.plan import BenchError, Plan
from bench.searching import NEEDS
from bench.servers import openberth
from bench.stage import Stage, staged

LASTING = Lasting(timedelta(hours=1), timedelta(hours=1))
MARK = 'class="card opening"'
"""What the page has once for every opening that it shows."""


def measure(plan: Plan, folder: Path) -> list[Figure]:
    """The median over HTTP, one request at a time, in turn for the same place: a page of as many results as the board
    shows, and the board. What a page costs besides is its looker, its number in the log and its rendering."""
    board, search = [], []
    with (
        staged(folder, "pages") as stage,
        openberth(folder / "pages.log", database_url=stage.url, rate_limit_address="1000000/second") as address,
    ):
        plan.say(f"h: publishing {plan.openings:,} openings of {plan.services:,} services")
        stage.run_file("city", services=plan.services, openings=plan.openings)
        stage.settle()
        token = asyncio.run(signed_in(stage))
        asker = _Asker(address, stage.key, token)
        asker.alternate(seconds=2)
        for nr in range(plan.rounds):
            plan.say(f"h: the board, round {nr + 1} of {plan.rounds}")
            seen = asker.alternate(seconds=plan.seconds)
            board.append(seen[0])
            search.append(seen[1])
    return [Figure("h · the board, median ms / the API's search", board, search, at_most(2))]


class _Asker:
    """A case manager's browser, and a program with a key, on a connection each."""

    def __init__(self, address: str, key: str, token: str) -> None:
        host = urlsplit(address)
        self._connections = [HTTPConnection("localhost", host.port or 80, timeout=10) for _ in range(2)]
        self._headers = (
            {"Cookie": f"openberth_session={token}", "Accept-Encoding": "gzip", "Accept": "text/html"},
            {"Authorization": f"Bearer {key}"},
        )

    def alternate(self, *, seconds: float) -> tuple[float, float]:
        """The median time of each, in ms, over so many seconds. Raises BenchError for a page that is none."""
        took: tuple[list[float], list[float]] = ([], [])
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            near = f"{47.6062 + random.uniform(-0.15, 0.15):.2f},{-122.3321 + random.uniform(-0.15, 0.15):.2f}"
            need = f"category=housing&units=2&near={near}"
            page = self._ask(0, f"/board?{need}&needs={'&needs='.join(NEEDS)}", took[0])
            found = self._ask(1, f"/v1/openings?{need}&needs={','.join(NEEDS)}&limit={SHOWN}", took[1])
            shown = gzip.decompress(page).decode().count(MARK)
            if shown != found.count(b'"service_name"') or shown != SHOWN:
                raise BenchError(f"The board shows {shown} openings, and should {SHOWN}.")
        return median(took[0]), median(took[1])

    def _ask(self, which: int, path: str, took: list[float]) -> bytes:
        connection = self._connections[which]
        began = time.perf_counter()
        connection.request("GET", path, headers=self._headers[which])
        response = connection.getresponse()
        body = response.read()
        took.append((time.perf_counter() - began) * 1000)
        if response.status != 200:
            raise BenchError(f"GET {path} answered {response.status}.")
        return body


async def signed_in(stage: Stage) -> str:
    """The session's token of a new case manager."""
    database = Database(stage.url, pool_size=1, as_owner=True)
    try:
        async with database.transaction(stage.program_id, "bench") as session:
            person_id = new_id()
            await session.execute(
                insert(Person).values(
                    program_id=stage.program_id,
                    id=person_id,
                    organization_id=stage.agency_id,
                    role=Role.CASE_MANAGER,
                    email="bench@example.org",
                    name="Bench",
                )
            )
            return await open_session(session, stage.program_id, person_id, "bench", LASTING)
    finally:
        await database.close()
