"""What the machine may hold against the embedded PostgreSQL, and that it says so or copes."""

import os
import pwd
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from app.core.embedded import ClusterError, default_data_dir, running, server, wheel
from tests.core.embedded.processes import AS_ROOT, FAST, alive, ask, postmaster


def test_another_major_version_is_named_and_left_alone(data_dir: Path) -> None:
    recorded = data_dir / "postgresql" / "PG_VERSION"
    recorded.write_text("17\n")
    with pytest.raises(ClusterError, match=r"made by PostgreSQL 17.*pg_dumpall"), running(data_dir):
        pass
    recorded.write_text("18\n")
    aside = recorded.rename(data_dir / "PG_VERSION")
    with pytest.raises(ClusterError, match="no whole database"), running(data_dir):
        pass
    aside.rename(recorded)


def test_a_server_that_cannot_start_shows_its_log(data_dir: Path) -> None:
    with (
        pytest.raises(ClusterError, match=r"did not start(?s:.*)server\.log, ends:(?s:.*)no_such_library"),
        running(data_dir, options={**FAST, "shared_preload_libraries": "no_such_library"}),
    ):
        pass


def test_a_folder_of_something_else_is_refused(new_dir: Path) -> None:
    new_dir.mkdir()
    (new_dir / "thesis.odt").touch()
    with pytest.raises(ClusterError, match="not Openberth's"), running(new_dir):
        pass
    assert os.listdir(new_dir) == ["thesis.odt"]
    with (
        pytest.raises(ClusterError, match=r"thesis\.odt can't be used.*OPENBERTH_DATA_DIR"),
        running(new_dir / "thesis.odt"),
    ):
        pass


def test_a_folder_out_of_reach_is_named(new_dir: Path) -> None:
    new_dir.mkdir(0o700)
    if not AS_ROOT:
        new_dir.chmod(0o500)
    try:
        with (
            pytest.raises(ClusterError, match=f"{new_dir}/deeper.*OPENBERTH_DATA_DIR"),
            running(new_dir / "deeper"),
        ):
            pass
        # Above its own folder it must not open anything.
        assert new_dir.stat().st_mode & 0o077 == 0
    finally:
        new_dir.chmod(0o700)


@pytest.mark.skipif(not AS_ROOT, reason="only root runs the server as somebody else")
def test_root_copies_programs_that_the_servers_account_cannot_reach(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = wheel._wheel()
    shut = data_dir.parent / "shut"
    shut.mkdir(0o700)
    for part in (found, found.with_name(f"{found.name}.libs")):
        (shut / part.name).symlink_to(part)
    monkeypatch.setattr(wheel, "_wheel", lambda: shut / found.name)
    monkeypatch.setattr(wheel, "STATE_DIR", data_dir.parent / "state")
    umask = os.umask(0o077)
    try:
        for _ in range(2):
            with running(data_dir, options=FAST) as cluster:
                assert ask(cluster, "SELECT 1") == "1"
                process = psutil.Process(postmaster(data_dir))
                assert process.username() == wheel.ACCOUNT
                assert data_dir.parent / "state" in Path(process.exe()).parents
    finally:
        os.umask(umask)


@pytest.mark.skipif(not AS_ROOT, reason="only root makes an account for the server")
def test_all_who_start_at_once_on_a_new_machine_make_one_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheel, "ACCOUNT", f"openberth-{os.getpid()}")
    monkeypatch.setattr(wheel, "STATE_DIR", tmp_path / "state")
    try:
        with ThreadPoolExecutor(6) as pool:
            made = [each.result() for each in [pool.submit(wheel._server_account) for _ in range(6)]]
        assert set(made) == {pwd.getpwnam(wheel.ACCOUNT)}
    finally:
        subprocess.run(["userdel", wheel.ACCOUNT], check=False)


def test_root_in_a_container_still_knows_its_server(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(process: psutil.Process) -> str:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "cwd", denied)
    with running(data_dir, options=FAST):
        first = postmaster(data_dir)
        with running(data_dir, options=FAST):
            assert postmaster(data_dir) == first
    assert not alive(data_dir)


def test_a_server_that_does_not_answer_in_time_is_named(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "START_SECONDS", 1.0)
    with running(data_dir, options=FAST):
        stopped = psutil.Process(postmaster(data_dir))
        stopped.suspend()
        try:
            with (
                pytest.raises(ClusterError, match="did not answer within 1 s"),
                running(data_dir, options=FAST),
            ):
                pass
        finally:
            stopped.resume()


def test_the_default_place_is_one_that_the_server_can_reach() -> None:
    if AS_ROOT:
        assert default_data_dir() == Path("/var/lib/openberth/data")
    else:
        assert default_data_dir().name == "openberth"
