"""Server processes of the application on loopback: started, waited for, and ended by their own process ids."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from httpx import AsyncClient, Limits, TransportError

from app.core.database import Database
from tests.support import MASTER_KEYS

ROOT = Path(__file__).parent.parent
START_SECONDS = 45.0
STOP_SECONDS = 15.0


@dataclass(slots=True)
class Served:
    """One server process, a client of it, the owner's way into its database, and what it has logged."""

    process: asyncio.subprocess.Process
    http: AsyncClient
    owner: Database
    log: Path

    async def kill(self) -> None:
        """End it as a power cut would: no handler runs, no connection is closed in order."""
        self.process.kill()
        await self.process.wait()

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-4000:]


async def start(url: str, log: Path, **settings: object) -> tuple[asyncio.subprocess.Process, str]:
    """A server process over the database at `url`, and its address. `settings` are those of the application.

    It inherits a socket that listens already: no other process can take the port in between.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENBERTH_")}
    chosen = {"database_url": url, "master_keys": MASTER_KEYS, **settings}
    environment |= {f"OPENBERTH_{name.upper()}": str(value) for name, value in chosen.items()}
    # A server that hangs up on an idle client just as it asks again would look like one that broke.
    arguments = ["-m", "uvicorn", "--factory", "app.main:create_app", "--no-access-log"]
    arguments += ["--timeout-keep-alive", "300", "--ws", "app.api.wire:SharedFrames"]
    with socket.socket() as listening, log.open("ab") as output:
        # Uvicorn takes an inherited socket for a Unix one and leaves this out: each answer would take 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.bind(("127.0.0.1", 0))
        listening.listen(1024)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            "--fd",
            str(listening.fileno()),
            pass_fds=[listening.fileno()],
            cwd=ROOT,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        return process, f"http://127.0.0.1:{listening.getsockname()[1]}"


@asynccontextmanager
async def served(url: str, log: Path, *, owner: Database, **settings: object) -> AsyncIterator[Served]:
    """A server process over the database at `url`, ready to answer; asked to end when its context does."""
    process, address = await start(url, log, **settings)
    try:
        async with AsyncClient(
            base_url=address, timeout=60, limits=Limits(max_connections=200, max_keepalive_connections=200)
        ) as http:
            server = Served(process, http, owner, log)
            await _ready(server)
            yield server
    finally:
        await _end(process)


async def _ready(server: Served) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            assert server.process.returncode is None, f"the server ended by itself:\n{server.said()}"
            try:
                answer = await server.http.get("/readyz", timeout=5)
            except TransportError:
                answer = None
            if answer is not None and answer.status_code == 200:
                return
            await asyncio.sleep(0.05)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
