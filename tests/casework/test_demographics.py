"""What people say of themselves: counted, never joined to a name, and small numbers never told."""

from typing import Any

import pytest
from sqlalchemy import text

from app.access.roles import Role
from app.casework.demographics import GENDER, RACE_ETHNICITY
from tests.casework.people import someone
from tests.support import Program


async def said(program: Program, who: dict[str, Any], answers: dict[str, Any]) -> Any:
    """Write down what someone says of themselves."""
    path = f"/v1/participants/{who['id']}/demographics"
    return await program.call("PUT", path, role=Role.CASE_MANAGER, json=answers)


async def counts(program: Program) -> dict[tuple[str, str], int | None]:
    response = await program.call("GET", "/v1/demographics", role=Role.EVALUATOR)
    assert response.status_code == 200
    assert response.json()["smallest"] == 11
    return {(each["dimension"], each["answer"]): each["people"] for each in response.json()["items"]}


async def test_numbers_are_told_from_eleven_on(program: Program) -> None:
    people = [await program.made("/v1/participants", {}, Role.CASE_MANAGER) for _ in range(12)]
    for number, who in enumerate(people[:10]):
        answers = {"race_ethnicity": ["white", "hispanic_latina_latino"], "gender": ["woman"], "language": "es"}
        response = await said(program, who, answers | ({"gender": ["non_binary"]} if number < 3 else {}))
        assert response.status_code == 200
    nobody = await counts(program)
    # Ten look as none do; and a language that few speak isn't named.
    assert set(nobody.values()) == {None}
    assert set(nobody) == {("race_ethnicity", each) for each in RACE_ETHNICITY} | {("gender", each) for each in GENDER}
    for who in people[10:]:
        await said(program, who, {"race_ethnicity": ["white"], "language": "es", "gender": ["woman"]})
    found = await counts(program)
    assert {key: people for key, people in found.items() if people} == {
        ("race_ethnicity", "white"): 12,
        ("language", "es"): 12,
    }


async def test_said_again_it_takes_the_place_of_what_was_said(program: Program) -> None:
    people = [await program.made("/v1/participants", {}, Role.CASE_MANAGER) for _ in range(11)]
    for who in people:
        for answers in ({"gender": ["man"]}, {"gender": ["prefers_not_to_say"], "language": "prefers_not_to_say"}):
            await said(program, who, answers)
    found = {key: people for key, people in (await counts(program)).items() if people}
    assert found == {("gender", "prefers_not_to_say"): 11, ("language", "prefers_not_to_say"): 11}
    await said(program, people[0], {})
    assert not [people for people in (await counts(program)).values() if people]


@pytest.mark.parametrize(
    ("answers", "field"),
    [
        ({"race_ethnicity": ["purple"]}, "race_ethnicity"),
        ({"race_ethnicity": []}, "race_ethnicity"),
        ({"gender": ["woman", "prefers_not_to_say"]}, "gender"),
        ({"language": "English"}, "language"),
        ({"religion": "x"}, "religion"),
    ],
)
async def test_an_answer_that_is_none_is_refused(program: Program, answers: dict[str, Any], field: str) -> None:
    response = await said(program, await program.made("/v1/participants", {}, Role.CASE_MANAGER), answers)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"].split(".")[0] == field


async def test_no_row_of_the_database_joins_a_person_to_what_they_said(program: Program) -> None:
    who = await someone(program)
    await said(program, who, {"language": "so"})
    async with program.house.owner.transaction(program.id, "tests") as session:
        subject = await session.scalar(
            text("SELECT subject FROM demographics WHERE program_id = :id"), {"id": program.id}
        )
        tables = list(
            await session.scalars(
                text("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
            )
        )
        for table in tables:
            both = await session.scalar(
                text(
                    f"SELECT count(*) FROM {table} t WHERE to_jsonb(t)::text LIKE :subject"
                    " AND to_jsonb(t)::text LIKE :participant"
                ),
                {"subject": f"%{subject}%", "participant": f"%{who['id']}%"},
            )
            assert both == 0, table
        noted = await session.scalars(
            text("SELECT subject_id FROM audit WHERE program_id = :id AND action = 'demographics.written'"),
            {"id": program.id},
        )
        assert list(noted) == [subject]


async def test_who_counts_is_evaluator_or_manager(program: Program) -> None:
    for role in Role:
        response = await program.call("GET", "/v1/demographics", role=role)
        assert (response.status_code == 200) == (role in {Role.EVALUATOR, Role.PROGRAM_MANAGER})
