"""One Idempotency-Key at two processes at once: one answer, one effect."""

import asyncio
from collections import Counter
from uuid import uuid4

from httpx import Response

from app.access.roles import Role
from tests.races.conftest import Pair

ROUNDS = 12


async def repeat(pair: Pair, *bodies: dict[str, object]) -> list[Response]:
    """Four times the same call with one new key, at both servers at once, with these bodies in turn."""
    key = str(uuid4())
    return await asyncio.gather(
        *(
            pair.side(number).call(
                "POST", "/v1/claims", role=Role.CASE_MANAGER, key=key, json=bodies[number % len(bodies)]
            )
            for number in range(4)
        )
    )


async def test_the_same_call_is_held_once_and_answered_alike(pair: Pair) -> None:
    opening = await pair.here.opening(1000)
    [code] = await pair.people(1)
    body: dict[str, object] = {"participant": code, "items": [{"opening_id": opening["id"]}]}
    for answers in await asyncio.gather(*(repeat(pair, body) for _ in range(ROUNDS))):
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
    assert (await pair.here.look(opening))["units_taken"] == ROUNDS
    [stored] = await pair.ask("SELECT count(*) FROM bundles WHERE program_id = $1", pair.here.id)
    assert stored["count"] == ROUNDS


async def test_the_last_place_under_one_key_is_one_truth(pair: Pair) -> None:
    """One process may find the place full just when the other has held it, for the same call."""
    [code] = await pair.people(1)
    for _ in range(ROUNDS):
        opening = await pair.here.opening(1)
        body: dict[str, object] = {"participant": code, "items": [{"opening_id": opening["id"]}]}
        pairs = await asyncio.gather(*(repeat(pair, body) for _ in range(3)))
        assert all(len({(a.status_code, a.content) for a in answers}) == 1 for answers in pairs)
        assert Counter(answers[0].status_code for answers in pairs) == {201: 1, 409: 2}


async def test_a_refusal_is_recorded_once_and_answered_alike(pair: Pair) -> None:
    opening = await pair.here.opening(0)
    [code] = await pair.people(1)
    body: dict[str, object] = {"participant": code, "items": [{"opening_id": opening["id"]}]}
    for answers in await asyncio.gather(*(repeat(pair, body) for _ in range(ROUNDS))):
        assert {answer.status_code for answer in answers} == {409}
        assert len({answer.content for answer in answers}) == 1
    [stored] = await pair.ask("SELECT count(*) FROM unmet_needs WHERE program_id = $1", pair.here.id)
    assert stored["count"] == ROUNDS


async def test_of_two_bodies_one_wins_and_the_other_is_refused(pair: Pair) -> None:
    opening = await pair.here.opening(1000)
    [code] = await pair.people(1)
    bodies: list[dict[str, object]] = [
        {"participant": code, "items": [{"opening_id": opening["id"], "units": units}]} for units in (1, 2)
    ]
    taken = 0
    for answers in await asyncio.gather(*(repeat(pair, *bodies) for _ in range(ROUNDS))):
        assert Counter(answer.status_code for answer in answers) == {201: 2, 422: 2}
        won = {a.content for a in answers if a.status_code == 201}
        assert len(won) == 1
        assert all(a.json()["type"].endswith("/idempotency-key-reused") for a in answers if a.status_code == 422)
        taken += next(a for a in answers if a.status_code == 201).json()["claims"][0]["units"]
    assert (await pair.here.look(opening))["units_taken"] == taken


async def test_a_workers_last_allowed_hold_under_one_key_is_one_truth(pair: Pair) -> None:
    """The second process to take the call must not count the first one's hold against it."""
    policy = {"policy": {"max_active_holds": ROUNDS}}
    assert (await pair.here.call("PATCH", "/v1/program", json=policy)).status_code == 200
    opening = await pair.here.opening(1000)
    [code] = await pair.people(1)
    body: dict[str, object] = {"participant": code, "items": [{"opening_id": opening["id"]}]}
    for _ in range(ROUNDS):
        answers = await repeat(pair, body)
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1


async def test_an_adjustment_under_one_key_counts_once(pair: Pair) -> None:
    opening = await pair.here.opening(5)
    path, key = f"/v1/openings/{opening['id']}/adjust", str(uuid4())
    answers = await asyncio.gather(
        *(pair.side(nr).call("POST", path, role=Role.PROVIDER, key=key, json={"by": 3}) for nr in range(8))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len({(answer.content, answer.headers["etag"]) for answer in answers}) == 1
    assert (await pair.here.look(opening))["units_total"] == 8


async def test_one_key_for_a_claim_and_for_an_adjustment_is_no_fault_of_the_server(pair: Pair) -> None:
    """The desk locks the opening before the key, every other call the key before the opening."""
    opening = await pair.here.opening(100)
    [code] = await pair.people(1)
    claim = {"participant": code, "items": [{"opening_id": opening["id"]}]}
    adjust = f"/v1/openings/{opening['id']}/adjust"
    answers: list[Response] = []
    for number in range(ROUNDS):
        key = str(uuid4())
        answers += await asyncio.gather(
            pair.side(number).call("POST", "/v1/claims", key=key, json=claim),
            pair.side(number + 1).call("POST", adjust, key=key, json={"by": 1}),
        )
    assert {answer.status_code for answer in answers} <= {200, 201, 422, 503}
    counted = Counter(answer.status_code for answer in answers)
    after = await pair.here.look(opening)
    assert (after["units_taken"], after["units_total"]) == (counted[201], 100 + counted[200])
