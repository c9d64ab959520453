"""Locks between processes that the kernel lets go of when their holder dies."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from app.core.embedded.errors import ClusterError

# Longer than a holder ever needs: making a database, then a start with crash recovery, or one stop.
PATIENCE_SECONDS = 150.0


@contextlib.contextmanager
def locked(path: Path, kind: int, *, wait: bool = True) -> Iterator[int]:
    """Hold the file locked, with LOCK_SH or LOCK_EX. Without `wait`, BlockingIOError says it is taken."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        deadline = time.monotonic() + (PATIENCE_SECONDS if wait else 0)
        while True:
            try:
                fcntl.flock(lock, kind | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not wait:
                    raise
                if time.monotonic() > deadline:
                    raise ClusterError(
                        f"Another process has held {path} for {PATIENCE_SECONDS:.0f} s, longer than"
                        " PostgreSQL takes to start or stop. End that process; fuser -v names it."
                    ) from None
                time.sleep(0.02)
        yield lock
        if kind == fcntl.LOCK_EX:
            fcntl.flock(lock, fcntl.LOCK_UN)
    finally:
        # A shared lock is closed and not unlocked: a worker that forked off with it goes on holding it.
        os.close(lock)
