"""Claims through HTTP: what is held, what is refused, and what the same key answers."""

import asyncio
from collections import Counter
from uuid import uuid4

from httpx import ASGITransport, AsyncClient
from sqlalchemy import text

from app.access.roles import Role
from tests.support import SEATTLE, House, Program


async def test_a_claim_holds_its_units(program: Program) -> None:
    opening = await program.opening(5)
    response = await program.claim({"opening_id": opening["id"], "units": 2})
    assert response.status_code == 201
    [claim] = response.json()["claims"]
    assert (claim["state"], claim["units"], claim["opening_id"]) == ("held", 2, opening["id"])
    assert (await program.look(opening))["units_open"] == 3


async def test_the_same_key_answers_the_same_bytes_and_holds_once(program: Program) -> None:
    opening = await program.opening(5)
    key, participant = str(uuid4()), await program.participant()
    item = {"opening_id": opening["id"], "units": 1}
    first = await program.claim(item, participant=participant, key=key)
    again = await program.claim(item, participant=participant, key=key)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert (await program.look(opening))["units_taken"] == 1


async def test_another_body_under_the_same_key_is_refused(program: Program) -> None:
    opening = await program.opening(5)
    key, participant = str(uuid4()), await program.participant()
    await program.claim({"opening_id": opening["id"], "units": 1}, participant=participant, key=key)
    other = await program.claim({"opening_id": opening["id"], "units": 2}, participant=participant, key=key)
    assert other.status_code == 422
    assert other.json()["type"].endswith("/idempotency-key-reused")


async def test_a_refusal_offers_what_is_open_and_records_the_need(program: Program) -> None:
    full = await program.opening(1)
    other = await program.opening(3)
    await program.held(full)
    response = await program.claim({"opening_id": full["id"]})
    assert response.status_code == 409
    problem = response.json()
    assert problem["type"].endswith("/no-opening")
    assert [each["opening_id"] for each in problem["alternatives"]] == [other["id"]]
    assert problem["unmet_need_id"]


async def test_find_takes_the_nearest_that_fits(program: Program) -> None:
    far = await program.opening(1, service=await program.service(latitude=47.9, longitude=-122.3))
    near = await program.opening(1, service=await program.service(latitude=47.61, longitude=-122.33))
    find = {"find": {"category": "housing", "near": SEATTLE}}
    taken = [(await program.claim(find)).json()["claims"][0]["opening_id"] for _ in range(2)]
    assert taken == [near["id"], far["id"]]
    assert (await program.claim(find)).status_code == 409


async def test_of_many_at_once_a_batch_takes_half_and_leaves_others_to_be_read_and_answered(program: Program) -> None:
    opening = await program.opening(100)
    participant = await program.participant()
    item = {"opening_id": opening["id"], "units": 1}
    answers = await asyncio.gather(*(program.claim(item, participant=participant) for _ in range(64)))
    assert {answer.status_code for answer in answers} == {201}
    async with program.house.owner.transaction(program.id, "tests", reads=True) as session:
        query = text("SELECT xmin::text FROM claims WHERE program_id = :id AND opening_id = :opening")
        written = await session.scalars(query, {"id": program.id, "opening": opening["id"]})
        batches = Counter(written)
    assert max(batches.values()) <= 32
    # Nor is each alone: they share transactions.
    assert len(batches) <= 10


async def test_a_claim_is_the_same_behind_a_prefix(house: House, program: Program) -> None:
    """A proxy may serve the API under a path of its own: the claim is found there as every route is."""
    opening = await program.opening(2)
    transport = ASGITransport(house.app, root_path="/market")
    headers = {"Authorization": f"Bearer {program.keys[Role.CASE_MANAGER]}", "Idempotency-Key": str(uuid4())}
    async with AsyncClient(transport=transport, base_url="http://house.example", headers=headers) as http:
        answer = await http.post("/market/v1/claims", json={"items": [{"opening_id": opening["id"]}]})
        assert answer.status_code == 201
        again = await http.put("/v1/claims")
        assert again.status_code == 405
    assert (await program.look(opening))["units_taken"] == 1
