"""`openberth serve` on an embedded database: ready, shared by a second server, and gone without a trace."""

import asyncio
import json
import shutil
import signal
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cli.terminal import ROOT, environment, openberth


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data folder that the account PostgreSQL runs under can reach, too."""
    folder = Path(tempfile.mkdtemp(prefix="openberth-serve-"))
    folder.chmod(0o755)
    yield folder / "data"
    shutil.rmtree(folder)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def serve(data_dir: Path, port: int, *more: str) -> asyncio.subprocess.Process:
    """A server, once it is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "app", "serve", "--port", str(port), *more),
        env=environment(OPENBERTH_DATA_DIR=str(data_dir)),
        cwd=ROOT,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with httpx.AsyncClient() as http:
        for _ in range(900):
            try:
                if (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200:
                    return process
            except httpx.TransportError:
                assert process.returncode is None, "the server ended instead of getting ready"
            await asyncio.sleep(0.1)
    raise AssertionError("the server was not ready in 90 s")


async def stop(process: asyncio.subprocess.Process) -> None:
    """End a server as a terminal or a service manager does."""
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.wait(), timeout=30)


async def test_two_servers_share_a_cluster_and_data_survive_them(data_dir: Path) -> None:
    one, two = free_port(), free_port()
    first = await serve(data_dir, one, "--demo")
    second = await serve(data_dir, two, "--workers", "2")
    done = await openberth(
        *("key", "create", "--program", "demo", "--role", "case_manager", "--json"), OPENBERTH_DATA_DIR=str(data_dir)
    )
    headers = {"Authorization": f"Bearer {json.loads(done.out)['key']}"}
    async with httpx.AsyncClient(headers=headers) as http:
        made = await http.post(f"http://127.0.0.1:{one}/v1/participants", json={"reference": "kept"})
        assert made.status_code == 201
        path = f"/v1/participants/{made.json()['id']}/identity"
        written = await http.put(f"http://127.0.0.1:{one}{path}", json={"name": "Kept"})
        assert written.status_code == 200, written.text
        read = await http.get(f"http://127.0.0.1:{two}{path}")
        assert read.json()["name"] == "Kept"
        found = await http.get(f"http://127.0.0.1:{two}/v1/openings", params={"category": "housing"})
        assert len(found.json()["items"]) == 4
        await stop(first)
        assert (await http.get(f"http://127.0.0.1:{two}/v1/program")).status_code == 200
        await stop(second)
        third = await serve(data_dir, one)
        assert (await http.get(f"http://127.0.0.1:{one}/v1/program")).json()["slug"] == "demo"
        assert (await http.get(f"http://127.0.0.1:{one}{path}")).json()["name"] == "Kept"
        await stop(third)
    assert not (data_dir / "postgresql" / "postmaster.pid").exists()
    # The master key lies beside the data, so that whoever copies the data alone has nothing to open them with.
    assert stat.S_IMODE((data_dir.parent / "data.keys").stat().st_mode) == 0o600


async def test_a_port_in_use_ends_the_server_with_a_reason(data_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = await openberth("serve", "--port", str(taken.getsockname()[1]), OPENBERTH_DATA_DIR=str(data_dir))
    assert done.status != 0
    assert "address already in use" in done.err + done.out
