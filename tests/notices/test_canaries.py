"""Nothing in any mail or push message says who a participant is, by name or code, or where a shelter is."""

import logging
from typing import Any

import pytest

from app.access.roles import Role
from app.delivery.relay import number
from tests.casework.people import CANARIES, someone
from tests.notices.office import Office
from tests.support import Program
from tests.survivors import ONE_TIME_CODE, PARTICIPANTS_CODE

PLACE = {"latitude": 47.612345, "longitude": -122.334567, "address_1": "12 Heron Street", "name": "Heron House"}


async def shelter(program: Program) -> dict[str, Any]:
    """An opening of an organization that serves survivors, at a place that is written down."""
    owner = {"organization_id": (await program.made("/v1/organizations", REFUGE))["id"]}
    location = await program.made("/v1/locations", owner | PLACE)
    service = owner | {"location_id": location["id"], "name": "Heron House beds", "category": "housing"}
    return await program.opening(9, service=await program.made("/v1/services", service))


REFUGE = {"name": "A refuge", "serves_survivors": True}
HIDDEN = ("47.61", "122.33", "A refuge", "Heron", "refuge")


def everything(office: Office, devices: list[Any]) -> str:
    """All that left the house, headers too, in one lower-case text."""
    mails = [f"{each.message.as_string()}\n{each.text}" for each in office.post.received]
    pushes = [f"{device.text()}\n{device.headers}" for device in devices]
    return "\n".join(mails + pushes).lower()


@pytest.mark.parametrize("language", ["en", "es"])
async def test_no_notice_tells_who_or_where(office: Office, language: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    office.post.received.clear()
    program = office.program
    who = await someone(program)
    refuge = await shelter(program)
    staff = await office.person(Role.PROVIDER, organization_id=refuge["organization_id"])
    worker = await office.person()
    devices = [await worker.subscribes(), await staff.subscribes()]
    for person in (worker, staff):
        await person.chooses(language=language, kinds={"watch_matched": {"email": True}})
    await worker.browser.done("/v1/watches", {"need": {"category": "housing"}}, 201)

    opening, other = await program.opening(4), await program.opening(4)
    named = await worker.holds(opening, 1, who["code"])
    hidden = await worker.holds(refuge, 2)
    declined = await worker.holds(other, 3, who["code"])
    also_hidden = await worker.holds(refuge, 1)
    for claim in (named, hidden):
        await office.lapsing(claim)
    body = {"reason": "in_hospital", "replace": True}
    for claim in (declined, also_hidden):
        answer = await program.step(claim, "decline", json=body)
        assert answer.status_code == 200
    await office.stale_in(refuge, 20)
    async with office.house.owner.transaction(program.id, "relay") as session:
        while (await number(session, program.id, notify=False)).more:
            pass
    await office.round()
    for person in (worker, staff):
        for channel in ("email", "push"):
            await person.browser.done("/v1/me/notices/test", {"channel": channel}, 201)
    await office.send()

    told = {row.kind for row in await office.rows() if row.state == "sent"}
    assert told == {"claim_lapsing", "claim_declined", "attestation_due", "watch_matched", "test"}
    assert len(worker.mail) == 6
    assert len(staff.mail) == 2
    left = everything(office, devices)
    # The search finds what is there.
    assert "http" in left
    assert "a provider" in left
    for each in (*CANARIES, *HIDDEN, who["code"], who["id"], "hospital", program.id):
        assert str(each).lower() not in left, each
    words = "\n".join([*worker.mail, *staff.mail, *(device.text() for device in devices)])
    assert not ONE_TIME_CODE.search(words.replace(str(program.id), ""))
    assert not [code for code in PARTICIPANTS_CODE.findall(words) if code == who["code"]]
    for about in (hidden, also_hidden):
        assert refuge["id"] not in words
        assert about["participant"].lower() not in left
    # Nor in what is logged of it.
    said = [record.getMessage() for record in caplog.records if record.name.startswith("app")]
    assert not [line for line in said for each in (*CANARIES, who["code"], worker.known.email) if each in line]
