"""Running `openberth` as a user does: a process of its own, its words and its exit status."""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    status: int
    out: str
    err: str


def environment(**settings: str) -> dict[str, str]:
    """The environment with these `OPENBERTH_*` settings and no others of the kind."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENBERTH_")}
    return kept | {"COLUMNS": "200", "PYTHONPATH": str(ROOT)} | settings


async def openberth(*arguments: str, typed: str = "", **settings: str) -> Done:
    """Run one command to its end; `typed` is what its user types."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app",
        *arguments,
        env=environment(**settings),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(typed.encode()), timeout=60)
    assert process.returncode is not None
    return Done(process.returncode, out.decode(), err.decode())
