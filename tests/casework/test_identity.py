"""Who participants are: written, read, found and erased within reach, and in the trail."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from httpx import ASGITransport
from sqlalchemy import text

from app.access.keys import create_key
from app.access.roles import Role
from app.core.ids import new_id
from app.core.settings import Settings
from app.main import create_app
from tests.casework.people import IDENTITY, accounted, coming, meet, someone, terms, write
from tests.support import House, Program, new_program


async def read(program: Program, who: dict[str, Any], role: Role = Role.CASE_MANAGER) -> httpx.Response:
    return await program.call("GET", f"/v1/participants/{who['id']}/identity", role=role)


async def find(program: Program, sought: dict[str, Any], role: Role = Role.CASE_MANAGER) -> list[dict[str, Any]]:
    response = await program.call("POST", "/v1/participants/find", role=role, json=sought)
    assert response.status_code == 200, response.text
    matches: list[dict[str, Any]] = response.json()["matches"]
    return matches


async def elsewhere(program: Program, **organization: Any) -> Role:
    """Another organization of the program; the outreach worker's key is now one of it."""
    made = await program.made("/v1/organizations", {"name": "Another agency"} | organization)
    async with program.house.owner.transaction(program.id, "tests") as session:
        _, secret = await create_key(session, program.id, made["id"], Role.OUTREACH_WORKER)
    program.keys[Role.OUTREACH_WORKER] = secret
    return Role.OUTREACH_WORKER


async def trail(program: Program, who: dict[str, Any]) -> list[str]:
    async with program.house.owner.transaction(program.id, "tests") as session:
        found = await session.scalars(
            text("SELECT action FROM audit WHERE program_id = :program AND subject_id = :id ORDER BY id"),
            {"program": program.id, "id": who["id"]},
        )
        return list(found)


async def test_what_is_written_is_read_again_and_both_are_in_the_trail(program: Program) -> None:
    who = await someone(program)
    response = await read(program, who)
    assert response.status_code == 200
    assert response.json() == IDENTITY | {"contacts": [{"note": None} | each for each in IDENTITY["contacts"]]}
    await write(program, who, {"preferred_name": "Lark"})
    assert (await read(program, who)).json()["name"] is None
    assert await trail(program, who) == [
        "participant.added", "identity.written", "identity.read", "identity.written", "identity.read",
    ]  # fmt: skip


async def test_erased_it_is_gone_and_not_found(program: Program) -> None:
    who = await someone(program)
    path = f"/v1/participants/{who['id']}/identity"
    for _ in range(2):
        assert (await program.call("DELETE", path, role=Role.CASE_MANAGER)).json()["code"] == who["code"]
    assert (await read(program, who)).status_code == 404
    assert await find(program, {"name": IDENTITY["name"], "birth_date": IDENTITY["birth_date"]}) == []
    assert (await trail(program, who)).count("identity.erased") == 1
    assert (await program.call("GET", f"/v1/participants/{who['code']}", role=Role.CASE_MANAGER)).status_code == 200


SOUGHT: dict[str, tuple[dict[str, Any], list[str]]] = {
    "name and birth date": ({"name": "CANARIA  quill-feather", "birth_date": "1987-03-09"}, ["name_and_birth_date"]),
    "an identifier": ({"identifiers": [{"kind": "hmis_id", "value": "hm 774411"}]}, ["identifier"]),
    "a phone": ({"contacts": [{"kind": "phone", "value": "+1 206.555.0142"}]}, ["contact"]),
    "an address": ({"contacts": [{"kind": "email", "value": "siskin.q@EXAMPLE.org"}]}, ["contact"]),
    "two of them": (
        {
            "contacts": [{"kind": "phone", "value": "2065550142"}],
            "identifiers": [{"kind": "hmis_id", "value": "HM774411"}],
        },
        ["contact", "identifier"],
    ),
}


@pytest.mark.parametrize(("sought", "matched"), SOUGHT.values(), ids=SOUGHT)
async def test_someone_is_found_however_they_are_written(
    program: Program, sought: dict[str, Any], matched: list[str]
) -> None:
    who = await someone(program)
    expected = {"id": who["id"], "code": who["code"], "own": True, "matched": matched}
    assert await find(program, sought) == [expected]


@pytest.mark.parametrize(
    "sought",
    [
        {"name": "Canaria Quillfeather", "birth_date": "1987-03-10"},
        {"name": "Canaria Quill", "birth_date": "1987-03-09"},
        {"identifiers": [{"kind": "medicaid_id", "value": "HM-774-411"}]},
        {"contacts": [{"kind": "phone", "value": "206 555 0143"}]},
    ],
)
async def test_nobody_else_is_found(program: Program, sought: dict[str, Any]) -> None:
    await someone(program)
    assert await find(program, sought) == []


async def test_a_name_alone_finds_nobody(program: Program) -> None:
    for sought in ({}, {"name": "Canaria"}, {"birth_date": "1987-03-09"}, {"name": "--", "birth_date": "1987-03-09"}):
        response = await program.call("POST", "/v1/participants/find", role=Role.CASE_MANAGER, json=sought)
        assert response.status_code == 422


async def test_the_same_person_written_down_twice_is_told_and_not_refused(program: Program) -> None:
    first, second = await someone(program), await program.made("/v1/participants", {}, Role.CASE_MANAGER)
    response = await write(program, second, {"contacts": [{"kind": "phone", "value": "206-555-0142"}]})
    expected = {"id": first["id"], "code": first["code"], "own": True, "matched": ["contact"]}
    assert response.json() == {"matches": [expected]}
    assert (await write(program, second, {"pronouns": "they"})).json() == {"matches": []}


async def test_of_two_who_write_the_same_person_down_at_once_one_is_told(program: Program) -> None:
    for round in range(6):
        born = {"name": f"Twice {round}", "birth_date": "1990-01-01"}
        two = [await program.made("/v1/participants", {}, Role.CASE_MANAGER) for _ in range(2)]
        answers = await asyncio.gather(*(write(program, who, born) for who in two))
        assert sorted(len(answer.json()["matches"]) for answer in answers) == [0, 1]


async def test_other_organizations_learn_the_code_and_nothing_more(program: Program) -> None:
    who = await someone(program)
    role = await elsewhere(program)
    found = await find(program, {"name": IDENTITY["name"], "birth_date": IDENTITY["birth_date"]}, role)
    assert found == [{"id": None, "code": who["code"], "own": False, "matched": ["name_and_birth_date"]}]
    for method, path, body in (
        ("GET", f"/v1/participants/{who['id']}", None),
        ("GET", f"/v1/participants/{who['code']}", None),
        ("GET", f"/v1/participants/{who['id']}/identity", None),
        ("PUT", f"/v1/participants/{who['id']}/identity", {}),
        ("DELETE", f"/v1/participants/{who['id']}/identity", None),
        ("PUT", f"/v1/participants/{who['id']}/demographics", {}),
        ("POST", f"/v1/participants/{who['id']}/consents", terms(program)),
        ("GET", f"/v1/participants/{who['id']}/consents", None),
        ("GET", f"/v1/participants/{who['id']}/disclosures", None),
        ("GET", f"/v1/participants/{who['id']}/accounting", None),
    ):
        assert (await program.call(method, path, role=role, json=body)).status_code == 404, path
    assert (await program.call("GET", "/v1/participants", role=role)).json()["items"] == []
    assert "identity.read" not in await trail(program, who)


async def test_another_program_finds_nobody(program: Program) -> None:
    who = await someone(program)
    other = await new_program(program.house)
    assert await find(other, {"name": IDENTITY["name"], "birth_date": IDENTITY["birth_date"]}) == []
    assert (await read(other, who, Role.PROGRAM_MANAGER)).status_code == 404


async def test_whom_a_shelter_of_survivors_once_gave_a_code_nobody_finds_or_reads(program: Program) -> None:
    role = await elsewhere(program, serves_survivors=True)
    whose = (await program.call("GET", "/v1/me", role=role)).json()["organization_id"]
    who = await someone(program)
    async with program.house.owner.transaction(program.id, "tests") as session:
        # By hand, as it may have been before the database held that it can't be.
        await session.execute(text("ALTER TABLE participants DISABLE TRIGGER USER"))
        await session.execute(
            text("UPDATE participants SET organization_id = :whose WHERE id = :id"), {"whose": whose, "id": who["id"]}
        )
        await session.execute(text("ALTER TABLE participants ENABLE TRIGGER USER"))
    by = {"name": IDENTITY["name"], "birth_date": IDENTITY["birth_date"]}
    for other in (Role.CASE_MANAGER, Role.PROGRAM_MANAGER):
        assert await find(program, by, other) == []
        assert (await read(program, who, other)).status_code == 404
        assert who["code"] not in (await program.call("GET", "/v1/participants", role=other)).text
    assert (await read(program, who, role)).status_code == 403
    assert (await program.call("GET", "/v1/participants", role=role)).status_code == 403


async def test_the_list_is_paged_and_holds_codes_alone(program: Program) -> None:
    made = [await program.made("/v1/participants", {"reference": f"R{nr}"}, Role.CASE_MANAGER) for nr in range(5)]
    seen: list[dict[str, Any]] = []
    page: dict[str, Any] = {"next": None}
    while True:
        params = {"limit": 2} | ({"cursor": page["next"]} if page["next"] else {})
        page = (await program.call("GET", "/v1/participants", role=Role.CASE_MANAGER, params=params)).json()
        seen += page["items"]
        if page["next"] is None:
            break
    assert seen == made[::-1]
    assert set(seen[0]) == {"id", "code", "reference", "created_at"}


async def test_an_agencys_own_number_is_shown_to_nobody_else(program: Program) -> None:
    role = await elsewhere(program)
    who = await program.made("/v1/participants", {"reference": "ours-7"}, role)
    seen = await program.call("GET", f"/v1/participants/{who['code']}", role=Role.PROGRAM_MANAGER)
    assert (seen.json()["code"], seen.json()["reference"]) == (who["code"], None)


async def test_tried_again_under_its_key_it_is_done_once_and_told_so(program: Program) -> None:
    who = await program.made("/v1/participants", {}, Role.CASE_MANAGER)
    key = str(uuid4())
    first = await write(program, who, IDENTITY, key=key)
    again = await write(program, who, IDENTITY, key=key)
    assert first.status_code == 200
    assert (again.status_code, again.json()["type"].rsplit("/", 1)[1]) == (409, "answer-not-kept")
    assert (await trail(program, who)).count("identity.written") == 1


async def test_hostile_identities_are_refused_by_their_field(program: Program) -> None:
    who = await program.made("/v1/participants", {}, Role.CASE_MANAGER)
    for field, value in {
        "name": "a\x00b",
        "birth_date": "1850-01-01",
        "pronouns": "x" * 201,
        "nickname": "Jo",
        "contacts": [{"kind": "email", "value": "Quillfeather at home"}],
        "identifiers": [{"kind": "Not A Kind", "value": "1"}],
    }.items():
        response = await write(program, who, {field: value})
        assert response.status_code == 422
        assert response.json()["errors"][0]["field"].split(".")[0] == field
        assert "Quillfeather" not in response.text


async def test_without_master_keys_codes_and_claims_go_on_and_the_rest_says_why(
    program: Program, house: House, shared_database: str
) -> None:
    app = create_app(Settings(database_url=shared_database), loops=False)
    async with app.router.lifespan_context(app):
        transport = ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://bare") as http:
            program.house = House(app, http, house.owner)
            who = await program.made("/v1/participants", {}, Role.CASE_MANAGER)
            refused = await write(program, who, IDENTITY)
            assert refused.status_code == 503
            assert refused.json()["type"].endswith("/no-master-key")
            assert "OPENBERTH_MASTER_KEYS" in refused.json()["detail"]
            claim = await coming(program, who)
            assert (await meet(program, claim))["participant"] == who["code"]
            assert await accounted(program, who) == []


async def test_ids_that_are_none_are_not_found(program: Program) -> None:
    for path in ("/v1/participants/AAAA-AAAA", f"/v1/participants/{new_id()}", f"/v1/participants/{new_id()}/identity"):
        assert (await program.call("GET", path)).status_code == 404
