"""One server for many processes, whatever kills whom: with real servers, processes and kills."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from app.core.embedded import program, running
from tests.core.embedded.processes import (
    AS_ROOT,
    FAST,
    FORK_AND_HOLD,
    SPIN,
    Holder,
    alive,
    ask,
    eventually,
    kill_and_wait,
    leave,
    postmaster,
    said,
)


async def test_a_fresh_cluster_serves_sqlalchemy_and_keeps_its_data(new_dir: Path) -> None:
    with running(new_dir, options=FAST) as cluster:
        cluster.ensure_database()
        cluster.ensure_database()
        engine = create_async_engine(cluster.url())
        async with engine.begin() as connection:
            await connection.execute(text("CREATE TABLE kept AS SELECT current_user AS who"))
        await engine.dispose()
    assert not alive(new_dir)

    with running(new_dir, options=FAST) as cluster:
        engine = create_async_engine(cluster.url())
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT who FROM kept")) == "openberth_owner"
            assert await connection.scalar(text("SHOW server_encoding")) == "UTF8"
            assert not await connection.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))
        await engine.dispose()


def test_only_its_own_folder_lets_anybody_in(data_dir: Path) -> None:
    with running(data_dir, options=FAST) as cluster:
        assert ask(cluster, "SHOW listen_addresses") == ""
        assert cluster.socket_dir.stat().st_mode & 0o077 == 0
        assert (cluster.socket_dir / ".s.PGSQL.5432").stat().st_mode & 0o077 == 0
        (connections,) = {each.laddr for each in psutil.Process(postmaster(data_dir)).net_connections("all")}
        assert str(connections) == str(cluster.socket_dir / ".s.PGSQL.5432")


def test_a_setting_of_the_caller_wins(data_dir: Path) -> None:
    with running(data_dir, options={**FAST, "work_mem": "5MB", "application_name": 'it\'s a "$(name)"'}) as cluster:
        assert ask(cluster, "SHOW work_mem") == "5MB"
        assert ask(cluster, "SHOW fsync") == "off"
        assert ask(cluster, "SHOW jit") == "off"


def test_the_first_users_exit_leaves_the_server_to_the_second(data_dir: Path, holder: Holder) -> None:
    with running(data_dir, options=FAST):
        first = postmaster(data_dir)
        second = holder(data_dir)
    assert alive(data_dir)
    assert postmaster(data_dir) == first
    leave(second)
    assert not alive(data_dir)


def test_users_that_were_all_killed_leave_nothing_stale(data_dir: Path, holder: Holder) -> None:
    users = [holder(data_dir), holder(data_dir)]
    server_process = postmaster(data_dir)
    for user in users:
        user.kill()
        user.wait()
    assert alive(data_dir)
    with running(data_dir, options=FAST):
        assert postmaster(data_dir) == server_process
    assert not alive(data_dir)


def test_a_killed_server_recovers(data_dir: Path) -> None:
    with running(data_dir, options=FAST) as cluster:
        ask(cluster, "CREATE TABLE kept AS SELECT 1 AS one")
        kill_and_wait(postmaster(data_dir))
        # Its first user is still there; the next to come starts it again for both.
        with running(data_dir, options=FAST) as again:
            assert again == cluster
            assert ask(cluster, "SELECT one FROM kept") == "1"
        assert ask(cluster, "SELECT one FROM kept") == "1"
    assert not alive(data_dir)


def test_a_server_killed_in_the_middle_of_a_query_recovers(data_dir: Path) -> None:
    with running(data_dir, options=FAST) as cluster:
        busy = subprocess.Popen(
            [str(program("psql")), "-X", "-d", cluster.dsn("postgres", "postgres"), "-c", SPIN],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(lambda: ask(cluster, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO%'") == "1")
        kill_and_wait(postmaster(data_dir))
        with running(data_dir, options=FAST):
            # A second server beside that session would have been the end of the data.
            busy.wait(timeout=1)
            assert ask(cluster, "SELECT 1") == "1"


def test_processes_that_start_together_share_one_server(new_dir: Path, holder: Holder) -> None:
    users = [holder(new_dir, wait=False) for _ in range(4)]
    assert [said(user) for user in users] == ["in"] * 4
    ours = [
        process
        for process in psutil.process_iter(["cmdline"])
        if f"data_directory={new_dir / 'postgresql'}" in (process.info["cmdline"] or [])
    ]
    assert [process.pid for process in ours] == [postmaster(new_dir)]
    for user in users[1:]:
        leave(user)
        assert alive(new_dir)
    leave(users[0])
    assert not alive(new_dir)


def test_a_killed_initdb_leaves_nothing_half_made(new_dir: Path, holder: Holder) -> None:
    user = holder(new_dir, wait=False)
    eventually(lambda: any(new_dir.glob("initdb-*/base/1/*")))
    user.kill()
    user.wait()
    assert not (new_dir / "postgresql").exists()
    with running(new_dir, options=FAST) as cluster:
        assert ask(cluster, "SELECT 1") == "1"
        assert not list(new_dir.glob("initdb-*"))


def test_a_process_number_that_is_anothers_by_now_does_not_block(data_dir: Path) -> None:
    with running(data_dir, options=FAST):
        lines = (data_dir / "postgresql" / "postmaster.pid").read_text().splitlines()
    stale = data_dir / "postgresql" / "postmaster.pid"
    # A shell of the server's own account, as after a reboot: PostgreSQL alone would give way to it.
    other = subprocess.Popen(["sleep", "60"], user=stale.parent.stat().st_uid if AS_ROOT else None)
    try:
        stale.write_text("\n".join([str(other.pid), *lines[1:], ""]))
        with running(data_dir, options=FAST) as cluster:
            assert ask(cluster, "SELECT 1") == "1"
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_ctrl_c_in_the_terminal_ends_the_user_and_not_the_server(data_dir: Path, holder: Holder) -> None:
    user = holder(data_dir)
    with running(data_dir, options=FAST) as cluster:
        os.killpg(user.pid, signal.SIGINT)
        user.wait()
        assert ask(cluster, "SELECT 1") == "1"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_last_user_that_is_asked_to_end_stops_the_server(
    data_dir: Path, holder: Holder, number: signal.Signals
) -> None:
    user = holder(data_dir)
    user.send_signal(number)
    assert user.wait() in (128 + number, -number)
    assert not alive(data_dir)


def test_a_forked_worker_keeps_the_server_in_use(data_dir: Path, holder: Holder) -> None:
    parent = holder(data_dir, FORK_AND_HOLD, wait=False)
    worker = int(said(parent))
    try:
        parent.kill()
        parent.wait()
        with running(data_dir, options=FAST):
            pass
        assert alive(data_dir)
    finally:
        kill_and_wait(worker)
    with running(data_dir, options=FAST):
        pass
    assert not alive(data_dir)


def test_a_path_too_long_or_too_odd_for_a_socket_gets_a_short_one(new_dir: Path) -> None:
    for deep in (new_dir / ("d" * 60) / ("e" * 60), new_dir / 'it\'s, a: "$(name)" é'):
        with running(deep, options=FAST) as cluster, running(deep, options=FAST) as again:
            assert again == cluster
            assert deep not in cluster.socket_dir.parents
            assert ask(cluster, "SELECT 1") == "1"
            shutil.rmtree(cluster.socket_dir)
            # Swept away by a cleaner of /tmp: nobody could reach the server, so it starts again elsewhere.
            with running(deep, options=FAST) as moved:
                assert moved.socket_dir != cluster.socket_dir
                assert ask(moved, "SELECT 1") == "1"
        assert not alive(deep)
        shutil.rmtree(moved.socket_dir)
