"""Load over HTTP, by wrk: so many connections, each asking again as soon as it is answered."""

import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.plan import BenchError
from bench.stage import PARTICIPANTS, Stage

LUA = Path(__file__).parent / "lua"
REST_SECONDS = 0.3
_RESULT = re.compile(r"^RESULT (\d+) (\d+) (\d+) (\d+) ([\d.]+) ([\d.]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Run:
    """What a load saw; latencies in milliseconds."""

    requests: int
    per_second: float
    median: float
    p95: float


def wrk_missing() -> bool:
    """Whether there is no wrk on this machine."""
    return shutil.which("wrk") is None


def claims(address: str, stage: Stage, openings: Sequence[str], *, connections: int, seconds: int) -> Run:
    """Claim one unit of a random one of these openings, again and again. Any answer of 400 or more is an error."""
    with tempfile.NamedTemporaryFile("w", prefix="openberth-bench-", suffix=".txt") as listed:
        listed.write("\n".join(openings) + "\n")
        listed.flush()
        arguments = [stage.key, str(secrets.randbits(32)), listed.name, str(PARTICIPANTS)]
        return _wrk("claims", address, arguments, connections, seconds)


def held(address: str, stage: Stage, openings: Sequence[str], *, connections: int, seconds: int) -> Run:
    """The same against the market itself: the database's own count must have moved by every 201 sent."""
    before = _at_rest(stage)
    run = claims(address, stage, openings, connections=connections, seconds=seconds)
    moved = _at_rest(stage) - before
    # The claims that were still being answered when wrk hung up are made too.
    if not run.requests <= moved <= run.requests + connections:
        raise BenchError(f"{run.requests} claims were answered with 201, but the counts moved by {moved}.")
    return run


def _at_rest(stage: Stage) -> int:
    """The units taken, once the last claims of the load before have gone through."""
    seen = -1
    while (taken := stage.taken()) != seen:
        seen = taken
        time.sleep(REST_SECONDS)
    return taken


def searches(address: str, stage: Stage, query: str, *, connections: int, seconds: int) -> Run:
    """Search near random places around the city."""
    arguments = [stage.key, str(secrets.randbits(32)), query]
    return _wrk("search", address, arguments, connections, seconds)


def _wrk(script: str, address: str, arguments: list[str], connections: int, seconds: int) -> Run:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    command += ["-s", str(LUA / f"{script}.lua"), address, "--", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 60)
    found = _RESULT.search(done.stdout)
    if done.returncode or found is None:
        raise BenchError(f"wrk failed: {done.stderr.strip() or done.stdout[-1000:]}")
    requests, microseconds, refused, broken = (int(found[group]) for group in range(1, 5))
    if refused or broken or not requests:
        raise BenchError(f"Of {requests} requests {refused} were refused and {broken} broke: this run says nothing.")
    return Run(requests, requests / microseconds * 1e6, float(found[5]), float(found[6]))
