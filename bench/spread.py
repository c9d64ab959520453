"""(b) Claims over a thousand openings, beside a route of the same framework that does nothing."""

from pathlib import Path

from bench.figures import Figure, at_least
from bench.load import claims, held
from bench.plan import Plan
from bench.servers import openberth, serving
from bench.stage import staged

OPENINGS = 1_000
CONNECTIONS = 64


def measure(plan: Plan, folder: Path) -> list[Figure]:
    """Ours with keys, events, trail and idempotency, beside validating and echoing."""
    ours, empty = [], []
    with (
        staged(folder, "spread") as stage,
        openberth(folder / "spread.log", database_url=stage.url) as market,
        serving(folder / "empty.log", "bench.empty", ready="/readyz") as nothing,
    ):
        openings = stage.publish(OPENINGS)
        for warm in (market, nothing):
            claims(warm, stage, openings, connections=CONNECTIONS, seconds=2)
        stage.settle()
        for nr in range(plan.rounds):
            plan.say(f"b: a thousand openings, round {nr + 1} of {plan.rounds}")
            empty.append(claims(nothing, stage, openings, connections=CONNECTIONS, seconds=plan.seconds).per_second)
            ours.append(held(market, stage, openings, connections=CONNECTIONS, seconds=plan.seconds).per_second)
    return [Figure("b · claims/s, 1,000 openings, 64 connections / an empty route", ours, empty, at_least(0.6))]
