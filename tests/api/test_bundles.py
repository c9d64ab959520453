"""Bundles through HTTP: several things in one call, all held or none."""

from typing import Any

from tests.support import Program


def named(opening: dict[str, Any], units: int = 1) -> dict[str, Any]:
    """An item that names its opening."""
    return {"opening_id": opening["id"], "units": units}


def find(category: str = "housing", **need: Any) -> dict[str, Any]:
    """An item that takes the best that meets a need."""
    return {"find": {"category": category} | need}


async def free(program: Program, *openings: dict[str, Any]) -> list[int]:
    """The units open on each."""
    return [(await program.look(opening))["units_open"] for opening in openings]


async def test_a_bed_a_detox_place_and_a_seat_are_held_together(program: Program) -> None:
    bed = await program.opening()
    detox = await program.opening(service=await program.service("treatment"), unit="treatment_place")
    seat = await program.opening(service=await program.service("vocational"), unit="training_seat")
    response = await program.claim(named(bed), find("treatment"), named(seat))
    assert response.status_code == 201, response.text
    bundle = response.json()
    assert [claim["opening_id"] for claim in bundle["claims"]] == [bed["id"], detox["id"], seat["id"]]
    assert {claim["bundle_id"] for claim in bundle["claims"]} == {bundle["bundle_id"]}
    assert [claim["category"] for claim in bundle["claims"]] == ["housing", "treatment", "vocational"]


async def test_if_one_item_can_not_be_held_none_is(program: Program) -> None:
    bed, full = await program.opening(3), await program.opening(service=await program.service("treatment"))
    await program.held(full)
    response = await program.claim(named(bed, 2), find(), named(full))
    assert response.status_code == 409
    problem = response.json()
    assert [(each["item"], each["reason"]) for each in problem["refused"]] == [(2, "full")]
    assert "Nothing of this call is held." in problem["detail"]
    assert await free(program, bed, full) == [3, 0]
    claims = (await program.call("GET", "/v1/claims", params={"opening_id": bed["id"]})).json()["items"]
    assert claims == []


async def test_every_item_that_can_not_be_held_is_named_with_its_own_need(program: Program) -> None:
    full, bed = await program.opening(1), await program.opening(2)
    await program.held(full)
    response = await program.claim(named(full), named(bed), find("legal"))
    problem = response.json()
    assert [(each["item"], each["reason"]) for each in problem["refused"]] == [(0, "full"), (2, "nothing_open")]
    assert len({each["unmet_need_id"] for each in problem["refused"]}) == 2
    assert [(each["item"], each["opening_id"]) for each in problem["alternatives"]] == [(0, bed["id"])]


async def test_a_find_leaves_its_best_place_to_the_item_that_named_it(program: Program) -> None:
    best = await program.opening(service=await program.service(attributes={"pets": "yes"}))
    second = await program.opening()
    response = await program.claim(find(prefers=["pets"]), named(best))
    assert response.status_code == 201, response.text
    assert [claim["opening_id"] for claim in response.json()["claims"]] == [second["id"], best["id"]]


async def test_three_beds_for_a_family_are_in_one_place_or_refused(program: Program) -> None:
    small = [await program.opening(2), await program.opening(2)]
    refused = await program.claim(find(units=3))
    assert refused.status_code == 409
    assert await free(program, *small) == [2, 2]
    big = await program.opening(3)
    [claim] = (await program.claim(find(units=3))).json()["claims"]
    assert (claim["opening_id"], claim["units"]) == (big["id"], 3)


async def test_what_is_open_but_not_twice_is_refused_as_in_use_by_the_bundle(program: Program) -> None:
    bed = await program.opening(1)
    for items in ((named(bed), named(bed)), (named(bed), find()), (find(), find())):
        response = await program.claim(*items)
        assert response.status_code == 409, response.text
        refused = response.json()["refused"]
        assert [(each["item"], each["reason"]) for each in refused] == [
            (0, "in_use_by_bundle"),
            (1, "in_use_by_bundle"),
        ]
        assert await free(program, bed) == [1]
    assert (await program.claim(named(bed))).status_code == 201


async def test_two_items_on_one_opening_take_the_units_of_both(program: Program) -> None:
    bed = await program.opening(3)
    response = await program.claim(named(bed, 2), named(bed, 1))
    assert [claim["units"] for claim in response.json()["claims"]] == [2, 1]
    assert await free(program, bed) == [0]


async def test_each_claim_of_a_bundle_goes_its_own_way(program: Program) -> None:
    bed, other = await program.opening(), await program.opening()
    first, second = (await program.claim(named(bed), named(other))).json()["claims"]
    assert (await program.step(first, "release")).status_code == 200
    assert (await program.step(second, "confirm")).status_code == 200
    listed = (await program.call("GET", "/v1/claims", params={"bundle_id": first["bundle_id"]})).json()["items"]
    assert {each["id"]: each["state"] for each in listed} == {first["id"]: "released", second["id"]: "confirmed"}


async def test_an_item_names_an_opening_or_a_need_and_its_units_once(program: Program) -> None:
    bed = await program.opening(5)
    wrong: list[list[dict[str, Any]]] = [
        [],
        [{}],
        [named(bed) | find()],
        [find() | {"units": 2}],
        [named(bed, 0)],
        [{"find": {"category": "housing", "within_km": 3}}],
        [{"find": {"needs": ["pets"]}}],
        [named(bed)] * 11,
    ]
    for items in wrong:
        response = await program.claim(*items)
        assert response.status_code == 422, response.text
        assert all(error["field"].startswith("items") for error in response.json()["errors"])
    assert await free(program, bed) == [5]


async def test_an_opening_that_does_not_exist_is_named_by_its_item(program: Program, other_program: Program) -> None:
    bed, theirs = await program.opening(), await other_program.opening()
    response = await program.claim(named(bed), named(theirs))
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == ["items.1.opening_id"]
    assert await free(program, bed) == [1]


async def test_a_participant_is_named_by_id_or_by_code(program: Program, other_program: Program) -> None:
    bed = await program.opening(3)
    made = await program.made("/v1/participants", {})
    for name in (made["id"], made["code"]):
        assert (await program.claim(named(bed), participant=name)).json()["claims"][0]["participant"] == made["code"]
    for unknown in ("ZZZZ-ZZZZ", await other_program.participant()):
        response = await program.claim(named(bed), participant=unknown)
        assert response.status_code == 422
        assert response.json()["errors"][0]["field"] == "participant"
    assert await free(program, bed) == [1]
