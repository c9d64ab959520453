"""Processes that use a cluster, and what the tests ask about them."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import psutil

from app.core.embedded import Cluster, program

FAST = {"fsync": "off"}
AS_ROOT = os.geteuid() == 0

HOLD = """
import sys
from pathlib import Path
from app.core.embedded import running
with running(Path(sys.argv[1]), options={"fsync": "off"}):
    print("in", flush=True)
    sys.stdin.read()
print("out", flush=True)
"""

FORK_AND_HOLD = """
import os, sys, time
from pathlib import Path
from app.core.embedded import running
with running(Path(sys.argv[1]), options={"fsync": "off"}):
    worker = os.fork()
    if worker == 0:
        time.sleep(60)
        os._exit(0)
    print(worker, flush=True)
    sys.stdin.read()
"""

# It doesn't notice the death of its server before it ends.
SPIN = """DO $$ DECLARE until timestamptz := clock_timestamp() + interval '1.5 s';
BEGIN WHILE clock_timestamp() < until LOOP NULL; END LOOP; END $$"""

Process: TypeAlias = "subprocess.Popen[str]"
Holder = Callable[..., Process]


@contextlib.contextmanager
def place() -> Iterator[Path]:
    """Where a data folder can be; pytest's own shuts out the account that root's server runs as."""
    base = Path(tempfile.mkdtemp(prefix="openberth-test-", dir="/tmp"))
    base.chmod(0o755)
    try:
        yield base / "data"
    finally:
        shutil.rmtree(base)


def said(process: Process) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def leave(process: Process) -> None:
    out, _ = process.communicate("")
    assert out.strip() == "out"


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgresql" / "postmaster.pid").read_text().split()[0])


def alive(data_dir: Path) -> bool:
    with contextlib.suppress(FileNotFoundError, psutil.NoSuchProcess):
        return psutil.Process(postmaster(data_dir)).status() != psutil.STATUS_ZOMBIE
    return False


def end(data_dir: Path) -> None:
    """End the server of a test that failed half-way."""
    if alive(data_dir):
        os.kill(postmaster(data_dir), signal.SIGKILL)


def ask(cluster: Cluster, sql: str) -> str:
    command = [str(program("psql")), "-XAtq", "-d", cluster.dsn("postgres", "postgres"), "-c", sql]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def kill_and_wait(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
