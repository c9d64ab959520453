"""(e) From the command to the first 200 of /readyz, on data that is there."""

import time
from pathlib import Path

from app import schema
from app.core.embedded import running
from bench.figures import Figure, at_most
from bench.plan import Plan
from bench.servers import openberth

SECONDS = 3.0


def measure(plan: Plan, folder: Path) -> list[Figure]:
    """PostgreSQL has to be started too: `openberth serve` runs its own."""
    data_dir = folder / "start"
    with running(data_dir) as cluster:
        cluster.ensure_database()
        schema.upgrade(cluster.url())
    # Once unmeasured: an installer has compiled what a checkout compiles at its first start.
    with openberth(folder / "start.log", data_dir=data_dir):
        pass
    took = []
    for nr in range(plan.rounds):
        plan.say(f"e: start, round {nr + 1} of {plan.rounds}")
        began = time.monotonic()
        with openberth(folder / "start.log", data_dir=data_dir):
            took.append(time.monotonic() - began)
    return [Figure("e · openberth serve ready, s / its limit", took, [SECONDS] * plan.rounds, at_most(1))]
