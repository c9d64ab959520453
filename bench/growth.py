"""(d) What a claim costs after five million others, beside what it costs after ten thousand."""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from app.core.embedded import Cluster, running
from bench.figures import Figure, at_least, at_most
from bench.load import held
from bench.plan import BenchError, Plan
from bench.servers import openberth
from bench.stage import SUPERUSER, Stage, set_stage

OPENINGS = 1_000
CONNECTIONS = 64
LONE_SECONDS = 3
BYTES_PER_CLAIM = 4_000
"""On disk while loading, with its bundle, answer, event, entry and the log of writing them."""
ANSWER_BYTES = 700

LOADING = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "checkpoint_timeout": "1h",
}
"""For loading alone. The server is stopped then, its files written out, and started again with its own settings."""

WRONG_COUNTS = """
SELECT count(*) FROM openings o
  LEFT JOIN (SELECT opening_id, sum(units) AS taken FROM claims
              WHERE state IN ('held', 'confirmed', 'arrived') GROUP BY opening_id) c ON c.opening_id = o.id
 WHERE o.units_taken <> coalesce(c.taken, 0)
"""


def measure(plan: Plan, folder: Path) -> list[Figure]:
    """Claims/s and a lone claim's latency on both databases, in turn."""
    data_dir = folder / "growth"
    needed = plan.many_claims * BYTES_PER_CLAIM
    if shutil.disk_usage(folder).free < needed:
        raise BenchError(f"{folder} needs {needed / 1e9:.0f} GB free to load {plan.many_claims:,} claims.")
    with running(data_dir, options=LOADING) as cluster:
        few = _grown(plan, cluster, "few", plan.few_claims)
        many = _grown(plan, cluster, "many", plan.many_claims)
    os.sync()
    with running(data_dir):
        return _compared(plan, few, many, folder)


def _grown(plan: Plan, cluster: Cluster, name: str, claims: int) -> Stage:
    """A stage with a thousand openings and a past of so many claims."""
    minutes = " This takes some minutes." if claims >= 1_000_000 else ""
    plan.say(f"d: loading {claims:,} claims.{minutes}")
    began = time.monotonic()
    stage = set_stage(cluster, name)
    stage.publish(OPENINGS)

    def load(file: str) -> None:
        stage.run_file(file, user=SUPERUSER, claims=claims, answer_bytes=ANSWER_BYTES)

    with ThreadPoolExecutor() as both:
        list(both.map(load, ["past_claims", "past_answers"]))
    stage.settle()
    if stage.psql(WRONG_COUNTS) != ["0"]:
        raise BenchError("The counts of the loaded openings are not those of their claims.")
    plan.say(f"d: {claims:,} claims loaded in {time.monotonic() - began:.0f} s")
    return stage


def _compared(plan: Plan, few: Stage, many: Stage, folder: Path) -> list[Figure]:
    rates: dict[str, list[float]] = {few.name: [], many.name: []}
    lone: dict[str, list[float]] = {few.name: [], many.name: []}
    for nr in range(plan.growth_rounds):
        plan.say(f"d: few and many claims, round {nr + 1} of {plan.growth_rounds}")
        # Few must stay few: each round has a new copy. Both servers are new then, and who goes first changes.
        copy = few.copy(f"few_{nr}")
        with ExitStack() as servers:
            pair = [
                (kind, stage, servers.enter_context(openberth(folder / f"{kind}.log", database_url=stage.url)))
                for kind, stage in ((few.name, copy), (many.name, many))
            ]
            openings = {stage.name: stage.psql("SELECT id FROM openings") for _, stage, _ in pair}
            for _, stage, address in pair:
                held(address, stage, openings[stage.name], connections=CONNECTIONS, seconds=1)
            for kind, stage, address in pair if nr % 2 == 0 else reversed(pair):
                ids = openings[stage.name]
                run = held(address, stage, ids, connections=CONNECTIONS, seconds=plan.seconds // 2)
                rates[kind].append(run.per_second)
                alone = held(address, stage, ids, connections=1, seconds=min(plan.seconds, LONE_SECONDS))
                lone[kind].append(alone.median)
        copy.drop()
    beside = f"{plan.many_claims:,} claims in the table / {plan.few_claims:,}"
    return [
        Figure(f"d · claims/s, {CONNECTIONS} connections, {beside}", rates[many.name], rates[few.name], at_least(0.85)),
        Figure(f"d · a lone claim, median ms, {beside}", lone[many.name], lone[few.name], at_most(1.15)),
    ]
