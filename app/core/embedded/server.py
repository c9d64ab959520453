"""Makes, starts, adopts and stops the server of one data folder."""

import contextlib
import fcntl
import os
import re
import shlex
import shutil
import signal
import tempfile
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import psutil

from app.core.embedded.errors import ClusterError
from app.core.embedded.locks import locked
from app.core.embedded.wheel import Programs, make_folders, programs_for, wheel_version

START_SECONDS = 60.0
STOP_SECONDS = 60.0
LOG_BYTES = 10_000_000
PORT = 5432
SOCKET = f".s.PGSQL.{PORT}"

SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "cluster_name": "openberth",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "fsync": "on",
    "synchronous_commit": "on",
    # Our queries are short: compiling them costs more than it saves.
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}


class Server:
    """One data folder and the server in it. Whoever starts or stops the server must hold `turn`.

    As root, all but the database, its socket folder and its log stays root's own, so that a broken server can
    lay no trap for the root process that comes next.
    """

    def __init__(self, data_dir: Path, settings: Mapping[str, str]) -> None:
        self.data_dir = data_dir
        self.settings = settings
        self.pgdata = data_dir / "postgresql"
        self.log = data_dir / "server.log"
        self.turn = data_dir / "turn.lock"
        self.users = data_dir / "users.lock"

    def make_data_dir(self) -> None:
        """Make the folder, but take over none that is something else's."""
        make_folders(self.data_dir)
        names = os.listdir(self.data_dir)
        # The users' lock is the first file that we make there.
        if names and self.users.name not in names:
            raise ClusterError(
                f"{self.data_dir} holds files that are not Openberth's. Name an empty or a new folder in"
                " OPENBERTH_DATA_DIR."
            )

    def start(self, turn: int) -> None:
        """Bring the server to where it answers: start it, adopt it, or wait for its recovery."""
        if self.pgdata.exists():
            self._check_version()
        else:
            self._initdb(turn)
        if self._listens_elsewhere():
            self._stop()
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"PostgreSQL in {self.data_dir} did not answer within {START_SECONDS:.0f} s." + self._log_since()
                )
            if self._postmaster():
                time.sleep(0.05)
            else:
                self._launch()

    def stop_if_unused(self) -> None:
        """Stop the server unless someone still holds the users' lock."""
        # A folder that is gone, too, leaves nothing to do: without its files the server ends by itself.
        with (
            contextlib.suppress(BlockingIOError, FileNotFoundError),
            locked(self.turn, fcntl.LOCK_EX),
            locked(self.users, fcntl.LOCK_EX, wait=False),
        ):
            self._stop()

    @cached_property
    def programs(self) -> Programs:
        """The wheel's programs, as the account that runs them here."""
        return programs_for(self.data_dir, self.pgdata)

    @cached_property
    def socket_dir(self) -> Path:
        """`run` in the data folder, or else a short folder elsewhere, noted for the processes to come."""
        own = self.data_dir / "run"
        if _holds_socket(own):
            own.mkdir(0o700, exist_ok=True)
            return self.programs.give(own)
        note = self.data_dir / "socket-dir"
        noted = Path(note.read_text(encoding="utf-8")) if note.exists() else Path()
        if noted.name.startswith("openberth-") and self.programs.owns_alone(noted):
            return noted
        # Not in XDG_RUNTIME_DIR, which goes when its session ends and would take the socket along.
        elsewhere = self.programs.give(Path(tempfile.mkdtemp(prefix="openberth-", dir="/tmp")))
        note.write_text(str(elsewhere), encoding="utf-8")
        return elsewhere

    def _check_version(self) -> None:
        ours = wheel_version().split(".")[0]
        try:
            theirs = (self.pgdata / "PG_VERSION").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            raise ClusterError(
                f"{self.pgdata} is no whole database: its PG_VERSION is missing. Restore {self.data_dir} from"
                " a backup, or name an empty folder in OPENBERTH_DATA_DIR."
            ) from None
        if theirs != ours:
            raise ClusterError(
                f"{self.pgdata} was made by PostgreSQL {theirs}, and this Openberth brings {ours}. Dump it"
                f" with the programs of version {theirs} (pg_dumpall) and load it into a new folder, named in"
                " OPENBERTH_DATA_DIR; or go back to the Openberth that made it."
            )

    def _initdb(self, turn: int) -> None:
        """Make the database beside its place and move it there whole, so that none is ever half made."""
        for leftover in self.data_dir.glob("initdb-*"):
            shutil.rmtree(leftover)
        new = self.programs.give(Path(tempfile.mkdtemp(prefix="initdb-", dir=self.data_dir)))
        arguments = [f"--pgdata={new}", "--username=postgres", "--auth-local=trust", "--auth-host=reject"]
        arguments += [
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ]
        if self.settings["fsync"] == "off":
            arguments.append("--no-sync")
        # It inherits our turn: if we are killed, the next process waits until initdb is gone as well.
        done = self.programs.run("initdb", arguments, pass_fds=[turn])
        if done.returncode:
            raise ClusterError(f"No database could be made in {self.data_dir}: {done.stderr.strip()}")
        new.rename(self.pgdata)

    def _launch(self) -> None:
        self._forget_reused_pid()
        before = self._open_log()
        # pg_ctl detaches the server into a session of its own, so a Ctrl-C in our terminal doesn't reach it.
        # It also hands these to a shell, where our relative names and quotes keep them harmless.
        places = {"data_directory": str(self.pgdata), "unix_socket_directories": str(self.socket_dir)}
        settings = {**self.settings, **places}
        options = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in settings.items())
        arguments = ["start", "-w", "-t", f"{START_SECONDS:.0f}", "-o", options]
        arguments += ["-D", self.pgdata.name, "-l", self.log.name]
        done = self.programs.run("pg_ctl", arguments, cwd=self.data_dir)
        if done.returncode == 0 or self._postmaster():
            return
        said = self._log_since(before)
        if "shared memory block" not in said:
            raise ClusterError(f"PostgreSQL in {self.data_dir} did not start.{said or done.stderr}")
        # The last sessions of a server that was killed are still at work; they end by themselves.
        time.sleep(0.2)

    def _open_log(self) -> int:
        """Make the log, or put a long one aside; returns where the coming lines will begin."""
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        os.close(log)
        self.programs.give(self.log)
        return self.log.stat().st_size

    def _log_since(self, position: int = 0) -> str:
        """The last lines that the server has logged, for an error message."""
        with contextlib.suppress(OSError), self.log.open("rb") as log:
            log.seek(max(position, log.seek(0, os.SEEK_END) - 4000))
            lines = log.read().decode(errors="replace").splitlines()[-12:]
            return "\n  ".join(["", f"Its log, {self.log}, ends:", *lines]) if lines else ""
        return ""

    def _pid_file(self) -> list[str]:
        """The lines of postmaster.pid: process, folder, start, port, socket folder and more."""
        try:
            return (self.pgdata / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _postmaster(self) -> psutil.Process | None:
        """The server's main process, told by where it works: its number may be another's by now."""
        with contextlib.suppress(psutil.Error, ValueError, IndexError):
            process = psutil.Process(int(self._pid_file()[0]))
            if process.name() == "postgres" and self._works_here(process):
                return process
        return None

    def _works_here(self, process: psutil.Process) -> bool:
        try:
            return Path(process.cwd()) == self.pgdata
        except psutil.AccessDenied:
            # In a container, root may not look into another account's processes, but at their command lines.
            return f"data_directory={self.pgdata}" in process.cmdline()

    def _forget_reused_pid(self) -> None:
        """Drop the claims of a dead server whose number is another process's, or a zombie's, by now.

        PostgreSQL would give way to that number. Sessions that outlived their server still keep others out,
        for it also looks for their shared memory, by a key that it makes from the folder.
        """
        (self.socket_dir / f"{SOCKET}.lock").unlink(missing_ok=True)
        with contextlib.suppress(ValueError, IndexError):
            if psutil.pid_exists(int(self._pid_file()[0])):
                (self.pgdata / "postmaster.pid").unlink(missing_ok=True)

    def _listens_elsewhere(self) -> bool:
        """Whether it still runs with a socket folder that has since been moved or swept away."""
        lines = self._pid_file()
        return len(lines) > 4 and lines[4] not in ("", str(self.socket_dir)) and self._postmaster() is not None

    def _answers(self) -> bool:
        place = ["-h", str(self.socket_dir), "-p", str(PORT), "-U", "postgres", "-d", "postgres"]
        return self.programs.run("pg_isready", ["-q", "-t", "1", *place]).returncode == 0

    def _stop(self) -> None:
        process = self._postmaster()
        if process is None:
            return
        deadline = time.monotonic() + STOP_SECONDS
        with contextlib.suppress(psutil.NoSuchProcess):
            # SIGINT is PostgreSQL's fast shutdown: it ends the sessions and loses nothing that was committed.
            process.send_signal(signal.SIGINT)
            # A zombie has ended; it only waits for an init that takes its time to notice.
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                if time.monotonic() > deadline:
                    raise ClusterError(
                        f"PostgreSQL in {self.data_dir}, process {process.pid}, did not stop within"
                        f" {STOP_SECONDS:.0f} s.{self._log_since()}"
                    )
                time.sleep(0.02)


def _holds_socket(folder: Path) -> bool:
    """Whether a socket's path there is short enough (macOS: 103 bytes) and free of what addresses use."""
    path = str(folder / SOCKET)
    return len(os.fsencode(path)) <= 103 and re.fullmatch(r"[A-Za-z0-9._/+-]+", path) is not None
