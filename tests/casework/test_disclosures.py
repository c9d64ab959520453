"""Disclosures: nothing before the claim is confirmed and a consent covers it, and all of it accounted for."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.access.roles import Role
from app.casework.terms import STATEMENT, STATEMENT_VERSION
from tests.casework.people import CANARIES, IDENTITY, accounted, coming, consent, meet, revoke, someone
from tests.support import Program


def says_nobody(met: dict[str, Any]) -> bool:
    """Whether there is nothing in it of who the person is."""
    return met["identity"] is None and met["consents"] == [] and not [each for each in CANARIES if each in str(met)]


async def test_confirmed_and_with_consent_the_place_learns_who_comes(program: Program) -> None:
    who = await someone(program)
    given = await consent(program, who)
    met = await meet(program, await coming(program, who))
    known = {name: value for name, value in met["identity"].items() if value}
    assert known == IDENTITY | {"contacts": [{"note": None} | each for each in IDENTITY["contacts"]]}
    assert (met["withheld"], met["notice"], met["notice_version"]) == (None, STATEMENT, STATEMENT_VERSION)
    [under] = met["consents"]
    assert under["consent_id"] == given["id"]
    path = f"/v1/consents/{given['id']}/copy"
    assert under["copy_of_consent"] == (await program.call("GET", path, role=Role.CASE_MANAGER)).text


async def test_each_step_before_that_says_why_and_nothing_else(program: Program) -> None:
    who = await someone(program)
    opening = await program.opening()
    need = {
        "category": "housing", "near": "47.6101,-122.3301", "household": "adults_without_children", "language": "es",
        "needs": ["pets"], "age": 39,
    }  # fmt: skip
    service = await program.service(
        languages=["es"], attributes={"pets": "yes", "adults_without_children": "yes"}, latitude=47.6, longitude=-122.3
    )
    opening = await program.opening(service=service)
    claimed = await program.claim({"find": need}, participant=who["code"])
    claim = claimed.json()["claims"][0]
    assert claim["opening_id"] == opening["id"]
    await consent(program, who)
    brief = {
        "claim_id": claim["id"], "participant": who["code"], "state": "held", "units": 1, "needs": ["pets"],
        "household": "adults_without_children", "language": "es", "withheld": "not_confirmed",
    }  # fmt: skip
    met = await meet(program, claim)
    assert {name: met[name] for name in brief} == brief
    assert says_nobody(met)
    assert "47.6101" not in str(met)
    await program.step(claim, "confirm")
    assert (await meet(program, claim))["withheld"] is None
    await program.step(claim, "release")
    met = await meet(program, claim)
    assert met["withheld"] == "over"
    assert says_nobody(met)
    assert len(await accounted(program, who)) == 1


async def test_a_lapsed_hold_is_over(program: Program) -> None:
    who = await someone(program)
    await consent(program, who)
    claim = (await program.claim({"opening_id": (await program.opening())["id"]}, participant=who["code"])).json()
    await program.lapse(claim["claims"][0])
    met = await meet(program, claim["claims"][0])
    assert (met["state"], met["withheld"]) == ("expired", "over")


async def test_without_a_consent_they_come_under_their_code(program: Program) -> None:
    who = await someone(program)
    met = await meet(program, await coming(program, who))
    assert (met["withheld"], met["participant"]) == ("no_consent", who["code"])
    assert says_nobody(met)
    assert await accounted(program, who) == []


async def other_organization(program: Program) -> str:
    made = await program.made("/v1/organizations", {"name": "Somewhere else"})
    return str(made["id"])


async def test_a_consent_for_others_or_by_others_covers_nothing(program: Program) -> None:
    who = await someone(program)
    other = await other_organization(program)
    await consent(program, who, recipients=[other])
    await consent(program, who, disclosers=[other])
    await consent(program, await someone(program))
    assert (await meet(program, await coming(program, who)))["withheld"] == "no_consent"


async def test_only_what_is_covered_is_told_and_no_more_than_is_asked_for(program: Program) -> None:
    who = await someone(program)
    contacts = await consent(program, who, information={"kinds": ["contacts"], "words": "my phone"})
    claim = await coming(program, who)
    met = await meet(program, claim)
    assert {name for name, value in met["identity"].items() if value} == {"contacts"}
    # Where the name is not told, the scope of the consent takes the place of its copy.
    assert "Quillfeather" not in str(met)
    assert "my phone" in met["consents"][0]["copy_of_consent"]
    name = await consent(program, who, information={"kinds": ["name", "contacts"], "words": "my name too"})
    both = await meet(program, claim)
    assert {name for name, value in both["identity"].items() if value} == {"contacts", "name"}
    assert {each["consent_id"] for each in both["consents"]} == {name["id"]}
    less = await meet(program, claim, params={"only": ["name"]})
    assert {name for name, value in less["identity"].items() if value} == {"name"}
    await revoke(program, name)
    assert (await meet(program, claim))["consents"][0]["consent_id"] == contacts["id"]
    assert (await meet(program, claim, params={"only": ["name"]}))["withheld"] == "nothing_known"
    kinds = [each["kinds"] for each in (await accounted(program, who))[::-1]]
    assert kinds == [["contacts"], ["name", "contacts"], ["name"], ["contacts"]]


async def test_two_consents_may_cover_what_neither_does_alone(program: Program) -> None:
    who = await someone(program)
    ids = [
        (await consent(program, who, information={"kinds": [kind], "words": kind}))["id"]
        for kind in ("name", "contacts")
    ]
    met = await meet(program, await coming(program, who))
    assert {each["consent_id"]: each["kinds"] for each in met["consents"]} == {ids[0]: ["name"], ids[1]: ["contacts"]}
    assert {each["consent_id"] for each in await accounted(program, who)} == set(ids)


async def test_what_ended_covers_nothing_from_that_moment(program: Program) -> None:
    who = await someone(program)
    claim = await coming(program, who)
    given = await consent(program, who)
    await revoke(program, given)
    assert (await meet(program, claim))["withheld"] == "no_consent"
    ended = await consent(program, who)
    body = {"what_happened": "left"}
    await program.call("POST", f"/v1/consents/{ended['id']}/end", role=Role.CASE_MANAGER, json=body)
    assert (await meet(program, claim))["withheld"] == "no_consent"
    soon = datetime.now(UTC) + timedelta(seconds=0.4)
    expiring = await consent(program, who, expiry={"on": soon.isoformat()})
    assert (await meet(program, claim))["withheld"] is None
    async with program.house.owner.transaction(program.id, "tests") as session:
        await session.execute(text("SELECT pg_sleep(0.5)"))
    assert (await meet(program, claim))["withheld"] == "no_consent"
    listed = await program.call("GET", f"/v1/consents/{expiring['id']}", role=Role.CASE_MANAGER)
    assert listed.json()["state"] == "expired"


@pytest.mark.parametrize(("category", "withheld"), [("treatment", None), ("health", None), ("housing", "no_consent")])
async def test_through_an_intermediary_those_who_treat_may_learn(
    program: Program, category: str, withheld: str | None
) -> None:
    who = await someone(program)
    through = {"organization_id": str(program.agency_id), "treating_providers": True}
    await consent(program, who, recipients=[], intermediary=through)
    assert (await meet(program, await coming(program, who, category=category)))["withheld"] == withheld


async def test_through_an_intermediary_its_named_members_may_learn(program: Program) -> None:
    who = await someone(program)
    through = {"organization_id": str(program.agency_id), "members": [str(program.provider_id)]}
    await consent(program, who, recipients=[], intermediary=through)
    assert (await meet(program, await coming(program, who)))["withheld"] is None


async def test_a_manager_who_looks_on_is_no_recipient(program: Program) -> None:
    who = await someone(program)
    await consent(program, who)
    met = await meet(program, await coming(program, who), role=Role.PROGRAM_MANAGER)
    assert met["withheld"] == "no_consent"
    assert says_nobody(met)


async def test_nobody_else_meets_anyone(program: Program) -> None:
    who = await someone(program)
    await consent(program, who)
    claim = await coming(program, who)
    path = f"/v1/claims/{claim['id']}/participant"
    for role in Role:
        response = await program.call("GET", path, role=role)
        if role not in {Role.PROVIDER, Role.PROGRAM_MANAGER}:
            assert response.status_code in {403, 404}, role
            assert who["code"] not in response.text
    assert len(await accounted(program, who)) == 1


async def test_nothing_known_is_nothing_told(program: Program) -> None:
    who = await program.made("/v1/participants", {}, Role.CASE_MANAGER)
    await consent(program, who)
    claim = await coming(program, who)
    assert (await meet(program, claim))["withheld"] == "nothing_known"
    assert await accounted(program, who) == []


async def test_at_a_shelter_of_survivors_there_is_a_code_and_never_a_name(program: Program) -> None:
    who = await someone(program)
    await consent(program, who)
    claim = await coming(program, who)
    async with program.house.owner.transaction(program.id, "tests") as session:
        # Set by hand after the consent was given: no consent that names such an organization can be.
        await session.execute(text("ALTER TABLE organizations DISABLE TRIGGER USER"))
        await session.execute(
            text("UPDATE organizations SET serves_survivors = true WHERE id = :id"), {"id": program.provider_id}
        )
        await session.execute(text("ALTER TABLE organizations ENABLE TRIGGER USER"))
    met = await meet(program, claim)
    assert met["withheld"] == "survivors"
    assert says_nobody(met)
    assert await accounted(program, who) == []


async def test_the_accounting_holds_every_answer_that_told_something(program: Program) -> None:
    who = await someone(program)
    claims = [await coming(program, who) for _ in range(2)]
    await consent(program, who)
    answers = [await meet(program, claim) for claim in claims for _ in range(3)]
    told = {each["disclosure_id"] for answer in answers for each in answer["consents"]}
    items = await accounted(program, who)
    assert len(told) == 6
    assert {each["id"] for each in items} == told
    assert {(each["organization"], each["statement"]) for each in items} == {("A provider", STATEMENT_VERSION)}
    assert items == sorted(items, key=lambda each: each["id"], reverse=True)
    path = f"/v1/participants/{who['id']}/disclosures"
    page = (await program.call("GET", path, role=Role.CASE_MANAGER, params={"limit": 4})).json()
    rest = await program.call("GET", path, role=Role.CASE_MANAGER, params={"cursor": page["next"]})
    assert page["items"] + rest.json()["items"] == items
    paper = await program.call("GET", f"/v1/participants/{who['id']}/accounting", role=Role.CASE_MANAGER)
    assert paper.headers["content-type"].startswith("text/plain")
    assert paper.text.count("A provider") == 6
    assert who["code"] in paper.text
    async with program.house.owner.transaction(program.id, "tests") as session:
        kept = await session.scalars(
            text(
                "SELECT detail ->> 'disclosure_id' FROM audit WHERE program_id = :program"
                " AND action = 'participant.disclosed'"
            ),
            {"program": program.id},
        )
        assert set(kept) == told
