"""Organizations that serve survivors of domestic violence: claims by one-time code, and nothing that joins a person
to them, in any answer or in any table."""

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.access.idempotency import fingerprint
from app.access.permissions import KNOWS_PEOPLE
from app.access.roles import Action, Role
from app.dependencies import TOKEN_PATH
from tests.browser import ORIGIN, Browser, invited
from tests.casework.people import IDENTITY, terms
from tests.support import SEATTLE, House, Program
from tests.survivors import (
    ABOUT_PEOPLE,
    ONE_TIME_CODE,
    PARTICIPANTS_CODE,
    STAFF,
    assert_unjoined,
    claimed,
    code_of,
    codes,
    person,
    rows,
    shelter,
    staffed,
)

GONE = "place_no_longer_available"


# What callers see.


async def test_an_opening_for_survivors_says_that_it_is_confidential(program: Program) -> None:
    opening, other = await shelter(program), await program.opening()
    assert (opening["confidential"], other["confidential"]) == (True, False)
    assert (await program.look(opening))["confidential"]
    found = (await program.call("GET", "/v1/openings", role=Role.CASE_MANAGER)).json()["items"]
    assert {each["id"]: each["confidential"] for each in found} == {opening["id"]: True, other["id"]: False}
    refused = await program.claim({"find": {"category": "housing", "units": 9}})
    offered = refused.json()["alternatives"]
    assert {each["opening_id"]: each["confidential"] for each in offered} == {opening["id"]: True, other["id"]: False}


async def test_it_is_claimed_by_a_one_time_code_that_is_all_that_either_side_sees(program: Program) -> None:
    opening, someone = await shelter(program), await person(program)
    answer = await claimed(program, {"opening_id": opening["id"]}, participant=someone["code"])
    [code] = codes(answer)
    assert ONE_TIME_CODE.fullmatch(code)
    [claim] = answer["claims"]
    for role in (Role.CASE_MANAGER, Role.PARTNER_SYSTEM, Role.PROGRAM_MANAGER):
        seen = (await program.call("GET", f"/v1/claims/{claim['id']}", role=role)).json()
        assert seen == claim
        listed = await program.call("GET", "/v1/claims", role=role)
        assert code in listed.text
        assert someone["code"] not in listed.text


async def test_every_call_gets_another_code_for_the_same_person(program: Program) -> None:
    opening, code = await shelter(program), await program.participant()
    answers = [await claimed(program, {"opening_id": opening["id"]}, participant=code) for _ in range(2)]
    assert len(codes(answers[0]) | codes(answers[1])) == 2


async def test_other_openings_are_claimed_for_the_participant_as_before(program: Program) -> None:
    await shelter(program)
    code = await program.participant()
    assert PARTICIPANTS_CODE.fullmatch(code)
    assert codes(await claimed(program, {"opening_id": (await program.opening())["id"]}, participant=code)) == {code}


async def test_a_one_time_code_names_nobody_in_another_call(program: Program) -> None:
    [code] = codes(await claimed(program, {"opening_id": (await shelter(program))["id"]}))
    again = await program.claim({"opening_id": (await program.opening())["id"]}, participant=code)
    assert again.status_code == 422


async def test_the_life_of_an_anonymous_claim_goes_on_as_any_other(program: Program) -> None:
    [claim] = (await claimed(program, {"opening_id": (await shelter(program))["id"]}))["claims"]
    for verb, role, state in (
        ("extend", Role.CASE_MANAGER, "held"),
        ("confirm", Role.CASE_MANAGER, "confirmed"),
        ("arrive", Role.PARTNER_SYSTEM, "arrived"),
        ("complete", Role.PARTNER_SYSTEM, "completed"),
    ):
        after = (await program.step(claim, verb, role, key=str(uuid4()))).json()
        assert (after["state"], after["participant"]) == (state, claim["participant"])


async def test_a_cap_on_holds_counts_anonymous_ones(program: Program) -> None:
    await program.call("PATCH", "/v1/program", json={"policy": {"max_active_holds": 1}})
    await claimed(program, {"opening_id": (await shelter(program))["id"]})
    refused = await program.claim({"opening_id": (await program.opening())["id"]})
    assert refused.json()["type"].endswith("/too-many-holds")


# What the database holds.


async def test_nothing_in_the_database_joins_the_person_to_the_shelter(program: Program) -> None:
    opening, someone = await shelter(program), await person(program)
    key, body = str(uuid4()), {"participant": someone["code"], "items": [{"opening_id": opening["id"]}]}
    answer = await program.call("POST", "/v1/claims", role=Role.CASE_MANAGER, key=key, json=body)
    [claim] = answer.json()["claims"]
    for verb in ("extend", "confirm", "arrive", "complete"):
        assert (await program.step(claim, verb, key=str(uuid4()))).status_code == 200
    await assert_unjoined(program, someone)
    # Whoever has every code can try them all on a fingerprint: none may fit.
    tried = fingerprint("POST", "/v1/claims", answer.request.content).hex()
    assert tried not in (await rows(program))["idempotency"]


async def test_nor_does_the_work_of_the_shelters_own_staff(program: Program) -> None:
    """They try to write down whom they serve, in every way that there is, and claim for them, here and elsewhere."""
    staff, opening = await staffed(program)
    other, someone = await program.opening(9), await person(program)
    made = {"kind": "community", "person": {"name": "Canaria Quillfeather"}}
    referral = (await program.made("/v1/referrals", made, Role.OUTREACH_WORKER))["id"]
    before = await rows(program)
    for role in STAFF:
        for method, path, body in (
            ("POST", "/v1/participants", {"reference": "Quillfeather-7"}),
            ("GET", f"/v1/participants/{someone['code']}", None),
            ("PUT", f"/v1/participants/{someone['id']}/identity", IDENTITY),
            ("GET", f"/v1/participants/{someone['id']}/identity", None),
            ("POST", "/v1/participants/find", {"name": IDENTITY["name"], "birth_date": IDENTITY["birth_date"]}),
            ("POST", f"/v1/participants/{someone['id']}/consents", terms(program)),
            ("POST", "/v1/referrals", made),
            ("GET", f"/v1/referrals/{referral}", None),
            ("POST", f"/v1/referrals/{referral}/intake", {"participant": someone["code"]}),
        ):
            refused = await staff.call(method, path, role=role, key=str(uuid4()), json=body)
            assert (refused.status_code, refused.json()["type"].rsplit("/", 1)[1]) == (403, "names-nobody"), path
            assert "one-time code" in refused.json()["detail"]
        for place in (opening, other):
            refused = await staff.claim({"opening_id": place["id"]}, participant=someone["code"], role=role)
            assert refused.status_code == 422
            assert refused.json()["errors"][0]["field"] == "participant"
            assert "claim without a participant" in refused.json()["detail"]
    # Of all that, nothing is left anywhere: neither the call, nor a kept answer, nor an entry.
    assert await rows(program) == before
    for role in STAFF:
        for item in ({"opening_id": opening["id"]}, {"opening_id": other["id"]}, {"find": {"category": "housing"}}):
            answer = await claimed(staff, item, named=False, role=role)
            assert ONE_TIME_CODE.fullmatch(code_of(answer))
            [claim] = answer["claims"]
            for verb in ("extend", "confirm"):
                assert (await staff.step(claim, verb, role, key=str(uuid4()))).status_code == 200
            for verb in ("arrive", "complete"):
                assert (await program.step(claim, verb, key=str(uuid4()))).status_code == 200
    seen = await staff.call("GET", "/v1/claims", role=Role.CASE_MANAGER)
    assert len(seen.json()["items"]) == 3 * len(STAFF)
    await assert_unjoined(program, someone)
    assert "Quillfeather" not in "".join((await rows(program)).values())


@pytest.mark.parametrize("action", sorted(KNOWS_PEOPLE))
async def test_every_route_about_a_person_is_shut_to_a_shelters_staff(program: Program, action: Action) -> None:
    staff, _ = await staffed(program)
    for method, path in ABOUT_PEOPLE[action]:
        for role in STAFF:
            refused = await staff.call(method, path, role=role, json={})
            assert (refused.status_code, refused.json()["type"].rsplit("/", 1)[1]) == (403, "names-nobody"), path


async def test_their_access_tokens_and_sessions_are_no_way_around_it(house: House, program: Program) -> None:
    staff, opening = await staffed(program)
    body: dict[str, Any] = {"organization_id": str(staff.agency_id), "name": "Theirs", "role": "partner_system"}
    body["scopes"] = ["claims:write", "participants:write"]
    key = await program.made("/v1/keys", body)
    form = {"grant_type": "client_credentials", "client_id": key["id"], "client_secret": key["key"]}
    staff.keys[Role.PARTNER_SYSTEM] = (await house.http.post(TOKEN_PATH, data=form)).json()["access_token"]
    browser = Browser(house)
    advocate = await invited(program, organization_id=str(staff.agency_id))
    await browser.done("/v1/invitations/accept/password", {"token": advocate.token, "password": advocate.password})
    code, items = await program.participant(), [{"opening_id": opening["id"]}]
    for named, status in (({"participant": code}, 422), ({}, 201)):
        by_token = await staff.call(
            "POST", "/v1/claims", role=Role.PARTNER_SYSTEM, key=str(uuid4()), json={**named, "items": items}
        )
        headers = {"Origin": ORIGIN, "Idempotency-Key": str(uuid4())}
        by_session = await browser.http.post("/v1/claims", headers=headers, json={**named, "items": items})
        assert (by_token.status_code, by_session.status_code) == (status, status)
    assert (await staff.call("POST", "/v1/participants", role=Role.PARTNER_SYSTEM, json={})).status_code == 403
    assert (await browser.post("/v1/participants")).status_code == 403


async def test_a_service_for_survivors_leaves_the_rest_of_its_organization_as_it_was(program: Program) -> None:
    body = {"organization_id": str(program.agency_id), "name": "S", "category": "housing", "serves_survivors": True}
    opening = await program.opening(service=await program.made("/v1/services", body))
    assert ONE_TIME_CODE.fullmatch(code_of(await claimed(program, {"opening_id": opening["id"]})))


async def test_a_refusal_by_a_shelter_does_not_join_them_either(program: Program) -> None:
    opening, someone = await shelter(program, 1), await person(program)
    await claimed(program, {"opening_id": opening["id"]})
    refused = await program.claim({"opening_id": opening["id"]}, participant=someone["code"])
    assert refused.status_code == 409
    await assert_unjoined(program, someone)
    tried = fingerprint("POST", "/v1/claims", refused.request.content).hex()
    assert tried not in (await rows(program))["idempotency"]


async def test_a_call_with_anything_confidential_is_anonymous_as_a_whole(program: Program) -> None:
    opening, other, someone = await shelter(program), await program.opening(), await person(program)
    items = [{"opening_id": other["id"]}, {"opening_id": opening["id"]}]
    answer = await claimed(program, *items, participant=someone["id"])
    assert len(codes(answer)) == 1
    seen = (await program.call("GET", "/v1/claims", role=Role.PROVIDER)).json()["items"]
    assert [each["participant"] for each in seen] == list(codes(answer))
    await assert_unjoined(program, someone)


async def test_a_place_found_there_is_anonymous_and_keeps_no_exact_place_of_the_asking(program: Program) -> None:
    await shelter(program, attributes={"survivors": "yes"})
    someone = await person(program)
    find = {"category": "housing", "needs": ["survivors"], "near": "47.60621,-122.33207"}
    answer = await claimed(program, {"find": find}, participant=someone["code"])
    assert ONE_TIME_CODE.fullmatch(code_of(answer))
    claims = (await rows(program))["claims"]
    assert '"near": [47.61, -122.33]' in claims
    assert "47.60621" not in claims
    await assert_unjoined(program, someone)


async def test_nobody_is_sent_there_who_did_not_ask(program: Program) -> None:
    safe_house = await shelter(program, attributes={"survivors": "yes"})
    find = {"category": "housing"}
    refused = await program.claim({"find": find})
    assert refused.status_code == 409
    # Whoever reads what is offered knows what it is, and may claim it.
    assert [each["opening_id"] for each in refused.json()["alternatives"]] == [safe_house["id"]]
    other = await program.opening()
    answer = await claimed(program, {"find": find})
    assert answer["claims"][0]["opening_id"] == other["id"]
    for asked in ({"needs": ["survivors"]}, {"prefers": ["survivors"]}):
        answer = await claimed(program, {"find": find | asked})
        assert answer["claims"][0]["opening_id"] == safe_house["id"]


# The same key again.


async def test_the_same_key_gets_the_same_code_again(program: Program) -> None:
    opening, code, key = await shelter(program), await program.participant(), str(uuid4())
    sent = [await program.claim({"opening_id": opening["id"]}, participant=code, key=key) for _ in range(2)]
    assert sent[0].content == sent[1].content
    assert (await program.look(opening))["units_taken"] == 1


async def test_the_same_key_with_other_items_is_refused(program: Program) -> None:
    opening, code, key = await shelter(program), await program.participant(), str(uuid4())
    await claimed(program, {"opening_id": opening["id"]}, participant=code, key=key)
    other = await program.claim({"opening_id": opening["id"], "units": 2}, participant=code, key=key)
    assert other.json()["type"].endswith("/idempotency-key-reused")


async def test_the_same_key_for_somebody_else_gets_the_first_answer_which_names_nobody(program: Program) -> None:
    opening, key = await shelter(program), str(uuid4())
    first = await program.claim({"opening_id": opening["id"]}, key=key)
    assert (await program.claim({"opening_id": opening["id"]}, key=key)).content == first.content
    assert (await program.look(opening))["units_taken"] == 1


async def test_elsewhere_the_same_key_for_somebody_else_is_refused(program: Program) -> None:
    opening, key = await program.opening(5), str(uuid4())
    await claimed(program, {"opening_id": opening["id"]}, key=key)
    other = await program.claim({"opening_id": opening["id"]}, key=key)
    assert other.json()["type"].endswith("/idempotency-key-reused")


# After a decline.


@pytest.mark.parametrize("replace", [True, False])
async def test_a_declined_participant_is_never_given_nor_offered_a_shelter(program: Program, replace: bool) -> None:
    lost, _ = await program.opening(), await shelter(program)
    claim = await program.held(lost)
    response = await program.step(claim, "decline", json={"reason": GONE, "replace": replace})
    declined = response.json()
    assert (declined["replaced"], declined["alternatives"]) == (False, [])


async def test_a_declined_anonymous_claim_is_replaced_anywhere_but_sent_to_no_shelter_unasked(program: Program) -> None:
    lost = await shelter(program, 1)
    [claim] = (await claimed(program, {"opening_id": lost["id"]}))["claims"]
    spare, declining = await program.opening(), program.keys[Role.PARTNER_SYSTEM]
    response = await program.step(claim, "decline", json={"reason": GONE, "replace": True})
    given = response.json()["replacement"]
    assert (given["opening_id"], given["participant"]) == (spare["id"], claim["participant"])
    another = await shelter(program)
    declined = (await program.step(given, "decline", json={"reason": GONE, "replace": True})).json()
    assert not declined["replaced"]
    assert [each["opening_id"] for each in declined["alternatives"]] == [another["id"]]
    # And the shelter that declined sees its own claim alone.
    seen = await program.call("GET", "/v1/claims", headers={"Authorization": f"Bearer {declining}"})
    assert [each["id"] for each in seen.json()["items"]] == [claim["id"]]


@pytest.mark.parametrize("asked", [True, False])
async def test_a_shelters_place_that_is_gone_is_replaced_by_anothers(program: Program, asked: bool) -> None:
    first = await shelter(program, 1, attributes={"survivors": "yes"})
    item = {"find": {"category": "housing", "needs": ["survivors"]}} if asked else {"opening_id": first["id"]}
    [claim] = (await claimed(program, item))["claims"]
    second = await shelter(program, attributes={"survivors": "yes"})
    await program.opening()
    response = await program.step(claim, "decline", json={"reason": GONE, "replace": True})
    # Told from what else is open by what the first one served, though nobody had said so.
    assert response.json()["replacement"]["opening_id"] == second["id"]


# A service for survivors in an organization that does other things too.


async def test_one_service_for_survivors_makes_its_openings_confidential_and_no_others(program: Program) -> None:
    own = {"organization_id": str(program.provider_id), "city": "Lake City", "latitude": 47.6, "longitude": -122.3}
    open_place = await program.made("/v1/locations", own)
    masked = await program.made("/v1/locations", own | {"masked": True})
    body = {"organization_id": own["organization_id"], "name": "S", "category": "housing", "serves_survivors": True}
    refused = await program.call("POST", "/v1/services", json=body | {"location_id": open_place["id"]})
    assert refused.json()["errors"][0]["field"] == "location_id"
    service = await program.made("/v1/services", body | {"location_id": masked["id"]})
    opening = await program.opening(service=service)
    assert opening["confidential"]
    assert ONE_TIME_CODE.fullmatch(code_of(await claimed(program, {"opening_id": opening["id"]})))
    assert not (await program.opening())["confidential"]
    await program.call("POST", f"/v1/openings/{opening['id']}/adjust", json={"by": 1})
    # Not even if somebody at the database unmasks the location.
    async with program.house.owner.transaction(program.id, "tests") as session:
        await session.execute(text("UPDATE locations SET masked = false WHERE id = :id"), {"id": masked["id"]})
    near = await program.call("GET", f"/v1/openings?near={SEATTLE}", role=Role.CASE_MANAGER)
    [found] = [each for each in near.json()["items"] if each["id"] == opening["id"]]
    assert (found["city"], found["why"]["distance_km"]) == (None, None)
