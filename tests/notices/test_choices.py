"""Choosing: what is refused, what is told of how one can be reached, and keys that are replaced beneath it."""

from typing import Any

import pytest

from app.access.roles import Role
from app.casework.rotation import reseal, shred
from app.core.database import Database
from app.core.keyring import Keyring, MasterKeys
from app.delivery.notices.kinds import KINDS
from tests.browser import Browser, joined
from tests.notices.office import Office
from tests.support import MASTER_KEYS, Program


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"language": "tlh"}, "language"),
        ({"lapse_minutes": 4}, "lapse_minutes"),
        ({"lapse_minutes": 121}, "lapse_minutes"),
        ({"attest_minutes": "60"}, "attest_minutes"),
        ({"quiet": {"begins": "22:00", "ends": "22:00"}}, "quiet"),
        ({"quiet": {"begins": "22:00"}}, "quiet.ends"),
        ({"quiet": {"begins": "22:00+01:00", "ends": "23:00"}}, "quiet.begins"),
        ({"kinds": {"test": {"email": True}}}, "kinds.test"),
        ({"kinds": {"claim_lapsing": {"fax": True}}}, "kinds.claim_lapsing.fax"),
        ({"kinds": {"claim_lapsing": {"email": 1}}}, "kinds.claim_lapsing.email"),
        ({"colour": "blue"}, "colour"),
    ],
)
async def test_a_choice_that_can_not_be_is_refused(office: Office, change: dict[str, Any], field: str) -> None:
    person = await office.person()
    before = await person.sees()
    response = await person.browser.send("PATCH", "/v1/me/notices", change)
    assert response.status_code == 422, response.text
    assert any(error["field"].startswith(field) for error in response.json()["errors"]), response.text
    assert await person.sees() == before


async def test_what_is_left_out_stays_as_it_is(office: Office) -> None:
    person, colleague = await office.person(), await office.person()
    usual = await person.sees()
    await person.chooses(language="es", quiet={"begins": "22:00", "ends": "06:30"})
    await person.chooses(kinds={"claim_lapsing": {"email": False}})
    await person.chooses(kinds={"claim_lapsing": {"push": False}, "watch_matched": {"email": True}})
    seen = await person.chooses(lapse_minutes=30)
    assert (seen["language"], seen["lapse_minutes"], seen["attest_minutes"]) == ("es", 30, 60)
    assert seen["quiet"] == {"begins": "22:00:00", "ends": "06:30:00"}
    on = {each["kind"]: (each["email"], each["push"]) for each in seen["kinds"]}
    assert on == {
        "claim_lapsing": (False, False),
        "claim_declined": (True, True),
        "attestation_due": (True, True),
        "watch_matched": (True, True),
        "webhook_off": (True, True),
    }
    assert await colleague.sees() == usual | {"reach": (await colleague.sees())["reach"]}
    trail = await office.run(
        "SELECT action, detail::text AS detail FROM audit WHERE program_id = :program AND action LIKE 'notice_%'"
        " ORDER BY id"
    )
    assert {row.detail for row in trail} == {"{}"}
    assert trail[0].action == "notice_choices.added"


async def test_one_is_told_which_kinds_there_can_be_in_ones_role(office: Office) -> None:
    expected = {
        Role.CASE_MANAGER: {"claim_lapsing", "claim_declined", "watch_matched"},
        Role.PROVIDER: {"attestation_due"},
        Role.PROGRAM_MANAGER: {*KINDS},
        Role.OFFICER: set(),
    }
    for role, kinds in expected.items():
        person = await office.person(role)
        assert {each["kind"] for each in (await person.sees())["kinds"] if each["yours"]} == kinds, role


async def test_without_a_mail_server_one_is_told_so(program: Program) -> None:
    browser = Browser(program.house)  # type: ignore[arg-type]
    await joined(browser, program)
    seen = (await browser.get("/v1/me/notices")).json()
    assert seen["reach"]["email"]["available"] is False
    refused = await browser.post("/v1/me/notices/test", {"channel": "email"})
    assert refused.status_code == 409
    assert "OPENBERTH_SMTP_URL" in refused.json()["detail"]


async def test_browsers_are_told_under_new_keys_and_after_shredding_begin_anew(
    office: Office, shared_database: str
) -> None:
    owner = Database(shared_database, pool_size=3, as_owner=True)
    keyring = Keyring(MasterKeys.parse(MASTER_KEYS))
    person = await office.person()
    device = await person.subscribes()
    key = (await person.browser.get("/v1/me/push-key")).json()
    assert await reseal(owner, keyring, office.program.id) == 2
    await person.browser.done("/v1/me/notices/test", {"channel": "push"}, 201)
    await office.send()
    assert len(device.came) == 1
    assert (await person.browser.get("/v1/me/push-key")).json() == key
    await shred(owner, office.program.id)
    await office.run("UPDATE notices SET moment = moment - interval '1 h' WHERE program_id = :program")
    await person.browser.done("/v1/me/notices/test", {"channel": "push"}, 201)
    await office.send()
    assert [row.error for row in await office.rows()] == [None, "unreadable"]
    # Subscribed once more, under the key that there is now, it is told again.
    assert (await person.browser.get("/v1/me/push-key")).json() != key
    await person.subscribes(device)
    await office.run("UPDATE notices SET moment = moment - interval '1 h' WHERE program_id = :program")
    await person.browser.done("/v1/me/notices/test", {"channel": "push"}, 201)
    await office.send()
    assert len(device.came) == 2
    await owner.close()
