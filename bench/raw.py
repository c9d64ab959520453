"""The raw database, by pgbench: the same SQL under the same role, with no server of ours between."""

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from app.core.database import APP_ROLE
from app.core.embedded import program
from bench.plan import BenchError
from bench.stage import Stage

_PROCESSED = re.compile(r"number of transactions actually processed: (\d+)")
_FAILED = re.compile(r"number of failed transactions: (\d+)")
_TPS = re.compile(r"tps = ([\d.]+)")


@dataclass(frozen=True, slots=True)
class Raw:
    """What pgbench saw; latencies in milliseconds."""

    transactions: int
    per_second: float
    median: float
    p95: float


def pgbench(
    stage: Stage,
    script: str,
    *,
    clients: int,
    seconds: int,
    between: str = "",
    settings: str = "",
    **variables: object,
) -> Raw:
    """Run a script, prepared, as the server's connections do. `settings` are more `-c name=value`.

    `between` is a script that sets variables for it now and then; its time counts in no latency. A transaction
    that failed is an error: the figure would count it as done.
    """
    with tempfile.TemporaryDirectory(prefix="openberth-bench-") as folder:
        command = [str(program("pgbench")), "--no-vacuum", "--protocol=prepared"]
        for name, text in (("script", script), ("between", between)):
            if text:
                file = Path(folder) / f"{name}.sql"
                file.write_text(text, encoding="utf-8")
                command.append(f"--file={file}")
        command += [f"--client={clients}", f"--jobs={min(clients, 2)}", f"--time={seconds}"]
        command += ["--log", f"--log-prefix={folder}/log"]
        command += [f"--define={name}={value}" for name, value in variables.items()]
        done = subprocess.run(
            [*command, stage.cluster.dsn(stage.name)],
            env={"PATH": os.defpath, "LC_ALL": "C", "PGOPTIONS": f"-c role={APP_ROLE} -c timezone=UTC {settings}"},
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 60,
        )
        if done.returncode or int(_only(_FAILED, done.stdout)):
            raise BenchError(f"pgbench failed: {done.stderr.strip()[-1000:]} {done.stdout[-500:]}")
        milliseconds = [
            int(fields[2]) / 1000
            for log in Path(folder).glob("log.*")
            for fields in map(str.split, log.read_text(encoding="utf-8").splitlines())
            # The number of the script.
            if fields[3] == "0"
        ]
    return Raw(
        int(_only(_PROCESSED, done.stdout)),
        float(_only(_TPS, done.stdout)),
        median(milliseconds),
        quantiles(milliseconds, n=20)[-1],
    )


def _only(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    if found is None:
        raise BenchError(f"pgbench said something else than expected: {text[-500:]}")
    return found[1]
