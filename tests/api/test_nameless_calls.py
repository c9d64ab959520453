"""Calls to claim that name no participant: nobody's as a whole, by a one-time code, on any opening and for anybody."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from app.access.roles import Role
from tests.support import Program
from tests.survivors import ONE_TIME_CODE, claimed, code_of, rows, shelter

GONE = "place_no_longer_available"


async def kept(program: Program, table: str) -> int:
    """How many rows of the program there are in a table."""
    return len([line for line in (await rows(program))[table].splitlines() if line])


@pytest.mark.parametrize("body", [{}, {"participant": None}], ids=["left out", "null"])
async def test_without_a_participant_a_call_is_by_a_one_time_code(program: Program, body: dict[str, Any]) -> None:
    opening = await program.opening()
    call = body | {"items": [{"opening_id": opening["id"]}]}
    answer = await program.made_once("/v1/claims", call)
    [claim] = answer["claims"]
    assert ONE_TIME_CODE.fullmatch(claim["participant"])
    for role in (Role.CASE_MANAGER, Role.PROVIDER, Role.PROGRAM_MANAGER):
        assert (await program.call("GET", f"/v1/claims/{claim['id']}", role=role)).json() == claim
        assert (await program.call("GET", "/v1/claims", role=role)).json()["items"] == [claim]


@pytest.mark.parametrize("nobody", ["", " "])
async def test_an_empty_name_is_nobodys_and_no_way_to_name_nobody(program: Program, nobody: str) -> None:
    body = {"participant": nobody, "items": [{"find": {"category": "housing"}}]}
    refused = await program.call("POST", "/v1/claims", key=str(uuid4()), json=body)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "participant")


async def test_all_that_one_call_holds_has_the_one_code(program: Program) -> None:
    bed, place, refuge = await program.opening(), await program.opening(2), await shelter(program)
    items = [{"opening_id": each["id"]} for each in (bed, place, refuge)]
    answer = await claimed(program, *items, named=False)
    assert len(answer["claims"]) == 3
    assert ONE_TIME_CODE.fullmatch(code_of(answer))
    again = await claimed(program, {"opening_id": place["id"]}, named=False)
    assert code_of(again) != code_of(answer)


async def test_its_life_goes_on_as_any_other(program: Program) -> None:
    [claim] = (await claimed(program, {"opening_id": (await program.opening())["id"]}, named=False))["claims"]
    for verb, role, state in (
        ("extend", Role.CASE_MANAGER, "held"),
        ("confirm", Role.CASE_MANAGER, "confirmed"),
        ("arrive", Role.PROVIDER, "arrived"),
        ("complete", Role.PROVIDER, "completed"),
    ):
        after = (await program.step(claim, verb, role, key=str(uuid4()))).json()
        assert (after["state"], after["participant"]) == (state, claim["participant"])


async def test_who_comes_on_it_is_the_code_and_not_a_word_of_why(program: Program) -> None:
    bed, refuge = await program.opening(2), await shelter(program)
    alone = (await claimed(program, {"opening_id": bed["id"]}, named=False))["claims"]
    beside = (await claimed(program, *({"opening_id": each["id"]} for each in (bed, refuge))))["claims"]
    told = []
    for claim in (alone[0], beside[0]):
        assert (await program.step(claim, "confirm")).status_code == 200
        met = (await program.call("GET", f"/v1/claims/{claim['id']}/participant", role=Role.PROVIDER)).json()
        assert (met.pop("claim_id"), met.pop("participant")) == (claim["id"], claim["participant"])
        told.append(met)
    # That the other place of a call is a shelter shows in nothing.
    assert told[0] == told[1]
    assert (told[0]["withheld"], told[0]["identity"]) == ("anonymous", None)
    assert "survivors" not in str(told)


async def test_the_same_key_and_body_get_the_same_answer(program: Program) -> None:
    opening, key = await program.opening(5), str(uuid4())
    first, *others = await asyncio.gather(
        *(program.claim({"opening_id": opening["id"]}, named=False, key=key) for _ in range(4))
    )
    assert {each.content for each in others} == {first.content}
    assert first.status_code == 201
    assert (await program.claim({"opening_id": opening["id"]}, named=False, key=key)).content == first.content
    assert (await program.look(opening))["units_taken"] == 1


@pytest.mark.parametrize("confidential", [False, True])
async def test_the_same_key_for_another_request_is_refused(program: Program, confidential: bool) -> None:
    opening, key = await (shelter(program) if confidential else program.opening(5)), str(uuid4())
    await claimed(program, {"opening_id": opening["id"]}, named=False, key=key)
    for how in ({"units": 2}, {}):
        other = await program.claim({"opening_id": opening["id"]} | how, named=bool(not how), key=key)
        assert other.json()["type"].endswith("/idempotency-key-reused")


async def test_a_named_calls_key_is_not_for_a_nameless_one(program: Program) -> None:
    opening, key = await program.opening(5), str(uuid4())
    await claimed(program, {"opening_id": opening["id"]}, key=key)
    other = await program.claim({"opening_id": opening["id"]}, named=False, key=key)
    assert other.json()["type"].endswith("/idempotency-key-reused")


@pytest.mark.parametrize("confidential", [False, True])
async def test_a_refusal_is_kept_and_the_need_recorded(program: Program, confidential: bool) -> None:
    opening, key = await (shelter(program) if confidential else program.opening(5)), str(uuid4())
    refused = await program.claim({"opening_id": opening["id"], "units": 6}, named=False, key=key)
    assert (refused.status_code, refused.json()["type"].rsplit("/", 1)[1]) == (409, "no-opening")
    assert refused.json()["unmet_need_id"]
    assert await kept(program, "unmet_needs") == 1
    again = await program.claim({"opening_id": opening["id"], "units": 6}, named=False, key=key)
    assert (again.status_code, again.content) == (409, refused.content)
    assert await kept(program, "unmet_needs") == 1
    other = await program.claim({"opening_id": opening["id"], "units": 7}, named=False, key=key)
    assert other.json()["type"].endswith("/idempotency-key-reused")


async def test_an_opening_that_is_not_there_is_told(program: Program) -> None:
    refused = await program.claim({"opening_id": str(uuid4())}, named=False)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "items.0.opening_id")


async def test_a_cap_counts_it(program: Program) -> None:
    await program.call("PATCH", "/v1/program", json={"policy": {"max_active_holds": 1}})
    opening = await program.opening(5)
    await claimed(program, {"opening_id": opening["id"]}, named=False)
    for named in (True, False):
        refused = await program.claim({"opening_id": opening["id"]}, named=named)
        assert refused.json()["type"].endswith("/too-many-holds")


async def test_declined_it_is_offered_any_place_and_sent_to_no_shelter_unasked(program: Program) -> None:
    lost, refuge = await program.opening(), await shelter(program)
    [claim] = (await claimed(program, {"opening_id": lost["id"]}, named=False))["claims"]
    response = await program.step(claim, "decline", json={"reason": GONE, "replace": True})
    assert response.json()["replaced"] is False
    assert [each["opening_id"] for each in response.json()["alternatives"]] == [refuge["id"]]


async def test_what_was_asked_for_is_kept_no_finer_than_an_unmet_need(program: Program) -> None:
    await program.opening(service=await program.service(latitude=47.6, longitude=-122.33))
    find = {"category": "housing", "near": "47.60621,-122.33207"}
    await claimed(program, {"find": find}, named=False)
    claims = (await rows(program))["claims"]
    assert '"near": [47.61, -122.33]' in claims
    assert "47.60621" not in claims
