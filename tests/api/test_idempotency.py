"""The same key and body give the same answer for ever, on every unsafe call and concurrently too."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from httpx import Response
from sqlalchemy import text

from app.access.roles import Role
from tests.casework.people import consent, someone
from tests.support import Program

Call = tuple[str, str, dict[str, Any]]
Prepare = Callable[[Program], Awaitable[Call]]


async def _organization(_: Program) -> Call:
    return "POST", "/v1/organizations", {"json": {"name": "A house"}}


async def _location(program: Program) -> Call:
    return "POST", "/v1/locations", {"json": {"organization_id": str(program.provider_id)}}


async def _service(program: Program) -> Call:
    body = {"organization_id": str(program.provider_id), "name": "Beds", "category": "housing"}
    return "POST", "/v1/services", {"json": body}


async def _participant(_: Program) -> Call:
    return "POST", "/v1/participants", {"json": {}}


async def _opening(program: Program) -> Call:
    service = await program.service()
    return "POST", "/v1/openings", {"json": {"service_id": service["id"], "unit": "bed", "units_total": 2}}


async def _change(program: Program) -> Call:
    opening = await program.opening()
    request = {"json": {"units_total": 3}, "headers": {"If-Match": '"v1"'}}
    return "PATCH", f"/v1/openings/{opening['id']}", request


def _on_entry(kind: str) -> Prepare:
    async def prepare(program: Program) -> Call:
        service = await program.service(latitude=47.6, longitude=-122.3)
        one = kind.removesuffix("s")
        id = service.get(f"{one}_id", service["id"])
        return "PATCH", f"/v1/{kind}/{id}", {"json": {"name": f"Name {uuid4()}"}, "headers": {"If-Match": "*"}}

    return prepare


def _on_opening(verb: str, **request: Any) -> Prepare:
    async def prepare(program: Program) -> Call:
        return "POST", f"/v1/openings/{(await program.opening())['id']}/{verb}", request

    return prepare


def _on_claim(verb: str, **request: Any) -> Prepare:
    async def prepare(program: Program) -> Call:
        claim = await program.held(await program.opening(2))
        return "POST", f"/v1/claims/{claim['id']}/{verb}", request

    return prepare


async def _policy(_: Program) -> Call:
    return "PATCH", "/v1/program", {"json": {"name": f"Program {uuid4()}"}}


def _on_referral(verb: str, **request: Any) -> Prepare:
    async def prepare(program: Program) -> Call:
        made = await program.made("/v1/referrals", {"kind": "community", "person": {"name": "Jo"}})
        return "POST", f"/v1/referrals/{made['id']}/{verb}", request

    return prepare


async def _erase(program: Program) -> Call:
    return "DELETE", f"/v1/participants/{(await someone(program))['id']}/identity", {}


async def _revoke(program: Program) -> Call:
    made = await consent(program, await someone(program))
    return "POST", f"/v1/consents/{made['id']}/revoke", {"json": {"how": "in_writing"}}


CALLS: dict[str, Prepare] = {
    "make contact": _on_referral("contact"),
    "close a referral": _on_referral("close", json={"reason": "declined"}),
    "add an organization": _organization,
    "add a location": _location,
    "add a service": _service,
    "change an organization": _on_entry("organizations"),
    "change a location": _on_entry("locations"),
    "change a service": _on_entry("services"),
    "add a participant": _participant,
    "erase an identity": _erase,
    "revoke a consent": _revoke,
    "publish": _opening,
    "change": _change,
    "adjust": _on_opening("adjust", json={"by": 2}),
    "attest": _on_opening("attest"),
    "withdraw": _on_opening("withdraw"),
    "confirm": _on_claim("confirm"),
    "extend": _on_claim("extend"),
    "release": _on_claim("release"),
    "decline": _on_claim("decline", json={"reason": "place_no_longer_available"}),
    "change the program": _policy,
}
VERSIONED = ("/v1/openings", "/v1/organizations", "/v1/locations", "/v1/services")
REFUSALS: dict[str, tuple[Prepare, int]] = {
    "arrive unconfirmed": (_on_claim("arrive"), 409),
    "take away too much": (_on_opening("adjust", json={"by": -2}), 409),
    "decline without a reason of the list": (_on_claim("decline", json={"reason": "because"}), 422),
}


async def trail(program: Program) -> int:
    """How many entries the program's audit trail has: one for whatever is done."""
    async with program.house.owner.transaction(program.id, "tests") as session:
        count = await session.scalar(text("SELECT count(*) FROM audit WHERE program_id = :id"), {"id": program.id})
    return count or 0


def same(first: Response, again: Response) -> bool:
    """Whether two answers are one, byte for byte."""
    return (first.status_code, first.content, first.headers.get("etag"), first.headers["content-type"]) == (
        again.status_code,
        again.content,
        again.headers.get("etag"),
        again.headers["content-type"],
    )


@pytest.mark.parametrize("name", CALLS)
async def test_a_repeated_call_is_done_once_and_answered_alike(program: Program, name: str) -> None:
    method, path, request = await CALLS[name](program)
    key = str(uuid4())
    first = await program.call(method, path, key=key, **request)
    assert first.status_code in {200, 201}, first.text
    done = await trail(program)
    again = await program.call(method, path, key=key, **request)
    assert same(first, again)
    assert await trail(program) == done
    assert ("etag" in first.headers) == path.startswith(VERSIONED)


@pytest.mark.parametrize("name", CALLS)
async def test_twins_sent_together_are_one(program: Program, name: str) -> None:
    method, path, request = await CALLS[name](program)
    before, key = await trail(program), str(uuid4())
    twins = await asyncio.gather(*(program.call(method, path, key=key, **request) for _ in range(4)))
    assert twins[0].status_code in {200, 201}, twins[0].text
    assert all(same(twins[0], twin) for twin in twins)
    done = await trail(program) - before
    # The same once more under a key of its own shows that one call leaves as many entries.
    method, path, request = await CALLS[name](program)
    before = await trail(program)
    assert (await program.call(method, path, key=str(uuid4()), **request)).status_code == twins[0].status_code
    assert await trail(program) - before == done


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_is_kept_too(program: Program, name: str) -> None:
    prepare, status = REFUSALS[name]
    method, path, request = await prepare(program)
    key = str(uuid4())
    first = await program.call(method, path, key=key, **request)
    assert first.status_code == status, first.text
    assert first.headers["content-type"] == "application/problem+json"
    again = await program.call(method, path, key=key, **request)
    assert same(first, again)


async def test_a_refusal_is_answered_alike_even_when_it_would_succeed_by_now(program: Program) -> None:
    claim = await program.held(await program.opening())
    key = str(uuid4())
    early = await program.step(claim, "arrive", key=key)
    await program.step(claim, "confirm")
    assert same(early, await program.step(claim, "arrive", key=key))
    assert (await program.step(claim, "arrive", key=str(uuid4()))).status_code == 200


async def test_what_a_refused_call_did_is_undone(program: Program) -> None:
    claim = await program.held(await program.opening())
    await program.lapse(claim)
    before = await trail(program)
    # On its way to the refusal it comes upon the lapsed hold, and expires it.
    refused = await program.step(claim, "confirm", key=str(uuid4()))
    assert (refused.status_code, refused.json()["state"]) == (409, "expired")
    assert await trail(program) == before


async def test_a_refused_claim_is_answered_alike_when_a_place_is_free_again(program: Program) -> None:
    opening = await program.opening()
    first = await program.held(opening)
    key, participant = str(uuid4()), await program.participant()
    refused = await program.claim({"opening_id": opening["id"]}, key=key, participant=participant)
    assert refused.status_code == 409
    await program.step(first, "release")
    again = await program.claim({"opening_id": opening["id"]}, key=key, participant=participant)
    assert same(refused, again)
    assert (await program.look(opening))["units_open"] == 1


@pytest.mark.parametrize("name", ["publish", "adjust", "change", "decline", "change a service"])
async def test_another_body_under_the_same_key_is_refused(program: Program, name: str) -> None:
    method, path, request = await CALLS[name](program)
    key = str(uuid4())
    first = await program.call(method, path, key=key, **request)
    done = await trail(program)
    other = await program.call(method, path, key=key, **request | {"json": {**request["json"], "extra": 1}})
    assert other.status_code == 422
    assert other.json()["type"].endswith("/idempotency-key-reused")
    assert await trail(program) == done
    assert same(first, await program.call(method, path, key=key, **request))


async def test_the_same_body_on_another_path_is_another_request(program: Program) -> None:
    one, other = await program.opening(2), await program.opening(2)
    key = str(uuid4())
    assert (await program.call("POST", f"/v1/openings/{one['id']}/withdraw", key=key)).status_code == 200
    elsewhere = await program.call("POST", f"/v1/openings/{other['id']}/withdraw", key=key)
    assert elsewhere.status_code == 422
    assert (await program.look(other))["on_board"]


async def test_a_key_belongs_to_the_caller_who_used_it(program: Program) -> None:
    key = str(uuid4())
    made = [
        await program.call("POST", "/v1/participants", role=role, key=key, json={})
        for role in (Role.CASE_MANAGER, Role.OUTREACH_WORKER)
    ]
    assert [each.status_code for each in made] == [201, 201]
    assert made[0].json()["id"] != made[1].json()["id"]


async def test_without_a_key_each_call_is_a_call(program: Program) -> None:
    made = [(await program.made("/v1/participants", {}))["id"] for _ in range(2)]
    assert len(set(made)) == 2


async def test_a_claim_without_a_key_is_refused(program: Program) -> None:
    opening = await program.opening()
    body = {"participant": await program.participant(), "items": [{"opening_id": opening["id"]}]}
    response = await program.call("POST", "/v1/claims", role=Role.CASE_MANAGER, json=body)
    assert response.status_code == 400
    assert response.json()["type"].endswith("/idempotency-key-required")
    assert (await program.look(opening))["units_open"] == 1


@pytest.mark.parametrize("key", ["", "with a space", "x" * 256, "tab\there"])
async def test_a_key_that_can_not_be_kept_is_refused(program: Program, key: str) -> None:
    response = await program.call("POST", "/v1/participants", key=key, json={})
    assert response.status_code == 400
    assert "visible ASCII" in response.json()["detail"]


async def test_the_longest_key_is_kept(program: Program) -> None:
    key = "~" * 255
    first, again = [await program.call("POST", "/v1/participants", key=key, json={}) for _ in range(2)]
    assert (first.status_code, first.json()) == (201, again.json())


async def test_a_body_that_was_never_understood_leaves_its_key_free(program: Program) -> None:
    service, key = await program.service(), str(uuid4())
    body = {"service_id": service["id"], "unit": "bed", "units_total": "many"}
    assert (await program.call("POST", "/v1/openings", key=key, json=body)).status_code == 422
    corrected = await program.call("POST", "/v1/openings", key=key, json=body | {"units_total": 1})
    assert corrected.status_code == 201
