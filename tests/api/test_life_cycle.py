"""The life of a claim through HTTP: every step from every state, who may take it, and who sees the claim."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from app.access.keys import create_key
from app.access.roles import Role
from app.market.vocabulary import NEXT, OCCUPYING, ClaimState
from tests.support import Program

VERBS = {
    "confirm": ClaimState.CONFIRMED,
    "release": ClaimState.RELEASED,
    "decline": ClaimState.DECLINED,
    "arrive": ClaimState.ARRIVED,
    "no-show": ClaimState.NO_SHOW,
    "complete": ClaimState.COMPLETED,
}
PATHS: dict[ClaimState, list[str]] = {
    ClaimState.HELD: [],
    ClaimState.CONFIRMED: ["confirm"],
    ClaimState.ARRIVED: ["confirm", "arrive"],
    ClaimState.COMPLETED: ["confirm", "arrive", "complete"],
    ClaimState.RELEASED: ["release"],
    ClaimState.DECLINED: ["decline"],
    ClaimState.NO_SHOW: ["confirm", "no-show"],
    ClaimState.EXPIRED: ["lapse"],
}
"""How a claim gets into each state."""
STAMPS = {
    ClaimState.CONFIRMED: "confirmed_at",
    ClaimState.ARRIVED: "arrived_at",
    ClaimState.COMPLETED: "ended_at",
    ClaimState.RELEASED: "ended_at",
    ClaimState.DECLINED: "ended_at",
    ClaimState.NO_SHOW: "ended_at",
}


def body_of(verb: str) -> dict[str, Any]:
    """What goes with a step."""
    return {"json": {"reason": "in_hospital"}} if verb == "decline" else {}


async def claim_in(program: Program, state: ClaimState) -> dict[str, Any]:
    """A claim of one of two units of an opening, in this state."""
    claim = await program.held(await program.opening(2))
    for verb in PATHS[state]:
        if verb == "lapse":
            await program.lapse(claim)
        else:
            response = await program.step(claim, verb, **body_of(verb))
            assert response.status_code == 200, response.text
    return await read(program, claim)


async def read(program: Program, claim: dict[str, Any], role: Role = Role.PROGRAM_MANAGER) -> dict[str, Any]:
    """The claim as it stands."""
    response = await program.call("GET", f"/v1/claims/{claim['id']}", role=role)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("state", ClaimState)
async def test_each_step_from_each_state(program: Program, state: ClaimState, verb: str) -> None:
    claim = await claim_in(program, state)
    assert claim["state"] == state
    response = await program.step(claim, verb, **body_of(verb))
    after = await read(program, claim)
    if VERBS[verb] in NEXT[state]:
        assert response.status_code == 200, response.text
        assert after["state"] == response.json()["state"] == VERBS[verb]
        assert claim[STAMPS[VERBS[verb]]] is None
        assert after[STAMPS[VERBS[verb]]] is not None
    elif VERBS[verb] == state and verb != "decline":
        assert (response.status_code, response.json()) == (200, claim)
    else:
        assert response.status_code == 409, response.text
        problem = response.json()
        assert problem["type"].endswith("/wrong-state")
        assert problem["state"] == state
        assert state.value.replace("_", " ") in problem["detail"]
        assert after == claim
    opening = await program.look({"id": claim["opening_id"]})
    assert opening["units_taken"] == (after["state"] in OCCUPYING)


@pytest.mark.parametrize("state", ClaimState)
async def test_only_a_hold_can_be_extended(program: Program, state: ClaimState) -> None:
    claim = await claim_in(program, state)
    response = await program.step(claim, "extend")
    if state is ClaimState.HELD:
        assert response.status_code == 200, response.text
        assert response.json()["hold_until"] > claim["hold_until"]
    else:
        assert (response.status_code, response.json()["state"]) == (409, state)
        assert await read(program, claim) == claim


async def test_a_hold_starts_again_from_now_as_often_as_the_program_allows(program: Program) -> None:
    claim = await program.held(await program.opening(hold_minutes=10))
    ends = [datetime.fromisoformat(claim["hold_until"])]
    for extensions in (1, 2):
        extended = (await program.step(claim, "extend")).json()
        assert extended["extensions"] == extensions
        ends.append(datetime.fromisoformat(extended["hold_until"]))
    assert ends == sorted(ends)
    # From now, not from the end before: three times ten minutes would be a hold of half an hour.
    assert ends[2] - ends[0] < timedelta(minutes=10)
    refused = await program.step(claim, "extend")
    assert refused.status_code == 409
    assert "extended 2 times" in refused.json()["detail"]


async def test_an_extension_never_outlasts_the_opening(program: Program) -> None:
    soon = await program.opening(hold_minutes=10)
    claim = await program.held(soon)
    ends_at = datetime.fromisoformat(claim["hold_until"]) + timedelta(milliseconds=1)
    headers = {"If-Match": "*"}
    body = {"ends_at": ends_at.isoformat()}
    assert (await program.call("PATCH", f"/v1/openings/{soon['id']}", json=body, headers=headers)).status_code == 200
    extended = (await program.step(claim, "extend")).json()
    assert datetime.fromisoformat(extended["hold_until"]) <= ends_at


async def test_a_claim_has_huds_referral_result_once_there_is_one(program: Program) -> None:
    results = {state: (await claim_in(program, state))["referral_result"] for state in ClaimState}
    assert results == {
        ClaimState.HELD: None,
        ClaimState.CONFIRMED: None,
        ClaimState.ARRIVED: 1,
        ClaimState.COMPLETED: 1,
        ClaimState.RELEASED: 2,
        ClaimState.EXPIRED: 2,
        ClaimState.NO_SHOW: 2,
        ClaimState.DECLINED: 2,
    }


async def test_a_lapsed_hold_ended_when_it_lapsed(program: Program) -> None:
    claim = await claim_in(program, ClaimState.EXPIRED)
    assert claim["ended_at"] == claim["hold_until"]


# Who may take which step.


async def someone_else(program: Program, role: Role) -> None:
    """From now on the key of `role` is one of a third organization."""
    third = await program.made("/v1/organizations", {"name": "A third"})
    async with program.house.owner.transaction(program.id, "tests") as session:
        _, program.keys[role] = await create_key(session, program.id, third["id"], role)


STEP_OF_WORKER = ("confirm", "release", "extend")
STEP_OF_PROVIDER = ("decline", "arrive", "no-show", "complete")


@pytest.mark.parametrize("verb", [*STEP_OF_WORKER, *STEP_OF_PROVIDER])
@pytest.mark.parametrize("role", Role)
async def test_each_side_takes_its_own_steps(program: Program, role: Role, verb: str) -> None:
    before = "confirm" if verb in {"arrive", "no-show"} else "arrive" if verb == "complete" else None
    claim = await program.held(await program.opening())
    for earlier in {"confirm": ["confirm"], "arrive": ["confirm", "arrive"], None: []}[before]:
        await program.step(claim, earlier)
    response = await program.step(claim, verb, role, **body_of(verb))
    workers = {Role.CASE_MANAGER, Role.OUTREACH_WORKER, Role.PARTNER_SYSTEM}
    may = {Role.PROGRAM_MANAGER} | (workers if verb in STEP_OF_WORKER else {Role.PROVIDER})
    assert response.status_code == (200 if role in may else 403), response.text
    if role is Role.PARTNER_SYSTEM and role not in may:
        # It may stand on either side of the counter; on this claim it stands on the worker's.
        assert response.json()["detail"].startswith("Only the provider")
    elif role not in may:
        assert response.json()["detail"].startswith(f"The role {role} may not")


@pytest.mark.parametrize(("role", "verb"), [(Role.CASE_MANAGER, "confirm"), (Role.PROVIDER, "decline")])
async def test_another_organization_sees_no_claim_and_takes_no_step(program: Program, role: Role, verb: str) -> None:
    claim = await program.held(await program.opening())
    await someone_else(program, role)
    step = await program.step(claim, verb, role, **body_of(verb))
    look = await program.call("GET", f"/v1/claims/{claim['id']}", role=role)
    listed = await program.call("GET", "/v1/claims", role=role)
    assert (step.status_code, look.status_code, listed.json()["items"]) == (404, 404, [])


async def test_a_provider_that_also_claims_takes_no_provider_step_elsewhere(program: Program) -> None:
    # A case manager of the provider's own organization claims at another's: they see it, and steer it.
    async with program.house.owner.transaction(program.id, "tests") as session:
        _, program.keys[Role.CASE_MANAGER] = await create_key(
            session, program.id, program.provider_id, Role.CASE_MANAGER
        )
    theirs = await program.opening(service=await program.service(organization_id=str(program.agency_id)))
    claim = await program.held(theirs)
    assert (await program.call("GET", f"/v1/claims/{claim['id']}", role=Role.PROVIDER)).status_code == 404
    assert (await program.step(claim, "arrive", Role.PROVIDER)).status_code == 404
    assert (await program.step(claim, "confirm", Role.CASE_MANAGER)).status_code == 200


# Who sees what.


@pytest.mark.parametrize("role", Role)
async def test_the_roles_that_see_claims(program: Program, role: Role) -> None:
    claim = await program.held(await program.opening())
    sees = {Role.PROVIDER, Role.CASE_MANAGER, Role.OUTREACH_WORKER, Role.PARTNER_SYSTEM, Role.PROGRAM_MANAGER}
    listed = await program.call("GET", "/v1/claims", role=role)
    look = await program.call("GET", f"/v1/claims/{claim['id']}", role=role)
    if role in sees:
        assert listed.json()["items"] == [look.json()]
    else:
        assert (listed.status_code, look.status_code) == (403, 403)


async def test_claims_are_listed_newest_first_by_state_opening_and_bundle(program: Program) -> None:
    opening = await program.opening(9)
    claims = [await program.held(opening) for _ in range(3)]
    other = await program.held(await program.opening())
    await program.step(claims[0], "confirm")
    await program.lapse(claims[1])
    newest = [other, *reversed(claims)]

    async def listed(**params: Any) -> list[str]:
        response = await program.call("GET", "/v1/claims", role=Role.CASE_MANAGER, params=params)
        return [each["id"] for each in response.json()["items"]]

    assert await listed() == [each["id"] for each in newest]
    assert await listed(state="held") == [other["id"], claims[2]["id"]]
    assert await listed(state="expired") == [claims[1]["id"]]
    assert await listed(state="confirmed", opening_id=opening["id"]) == [claims[0]["id"]]
    assert await listed(bundle_id=other["bundle_id"]) == [other["id"]]
    page = (await program.call("GET", "/v1/claims", params={"limit": 3})).json()
    assert await listed(cursor=page["next"]) == [claims[0]["id"]]


async def test_another_program_sees_no_claim(program: Program, other_program: Program) -> None:
    claim = await program.held(await program.opening())
    assert (await other_program.call("GET", f"/v1/claims/{claim['id']}")).status_code == 404
    assert (await other_program.step(claim, "confirm")).status_code == 404
    assert (await read(program, claim))["state"] == "held"


async def test_a_claim_shows_a_code_and_nothing_else_of_the_person(program: Program) -> None:
    made = await program.made("/v1/participants", {"reference": "Case 7 of Jo Doe"}, Role.CASE_MANAGER)
    opening = await program.opening()
    claim = (await program.claim({"opening_id": opening["id"]}, participant=made["id"])).json()["claims"][0]
    assert claim["participant"] == made["code"]
    for role in (Role.PROVIDER, Role.CASE_MANAGER, Role.PROGRAM_MANAGER):
        shown = str(await read(program, claim, role))
        assert made["id"] not in shown
        assert "Jo Doe" not in shown
