"""A revocation in the middle of disclosures: each is before it and accounted for, or after it and refused."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

from httpx import Response

from app.access.callers import Caller
from app.access.roles import Role
from app.casework import consents, disclosures
from app.core.database import Database
from app.core.ids import new_id
from app.core.keyring import Keyring, MasterKeys
from tests.casework.people import coming, consent, revoke, someone
from tests.races.conftest import Pair
from tests.support import MASTER_KEYS

RING = Keyring(MasterKeys.parse(MASTER_KEYS))
LOOKS = 24

TOLD_LATE = """
SELECT d.id FROM disclosures d JOIN consents c ON c.program_id = d.program_id AND c.id = d.consent_id
 WHERE d.program_id = $1 AND d.at >= c.revoked_at
"""


async def look(pair: Pair, number: int, claim: dict[str, Any]) -> Response:
    return await pair.side(number).call("GET", f"/v1/claims/{claim['id']}/participant", role=Role.PROVIDER)


async def test_a_storm_of_looks_around_a_revocation(pair: Pair) -> None:
    for round in range(4):
        who = await someone(pair.here, {"name": f"Canaria {round}"})
        given, claim = await consent(pair.here, who), await coming(pair.here, who)
        before = [asyncio.create_task(look(pair, number, claim)) for number in range(LOOKS)]
        await asyncio.sleep(0.02)
        revoked = await revoke(pair.there, given)
        assert revoked.status_code == 200
        # Whoever asks once it is answered is refused, whichever process they ask.
        after = await asyncio.gather(*(look(pair, number, claim) for number in range(8)))
        assert {answer.json()["withheld"] for answer in after} == {"no_consent"}
        answers = [answer.json() for answer in await asyncio.gather(*before)]
        assert {answer["withheld"] for answer in answers} <= {None, "no_consent"}
        told = [each["disclosure_id"] for answer in answers for each in answer["consents"]]
        assert len(told) == sum(answer["identity"] is not None for answer in answers)
        kept = await pair.ask("SELECT id FROM disclosures WHERE consent_id = $1", UUID(given["id"]))
        assert {str(row["id"]) for row in kept} == set(told)
    assert await pair.ask(TOLD_LATE, pair.here.id) == []


async def test_a_revocation_waits_for_a_disclosure_that_has_begun_and_the_next_for_the_revocation(pair: Pair) -> None:
    who = await someone(pair.here)
    given, claim = await consent(pair.here, who), await coming(pair.here, who)
    app = Database(pair.url, pool_size=4)
    provider = Caller(new_id(), pair.here.id, pair.here.provider_id, Role.PROVIDER)
    worker = replace(provider, organization_id=pair.here.agency_id, role=Role.CASE_MANAGER)
    ids = UUID(given["id"]), UUID(claim["id"])
    told, go = asyncio.Event(), asyncio.Event()

    async def disclose() -> disclosures.Meeting:
        async with app.transaction(pair.here.id, "provider") as session:
            meeting = await disclosures.meet(session, RING, provider, ids[1])
            told.set()
            await go.wait()
        return meeting

    async def end_it() -> dict[str, Any]:
        async with app.transaction(pair.here.id, "worker") as session:
            done = await consents.revoke(session, worker, ids[0], "spoken")
            # The next look finds the revocation under way, and must not be answered before it is known how it ends.
            late = asyncio.create_task(look(pair, 1, claim))
            await asyncio.sleep(0.3)
            assert not late.done()
        assert (await late).json()["withheld"] == "no_consent"
        return done

    first = asyncio.create_task(disclose())
    await told.wait()
    second = asyncio.create_task(end_it())
    await asyncio.sleep(0.3)
    assert not second.done()
    go.set()
    assert (await first).withheld is None
    assert (await second)["state"] == "revoked"
    await app.close()
    assert await pair.ask(TOLD_LATE, pair.here.id) == []
    assert len(await pair.ask("SELECT id FROM disclosures WHERE program_id = $1", pair.here.id)) == 1


async def test_a_claim_released_meanwhile_tells_nothing_after(pair: Pair) -> None:
    who = await someone(pair.here)
    await consent(pair.here, who)
    claim = await coming(pair.here, who)
    before = [asyncio.create_task(look(pair, number, claim)) for number in range(LOOKS)]
    assert (await pair.there.step(claim, "release")).status_code == 200
    assert (await look(pair, 0, claim)).json()["withheld"] == "over"
    assert {answer.json()["withheld"] for answer in await asyncio.gather(*before)} <= {None, "over"}
