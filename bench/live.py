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
from statistics import quantiles
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
FEED_PAUSE = 0.002
"""Seconds between two changes of the feed: so it is faster than a thousand sockets can be told, and leaves the
processors to those that tell them."""
SETTLE_SECONDS = 2.0
OURS, BARE = 0, 1
"""Which of the addresses that the ears listen at."""
IDLE_KIB = 40.0
OPENINGS = 1_000
CONNECTIONS = 64


@dataclass(slots=True)
class Ears:
    """A process full of listening sockets, `count` at each of the addresses."""

    process: "subprocess.Popen[str]"
    count: int

    def watch(self, nr: int = 0) -> dict[str, Any]:
        """What the sockets of an address heard since it was last asked. From here on they watch for each number."""
        return self._ask(f"watch {nr}")

    def count_only(self, nr: int = 0) -> dict[str, Any]:
        """The same; from here on they only count, which takes less time."""
        return self._ask(f"count {nr}")

    def _ask(self, line: str) -> dict[str, Any]:
        """Raises BenchError if a socket was closed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        said: dict[str, Any] = json.loads(self.process.stdout.readline())
        if said["closed"]:
            raise BenchError(f"{said['closed']} of {self.count} sockets were closed.")
        return said


@contextmanager
def ears(*addresses: str, key: str, count: int, **wanted: Any) -> Iterator[Ears]:
    """So many sockets at each address, each of which has had its first message."""
    command = [sys.executable, "-m", "bench.ears", "--count", str(count), "--wanted", json.dumps(wanted)]
    process = subprocess.Popen(
        command + [f"--port={urlsplit(address).port}" for address in addresses],
        cwd=ROOT,
        env=os.environ | {"BENCH_KEY": key},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "READY":
            raise BenchError(f"{count} sockets could not be opened at {', '.join(addresses)}.")
        yield Ears(process, count)
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True, slots=True)
class Flood:
    """What a thousand sockets heard of more than could be sent: in each second of wall time, and how much of its
    time the server was at work."""

    frames: float
    megabytes: float
    busy: float


@dataclass(slots=True)
class Delays:
    """Milliseconds to the last socket, of every wave of all rounds."""

    ours: list[float]
    bare: list[float]

    def figures(self, name: str) -> list[Figure]:
        """Their distributions side by side."""
        ours, bare = (quantiles(each, n=100, method="inclusive") for each in (self.ours, self.bare))
        figures = [Figure(f"{name}, p{p}", [ours[p - 1]], [bare[p - 1]]) for p in (50, 95, 99)]
        return [*figures, Figure(f"{name}, the longest", [max(self.ours)], [max(self.bare)])]


def measure(plan: Plan, folder: Path) -> list[Figure]:
    """(f)."""
    ours: list[Flood] = []
    bare: list[Flood] = []
    delays = Delays([], [])
    with (
        staged(folder, "live") as stage,
        openberth(folder / "live.log", database_url=stage.url) as market,
        serving(folder / "broadcast.log", "bench.broadcast", ready="/readyz") as broadcast,
    ):
        [opening] = stage.publish(1)
        provider = _provider(stage)
        weight = _weight(plan, stage, market, provider, opening)
        # Thousands that have left must be gone before a thousand come.
        time.sleep(5)
        with ears(market, broadcast, key=stage.key, count=SOCKETS, category="housing") as both:
            for nr in range(plan.rounds):
                plan.say(f"f: a thousand sockets, round {nr + 1} of {plan.rounds}")
                flood, frames = _flood(stage, market, opening, both, plan.seconds)
                ours.append(flood)
                bare.append(asyncio.run(_flood_bare(broadcast, frames, both)))
                for who, each in (("Openberth", ours[-1]), ("bare", bare[-1])):
                    plan.say(
                        f"f: {who}: {each.frames:,.0f} messages/s, {each.megabytes:.0f} MB/s, at work {each.busy:.0%}"
                    )
                frames = _ours(market, provider, opening, both, plan.seconds, delays.ours)
                asyncio.run(_bare(broadcast, frames, both, delays.bare))
    return [
        Figure(
            f"f · MB/s to {SOCKETS:,} sockets, more than can be sent / bare websockets, the same messages",
            [each.megabytes for each in ours],
            [each.megabytes for each in bare],
            at_least(0.6),
        ),
        Figure("f · the same, messages/s", [each.frames for each in ours], [each.frames for each in bare]),
        *delays.figures(f"f · ms from commit to the last of {SOCKETS:,} sockets / bare, from message"),
        Figure(f"f · KiB an idle socket, {MANY_SOCKETS:,} held / {IDLE_KIB:.0f}", [weight], [IDLE_KIB], at_most(1.0)),
    ]


def _weight(plan: Plan, stage: Stage, market: str, provider: str, opening: str) -> float:
    """What an idle socket weighs while thousands are held, in KiB."""
    # Once to warm up: what a first change brings into memory is no socket's.
    _adjust(market, provider, opening, 20, 0.02)
    before = _memory(market)
    with ears(market, key=stage.key, count=MANY_SOCKETS, category="housing") as many:
        time.sleep(2)
        weight = (_memory(market) - before) / MANY_SOCKETS / 1024
        many.watch()
        # They are really there: each hears of a change.
        _adjust(market, provider, opening, 1, 0.1)
        time.sleep(5)
        if many.watch()["frames"] < MANY_SOCKETS:
            raise BenchError(f"Not all of {MANY_SOCKETS} sockets heard of a change.")
    plan.say(f"f: {MANY_SOCKETS:,} sockets held, {weight:.1f} KiB each")
    return weight


def _flooded(said: dict[str, Any], cpu: float) -> Flood:
    took = said["last"] - said["first"]
    if took <= 0:
        raise BenchError("Nothing was heard.")
    return Flood(said["frames"] / took, said["bytes"] / took / 1e6, cpu / took)


def _flood(stage: Stage, market: str, opening: str, both: Ears, seconds: float) -> tuple[Flood, list[str]]:
    """Committed changes, faster than they can be spread; what one socket was sent of them."""
    both.count_only(OURS)
    before = _cpu(market)
    [made] = stage.run_file("feed", opening=opening, seconds=seconds, pause=FEED_PAUSE)
    time.sleep(SETTLE_SECONDS)
    said = both.count_only(OURS)
    frames = [frame for frame in said["kept"] if '"items"' in frame]
    if len(frames) > 0.8 * int(made):
        raise BenchError(f"Of {made} changes {len(frames)} were told one by one: the server was not saturated.")
    return _flooded(said, _cpu(market) - before), frames


async def _flood_bare(address: str, frames: list[str], both: Ears) -> Flood:
    """The same messages, as fast as they are taken."""
    both.count_only(BARE)
    before = _cpu(address)
    async with connect(address.replace("http", "ws", 1) + "/say", compression=None) as say:
        for frame in frames:
            await say.send(frame)
        await say.send("")
        await say.recv()
    await asyncio.sleep(SETTLE_SECONDS)
    said = both.count_only(BARE)
    if said["frames"] < SOCKETS * len(frames):
        raise BenchError(f"{said['frames']} messages of {SOCKETS * len(frames)} arrived.")
    return _flooded(said, _cpu(address) - before)


def _note(said: dict[str, Any], began: dict[int, float], delays: list[float]) -> None:
    heard = [(number, last) for number, count, last in said["waves"] if number in began and count == SOCKETS]
    if len(heard) < len(began):
        raise BenchError(f"Of {len(began)} changes only {len(heard)} came to all {SOCKETS} sockets.")
    delays += [(last - began[number]) * 1000 for number, last in heard]


def _ours(market: str, key: str, opening: str, both: Ears, seconds: float, delays: list[float]) -> list[str]:
    """Changes at a pace that everyone keeps up with; what one socket was sent of them."""
    both.watch(OURS)
    _adjust(market, key, opening, int(seconds * WAVES_A_SECOND), 1 / WAVES_A_SECOND)
    time.sleep(SETTLE_SECONDS)
    said = both.watch(OURS)
    frames = [frame for frame in said["kept"] if '"items"' in frame]
    # When the row was written, which its transaction's commit comes after.
    began = {
        message["number"]: datetime.fromisoformat(message["items"][0]["at"]).timestamp()
        for message in map(json.loads, frames)
    }
    _note(said, began, delays)
    return frames


async def _bare(address: str, frames: list[str], both: Ears, delays: list[float]) -> None:
    both.watch(BARE)
    began = {}
    async with connect(address.replace("http", "ws", 1) + "/say", compression=None) as say:
        for frame in frames:
            began[json.loads(frame)["number"]] = time.time()
            await say.send(frame)
            await asyncio.sleep(1 / WAVES_A_SECOND)
        await asyncio.sleep(SETTLE_SECONDS)
    _note(both.watch(BARE), began, delays)


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
    alone, heard, late = [], [], []
    with staged(folder, "heard") as stage, openberth(folder / "heard.log", database_url=stage.url) as market:
        openings = stage.publish(OPENINGS)
        held(market, stage, openings, connections=CONNECTIONS, seconds=2)
        stage.settle()
        for nr in range(plan.rounds):
            plan.say(f"g: a thousand listeners, round {nr + 1} of {plan.rounds}")
            alone.append(held(market, stage, openings, connections=CONNECTIONS, seconds=plan.seconds).per_second)
            with ears(market, key=stage.key, count=SOCKETS, category="housing") as listening:
                listening.count_only()
                run = held(market, stage, openings, connections=CONNECTIONS, seconds=plan.seconds)
                heard.append(run.per_second)
                ended = time.time()
                time.sleep(SETTLE_SECONDS)
                said = listening.count_only()
                late.append(said["last"] - ended)
            if said["frames"] < SOCKETS:
                raise BenchError("The listeners heard nothing of the claims.")
            frames, megabytes = said["frames"] / SOCKETS, said["bytes"] / 1e6
            plan.say(f"g: each of {SOCKETS:,} heard {frames:.0f} frames, {megabytes:,.0f} MB in all")
    return [
        Figure(
            f"g · claims/s, 1,000 openings, {SOCKETS:,} sockets listening to all / none", heard, alone, at_least(0.75)
        ),
        Figure("g · s from the end of that load until all sockets know the last of it / 1", late, [1.0], at_most(1.0)),
    ]
