"""The live table: claims a second, refusals, errors and latencies of each kind of call."""

from rich.table import Table

from app.simulate.meter import Meter


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:.1f}"


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def board(meter: Meter, duration: float) -> Table:
    """The table as things stand."""
    elapsed = min(meter.elapsed(), duration)
    table = Table(
        title=f"{meter.claims:,} claims held · {meter.claims_per_second():.0f}/s now"
        f" · {meter.claims / max(elapsed, 0.1):.0f}/s on average · {elapsed:.0f} of {duration:.0f} s",
        caption="latencies in ms · refused: 409 and 412 · tried again: cut off, 5xx or no connection",
    )
    table.add_column("call")
    for name in ("answers", "refused", "errors", "tried again", "p50", "p95", "p99"):
        table.add_column(name, justify="right")
    for name in sorted(meter.kinds):
        kind = meter.kinds[name]
        table.add_row(
            name,
            f"{kind.latencies.count:,}",
            _count(kind.refused),
            f"[bold red]{kind.errors:,}[/]" if kind.errors else "",
            _count(kind.retries),
            *(_ms(kind.latencies.percentile(share)) for share in (0.50, 0.95, 0.99)),
        )
    return table
