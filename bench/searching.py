"""(c) Search among a hundred thousand openings, beside the same statement run by pgbench."""

from pathlib import Path

from app.market.needs import Need, Point
from app.market.search import statement
from app.market.vocabulary import Category
from bench.figures import Figure, at_most
from bench.load import searches
from bench.plan import BenchError, Plan
from bench.raw import Raw, pgbench
from bench.servers import openberth
from bench.stage import SQL, Stage, staged

CITY = Point(47.6062, -122.3321)
NEEDS = ["id_not_required", "sobriety_not_required"]
QUERY = f"category=housing&units=2&needs={','.join(NEEDS)}"
LIMIT = 20
"""Results on a page; the server asks for one more, to know whether there is another page."""


def measure(plan: Plan, folder: Path) -> list[Figure]:
    """The 95th percentile over HTTP, alone and with four at once."""
    ours: dict[int, list[float]] = {1: [], 4: []}
    raw: dict[int, list[float]] = {1: [], 4: []}
    with (
        staged(folder, "search") as stage,
        openberth(folder / "search.log", database_url=stage.url) as address,
    ):
        plan.say(f"c: publishing {plan.openings:,} openings of {plan.services:,} services")
        stage.run_file("city", services=plan.services, openings=plan.openings)
        stage.settle()
        searches(address, stage, QUERY, connections=4, seconds=2)
        for nr in range(plan.rounds):
            plan.say(f"c: search, round {nr + 1} of {plan.rounds}")
            for count, seen in ours.items():
                raw[count].append(_raw(stage, count, plan.seconds).p95)
                seen.append(searches(address, stage, QUERY, connections=count, seconds=plan.seconds).p95)
    return [
        Figure("c · search, p95 ms, alone / pgbench", ours[1], raw[1], at_most(4)),
        Figure("c · search, p95 ms, four at once / pgbench", ours[4], raw[4], at_most(4)),
    ]


def _raw(stage: Stage, clients: int, seconds: int) -> Raw:
    need = Need(category=Category.HOUSING, units=2, near=CITY, needs=NEEDS)
    found, values = statement(stage.program_id, need, limit=LIMIT + 1)
    if "here" not in values:
        raise BenchError("A search doesn't take its place as `here` any more: bench/searching.py must follow.")
    return pgbench(
        stage,
        # SQLAlchemy and pgbench write parameters alike; only SQLAlchemy has a cast's colons escaped.
        found.text.replace("\\:", ":") + ";\n",
        clients=clients,
        seconds=seconds,
        between=(SQL / "place_pgbench.sql").read_text(encoding="utf-8"),
        # Set for the connection, so that the statement stands alone: no BEGIN, no COMMIT.
        settings=f"-c openberth.program_id={stage.program_id}",
        **values,
    )
