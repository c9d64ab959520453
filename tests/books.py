"""The books: what must be true of every database at every instant, asked of the tables in one statement each."""

from typing import Any
from uuid import UUID

import asyncpg

COUNTS = """
SELECT o.id, o.units_total, o.units_taken, taken.units
  FROM openings o,
       LATERAL (SELECT coalesce(sum(c.units), 0) AS units FROM claims c
                 WHERE c.program_id = o.program_id AND c.opening_id = o.id
                   AND c.state IN ('held', 'confirmed', 'arrived')) taken
 WHERE o.program_id = coalesce($1, o.program_id)
   AND (o.units_taken <> taken.units OR taken.units > o.units_total)
"""
"""Openings whose count is not that of their claims, or that have more claimed than published."""

LAPSES = """
SELECT o.id, o.next_lapse_at, c.hold_until
  FROM openings o JOIN claims c ON c.program_id = o.program_id AND c.opening_id = o.id AND c.state = 'held'
 WHERE o.program_id = coalesce($1, o.program_id)
   AND (o.next_lapse_at IS NULL OR o.next_lapse_at > c.hold_until)
"""
"""Holds that would lapse unseen: their opening expects its next lapse later."""

ANSWERS = """
SELECT i.key, i.status
  FROM idempotency i
 WHERE i.program_id = coalesce($1, i.program_id) AND (i.status = 0
    OR (i.status = 201 AND convert_from(i.body, 'UTF8')::jsonb ? 'bundle_id'
        AND jsonb_array_length(convert_from(i.body, 'UTF8')::jsonb -> 'claims')
            IS DISTINCT FROM (SELECT count(*) FROM claims c
                               WHERE c.program_id = i.program_id AND c.replaces_id IS NULL AND c.bundle_id =
                                     (convert_from(i.body, 'UTF8')::jsonb ->> 'bundle_id')::uuid)))
"""
"""Kept answers that are still empty, or promise another number of claims than their bundle has."""

BUNDLES = """
SELECT b.id FROM bundles b
 WHERE b.program_id = coalesce($1, b.program_id)
   AND NOT EXISTS (SELECT FROM claims c WHERE c.program_id = b.program_id AND c.bundle_id = b.id)
"""
"""Bundles without a claim."""

UNTOLD = """
SELECT c.id FROM claims c
 WHERE c.program_id = coalesce($1, c.program_id)
   AND ((SELECT count(*) FROM events e WHERE e.program_id = c.program_id AND e.subject_id = c.id
            AND e.type = 'claim.held') <> 1
        OR (SELECT count(*) FROM audit a WHERE a.program_id = c.program_id AND a.subject_id = c.id
               AND a.action = 'claim.held') <> 1)
"""
"""Claims whose beginning left not exactly one event and one entry in the trail."""

ALL = {"counts": COUNTS, "lapses": LAPSES, "answers": ANSWERS, "bundles": BUNDLES, "trail": UNTOLD}


async def faults(
    connection: "asyncpg.Connection[Any]", *kinds: str, program_id: UUID | None = None
) -> dict[str, list[dict[str, Any]]]:
    """What is wrong in the database, or in one program, by kind; of all kinds unless some are named.

    Empty when the books balance.
    """
    found = {kind: await connection.fetch(ALL[kind], program_id) for kind in kinds or ALL}
    return {kind: [dict(row) for row in rows] for kind, rows in found.items() if rows}


async def check(url: str, program_id: UUID | None = None) -> None:
    """Fail unless the books of the database at `url`, or of one program in it, balance."""
    connection = await asyncpg.connect(url)
    try:
        wrong = await faults(connection, program_id=program_id)
    finally:
        await connection.close()
    assert not wrong, wrong
