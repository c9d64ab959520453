"""The trail on the command line: what the doctor finds of it, an exported file checked, and retention run by hand."""

from datetime import timedelta
from pathlib import Path

from rich.table import Table
from sqlalchemy import select

from app.access.canon import Checked, Head, check_export
from app.access.chain import State, state_of_trail
from app.access.programs import Program
from app.access.retention import KINDS, retire
from app.access.verify import Verdict, verify
from app.cli.output import console
from app.core.database import Database
from app.home import Home

TOO_OLD = timedelta(minutes=10)
"""Entries are sealed within a second or two: one that is older and has no seal says that nothing seals."""


def parse_heads(words: list[str]) -> dict[str, Head]:
    """Heads noted earlier, each `program:number:hash`, by the program's slug or id. Raises ValueError."""
    heads = {}
    for each in words:
        program, _, head = each.partition(":")
        heads[program] = Head.parse(head)
    return heads


async def findings(home: Home, noted: dict[str, Head]) -> list[tuple[bool, str]]:
    """Of each program's trail: whether it holds, and in words."""
    database = Database(home.owner_url, pool_size=1, as_owner=True)
    found = []
    try:
        async with database.transaction(None, "doctor") as session:
            programs = (await session.execute(select(Program.program_id, Program.slug).order_by(Program.slug))).all()
        missing = set(noted) - {str(name) for row in programs for name in row}
        found += [(False, f"{name}: a head was noted of it, and there is no such program") for name in sorted(missing)]
        for program in programs:
            against = noted.get(program.slug) or noted.get(str(program.program_id))
            verdict = await verify(database, program.program_id, against)
            async with database.transaction(program.program_id, "doctor") as session:
                state = await state_of_trail(session, program.program_id)
            found.append(_words(program.slug, verdict, state))
    finally:
        await database.close()
    return found


def _words(slug: str, verdict: Verdict, state: State) -> tuple[bool, str]:
    if verdict.fault is not None:
        return False, f"{slug} is broken at {verdict.fault}"
    words = [f"{slug} holds, {verdict.links} entries sealed, head {slug}:{verdict.head}"]
    if state.retired_number:
        words.append(f"the first {state.retired_number} were retired")
    if verdict.remark:
        words.append(verdict.remark)
    late = False
    if state.oldest is not None and state.newest is not None:
        # Not by the clock: an installation that was stopped leaves a last second unsealed, and nothing is wrong.
        late = state.newest - state.oldest > TOO_OLD
        words.append(f"{state.unsealed} not sealed yet, the oldest of {state.oldest:%Y-%m-%d %H:%M} UTC")
    if late:
        words.append("nothing seals: run `openberth serve` or `openberth work`")
    return not late, "; ".join(words)


def check_file(file: Path, against: Head | None) -> Checked:
    """Check an exported trail without any database. Raises NotATrail."""
    with file.open("rb") as lines:
        return check_export(lines, against)


async def retain(home: Home, *, dry_run: bool) -> None:
    """Run retention in every program, and print what went, or would go."""
    database = Database(home.owner_url, pool_size=1, as_owner=True)
    table = Table("Program", "Kind", "Kept", "Would go" if dry_run else "Gone", show_edge=False)
    try:
        async with database.transaction(None, "operator") as session:
            programs = (await session.execute(select(Program.program_id, Program.slug).order_by(Program.slug))).all()
        for program in programs:
            for each in await retire(database, program.program_id, "operator", dry_run=dry_run):
                kept = "for ever" if each.days is None else "legal hold" if each.held else f"{each.days} days"
                table.add_row(program.slug, KINDS[each.kind].words, kept, str(each.count))
    finally:
        await database.close()
    console.print(table)
