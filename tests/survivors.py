"""What serves survivors of domestic violence, for tests: a shelter, calls to claim there, and a look at every row."""

import re
from typing import Any

from sqlalchemy import text

from app.access.keys import create_key
from app.access.roles import Action, Role
from tests.support import Program

PARTICIPANTS_CODE = re.compile(r"[0-9A-Z]{4}-[0-9A-Z]{4}")
ONE_TIME_CODE = re.compile(r"(?<![0-9a-f-])[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}(?![0-9a-f-])")
"""Three groups, and no part of an id: some have digits alone there."""

STAFF = (Role.CASE_MANAGER, Role.OUTREACH_WORKER, Role.PARTNER_SYSTEM, Role.PROGRAM_MANAGER)
"""Roles that a shelter's own people may have."""


async def shelter(program: Program, units_total: int = 5, **facts: Any) -> dict[str, Any]:
    """An opening of an organization that serves survivors; its key is at `Role.PARTNER_SYSTEM` from now on."""
    organization = await program.made("/v1/organizations", {"name": "A refuge", "serves_survivors": True})
    async with program.house.owner.transaction(program.id, "tests") as session:
        _, program.keys[Role.PARTNER_SYSTEM] = await create_key(
            session, program.id, organization["id"], Role.PARTNER_SYSTEM
        )
    return await program.opening(
        units_total, service=await program.service(organization_id=organization["id"], **facts)
    )


async def claimed(program: Program, *items: dict[str, Any], **how: Any) -> dict[str, Any]:
    """A call to claim that must be held: its answer."""
    response = await program.claim(*items, **how)
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    return answer


def codes(answer: dict[str, Any]) -> set[str]:
    """Whom the claims of an answer are for."""
    return {claim["participant"] for claim in answer["claims"]}


def code_of(answer: dict[str, Any]) -> str:
    """Whom all claims of an answer are for."""
    [code] = codes(answer)
    return code


async def rows(program: Program) -> dict[str, str]:
    """Every row of the program, table by table, as text; bytes in hex, and again as the text that they are."""
    found = {}
    async with program.house.owner.transaction(program.id, "tests") as session:
        tables = await session.scalars(
            text("SELECT DISTINCT table_name FROM information_schema.columns WHERE column_name = 'program_id'")
        )
        for table in tables:
            lines = await session.scalars(
                text(f"SELECT to_jsonb(t)::text FROM {table} t WHERE program_id = :id"), {"id": program.id}
            )
            found[table] = "\n".join(sorted(lines))
        bodies = await session.scalars(
            text("SELECT convert_from(body, 'UTF8') FROM idempotency WHERE program_id = :id"), {"id": program.id}
        )
        found["idempotency"] += "\n".join(sorted(bodies))
    return found


async def person(program: Program) -> dict[str, Any]:
    """A participant: id and code."""
    return await program.made("/v1/participants", {}, Role.CASE_MANAGER)


async def assert_unjoined(program: Program, someone: dict[str, Any]) -> None:
    """Fail if any table but their own has anything of this participant, or if the trail has more than their adding."""
    named = {someone["id"], someone["code"], someone["code"].encode().hex()}
    found = await rows(program)
    own = found.pop("participants")
    assert any(name in own for name in named)
    traced = {table: found.pop(table).count(someone["id"]) for table in ("events", "audit")}
    assert traced == {"events": 1, "audit": 1}
    assert [(table, name) for table, row in found.items() for name in named if name in row] == []


async def staffed(program: Program) -> tuple[Program, dict[str, Any]]:
    """A shelter with an opening, and the program as its own staff see it: each of `STAFF` has a key of the shelter's.

    Its id is at `agency_id`: the staff are to it what others are to their agency.
    """
    opening = await shelter(program)
    owner = opening["organization_id"]
    staff = Program(program.house, program.id, owner, owner, dict(program.keys))
    async with program.house.owner.transaction(program.id, "tests") as session:
        for role in STAFF:
            _, staff.keys[role] = await create_key(session, program.id, owner, role)
    return staff, opening


_NOBODY = "01900000-0000-7000-8000-000000000000"
_OF_ONE = f"/v1/participants/{_NOBODY}"
_CONSENT = f"/v1/consents/{_NOBODY}"
ABOUT_PEOPLE: dict[Action, list[tuple[str, str]]] = {
    Action.ADD_PARTICIPANT: [("POST", "/v1/participants")],
    Action.READ_PARTICIPANT: [("GET", "/v1/participants"), ("GET", _OF_ONE), ("GET", f"{_OF_ONE}/identity")],
    Action.EDIT_PARTICIPANT: [
        *[(method, f"{_OF_ONE}/identity") for method in ("PUT", "DELETE")],
        ("PUT", f"{_OF_ONE}/demographics"),
    ],
    Action.FIND_PARTICIPANT: [("POST", "/v1/participants/find")],
    Action.KEEP_CONSENT: [
        ("GET", "/v1/consent-text"),
        *[(method, f"{_OF_ONE}/consents") for method in ("GET", "POST")],
        *[("GET", path) for path in (_CONSENT, f"{_CONSENT}/copy")],
        *[("POST", f"{_CONSENT}/{verb}") for verb in ("revoke", "end")],
    ],
    Action.READ_DISCLOSURES: [("GET", f"{_OF_ONE}/{what}") for what in ("disclosures", "accounting")],
    Action.REFER: [("POST", "/v1/referrals")],
    Action.WORK_REFERRAL: [
        *[("GET", f"/v1/referrals{one}") for one in ("", f"/{_NOBODY}")],
        *[("POST", f"/v1/referrals/{_NOBODY}/{verb}") for verb in ("contact", "intake", "close")],
    ],
}
"""The routes that are about a person, by what they let one do."""
