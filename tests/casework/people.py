"""A person whose every field is a canary, and the consent that they sign."""

from typing import Any

from httpx import Response

from app.access.roles import Role
from app.casework.terms import TEXT_VERSION
from tests.support import Program

IDENTITY: dict[str, Any] = {
    "name": "Canaria Quillfeather",
    "birth_date": "1987-03-09",
    "preferred_name": "Nightjar",
    "pronouns": "ze/zir",
    "contacts": [
        {"kind": "phone", "value": "(206) 555-0142", "note": "ask for Wrenlow"},
        {"kind": "email", "value": "Siskin.Q@example.org"},
        {"kind": "messages_via", "value": "Bluethroat Drop-in"},
    ],
    "identifiers": [{"kind": "hmis_id", "value": "HM-774-411"}, {"kind": "medicaid_id", "value": "MC 902 7731"}],
    "emergency_contacts": [{"name": "Ortolan Reed", "relation": "aunt", "contacts": []}],
}
CANARIES = (
    "Quillfeather", "1987-03-09", "Nightjar", "ze/zir", "555-0142", "2065550142", "Wrenlow", "Siskin", "Bluethroat",
    "774-411", "902 7731", "Ortolan",
)  # fmt: skip


def terms(program: Program, **changes: Any) -> dict[str, Any]:
    """A whole consent: the agency may tell the provider everything."""
    return {
        "patient": "Canaria Quillfeather",
        "disclosers": [str(program.agency_id)],
        "information": {
            "kinds": ["name", "preferred_name", "birth_date", "contacts", "emergency_contacts", "identifiers"],
            "words": "Who I am, so that the shelter knows me at the door",
        },
        "recipients": [str(program.provider_id)],
        "purpose": "To be let in and looked after",
        "revocation": "I tell my case manager, or write to the agency",
        "expiry": {"event": "I have left the shelter"},
        "signature": {"name": "Canaria Quillfeather"},
        "signed_on": "2026-11-20",
        "text_version": TEXT_VERSION,
    } | changes


async def someone(program: Program, identity: dict[str, Any] | None = None) -> dict[str, Any]:
    """A participant of the agency's whose identity is written down."""
    made = await program.made("/v1/participants", {}, Role.CASE_MANAGER)
    response = await write(program, made, IDENTITY if identity is None else identity)
    assert response.status_code == 200, response.text
    return made


async def write(program: Program, who: dict[str, Any], identity: dict[str, Any], **request: Any) -> Response:
    """Write an identity down."""
    request = {"role": Role.CASE_MANAGER} | request
    return await program.call("PUT", f"/v1/participants/{who['id']}/identity", json=identity, **request)


async def consent(program: Program, who: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A consent that must be taken."""
    return await program.made(f"/v1/participants/{who['id']}/consents", terms(program, **changes), Role.CASE_MANAGER)


async def coming(program: Program, who: dict[str, Any], *, category: str = "housing") -> dict[str, Any]:
    """A confirmed claim on the provider's opening."""
    opening = await program.opening(service=await program.service(category))
    response = await program.claim({"opening_id": opening["id"]}, participant=who["code"])
    assert response.status_code == 201, response.text
    claim: dict[str, Any] = response.json()["claims"][0]
    assert (await program.step(claim, "confirm")).status_code == 200
    return claim


async def meet(program: Program, claim: dict[str, Any], **request: Any) -> dict[str, Any]:
    """Who comes on a claim, as the provider is told."""
    request = {"role": Role.PROVIDER} | request
    response = await program.call("GET", f"/v1/claims/{claim['id']}/participant", **request)
    assert response.status_code == 200, response.text
    met: dict[str, Any] = response.json()
    return met


async def revoke(program: Program, consent: dict[str, Any]) -> Response:
    """Revoke a consent by the person's word."""
    path = f"/v1/consents/{consent['id']}/revoke"
    return await program.call("POST", path, role=Role.CASE_MANAGER, json={"how": "spoken"})


async def accounted(program: Program, who: dict[str, Any]) -> list[dict[str, Any]]:
    """The accounting of disclosures."""
    path = f"/v1/participants/{who['id']}/disclosures"
    response = await program.call("GET", path, role=Role.CASE_MANAGER, params={"limit": 200})
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items
