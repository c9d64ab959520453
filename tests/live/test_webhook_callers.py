"""Whom a webhook acts as: it is sent what its caller may see, and ends with their key."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from app.access.roles import Role
from tests.browser import Browser, joined
from tests.live.office import Office, Partner, numbered, partner_of, stir
from tests.live.receiver import OK, Received, Receiver, answering, receiving
from tests.support import Program


async def _refusing(_: Receiver, __: Received, ___: asyncio.StreamWriter) -> bytes | None:
    return answering(500)


async def off(program: Program, webhook: dict[str, Any]) -> dict[str, Any]:
    """A webhook once it is off, as a manager sees it."""
    found: dict[str, Any] = {"state": "on"}
    async with asyncio.timeout(15):
        while found["state"] == "on":
            await asyncio.sleep(0.05)
            found = (await program.call("GET", f"/v1/webhooks/{webhook['id']}")).json()
    return found


async def test_it_is_sent_what_its_caller_may_see_and_nothing_else(office: Office, partner: Partner) -> None:
    program = partner.program
    blind = await partner_of(program, ["webhooks:write", "openings:read", "events:read"])
    async with receiving() as seeing, receiving() as narrowed, receiving() as managers, office.sending():
        await partner.webhook(seeing.url)
        await blind.webhook(narrowed.url)
        made = await program.call("POST", "/v1/webhooks", json={"url": managers.url})
        assert made.status_code == 201, made.text
        claim = await program.held(await program.opening(2))
        await program.step(claim, "confirm")
        # A claim on somebody else's opening, by another agency's worker.
        others = await program.made("/v1/organizations", {"name": "Another provider"})
        service = await program.made(
            "/v1/services", {"organization_id": others["id"], "name": "Beds", "category": "housing"}
        )
        foreign = await program.held(await program.opening(1, service=service))
        await managers.until(lambda me: foreign["id"] in {each.event["subject"] for each in me.accepted})
        await seeing.until(lambda me: len(me.accepted) > 0)
        # From its making on, everything that the log shows its caller.
        first = min(each.number for each in seeing.accepted)
        expected = {number for number in await partner.numbers(0) if number >= first}
        await seeing.until_numbers(expected)
        seen_by_manager = (await program.call("GET", "/v1/events", params={"limit": 1000})).json()["items"]
        await asyncio.sleep(0.5)
    subjects = {each.event["subject"] for each in seeing.accepted}
    assert claim["id"] in subjects
    assert foreign["id"] not in subjects
    assert {each.number for each in seeing.accepted} == expected
    assert not [each for each in narrowed.accepted if each.event["type"].startswith("org.openberth.claim.")]
    assert [each for each in narrowed.accepted if each.event["type"] == "org.openberth.opening.published"]
    assert {each.number for each in managers.accepted} <= {each["number"] for each in seen_by_manager}


@pytest.mark.parametrize("ending", ["revoked_at = clock_timestamp()", "expires_at = clock_timestamp()"])
async def test_when_its_key_ends_it_ends_too_in_the_middle_of_a_try_and_says_so(
    office: Office, partner: Partner, ending: str
) -> None:
    program = partner.program
    async with receiving(_refusing) as receiver, office.sending():
        webhook = await partner.webhook(receiver.url, types=["opening.published"])
        await stir(partner, 2, 0)
        await receiver.until(lambda me: len(me.received) >= 2)
        async with office.house.owner.transaction(program.id, "tests") as session:
            await session.execute(text(f"UPDATE keys SET {ending} WHERE id = :id"), {"id": partner.key_id})
        found = await off(program, webhook)
        assert (found["state"], found["off_because"]) == ("off", "caller_ended")
        sent = len(receiver.received)
        await stir(partner, 1, 0)
        await asyncio.sleep(0.4)
        assert len(receiver.received) == sent
        resumed = await program.call("POST", f"/v1/webhooks/{webhook['id']}/resume", json={"from": "now"})
        assert resumed.status_code == 409
        assert (await program.call("POST", f"/v1/webhooks/{webhook['id']}/test")).status_code == 409


async def test_without_anything_to_send_the_end_of_its_key_is_noticed_too(office: Office, partner: Partner) -> None:
    async with office.sending():
        webhook = await partner.webhook("https://partner.example.org/", types=["program.changed"])
        async with office.house.owner.transaction(partner.program.id, "tests") as session:
            await session.execute(text("SELECT revoke_key(:id)"), {"id": partner.key_id})
        found = await off(partner.program, webhook)
        assert found["off_because"] == "caller_ended"


async def test_a_persons_outlives_their_session_and_ends_with_their_access(office: Office, partner: Partner) -> None:
    program = partner.program
    browser = Browser(office.house)
    person = await joined(browser, program, Role.PROGRAM_MANAGER)
    async with receiving() as receiver, office.sending():
        webhook = await browser.done("/v1/webhooks", {"url": receiver.url, "types": ["opening.published"]}, 201)
        await browser.done("/v1/sign-out")
        assert not await browser.signed_in()
        opening = await program.opening(1)
        await receiver.until(lambda me: [each.event["subject"] for each in me.accepted] == [opening["id"]])
        ended = await program.call("POST", f"/v1/people/{person.id}/end")
        assert ended.status_code == 200, ended.text
        found = await off(program, webhook)
        assert found["off_because"] == "caller_ended"
        await stir(partner, 1, 0)
        await numbered(partner, 2, "opening.published")
        await asyncio.sleep(0.3)
    assert len(receiver.received) == 1


async def test_what_its_caller_may_not_see_any_more_is_withheld(office: Office, partner: Partner) -> None:
    """Asked again for each try: a claim's event, taken for a key that then loses the scope for claims."""
    program = partner.program

    async def no_claims(_: Receiver, received: Received, __: asyncio.StreamWriter) -> bytes | None:
        return answering(500) if "claim.held" in received.event["type"] else OK

    async with receiving(no_claims) as receiver, office.sending():
        webhook = await partner.webhook(receiver.url, types=["claim.held", "opening.published"])
        await program.held(await program.opening(1))
        await receiver.until(lambda me: any("claim.held" in each.event["type"] for each in me.received))
        async with office.house.owner.transaction(program.id, "tests") as session:
            narrowed = "UPDATE keys SET scopes = array_remove(scopes, 'claims:read') WHERE id = :id"
            await session.execute(text(narrowed), {"id": partner.key_id})
        ended = await partner.ended(webhook)
    assert {each["type"]: each["state"] for each in ended} == {
        "claim.held": "withheld",
        "opening.published": "delivered",
    }


async def test_a_token_of_fewer_scopes_makes_a_webhook_of_no_more(office: Office, partner: Partner) -> None:
    wanted = {"grant_type": "client_credentials", "client_id": str(partner.key_id), "client_secret": partner.key}
    got = await office.house.http.post("/v1/oauth/token", data=wanted | {"scope": "webhooks:write openings:read"})
    assert got.status_code == 200, got.text
    token = {"Authorization": f"Bearer {got.json()['access_token']}"}
    async with receiving() as receiver, office.sending():
        made = await office.house.http.post("/v1/webhooks", headers=token, json={"url": receiver.url})
        assert made.status_code == 201, made.text
        claim = await partner.program.held(await partner.program.opening(1))
        await numbered(partner, 1, "claim.held")
        await receiver.until(lambda me: len([e for e in me.accepted if "opening.changed" in e.event["type"]]) == 1)
        await asyncio.sleep(0.2)
    assert claim["id"] not in {each.event["subject"] for each in receiver.received}


async def test_a_filter_narrows_it_to_a_category_a_provider_a_service_or_an_opening(
    office: Office, partner: Partner
) -> None:
    program = partner.program
    wanted = await program.opening(3, service=await program.service("treatment"))
    other = await program.opening(3, service=await program.service("housing"))
    filters: list[dict[str, Any]] = [
        {"category": "treatment"}, {"service_id": wanted["service_id"]}, {"opening_id": wanted["id"]},
        {"organization_id": wanted["organization_id"], "category": "treatment"},
    ]  # fmt: skip
    async with receiving() as receiver, office.sending():
        types = ["claim.held", "opening.changed"]
        nobody = await partner.webhook(receiver.url, types=types, filter={"organization_id": str(program.agency_id)})
        for filter in filters:
            await partner.webhook(receiver.url, types=types, filter=filter)
        for opening in (other, wanted):
            await program.held(opening)
        await receiver.until(lambda me: len(me.accepted) >= 8)
        await asyncio.sleep(0.3)
        assert await partner.deliveries(nobody) == []
    assert len(receiver.accepted) == 8
    assert {each.lane for each in receiver.accepted} == {wanted["id"]}
    assert {each.event["type"] for each in receiver.accepted} == {
        "org.openberth.claim.held", "org.openberth.opening.changed"
    }  # fmt: skip
