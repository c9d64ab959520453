"""A provider breaks its word: the count is corrected, and the person is given or offered another place at once."""

from typing import Any

import pytest
from sqlalchemy import text

from app.access.roles import Role
from app.market.vocabulary import DECLINE_REASONS
from tests.support import SEATTLE, Program

GONE = "place_no_longer_available"


async def decline(
    program: Program, claim: dict[str, Any], reason: str = GONE, role: Role = Role.PROVIDER, **body: Any
) -> dict[str, Any]:
    """A decline that must be taken."""
    response = await program.step(claim, "decline", role, json={"reason": reason} | body)
    assert response.status_code == 200, response.text
    declined: dict[str, Any] = response.json()
    return declined


async def elsewhere(program: Program, category: str = "housing", **facts: Any) -> dict[str, Any]:
    """A service of the agency: another organization than the provider that declines."""
    return await program.service(category, organization_id=str(program.agency_id), **facts)


async def claims(program: Program, role: Role = Role.CASE_MANAGER, **params: Any) -> list[dict[str, Any]]:
    """The claims a role sees."""
    items: list[dict[str, Any]] = (await program.call("GET", "/v1/claims", role=role, params=params)).json()["items"]
    return items


@pytest.mark.parametrize("code", DECLINE_REASONS)
async def test_every_reason_ends_the_claim_and_corrects_the_count_if_the_place_is_gone(
    program: Program, code: str
) -> None:
    opening = await program.opening(5)
    claim = await program.held(opening, 2)
    declined = await decline(program, claim, code)
    reason = DECLINE_REASONS[code]
    assert (declined["state"], declined["reason"]) == ("declined", code)
    assert declined["referral_result"] == reason.referral_result
    after = await program.look(opening)
    gone = 2 if reason.place_gone else 0
    assert (after["units_total"], after["units_taken"], after["version"]) == (5 - gone, 0, 1 + bool(gone))


async def test_only_a_place_that_did_not_exist_is_a_broken_promise(program: Program) -> None:
    async def rate() -> float:
        found = await program.call("GET", f"/v1/organizations/{program.provider_id}")
        honoured: float = found.json()["honour_rate"]
        return honoured

    opening = await program.opening(9)
    assert await rate() == 0.9
    await decline(program, await program.held(opening), "in_hospital")
    assert await rate() == 0.9
    await decline(program, await program.held(opening), "place_entered_in_error")
    assert await rate() == round(9 / 11, 4)
    kept = await program.held(opening)
    await program.step(kept, "confirm")
    assert await rate() == round(9 / 11, 4)
    await program.step(kept, "arrive")
    assert await rate() == round(10 / 12, 4)


async def test_the_reasons_can_be_read_with_what_they_mean(program: Program) -> None:
    response = await program.call("GET", "/v1/decline-reasons", role=Role.PROVIDER)
    listed = response.json()
    assert listed["version"]
    assert [each["code"] for each in listed["items"]] == list(DECLINE_REASONS)
    assert {each["code"] for each in listed["items"] if each["place_gone"]} == {GONE, "place_entered_in_error"}


async def test_a_reason_that_is_not_in_the_list_is_refused(program: Program) -> None:
    claim = await program.held(await program.opening())
    response = await program.step(claim, "decline", Role.PROVIDER, json={"reason": "did not like him"})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "reason"
    assert [each["state"] for each in await claims(program)] == ["held"]


async def test_a_second_decline_changes_nothing(program: Program) -> None:
    opening = await program.opening(5)
    claim = await program.held(opening)
    await decline(program, claim)
    again = await program.step(claim, "decline", Role.PROVIDER, json={"reason": GONE})
    assert (again.status_code, again.json()["state"]) == (409, "declined")
    assert (await program.look(opening))["units_total"] == 4


# Given another place.


async def test_the_person_holds_the_next_best_place_in_the_same_bundle(program: Program) -> None:
    lost = await program.opening(service=await program.service(latitude=47.61, longitude=-122.33))
    far = await program.opening(service=await elsewhere(program))
    near = await program.opening(service=await program.service(latitude=47.62, longitude=-122.33))
    claim = await program.held(lost)
    declined = await decline(program, claim, role=Role.PROGRAM_MANAGER, replace=True)
    assert declined["replaced"]
    given = declined["replacement"]
    assert (given["opening_id"], given["state"], given["replaces_id"]) == (near["id"], "held", claim["id"])
    assert (given["bundle_id"], given["participant"]) == (claim["bundle_id"], claim["participant"])
    assert declined["alternatives"] == []
    # The worker who claimed has it, and steers it.
    assert [each["id"] for each in await claims(program)] == [given["id"], claim["id"]]
    assert (await program.step(given, "confirm", Role.CASE_MANAGER)).status_code == 200
    assert ((await program.look(near))["units_open"], (await program.look(far))["units_open"]) == (0, 1)


async def test_a_person_who_needs_something_is_given_only_what_meets_it(program: Program) -> None:
    service = await program.service()
    lost = await program.opening(service=service, attributes={"pets": "yes"})
    await program.opening(service=service, attributes={"pets": "unknown"})
    response = await program.claim({"find": {"category": "housing", "needs": ["pets"]}})
    [claim] = response.json()["claims"]
    assert claim["opening_id"] == lost["id"]
    declined = await decline(program, claim, replace=True)
    assert not declined["replaced"]
    [offered] = declined["alternatives"]
    assert offered["relaxed"] == "needs.pets"
    fits = await program.opening(service=service, attributes={"pets": "yes"})
    again = (await program.claim({"find": {"category": "housing", "needs": ["pets"]}})).json()["claims"][0]
    another = await program.opening(service=service, attributes={"pets": "yes"})
    assert again["opening_id"] == fits["id"]
    assert (await decline(program, again, replace=True))["replacement"]["opening_id"] == another["id"]


async def test_the_units_are_all_given_or_none(program: Program) -> None:
    lost, small = await program.opening(3), await program.opening(2)
    claim = await program.held(lost, 3)
    declined = await decline(program, claim, replace=True)
    assert not declined["replaced"]
    assert [each["opening_id"] for each in declined["alternatives"]] == [small["id"]]
    assert (await program.look(small))["units_open"] == 2


async def test_only_the_declined_part_of_a_bundle_is_replaced(program: Program) -> None:
    bed, treatment = await program.opening(), await program.opening(service=await program.service("treatment"))
    spare = await program.opening()
    response = await program.claim({"opening_id": bed["id"]}, {"opening_id": treatment["id"]})
    first, second = response.json()["claims"]
    await decline(program, first, replace=True)
    standing = {each["id"]: (each["opening_id"], each["state"]) for each in await claims(program)}
    assert standing[second["id"]] == (treatment["id"], "held")
    assert (spare["id"], "held") in standing.values()
    assert len({each["bundle_id"] for each in await claims(program)}) == 1


@pytest.mark.parametrize("code", DECLINE_REASONS)
async def test_a_reason_that_bars_the_person_rules_out_the_whole_organization(program: Program, code: str) -> None:
    lost, same = await program.opening(), await program.opening()
    claim = await program.held(lost)
    declined = await decline(program, claim, code, replace=True)
    if DECLINE_REASONS[code].bars_organization:
        assert (declined["replaced"], declined["alternatives"]) == (False, [])
        assert (await program.look(same))["units_open"] == 1
    else:
        assert declined["replacement"]["opening_id"] == same["id"]


async def test_a_cap_on_holds_takes_nobodys_replacement_away(program: Program) -> None:
    policy = {"policy": {"max_active_holds": 1}}
    assert (await program.call("PATCH", "/v1/program", json=policy)).status_code == 200
    lost, _ = await program.opening(), await program.opening()
    claim = await program.held(lost)
    assert (await decline(program, claim, replace=True))["replaced"]


async def test_a_confirmed_place_that_is_declined_is_replaced_too(program: Program) -> None:
    lost, spare = await program.opening(), await program.opening()
    claim = await program.held(lost)
    await program.step(claim, "confirm")
    assert (await decline(program, claim, replace=True))["replacement"]["opening_id"] == spare["id"]


# Offered another place.


async def test_without_replace_the_next_best_places_are_offered_and_none_is_held(program: Program) -> None:
    lost, spare = await program.opening(), await program.opening(2)
    claim = await program.held(lost)
    declined = await decline(program, claim)
    assert (declined["replaced"], declined["replacement"]) == (False, None)
    [offered] = declined["alternatives"]
    assert (offered["opening_id"], offered["relaxed"], offered["units_open"]) == (spare["id"], None, 2)
    assert (await program.look(spare))["units_taken"] == 0
    await program.held(spare)


async def test_the_place_that_was_lost_is_not_offered_again(program: Program) -> None:
    lost = await program.opening(3)
    declined = await decline(program, await program.held(lost), "could_not_be_reached")
    assert declined["alternatives"] == []


# What the provider that declines learns.


async def test_the_declining_provider_does_not_learn_where_the_person_went(program: Program) -> None:
    lost, spare = await program.opening(), await program.opening(service=await elsewhere(program))
    claim = await program.held(lost)
    response = await program.step(claim, "decline", Role.PROVIDER, json={"reason": GONE, "replace": True})
    declined = response.json()
    assert (declined["replaced"], declined["replacement"], declined["alternatives"]) == (True, None, [])
    assert (await program.look(spare))["units_open"] == 0
    [seen] = await claims(program, Role.PROVIDER)
    assert seen["id"] == claim["id"]
    given = next(each for each in await claims(program) if each["id"] != claim["id"])
    assert given["opening_id"] == spare["id"]
    assert (await program.call("GET", f"/v1/claims/{given['id']}", role=Role.PROVIDER)).status_code == 404
    assert spare["id"] not in response.text
    assert given["id"] not in response.text


async def test_a_decline_leaves_its_event_and_its_entry_with_the_reason(program: Program) -> None:
    claim = await program.held(await program.opening())
    await decline(program, claim, "barred")
    async with program.house.owner.transaction(program.id, "tests") as session:
        told = await session.scalar(
            text("SELECT data ->> 'reason' FROM events WHERE subject_id = :id AND type = 'claim.declined'"),
            {"id": claim["id"]},
        )
        entry = await session.scalar(
            text("SELECT detail ->> 'reason' FROM audit WHERE subject_id = :id AND action = 'claim.declined'"),
            {"id": claim["id"]},
        )
    assert (told, entry) == ("barred", "barred")


async def test_the_way_is_measured_from_where_the_person_asked(program: Program) -> None:
    # They asked from Seattle; the lost place was in Everett; the nearest to Seattle is what they are given.
    lost = await program.opening(service=await program.service(latitude=47.98, longitude=-122.2))
    find = {"find": {"category": "housing", "near": SEATTLE, "within_km": 60}}
    [claim] = (await program.claim(find)).json()["claims"]
    assert claim["opening_id"] == lost["id"]
    await program.opening(service=await program.service(latitude=47.97, longitude=-122.2))
    downtown = await program.opening(service=await program.service(latitude=47.61, longitude=-122.33))
    assert (await decline(program, claim, replace=True))["replacement"]["opening_id"] == downtown["id"]
