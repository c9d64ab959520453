"""Confirm against expire against a claim for the same place: a lapsed hold never confirms, no place is held twice."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from app.access.roles import Role
from app.core.database import Database
from app.worker import sweep_lapsed_holds
from tests.races.conftest import Pair

HOLDS = 30
AHEAD = timedelta(seconds=1.5)
SEED = 20261123

SHORTEN = """
UPDATE claims c SET hold_until = s.until
  FROM unnest($2::uuid[], $3::timestamptz[]) AS s (id, until)
 WHERE c.program_id = $1 AND c.id = s.id RETURNING c.id
"""


async def shorten(pair: Pair, claims: list[dict[str, Any]], moments: list[datetime]) -> None:
    """The owner lets these holds lapse sooner: no hold that the API gives is shorter than a minute."""
    ids = [claim["id"] for claim in claims]
    assert len(await pair.ask(SHORTEN, pair.here.id, ids, moments)) == len(claims)


async def at(moment: datetime) -> None:
    """Wait for it. Server and test share a machine, so they share its clock."""
    await asyncio.sleep(max(0.0, (moment - datetime.now(UTC)).total_seconds()))


async def test_confirm_expire_and_a_rivals_claim_at_the_same_moment(pair: Pair) -> None:
    draw = random.Random(SEED)
    openings = [await pair.here.opening(1) for _ in range(HOLDS)]
    claims = [await pair.here.held(opening) for opening in openings]
    [rival] = await pair.people(1)
    start = datetime.now(UTC) + AHEAD
    lapses = [start + timedelta(milliseconds=25 * number) for number in range(HOLDS)]
    await shorten(pair, claims, lapses)
    sweeping = Database(pair.url, pool_size=1)
    stop = asyncio.Event()

    async def sweep() -> None:
        while not stop.is_set():
            await sweep_lapsed_holds(sweeping)

    async def confirm(number: int) -> int:
        await at(lapses[number] + timedelta(milliseconds=draw.uniform(-60, 20)))
        return (await pair.side(number).step(claims[number], "confirm", role=Role.CASE_MANAGER)).status_code

    async def take(number: int) -> int:
        await at(lapses[number] + timedelta(milliseconds=draw.uniform(-20, 40)))
        item = {"opening_id": openings[number]["id"]}
        return (await pair.side(number + 1).claim(item, participant=rival)).status_code

    sweeper = asyncio.create_task(sweep())
    confirmed = await asyncio.gather(*map(confirm, range(HOLDS)), *map(take, range(HOLDS)))
    confirmed, retaken = confirmed[:HOLDS], confirmed[HOLDS:]
    stop.set()
    await sweeper
    await sweeping.close()
    assert set(confirmed) | set(retaken) <= {200, 201, 409}
    for number, (first, second) in enumerate(zip(confirmed, retaken, strict=True)):
        # Whoever lost, lost to the other or to the clock: one of them has the place, or anyone may take it now.
        late = await pair.here.claim({"opening_id": openings[number]["id"]}, participant=rival)
        assert [first, second, late.status_code].count(409) == 2, number
    await check_moments(pair)


async def check_moments(pair: Pair) -> None:
    """No hold was confirmed after it lapsed, and none was expired before."""
    wrong = await pair.ask(
        "SELECT id, state, hold_until, confirmed_at, ended_at FROM claims WHERE program_id = $1"
        " AND (confirmed_at >= hold_until OR (state = 'expired' AND ended_at < hold_until)"
        " OR (state = 'expired' AND confirmed_at IS NOT NULL))",
        pair.here.id,
    )
    assert not wrong


async def test_a_rush_for_a_lapsed_place_has_one_winner(pair: Pair) -> None:
    opening = await pair.here.opening(1)
    lapsed = await pair.here.held(opening)
    codes = await pair.people(20)
    moment = datetime.now(UTC) + AHEAD
    await shorten(pair, [lapsed], [moment])
    await at(moment)
    answers = await asyncio.gather(
        *(
            pair.side(number).claim({"opening_id": opening["id"]}, participant=code)
            for number, code in enumerate(codes)
        ),
        *(pair.side(number).step(lapsed, "confirm") for number in range(4)),
        *(pair.side(number).step(lapsed, "extend") for number in range(4)),
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * (len(answers) - 1)
    states = await pair.ask("SELECT state FROM claims WHERE program_id = $1 ORDER BY held_at", pair.here.id)
    assert [row["state"] for row in states] == ["expired", "held"]
    told = await pair.ask(
        "SELECT type FROM events WHERE program_id = $1 AND type IN ('claim.held', 'claim.expired') ORDER BY id",
        pair.here.id,
    )
    assert [row["type"] for row in told] == ["claim.held", "claim.expired", "claim.held"]
