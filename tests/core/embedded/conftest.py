"""Data folders and other users for the tests of the embedded PostgreSQL."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.embedded import running
from tests.core.embedded.processes import FAST, HOLD, Holder, Process, end, place, said


@pytest.fixture
def new_dir() -> Iterator[Path]:
    """A data folder still to be made."""
    with place() as data_dir:
        yield data_dir
        end(data_dir)


@pytest.fixture(scope="session")
def made() -> Iterator[Path]:
    with place() as data_dir:
        with running(data_dir, options=FAST):
            pass
        yield data_dir


@pytest.fixture
def data_dir(made: Path) -> Iterator[Path]:
    """A data folder ready to start, from one test to the next the same: making one is what takes the time."""
    yield made
    end(made)


@pytest.fixture
def holder() -> Iterator[Holder]:
    """Starts another process that uses the cluster until its input ends."""
    started: list[Process] = []

    def start(data_dir: Path, script: str = HOLD, *, wait: bool = True) -> Process:
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        if wait:
            assert said(process) == "in"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
