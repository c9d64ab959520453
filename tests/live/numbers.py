"""The log as its readers see it, and that it is whole."""

import asyncpg

from app.delivery.log import READ
from tests.ledger import Ledger


async def logged(ledger: Ledger) -> list[asyncpg.Record]:
    """The whole log, read as readers do; and that it has every event, each once, without a gap."""
    rows = await ledger.connection.fetch(READ, ledger.program_id, 0, 1_000_000)
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
    named: list[int] = await ledger.value(
        "SELECT array_agg(id ORDER BY last_number, nr) FROM log_pages,"
        " unnest(event_ids) WITH ORDINALITY AS u (id, nr) WHERE program_id = $1"
    )
    written: list[int] = await ledger.value("SELECT array_agg(id ORDER BY id) FROM events WHERE program_id = $1")
    assert sorted(named or []) == (written or [])
    return rows
