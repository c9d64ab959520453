"""People: invited once, changed and ended by managers alone, and out within a second of it."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.access.roles import Role
from tests.browser import PASSWORD, Browser, invited, joined
from tests.support import House, Program


async def trail(program: Program, subject: str) -> list[tuple[str, str]]:
    """Actors and actions of the trail's entries about a subject, in order."""
    async with program.house.owner.transaction(program.id, "tests") as session:
        rows = await session.execute(
            text("SELECT actor, action FROM audit WHERE program_id = :program AND subject_id = :id ORDER BY id"),
            {"program": program.id, "id": subject},
        )
        return [(row.actor, row.action) for row in rows]


async def test_an_invited_person_joins_and_calls_as_themselves(house: House, program: Program) -> None:
    browser = Browser(house)
    person = await invited(program, Role.CASE_MANAGER)
    read = await browser.done("/v1/invitations/read", {"token": person.token})
    assert read == {"name": "Robin Alder", "email": person.email, "role": "case_manager"}
    assert await browser.done("/v1/invitations/accept/password", {"token": person.token, "password": PASSWORD}) == {
        "signed_in": True,
        "second_factor": [],
    }
    me = (await browser.get("/v1/me")).json()
    assert (me["id"], me["role"], me["scopes"]) == (person.id, "case_manager", None)
    assert me["organization_id"] == str(program.agency_id)

    opening = await program.opening()
    code = (await browser.done("/v1/participants", {}, 201))["code"]
    body = {"participant": code, "items": [{"opening_id": opening["id"]}]}
    claimed = await browser.http.post(
        "/v1/claims", json=body, headers={"Origin": "https://house.example", "Idempotency-Key": str(uuid4())}
    )
    assert claimed.status_code == 201, claimed.text
    assert (person.id, "claim.held") in await trail(program, claimed.json()["claims"][0]["id"])
    assert [action for _, action in await trail(program, person.id)] == [
        "person.invited",
        "invitation.added",
        "invitation.removed",
        "person.joined",
        "password.added",
        "person.signed_in",
    ]


async def test_an_invitation_is_good_once(house: House, program: Program) -> None:
    person = await joined(Browser(house), program)
    again = await Browser(house).post(
        "/v1/invitations/accept/password", {"token": person.token, "password": "another sentence of words"}
    )
    assert again.status_code == 401
    assert (await Browser(house).post("/v1/invitations/read", {"token": person.token})).status_code == 401


async def test_an_invitation_accepted_twice_at_once_is_good_once(house: House, program: Program) -> None:
    person = await invited(program)
    body = {"token": person.token, "password": PASSWORD}
    answers = await asyncio.gather(*(Browser(house).post("/v1/invitations/accept/password", body) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401]


async def test_an_invitation_runs_out(house: House, program: Program) -> None:
    person = await invited(program)
    async with house.owner.transaction(program.id, "tests") as session:
        lapse = text("UPDATE invitations SET expires_at = now() - interval '1 s' WHERE person_id = :id")
        await session.execute(lapse, {"id": person.id})
    late = await Browser(house).post("/v1/invitations/read", {"token": person.token})
    never = await Browser(house).post("/v1/invitations/read", {"token": "0" * 32 + "never"})
    none = await Browser(house).post("/v1/invitations/read", {"token": "no token"})
    assert late.status_code == never.status_code == none.status_code == 401
    assert late.json() == never.json() == none.json()


async def test_only_its_hash_is_stored_and_no_key_keeps_it(house: House, program: Program) -> None:
    body = {
        "organization_id": str(program.agency_id),
        "role": "provider",
        "email": "Once@Example.org",
        "name": "Once",
    }
    response = await program.call("POST", "/v1/people", json=body, key="an-idempotency-key")
    assert response.status_code == 201
    again = await program.call("POST", "/v1/people", json=body, key="an-idempotency-key")
    assert (again.status_code, again.json()["location"]) == (409, f"/v1/people/{response.json()['person']['id']}")
    assert response.headers["cache-control"] == "no-store"
    token = response.json()["token"]
    assert response.json()["link"] == f"https://house.example/invitation#{token}"
    async with house.owner.transaction(program.id, "tests") as session:
        for table in ("invitations", "idempotency", "events", "audit", "people"):
            rows = await session.scalars(text(f"SELECT to_jsonb(t)::text FROM {table} t"))
            assert not [row for row in rows if token in row or token.encode().hex() in row], table


async def test_an_address_is_a_programs_once_however_it_is_written(program: Program, other_program: Program) -> None:
    body = {"role": "evaluator", "email": "Robin@Example.org", "name": "Robin"}
    first = await program.made("/v1/people", body | {"organization_id": str(program.agency_id)})
    assert first["person"]["email"] == "robin@example.org"
    again = {"organization_id": str(program.agency_id), "email": "rObin@eXample.org"}
    assert (await program.call("POST", "/v1/people", json=body | again)).status_code == 409
    elsewhere = {"organization_id": str(other_program.agency_id)}
    assert (await other_program.call("POST", "/v1/people", json=body | elsewhere)).status_code == 201


async def test_another_programs_organization_is_none(program: Program, other_program: Program) -> None:
    body = {
        "organization_id": str(other_program.agency_id),
        "role": "evaluator",
        "email": "a@example.org",
        "name": "A",
    }
    response = await program.call("POST", "/v1/people", json=body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "organization_id"


async def test_no_request_makes_or_touches_an_operator(house: House, program: Program) -> None:
    person = await invited(program)
    body = {"organization_id": str(program.agency_id), "role": "operator", "email": "op@example.org", "name": "Op"}
    assert (await program.call("POST", "/v1/people", json=body)).status_code == 403
    change = await program.call("PATCH", f"/v1/people/{person.id}", json={"role": "operator"})
    assert change.status_code == 403
    async with house.owner.transaction(program.id, "tests") as session:
        await session.execute(text("UPDATE people SET role = 'operator' WHERE id = :id"), {"id": person.id})
    for method, path in (("PATCH", ""), ("POST", "/end"), ("POST", "/invite")):
        response = await program.call(method, f"/v1/people/{person.id}{path}", json={"name": "Mine now"})
        assert response.status_code == 403, path


@pytest.mark.parametrize("change", [{"role": "evaluator"}, {"organization_id": "provider"}])
async def test_another_role_or_organization_signs_out_at_once(
    house: House, program: Program, change: dict[str, str]
) -> None:
    browser = Browser(house)
    person = await joined(browser, program)
    assert await browser.signed_in()
    if "organization_id" in change:
        change = {"organization_id": str(program.provider_id)}
    response = await program.call("PATCH", f"/v1/people/{person.id}", json=change)
    assert response.status_code == 200, response.text
    assert not await browser.signed_in()
    assert (await browser.sign_in(person)).status_code == 200
    me = (await browser.get("/v1/me")).json()
    assert change.items() <= me.items()


async def test_another_name_signs_nobody_out(house: House, program: Program) -> None:
    browser = Browser(house)
    person = await joined(browser, program)
    changed = await program.call("PATCH", f"/v1/people/{person.id}", json={"name": "Robin Birch"})
    assert changed.json()["name"] == "Robin Birch"
    assert await browser.signed_in()


async def test_ended_access_opens_nothing(house: House, program: Program) -> None:
    browser = Browser(house)
    person = await joined(browser, program)
    ended = await program.call("POST", f"/v1/people/{person.id}/end")
    assert (ended.json()["state"], ended.status_code) == ("ended", 200)
    assert not await browser.signed_in()
    refused = await browser.sign_in(person)
    wrong = await browser.sign_in(person, "wrong words altogether")
    assert refused.status_code == 401
    assert refused.json() == wrong.json()


async def test_invited_again_a_person_starts_afresh(house: House, program: Program) -> None:
    browser = Browser(house)
    person = await joined(browser, program)
    again = await program.call("POST", f"/v1/people/{person.id}/invite")
    assert again.json()["person"]["state"] == "invited"
    assert not await browser.signed_in()
    assert (await browser.sign_in(person)).status_code == 401
    person.password = "eleven herons by the weir"
    await browser.done("/v1/invitations/accept/password", {"token": again.json()["token"], "password": person.password})
    assert (await Browser(house).sign_in(person)).status_code == 200


async def test_a_newer_invitation_voids_the_one_before(house: House, program: Program) -> None:
    person = await invited(program)
    newer = (await program.call("POST", f"/v1/people/{person.id}/invite")).json()["token"]
    assert (await Browser(house).post("/v1/invitations/read", {"token": person.token})).status_code == 401
    assert (await Browser(house).post("/v1/invitations/read", {"token": newer})).status_code == 200


async def test_managers_do_not_change_or_end_themselves(house: House, program: Program) -> None:
    browser = Browser(house)
    person = await joined(browser, program, Role.PROGRAM_MANAGER)
    assert (await browser.post(f"/v1/people/{person.id}/end")).status_code == 409
    assert (await browser.send("PATCH", f"/v1/people/{person.id}", {"role": "officer"})).status_code == 409
    assert await browser.signed_in()


async def test_people_are_listed_page_by_page_and_only_ones_own(program: Program, other_program: Program) -> None:
    people = [(await invited(program)).id for _ in range(3)]
    stranger = await invited(other_program)
    first = (await program.call("GET", "/v1/people?limit=2")).json()
    second = (await program.call("GET", f"/v1/people?limit=2&cursor={first['next']}")).json()
    assert [each["id"] for each in first["items"] + second["items"]] == people
    assert second["next"] is None
    assert (await program.call("GET", f"/v1/people/{stranger.id}")).status_code == 404
    assert (await program.call("POST", f"/v1/people/{stranger.id}/end")).status_code == 404
