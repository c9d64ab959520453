"""What a run came to, in words."""

from collections import Counter

from rich.console import Console
from rich.markup import escape

from app.simulate.check import acknowledged
from app.simulate.check_openings import exactly_bounded
from app.simulate.journal import Final, Finding, Journal
from app.simulate.meter import Meter

SHOWN = 20


def tell(console: Console, journal: Journal, final: Final, findings: list[Finding], meter: Meter) -> None:
    """Print it."""
    claims = acknowledged(journal)
    states = Counter(claim.state for standing in final.standings.values() for claim in standing.claims)
    repeats = sum(len(asked.answers) - 1 for asked in journal.asked if asked.answers)
    low, high = journal.clock.bounds()
    exact, of = exactly_bounded(journal, final)
    console.print(
        f"{len(claims):,} claims were acknowledged on {len(final.standings):,} openings, {len(journal.given):,} of"
        f" them in place of a declined one; {repeats:,} times a call was repeated under its key."
    )
    console.print(
        f"The server's clock is known to {(high - low) / 2000:.1f} ms: so for {exact:,} of {of:,} claims the total"
        " they had to fit into is known exactly, for the others within the change that was under way."
    )
    console.print("Claims now: " + ", ".join(f"{count:,} {state}" for state, count in states.most_common()) + ".")
    for sample in meter.samples:
        console.print(f"[yellow]Unexpected answer:[/] {escape(sample)}")
    if not findings:
        console.print(
            "[bold green]Every promise was held:[/] no opening was ever oversold, every acknowledged claim is there"
            " once and whole, every count is that of its claims, and every key got one answer."
        )
        return
    broken = ", ".join(f"{promise} ({count})" for promise, count in Counter(f.promise for f in findings).items())
    console.print(f"[bold red]Promises broken:[/] {escape(broken)}")
    for finding in findings[:SHOWN]:
        console.print(f"[red]{escape(finding.promise)}:[/] {escape(finding.shown_by)}", soft_wrap=True)
    if len(findings) > SHOWN:
        console.print(f"… and {len(findings) - SHOWN:,} more.")
