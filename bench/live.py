"""(f) From a commit to the last of a thousand sockets, beside a bare server that broadcasts the same bytes to the same
clients; what an idle socket weighs; and (g) what a thousand listeners cost the claims."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
from sqlalchemy import text
from websockets.asyncio.client import connect

from app.access.keys import create_key
from app.access.roles import Role
from app.core.database import Database
from bench.figures import Figure, at_least, at_most
from bench.load import held
from bench.plan import BenchError, Plan
from bench.servers import ROOT, openberth, serving
from bench.stage import Stage, staged

SOCKETS = 1_000
MANY_SOCKETS = 5_000
WAVES_A_SECOND = 20
IDLE_KIB = 40.0
OPENINGS = 1_000
CONNECTIONS = 64
READY_SECONDS = 120.0


@dataclass(slots=True)
class Ears:
    """A process full of listening sockets."""

    process: "subprocess.Popen[str]"
    count: int

    def report(self) -> dict[str, Any]:
        """What was heard since the last report. Raises BenchError if a socket was closed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("report\n")
        self.process.stdin.flush()
        said: dict[str, Any] = json.loads(self.process.stdout.readline())
        if said["closed"]:
            raise BenchError(f"{said['closed']} of {self.count} sockets were closed.")
        return said


@contextmanager
def ears(address: str, key: str, count: int, **wanted: Any) -> Iterator[Ears]:
    """So many sockets, each of which has had its first message."""
    command = [sys.executable, "-m", "bench.ears", "--port", str(urlsplit(address).port), "--count", str(count)]
    process = subprocess.Popen(
        [*command, "--wanted", json.dumps(wanted)],
        cwd=ROOT,
        env=os.environ | {"BENCH_KEY": key},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "READY":
            raise BenchError(f"{count} sockets could not be opened at {address}.")
        yield Ears(process, count)
    finally:
        process.kill()
        process.wait()


def measure(plan: Plan, folder: Path) -> list[Figure]:
    """(f)."""
    ours: list[Spread] = []
    bare: list[Spread] = []
    with (
        staged(folder, "live") as stage,
        openberth(folder / "live.log", database_url=stage.url) as market,
        serving(folder / "broadcast.log", "bench.broadcast", ready="/readyz") as broadcast,
    ):
        [opening] = stage.publish(1)
        provider = _provider(stage)
        # Taking, committing and numbering the changes is work that a bare broadcaster is spared. Once to warm up.
        _changes(market, provider, opening, plan.seconds)
        quiet = _changes(market, provider, opening, plan.seconds)
        before = _memory(market)
        with ears(market, stage.key, MANY_SOCKETS, category="housing") as many:
            time.sleep(2)
            weight = (_memory(market) - before) / MANY_SOCKETS / 1024
            # They are really there: each hears of a change.
            _adjust(market, provider, opening, 1, 0.1)
            time.sleep(5)
            if many.report()["frames"] < MANY_SOCKETS:
                raise BenchError(f"Not all of {MANY_SOCKETS} sockets heard of a change.")
        plan.say(f"f: {MANY_SOCKETS:,} sockets held, {weight:.1f} KiB each")
        # Thousands that have left must be gone before a thousand come.
        time.sleep(5)
        with ears(market, stage.key, SOCKETS, category="housing") as here, ears(broadcast, "", SOCKETS) as there:
            for nr in range(plan.rounds):
                plan.say(f"f: a thousand sockets, round {nr + 1} of {plan.rounds}")
                spread, frames = _ours(market, provider, opening, here, plan.seconds, quiet)
                ours.append(spread)
                bare.append(asyncio.run(_bare(broadcast, frames, there)))
    return [
        Figure(
            f"f · frames for a second of CPU, {SOCKETS:,} sockets / bare websockets, the same frames",
            [each.per_cpu_second for each in ours],
            [each.per_cpu_second for each in bare],
            at_least(0.6),
        ),
        Figure(
            f"f · commit to the last of {SOCKETS:,} sockets, median ms / bare, message to the last",
            [each.median for each in ours],
            [each.median for each in bare],
        ),
        Figure("f · the same, 95th percentile ms", [each.p95 for each in ours], [each.p95 for each in bare]),
        Figure(f"f · KiB an idle socket, {MANY_SOCKETS:,} held / {IDLE_KIB:.0f}", [weight], [IDLE_KIB], at_most(1.0)),
    ]


@dataclass(frozen=True, slots=True)
class Spread:
    """What one round saw: frames for each second of the server's processor, and milliseconds to the last socket."""

    per_cpu_second: float
    median: float
    p95: float


def _spread(cpu: float, said: dict[str, Any], began: dict[int, float]) -> Spread:
    took = []
    for number, count, last in said["waves"]:
        if number in began:
            if count != SOCKETS:
                raise BenchError(f"{count} of {SOCKETS} sockets heard of {number}.")
            took.append((last - began[number]) * 1000)
    if len(took) < 2:
        raise BenchError("Nothing was heard.")
    return Spread(said["frames"] / cpu, median(took), quantiles(took, n=20)[-1])


def _changes(market: str, key: str, opening: str, seconds: float) -> float:
    """Changes for so long; the server's processor time for them, in seconds."""
    before = _cpu(market)
    _adjust(market, key, opening, int(seconds * WAVES_A_SECOND), 1 / WAVES_A_SECOND)
    time.sleep(1)
    return _cpu(market) - before


def _ours(market: str, key: str, opening: str, here: Ears, seconds: float, quiet: float) -> tuple[Spread, list[str]]:
    here.report()
    cpu = _changes(market, key, opening, seconds) - quiet
    said = here.report()
    frames = [frame for frame in said["kept"] if '"items"' in frame]
    # When the row was written, which its transaction's commit comes after.
    began = {
        item["number"]: datetime.fromisoformat(item["at"]).timestamp()
        for frame in frames
        for item in json.loads(frame)["items"]
    }
    return _spread(cpu, said, began), frames


async def _bare(address: str, frames: list[str], there: Ears) -> Spread:
    there.report()
    before = _cpu(address)
    began = {}
    async with connect(address.replace("http", "ws", 1) + "/say", compression=None) as say:
        for frame in frames:
            began[json.loads(frame)["number"]] = time.time()
            await say.send(frame)
            await asyncio.sleep(1 / WAVES_A_SECOND)
        await asyncio.sleep(1)
    return _spread(_cpu(address) - before, there.report(), began)


def _adjust(market: str, key: str, opening: str, times: int, pause: float) -> None:
    """So many changes of one opening, one after the other."""
    with httpx.Client(base_url=market, headers={"Authorization": f"Bearer {key}"}, trust_env=False) as client:
        for nr in range(times):
            # Down first: an opening of the bench has as many units as there may be.
            answer = client.post(f"/v1/openings/{opening}/adjust", json={"by": 1 if nr % 2 else -1})
            if answer.status_code != 200:
                raise BenchError(answer.text)
            time.sleep(pause)


def _provider(stage: Stage) -> str:
    """A key of the provider's."""

    async def made() -> str:
        database = Database(stage.url, pool_size=1, as_owner=True)
        try:
            async with database.transaction(None, "bench") as session:
                await session.execute(text("SELECT 1"))
                _, secret = await create_key(session, stage.program_id, stage.provider_id, Role.PROVIDER)
                return secret
        finally:
            await database.close()

    return asyncio.run(made())


def _process(address: str) -> psutil.Process:
    """The process that listens there: one of ours, started by this one."""
    port = urlsplit(address).port
    for child in psutil.Process().children(recursive=True):
        for connection in child.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                return child
    raise BenchError(f"Nobody listens at {address}.")


def _cpu(address: str) -> float:
    times = _process(address).cpu_times()
    return float(times.user + times.system)


def _memory(address: str) -> float:
    return float(_process(address).memory_info().rss)


def measure_listening(plan: Plan, folder: Path) -> list[Figure]:
    """(g) The claims of figure b, with a thousand sockets that listen to all of it and without, in turn."""
    alone, heard = [], []
    with staged(folder, "heard") as stage, openberth(folder / "heard.log", database_url=stage.url) as market:
        openings = stage.publish(OPENINGS)
        held(market, stage, openings, connections=CONNECTIONS, seconds=2)
        stage.settle()
        for nr in range(plan.rounds):
            plan.say(f"g: a thousand listeners, round {nr + 1} of {plan.rounds}")
            alone.append(held(market, stage, openings, connections=CONNECTIONS, seconds=plan.seconds).per_second)
            with ears(market, stage.key, SOCKETS, category="housing") as listening:
                run = held(market, stage, openings, connections=CONNECTIONS, seconds=plan.seconds)
                heard.append(run.per_second)
                said = listening.report()
            if said["frames"] < SOCKETS:
                raise BenchError("The listeners heard nothing of the claims.")
            frames, megabytes = said["frames"] / SOCKETS, said["bytes"] / 1e6
            plan.say(f"g: each of {SOCKETS:,} heard {frames:.0f} frames, {megabytes:,.0f} MB in all")
    return [
        Figure(
            f"g · claims/s, 1,000 openings, {SOCKETS:,} sockets listening to all / none", heard, alone, at_least(0.75)
        )
    ]
