"""Referrals as workers have them: taken up, contacted, taken in or closed; and sealed wherever they are kept."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from httpx import Response
from sqlalchemy import text

from app.access.idempotency import fingerprint
from app.access.roles import Role
from app.casework.referrals import CloseReason
from tests.support import Program, told_in_headers

PERSON = {"name": "Jo Quixote", "description": "Green coat", "where": "Third and Pike", "contact": "555-0100"}
BODY: dict[str, Any] = {"kind": "diversion", "person": PERSON, "note": "Asked for a bed", "reference": "26-1187"}


async def refer(program: Program, role: Role = Role.OFFICER, **body: Any) -> Response:
    """A referral."""
    return await program.call("POST", "/v1/referrals", role=role, key=str(uuid4()), json=BODY | body)


async def made(program: Program, **body: Any) -> str:
    """The id of a referral that must be made."""
    response = await refer(program, **body)
    assert response.status_code == 201, response.text
    id: str = response.json()["id"]
    return id


async def step(program: Program, id: str, verb: str, **body: Any) -> Response:
    """One step of a referral."""
    return await program.call("POST", f"/v1/referrals/{id}/{verb}", role=Role.CASE_MANAGER, json=body)


async def followed(program: Program, id: str) -> tuple[bool, bool]:
    """What the officer learns."""
    seen = (await program.call("GET", f"/v1/referrals/mine/{id}", role=Role.OFFICER)).json()
    return seen["contact_made"], seen["intake_completed"]


# Making one.


@pytest.mark.parametrize(
    ("role", "kind", "status"),
    [
        (Role.OFFICER, "diversion", 201),
        (Role.OFFICER, "social_contact", 201),
        (Role.PROSECUTOR, "diversion", 201),
        (Role.CASE_MANAGER, "community", 201),
        (Role.COMMUNITY_MEMBER, "community", 201),
        (Role.COMMUNITY_MEMBER, "diversion", 422),
        (Role.PROVIDER, "community", 403),
        (Role.OPERATOR, "community", 403),
    ],
)
async def test_who_refers_and_how(program: Program, role: Role, kind: str, status: int) -> None:
    assert (await refer(program, role, kind=kind)).status_code == status


async def test_a_referral_says_at_least_one_thing_by_which_the_person_can_be_found(program: Program) -> None:
    response = await refer(program, person={})
    assert response.json()["errors"] == [
        {"field": "person", "message": "Say at least one thing by which the person can be found"}
    ]
    for name, value in PERSON.items():
        assert (await refer(program, person={name: value})).status_code == 201


async def test_the_answer_says_nothing_of_the_person_and_is_the_same_for_somebody_known(program: Program) -> None:
    answers = [await refer(program) for _ in range(2)]
    for answer in answers:
        assert set(answer.json()) == {"id", "reference", "referred_at"}
        assert not any(value in answer.text for value in PERSON.values())
    assert told_in_headers(answers[0]) == told_in_headers(answers[1])


# Workers.


async def test_workers_see_who_it_is_and_the_trail_says_that_they_looked(program: Program) -> None:
    id = await made(program)
    seen = (await program.call("GET", f"/v1/referrals/{id}", role=Role.OUTREACH_WORKER)).json()
    assert (seen["person"], seen["note"]) == (PERSON, BODY["note"])
    assert (seen["kind"], seen["referrer_role"], seen["minutes_since"]) == ("diversion", "officer", 0)
    async with program.house.owner.transaction(program.id, "tests") as session:
        looks = text("SELECT detail FROM audit WHERE subject_id = :id AND action = 'referral.viewed'")
        assert list(await session.scalars(looks, {"id": id})) == [{}]


async def test_the_list_is_newest_first_and_says_not_who_it_is(program: Program) -> None:
    ids = [await made(program) for _ in range(3)]
    await step(program, ids[0], "close", reason="declined")
    response = await program.call("GET", "/v1/referrals", role=Role.CASE_MANAGER)
    assert [each["id"] for each in response.json()["items"]] == ids[::-1]
    assert not any(value in response.text for value in (*PERSON.values(), BODY["note"], BODY["reference"]))
    for is_open, expected in (("true", ids[:0:-1]), ("false", ids[:1])):
        response = await program.call("GET", f"/v1/referrals?open={is_open}", role=Role.CASE_MANAGER)
        assert [each["id"] for each in response.json()["items"]] == expected


@pytest.mark.parametrize(("path", "role"), [("/v1/referrals", Role.CASE_MANAGER), ("/v1/referrals/mine", Role.OFFICER)])
async def test_pages_cover_every_referral_once(program: Program, path: str, role: Role) -> None:
    ids = [await made(program) for _ in range(5)]
    seen: list[str] = []
    following = None
    while True:
        params = {"limit": 2} | ({"cursor": following} if following else {})
        page = (await program.call("GET", path, role=role, params=params)).json()
        seen += [each["id"] for each in page["items"]]
        if (following := page["next"]) is None:
            break
    assert seen == (ids if role is Role.OFFICER else ids[::-1])


async def test_contact_and_intake_are_what_the_referrer_learns(program: Program) -> None:
    id, someone = await made(program), await program.made("/v1/participants", {}, Role.CASE_MANAGER)
    assert await followed(program, id) == (False, False)
    assert (await step(program, id, "contact")).status_code == 200
    assert await followed(program, id) == (True, False)
    taken_in = (await step(program, id, "intake", participant=someone["code"])).json()
    assert (taken_in["participant_id"], taken_in["closed_at"]) == (someone["id"], None)
    assert taken_in["contacted_at"] < taken_in["taken_in_at"]
    assert await followed(program, id) == (True, True)


async def test_a_manager_too_follows_only_what_they_referred(program: Program) -> None:
    await made(program)
    own = (await refer(program, Role.PROGRAM_MANAGER)).json()["id"]
    listed = (await program.call("GET", "/v1/referrals/mine")).json()["items"]
    assert [each["id"] for each in listed] == [own]


async def test_intake_implies_contact(program: Program) -> None:
    id, someone = await made(program), await program.made("/v1/participants", {}, Role.CASE_MANAGER)
    taken_in = (await step(program, id, "intake", participant=someone["id"])).json()
    assert taken_in["contacted_at"] == taken_in["taken_in_at"]
    assert await followed(program, id) == (True, True)


@pytest.mark.parametrize("reason", CloseReason)
async def test_whoever_referred_never_learns_that_it_was_closed(program: Program, reason: CloseReason) -> None:
    id = await made(program)
    closed = (await step(program, id, "close", reason=reason)).json()
    assert (closed["close_reason"], closed["closed_at"] is None) == (reason, False)
    assert await followed(program, id) == (False, False)


async def test_a_step_taken_twice_is_no_error_and_moves_no_time(program: Program) -> None:
    id, code = await made(program), await program.participant()
    for verb, body in (("contact", {}), ("intake", {"participant": code})):
        first, again = [(await step(program, id, verb, **body)).json() for _ in range(2)]
        assert first | {"minutes_since": 0} == again | {"minutes_since": 0}
    closed = await made(program)
    first, again = [(await step(program, closed, "close", reason="died")).json() for _ in range(2)]
    assert first["closed_at"] == again["closed_at"]


async def test_what_is_over_stays_so(program: Program) -> None:
    code, other = await program.participant(), await program.participant()
    closed, taken_in = await made(program), await made(program)
    await step(program, closed, "close", reason="declined")
    await step(program, taken_in, "intake", participant=code)
    for id, verb, body in (
        (closed, "contact", {}),
        (closed, "intake", {"participant": code}),
        (closed, "close", {"reason": "died"}),
        (taken_in, "intake", {"participant": other}),
        (taken_in, "close", {"reason": "declined"}),
    ):
        response = await step(program, id, verb, **body)
        assert response.status_code == 409, (verb, response.text)
    assert (await step(program, closed, "intake", participant="NOBO-DY00")).status_code == 422


async def test_of_many_who_take_the_person_in_at_once_one_does(program: Program) -> None:
    id, codes = await made(program), [await program.participant() for _ in range(6)]
    steps = [step(program, id, "intake", participant=code) for code in codes]
    sent = await asyncio.gather(*steps, step(program, id, "close", reason="declined"))
    assert sorted(each.status_code for each in sent) == [200, *[409] * 6]
    async with program.house.owner.transaction(program.id, "tests") as session:
        told = text("SELECT count(*) FROM events WHERE subject_id = :id AND type <> 'referral.made'")
        count = await session.scalar(told, {"id": id})
    assert count == (1 if sent[-1].status_code == 200 else 2)


async def test_another_programs_referrals_and_people_are_out_of_reach(program: Program, other_program: Program) -> None:
    id = await made(program)
    for method, path, body in (
        ("GET", f"/v1/referrals/{id}", None),
        ("POST", f"/v1/referrals/{id}/contact", None),
        ("POST", f"/v1/referrals/{id}/close", {"reason": "died"}),
    ):
        assert (await other_program.call(method, path, json=body)).status_code == 404
    assert (await step(program, id, "intake", participant=await other_program.participant())).status_code == 422


# What is kept.


async def test_what_identifies_the_person_is_nowhere_in_the_clear(program: Program) -> None:
    response = await refer(program)
    async with program.house.owner.transaction(program.id, "tests") as session:
        tables = list(
            await session.scalars(
                text("SELECT DISTINCT table_name FROM information_schema.columns WHERE column_name = 'program_id'")
            )
        )
        everything = ""
        for table in tables:
            found = text(f"SELECT to_jsonb(t)::text FROM {table} t WHERE program_id = :id")
            everything += "\n".join(await session.scalars(found, {"id": program.id}))
    assert response.json()["id"] in everything
    for value in (*PERSON.values(), BODY["note"], BODY["reference"]):
        assert value not in everything
        assert value.encode().hex() not in everything
    # Names can be tried one after the other: none may fit the fingerprint.
    assert fingerprint("POST", "/v1/referrals", response.request.content).hex() not in everything


async def test_the_same_key_refers_once_and_is_told_so(program: Program) -> None:
    key = str(uuid4())
    sent = [await program.call("POST", "/v1/referrals", role=Role.OFFICER, key=key, json=BODY) for _ in range(3)]
    assert [each.status_code for each in sent] == [201, 409, 409]
    assert sent[1].json()["type"].endswith("/answer-not-kept")
    assert sent[1].content == sent[2].content
    listed = (await program.call("GET", "/v1/referrals/mine", role=Role.OFFICER)).json()["items"]
    assert [(each["id"], each["reference"]) for each in listed] == [(sent[0].json()["id"], BODY["reference"])]


async def test_a_person_can_only_be_opened_in_the_referral_that_they_were_sealed_in(program: Program) -> None:
    one, other = await made(program), await made(program, person={"name": "Somebody else"})
    async with program.house.owner.transaction(program.id, "tests") as session:
        swap = text("UPDATE referrals SET person = (SELECT person FROM referrals WHERE id = :other) WHERE id = :one")
        await session.execute(swap, {"one": one, "other": other})
    response = await program.call("GET", f"/v1/referrals/{one}", role=Role.CASE_MANAGER)
    assert response.status_code == 500
    assert "Somebody else" not in response.text
