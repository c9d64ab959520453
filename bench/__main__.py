"""`python -m bench`: measure, print a table, write bench/out.json, and fail when a goal is not met.

How to read it. Every figure stands beside a reference that was measured in the same minutes on the same machine,
in turn with it: a slow or busy machine slows both, so the ratio is what to look at. A figure is the median of its
rounds, and the table shows the range of the rounds in brackets: where it is wide, something else was at work. One
core for the server, one for the database and some for the load is what it is made for; below that, all of them
share. The database runs with `fsync` and `synchronous_commit` on, in a folder that is removed at the end.

a  claims/s on one opening: the desk takes all that wait in one transaction; pgbench with 32 clients makes a
   transaction of each, under the same role, through the same triggers, writing as many bytes; once statement by
   statement as such a route would, and once "folded" into as few statements as the desk uses. Also, without a
   goal: how many claims went into a transaction, and the latency of a claim that is alone.
b  claims/s over a thousand openings, beside a FastAPI route that validates the same body and sends it back.
c  the 95th percentile of a search over HTTP, beside that of the statement it runs.
d  claims/s and a lone claim's latency with five million claims in the table, beside ten thousand.
e  seconds from `openberth serve` to its first ready answer, beside three.
f  what reaches a thousand sockets in each second of wall time, in bytes and messages, while there is always more: real
   changes of an opening, committed and numbered one after the other by the database itself faster than they can be
   told. Each message holds what has changed since the one before. Beside it, the messages that one socket was sent are
   given to a bare server of the `websockets` library, which broadcasts them as fast as it can to as many sockets of the
   same process of clients. One after the other on the same cores, in turn; of its cores ours must leave some to the
   database. Without a goal: the time from a commit (more exactly: from when the row was written) to the last of a
   thousand sockets, at 20 changes/s over HTTP, beside the time from a message to the last socket of the bare server;
   and the memory of an idle socket, with 5,000 held.
g  claims/s over a thousand openings while a thousand sockets listen to all of them, beside none.
h  the median of the board over HTTP, a hundred cards of a hundred thousand openings, beside that of the API's search
   for the same need and as many results.
i  seconds from the end of a load of claims until the board in a browser, open all the while with a hundred cards, shows
   what the database has, and changes no more.

A run with any refused or broken request, or where the database's counts disagree with the answers, is an error.
"""

import os
import signal
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from bench import browser, growth, hot, live, pages, searching, spread, start
from bench.figures import Figure, table, write
from bench.load import wrk_missing
from bench.plan import BenchError, Plan, quick

OUT = Path(__file__).parent / "out.json"
MEASURES = {
    "a": hot.measure,
    "b": spread.measure,
    "c": searching.measure,
    "d": growth.measure,
    "e": start.measure,
    "f": live.measure,
    "g": live.measure_listening,
    "h": pages.measure,
    "i": browser.measure,
}
NO_WRK = "wrk is not installed: it makes the load. On Debian or Ubuntu: apt-get install wrk"


cli = typer.Typer(pretty_exceptions_enable=False)


@cli.command()
def bench(
    only: Annotated[str, typer.Option(help="Which figures, such as a,b.")] = ",".join(MEASURES),
    quickly: Annotated[bool, typer.Option("--quick", help="Short and small: see that it works.")] = False,
    rounds: Annotated[int | None, typer.Option(min=1, max=50, help="Rounds of each figure.")] = None,
) -> None:
    """Measure, each figure beside its reference. `bench/__main__.py` says how to read it."""
    plan = quick() if quickly else Plan()
    if rounds is not None:
        plan = replace(plan, rounds=rounds, growth_rounds=rounds)
    letters = sorted(only.replace(",", ""))
    if unknown := set(letters) - set(MEASURES):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: the figures are {', '.join(MEASURES)}")
    if wrk_missing():
        plan.console.print(NO_WRK)
        raise typer.Exit(2)
    # A plain kill, too, goes through the `with` blocks: they end the servers and remove the folder.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    plan.say(f"{os.cpu_count()} cores, load {_load()} before")
    figures, errors = measured(plan, letters)
    plan.say(f"load {_load()} after")
    plan.console.print(table(figures))
    write(figures, OUT)
    if errors:
        raise typer.Exit(2)
    if not all(figure.holds for figure in figures):
        raise typer.Exit(1)


def measured(plan: Plan, letters: list[str]) -> tuple[list[Figure], int]:
    """The figures of these letters, and how many letters could not be measured."""
    figures: list[Figure] = []
    errors = 0
    with tempfile.TemporaryDirectory(prefix="openberth-bench-") as name:
        folder = Path(name)
        # As root, PostgreSQL runs under another account, which has to get through.
        folder.chmod(0o755)
        for letter in letters:
            try:
                figures += MEASURES[letter](plan, folder)
            except BenchError as error:
                errors += 1
                plan.console.print(f"{letter} could not be measured: {error}", style="red", markup=False)
    return figures, errors


def _load() -> str:
    return " ".join(f"{each:.1f}" for each in os.getloadavg())


if __name__ == "__main__":
    cli()
