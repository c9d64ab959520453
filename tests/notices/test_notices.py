"""What people are told, end to end: through the API, a real mail server, and browsers that decrypt."""

from datetime import timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from app.access.roles import Role
from app.delivery.notices.kinds import Channel
from app.delivery.relay import number
from tests.notices.office import Office
from tests.notices.push_service import vouched
from tests.support import PUBLIC_URL


async def test_who_holds_a_place_is_told_before_it_lapses_once(office: Office) -> None:
    worker = await office.person()
    device = await worker.subscribes()
    colleague = await office.person()
    claim = await worker.holds(await office.program.opening(3), 2, await office.program.participant())
    await office.round()
    assert (worker.mail, device.came) == ([], [])
    await office.lapsing(claim, 10)
    for _ in range(3):
        await office.round()
    [mail] = office.post.to(worker.known.email)
    [push] = device.came
    until = (await office.run("SELECT hold_until FROM claims WHERE id = :id", id=claim["id"]))[0][0]
    at = f"{until.astimezone(ZoneInfo('America/Los_Angeles')):%H:%M}"
    assert mail.message["Subject"].startswith(f"A hold of yours lapses at {at}")
    assert "2 beds" in mail.text
    assert f"{PUBLIC_URL}/claims/{claim['id']}" in mail.text
    assert mail.sender == "notices@house.example"
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert push["title"] == mail.message["Subject"]
    assert push["url"] == f"{PUBLIC_URL}/claims/{claim['id']}"
    assert colleague.mail == []
    # Made to last longer, it lapses at another moment, of which there is another notice.
    await office.lapsing(claim, 14)
    await office.round()
    assert len(worker.mail) == len(device.came) == 2


async def test_a_program_in_which_nobody_can_be_told_anything_is_not_looked_at(office: Office) -> None:
    assert not await office.looked_at()
    worker = await office.person()
    assert await office.looked_at()
    # Without a mail server a browser is the only way.
    office.notices.channels.remove(Channel.EMAIL)
    assert not await office.looked_at()
    await worker.subscribes()
    assert await office.looked_at()
    await office.run("UPDATE people SET ended_at = now() WHERE program_id = :program")
    assert not await office.looked_at()


@pytest.mark.parametrize(
    ("meanwhile", "error"),
    [("confirm", "no_longer_true"), ("extend", "no_longer_true"), ("unwanted", "not_wanted")],
)
async def test_what_is_no_news_or_not_wanted_by_then_is_not_told(office: Office, meanwhile: str, error: str) -> None:
    worker = await office.person()
    claim = await worker.holds(await office.program.opening(5), 1, await office.program.participant())
    await office.lapsing(claim)
    await office.notices.find(office.program.id)
    if meanwhile == "unwanted":
        await worker.chooses(kinds={"claim_lapsing": {"email": False}})
    else:
        assert (await office.program.step(claim, meanwhile)).status_code == 200
    await office.send()
    assert worker.mail == []
    assert [(row.state, row.error) for row in await office.rows()] == [("given_up", error)]


async def test_whose_place_it_is_now_is_not_said_where_its_location_is_masked(office: Office) -> None:
    worker = await office.person()
    program = office.program
    opening = await program.opening(1)
    owner = {"organization_id": str(program.provider_id)}
    hidden = await program.made("/v1/locations", owner | {"latitude": 47.6, "longitude": -122.3, "masked": True})
    beds = owner | {"location_id": hidden["id"], "name": "Beds", "category": "housing"}
    await program.opening(1, service=await program.made("/v1/services", beds))
    claim = await worker.holds(opening, 1, await program.participant())
    answer = await program.step(claim, "decline", json={"reason": "in_hospital", "replace": True})
    assert answer.json()["replaced"] is True
    await office.round()
    [mail] = worker.mail
    assert "another place is held" in mail
    assert "1 bed." in mail
    assert "A provider" not in mail.split("\n", 1)[1]


async def test_managers_are_told_when_a_webhook_is_switched_off(office: Office) -> None:
    manager, worker = await office.person(Role.PROGRAM_MANAGER), await office.person()
    device = await manager.subscribes()
    body = {"name": "Board downtown", "url": "https://hooks.example.org/secret-path"}
    webhook = await office.program.made("/v1/webhooks", body, role=Role.PARTNER_SYSTEM)
    off = (
        "UPDATE webhooks SET state = 'off', off_because = 'failing', state_since = clock_timestamp()"
        " WHERE program_id = :program AND id = :id"
    )
    await office.run(off, id=webhook["id"])
    for _ in range(3):
        await office.round()
    [mail] = office.post.to(manager.known.email)
    assert mail.message["Subject"] == "A webhook was switched off"
    assert "hooks.example.org" not in mail.text
    assert [each["title"] for each in device.came] == ["A webhook was switched off"]
    assert worker.mail == []
    # Resumed before it could be told, it is no news; switched off again, it is.
    await office.run(off, id=webhook["id"])
    await office.notices.find(office.program.id)
    done = await office.program.call(
        "POST", f"/v1/webhooks/{webhook['id']}/resume", role=Role.PARTNER_SYSTEM, key="r", json={"from": "now"}
    )
    assert done.status_code == 200, done.text
    await office.round()
    assert len(manager.mail) == 1
    await office.run(off, id=webhook["id"])
    await office.round()
    assert len(manager.mail) == 2


async def test_a_push_message_is_signed_for_its_service_and_lasts_as_long_as_it_helps(office: Office) -> None:
    worker = await office.person()
    device = await worker.subscribes()
    key = (await worker.browser.get("/v1/me/push-key")).json()["public_key"]
    claim = await worker.holds(await office.program.opening(), 1, await office.program.participant())
    await office.lapsing(claim, 10)
    await office.round()
    [headers] = device.headers
    claims, signer = vouched(headers["authorization"])
    assert claims["aud"] == device.origin
    assert claims["sub"] == "mailto:notices@house.example"
    assert signer == key
    assert 540 < int(headers["ttl"]) <= 600
    assert (headers["urgency"], headers["content-encoding"]) == ("high", "aes128gcm")
    assert UUID(headers["topic"]) == UUID(device.came[0]["tag"])
    # The program's key stays the same for all of its browsers.
    other = await office.person()
    assert (await other.browser.get("/v1/me/push-key")).json()["public_key"] == key


async def test_who_claimed_is_told_of_a_decline_and_where_another_place_is_held(office: Office) -> None:
    worker = await office.person()
    device = await worker.subscribes()
    opening = await office.program.opening(1)
    other = await office.program.opening(1)
    claim = await worker.holds(opening, 1, await office.program.participant())
    body = {"reason": "criminal_history", "replace": True}
    assert (await office.program.step(claim, "decline", json={"reason": "in_hospital", "replace": True})).json()
    await office.round()
    await office.round()
    [mail] = worker.mail
    assert mail.startswith("A provider declined a claim of yours: another place is held")
    assert "1 bed at A provider" in mail
    held = await office.run("SELECT id FROM claims WHERE replaces_id = :id", id=claim["id"])
    assert f"{PUBLIC_URL}/claims/{held[0].id}" in mail
    assert "hospital" not in mail + device.text()
    assert len(device.came) == 1
    # The next one has nowhere to go.
    again = {"id": str(held[0].id)}
    declined = await office.program.step(again, "decline", json=body | {"reason": "barred"})
    assert declined.status_code == 200
    assert other["id"]
    await office.round()
    assert worker.mail[1].startswith("A provider declined a claim of yours\n")
    assert "barred" not in worker.mail[1].lower()


async def test_the_staff_is_told_once_of_all_openings_that_are_about_to_go_stale(office: Office) -> None:
    desk, colleague = await office.person(Role.PROVIDER), await office.person(Role.PROVIDER)
    elsewhere = await office.person(Role.CASE_MANAGER)
    device = await desk.subscribes()
    await colleague.chooses(kinds={"attestation_due": {"email": False}})
    openings = [await office.program.opening(1) for _ in range(3)]
    await office.round()
    assert desk.mail == []
    slot = await office.run("SELECT extract(epoch FROM date_bin('30 min', now() + interval '30 min', 'epoch') - now())")
    minutes = float(slot[0][0]) / 60
    for nr, opening in enumerate(openings):
        await office.stale_in(opening, minutes + 2 + nr)
    attested = openings[2]
    await office.notices.find(office.program.id)
    assert (await office.program.call("POST", f"/v1/openings/{attested['id']}/attest")).status_code == 200
    for _ in range(2):
        await office.round()
    [mail] = desk.mail
    assert "2 openings" in mail
    assert f"{PUBLIC_URL}/desk" in mail
    assert len(device.came) == 1
    assert (colleague.mail, elsewhere.mail) == ([], [])


async def test_who_watches_is_told_in_the_browser_and_not_by_mail(office: Office) -> None:
    worker = await office.person()
    device = await worker.subscribes()
    started = await worker.browser.done("/v1/watches", {"need": {"category": "housing"}}, 201)
    await office.program.opening(1)
    for units in (1, 2):
        async with office.house.owner.transaction(office.program.id, "relay") as session:
            while (await number(session, office.program.id, notify=False)).more:
                pass
        await office.program.opening(units)
    await office.round()
    assert started["id"]
    assert [each["title"] for each in device.came] == ["Something you watch for is open"]
    assert worker.mail == []


async def test_each_chooses_language_and_kinds_and_quiet_hours(office: Office) -> None:
    worker = await office.person()
    device = await worker.subscribes()
    answer = await worker.chooses(language="es", kinds={"claim_lapsing": {"push": False}}, lapse_minutes=30)
    assert (answer["language"], answer["lapse_minutes"]) == ("es", 30)
    assert next(each for each in answer["kinds"] if each["kind"] == "claim_lapsing")["push"] is False
    opening = await office.program.opening(9)
    claim = await worker.holds(opening, 1, await office.program.participant())
    await office.lapsing(claim, 29)
    await office.round()
    assert worker.mail[0].startswith("Una reserva suya vence a las ") or worker.mail[0].startswith(
        "Una reserva suya vence a la "
    )
    assert "1 cama" in worker.mail[0]
    assert device.came == []
    local = (await office.run("SELECT (now() AT TIME ZONE 'America/Los_Angeles') AS at"))[0].at
    quiet = {"begins": f"{local - timedelta(hours=1):%H:%M}", "ends": f"{local + timedelta(hours=2):%H:%M}"}
    await worker.chooses(quiet=quiet)
    second = await worker.holds(opening, 2, await office.program.participant())
    await office.lapsing(second, 20)
    await office.round()
    # By the end of the quiet it would be of no use.
    assert [(row.state, row.error) for row in (await office.rows())[1:]] == [("given_up", "quiet")]
    declined = await worker.holds(opening, 3, await office.program.participant())
    await office.program.step(declined, "decline", json={"reason": "in_hospital"})
    await office.round()
    assert len(worker.mail) == 1
    kept = [row for row in await office.rows() if row.kind == "claim_declined"]
    assert {(row.state, row.error, row.attempts) for row in kept} == {("due", "quiet", 0)}
    await worker.chooses(quiet=None)
    await office.hasten()
    await office.round()
    assert len(worker.mail) == 2


@pytest.mark.parametrize("how", ["ended", "moved"])
async def test_who_may_no_longer_know_is_told_nothing(office: Office, how: str) -> None:
    worker = await office.person()
    device = await worker.subscribes()
    claim = await worker.holds(await office.program.opening(), 1, await office.program.participant())
    await office.lapsing(claim)
    await office.notices.find(office.program.id)
    assert len(await office.rows()) == 2
    path = f"/v1/people/{worker.known.id}"
    if how == "ended":
        assert (await office.program.call("POST", f"{path}/end")).status_code == 200
    else:
        moved = await office.program.call("PATCH", path, json={"role": "evaluator"})
        assert moved.status_code == 200
    await office.send()
    assert (worker.mail, device.came) == ([], [])
    assert {row.state for row in await office.rows()} == {"given_up"}
    left = await office.run("SELECT count(*) FROM push_subscriptions WHERE person_id = :id", id=worker.known.id)
    assert left[0][0] == (0 if how == "ended" else 1)


async def test_a_test_is_sent_to_whoever_asks(office: Office) -> None:
    worker = await office.person()
    none_yet = await worker.browser.post("/v1/me/notices/test", {"channel": "push"})
    assert none_yet.status_code == 409
    device = await worker.subscribes()
    for channel in ("email", "push", "email"):
        asked = await worker.browser.done("/v1/me/notices/test", {"channel": channel}, 201)
        assert [each["state"] for each in asked["notices"]] == ["due"]
    await office.send()
    assert [mail.split("\n")[0] for mail in worker.mail] == ["A test from Openberth"]
    assert [each["title"] for each in device.came] == ["A test from Openberth"]
    seen = await worker.sees()
    assert [(each["kind"], each["state"]) for each in seen["recent"]] == [("test", "sent")] * 2
    assert seen["reach"] == {
        "email": {"available": True, "address": worker.known.email},
        "push": {"available": True, "browsers": 1},
    }
