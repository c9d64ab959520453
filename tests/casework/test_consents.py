"""Consents: each element of 42 CFR 2.31(a) left out is refused by name, and what was signed stands as it was signed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.access.roles import Role
from app.casework.terms import ELEMENTS, STATEMENTS, TEXT_VERSION
from app.core.ids import new_id
from tests.casework.people import consent, revoke, someone, terms
from tests.support import Program

LEFT_OUT: dict[str, dict[str, Any]] = {
    "patient": {"patient": "  "},
    "disclosers": {"disclosers": []},
    "information.kinds": {"information": {"words": "who I am"}},
    "information.words": {"information": {"kinds": ["name"]}},
    "recipients": {"recipients": []},
    "intermediary.members": {"recipients": [], "intermediary": {"organization_id": "AGENCY"}},
    "purpose": {"purpose": ""},
    "revocation": {"revocation": ""},
    "expiry": {"expiry": {}},
    "signature": {"signature": {}},
    "signature.authority": {"signature": {"by": "representative", "name": "Ortolan Reed"}},
    "signed_on": {"signed_on": None},
    "text_version": {"text_version": ""},
}


async def give(program: Program, who: dict[str, Any], body: dict[str, Any]) -> Any:
    return await program.call("POST", f"/v1/participants/{who['id']}/consents", role=Role.CASE_MANAGER, json=body)


def test_every_element_is_left_out_once() -> None:
    assert set(LEFT_OUT) == {element.field for element in ELEMENTS}


@pytest.mark.parametrize("field", LEFT_OUT)
async def test_an_element_left_out_is_refused_by_its_name_and_paragraph(program: Program, field: str) -> None:
    who = await program.made("/v1/participants", {}, Role.CASE_MANAGER)
    changes = {
        name: {"organization_id": str(program.agency_id)} if name == "intermediary" else value
        for name, value in LEFT_OUT[field].items()
    }
    response = await give(program, who, terms(program, **changes))
    paragraph = next(element.paragraph for element in ELEMENTS if element.field == field)
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert paragraph in response.json()["errors"][0]["message"]
    # Left out of the body altogether it is the same.
    body = terms(program, **changes)
    if (name := field.split(".", maxsplit=1)[0]) == field:
        del body[name]
        assert [error["field"] for error in (await give(program, who, body)).json()["errors"]] == [field]
    listed = await program.call("GET", f"/v1/participants/{who['id']}/consents", role=Role.CASE_MANAGER)
    assert listed.json()["items"] == []


async def test_nothing_at_all_is_refused_with_all_that_is_missing(program: Program) -> None:
    who = await program.made("/v1/participants", {}, Role.CASE_MANAGER)
    response = await give(program, who, {})
    missing = {error["field"] for error in response.json()["errors"]}
    assert missing == {element.field for element in ELEMENTS} - {"intermediary.members", "signature.authority"}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an organization that isn't there": ({"recipients": [str(new_id())]}, "recipients"),
    "an expiry that is past": ({"expiry": {"on": "2026-01-01T00:00:00Z"}}, "expiry"),
    "two expiries": ({"expiry": {"on": "2100-01-01T00:00:00Z", "event": "x"}}, "expiry"),
    "signed in days to come": ({"signed_on": "2199-01-01"}, "signed_on"),
    "an old text": ({"text_version": "2001-01"}, "text_version"),
    "a drawing that is none": ({"signature": {"drawing": "<script>"}}, "signature.drawing"),
    "a picture that is none": ({"signature": {"drawing": "data:image/png;base64,AAAA"}}, "signature.drawing"),
    "a kind that is none": ({"information": {"kinds": ["diagnosis"], "words": "x"}}, "information.kinds.0"),
    "an unknown field": ({"draft": True}, "draft"),
}


@pytest.mark.parametrize(("changes", "field"), WRONG.values(), ids=WRONG)
async def test_what_is_wrong_is_refused_by_its_field(program: Program, changes: dict[str, Any], field: str) -> None:
    who = await program.made("/v1/participants", {}, Role.CASE_MANAGER)
    response = await give(program, who, terms(program, **changes))
    assert response.status_code == 422, response.text
    assert response.json()["errors"][0]["field"] == field


@pytest.mark.parametrize(
    "signature",
    [
        {"drawing": "M 10 10 L 20.5 -3 c 1,2 3,4 5,6"},
        {"drawing": "data:image/png;base64,iVBORw0KGgo="},
        {"by": "representative", "name": "Ortolan Reed", "authority": "guardian (2.14)"},
    ],
)
async def test_a_consent_is_signed_in_any_of_the_ways(program: Program, signature: dict[str, Any]) -> None:
    made = await consent(program, await someone(program), signature=signature)
    assert made["state"] == "in_force"


@pytest.mark.parametrize("named", ["recipients", "disclosers", "intermediary", "members"])
async def test_a_consent_never_names_a_shelter_of_survivors(program: Program, named: str) -> None:
    who = await someone(program)
    shelter = await program.made("/v1/organizations", {"name": "Safe house", "serves_survivors": True})
    changes: dict[str, Any] = {named: [shelter["id"]]}
    if named == "intermediary":
        changes = {"intermediary": {"organization_id": shelter["id"], "treating_providers": True}}
    if named == "members":
        changes = {"intermediary": {"organization_id": str(program.agency_id), "members": [shelter["id"]]}}
    response = await give(program, who, terms(program, **changes))
    assert response.status_code == 422
    assert "survivors of domestic violence" in response.json()["errors"][0]["message"]
    assert "required" in response.json()["detail"]


async def test_the_text_is_there_to_be_shown(program: Program) -> None:
    shown = (await program.call("GET", "/v1/consent-text", role=Role.CASE_MANAGER)).json()
    assert shown["version"] == TEXT_VERSION
    assert shown["statements"] == list(STATEMENTS)
    assert {element["paragraph"][:7] for element in shown["elements"]} == {"2.31(a)"}
    paragraphs = {element["paragraph"].removeprefix("2.31(a)")[:4].split(")")[0] for element in shown["elements"]}
    assert {word.lstrip("(") for word in paragraphs} >= {str(number) for number in range(1, 11)}


async def test_the_copy_says_all_that_was_signed_and_goes_on_saying_it(program: Program) -> None:
    made = await consent(
        program,
        await someone(program),
        intermediary={"organization_id": str(program.agency_id), "treating_providers": True},
    )
    path = f"/v1/consents/{made['id']}/copy"
    copy = (await program.call("GET", path, role=Role.CASE_MANAGER)).text
    for words in (
        "Canaria Quillfeather", "An agency", "A provider", "your birth date", "knows me at the door",
        "let in and looked after", "tell my case manager", "I have left the shelter", "2026-11-20", TEXT_VERSION,
        "treating provider", *STATEMENTS,
    ):  # fmt: skip
        assert words in copy, words
    async with program.house.owner.transaction(program.id, "tests") as session:
        await session.execute(
            text("UPDATE organizations SET name = 'Renamed' WHERE program_id = :id"), {"id": program.id}
        )
    await revoke(program, made)
    assert (await program.call("GET", path, role=Role.CASE_MANAGER)).text == copy


async def test_revoking_twice_answers_as_the_first_time(program: Program) -> None:
    made = await consent(program, await someone(program))
    first, again = await revoke(program, made), await revoke(program, made)
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert (first.json()["state"], first.json()["revoked_how"]) == ("revoked", "spoken")
    async with program.house.owner.transaction(program.id, "tests") as session:
        kept = await session.execute(
            text(
                "SELECT action, detail ->> 'how' FROM audit WHERE program_id = :program"
                " AND action LIKE 'consent.%' AND detail ->> 'consent_id' = :id ORDER BY id"
            ),
            {"program": program.id, "id": made["id"]},
        )
        assert [tuple(row) for row in kept] == [("consent.given", None), ("consent.revoked", "spoken")]


async def test_one_that_ends_with_an_event_is_ended_by_saying_what_happened(program: Program) -> None:
    who = await someone(program)
    by_event, on_date = (
        await consent(program, who),
        await consent(program, who, expiry={"on": (datetime.now(UTC) + timedelta(days=1)).isoformat()}),
    )
    body = {"what_happened": "Left for an aunt's in Tacoma"}
    done = [
        await program.call("POST", f"/v1/consents/{made['id']}/end", role=Role.CASE_MANAGER, json=body)
        for made in (by_event, by_event, on_date)
    ]
    assert [each.status_code for each in done] == [200, 200, 409]
    assert done[0].json() == done[1].json()
    assert done[0].json()["state"] == "ended"
    path = f"/v1/consents/{by_event['id']}/end"
    empty = await program.call("POST", path, role=Role.CASE_MANAGER, json={"what_happened": " "})
    assert empty.status_code == 422


async def test_consents_are_listed_with_how_they_stand(program: Program) -> None:
    who = await someone(program)
    made = [await consent(program, who) for _ in range(3)]
    await revoke(program, made[1])
    path = f"/v1/participants/{who['id']}/consents"
    first = (await program.call("GET", path, role=Role.CASE_MANAGER, params={"limit": 2})).json()
    rest = await program.call("GET", path, role=Role.CASE_MANAGER, params={"cursor": first["next"]})
    states = [(each["id"], each["state"]) for each in first["items"] + rest.json()["items"]]
    expected = ["in_force", "revoked", "in_force"]
    assert states == [(each["id"], state) for each, state in zip(made[::-1], expected, strict=True)]
    one = await program.call("GET", f"/v1/consents/{made[0]['id']}", role=Role.CASE_MANAGER)
    assert one.json() == made[0]
