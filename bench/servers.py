"""Server processes on loopback: started, waited for, and ended by their own process ids."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import httpx

from bench.plan import BenchError

ROOT = Path(__file__).parent.parent
READY_SECONDS = 60.0
STOP_SECONDS = 90.0
POLL_SECONDS = 0.01


@contextmanager
def serving(log: Path, module: str, *arguments: str, ready: str, **settings: object) -> Iterator[str]:
    """`python -m module … --port N`, from the moment that GET `ready` answers 200; its address.

    `settings` are those of the application, whose environment has no others.
    """
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENBERTH_")}
    environment |= {f"OPENBERTH_{name.upper()}": str(value) for name, value in settings.items()}
    # Compiled Python is kept, as an installer leaves it, whatever our own environment says; but out of the checkout.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPYCACHEPREFIX"] = str(log.parent / "pycache")
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments, "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        _wait(process, address + ready, log)
        yield address
    finally:
        _end(process)


def openberth(log: Path, **settings: object) -> AbstractContextManager[str]:
    """The market, started as an operator starts it who lets one key ask for as much as there is."""
    return serving(log, "app", "serve", ready="/readyz", **({"rate_limit": "1000000/second"} | settings))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    with httpx.Client(timeout=5, trust_env=False) as client:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            # Not listening yet is what is waited for; whether the process still runs is seen above.
            with suppress(httpx.TransportError):
                if client.get(url).status_code == 200:
                    return
            time.sleep(POLL_SECONDS)
    raise BenchError(f"The server did not get ready. Its log ends:\n{log.read_text(errors='replace')[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
