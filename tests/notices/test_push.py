"""Browsers: subscribing, what push services answer, and whom their addresses may not lead to."""

from datetime import timedelta
from typing import Any

import pytest

from app.access.roles import Role
from tests.browser import Browser
from tests.notices.office import Office, Someone
from tests.notices.push_service import Device
from tests.notices.waiting import until
from tests.survivors import rows


async def lapse(office: Office, *, browsers: int = 1) -> tuple[Someone, list[Device]]:
    """Somebody with so many browsers, and a hold of theirs about to lapse."""
    worker = await office.person()
    await worker.chooses(kinds={"claim_lapsing": {"email": False}})
    devices = [await worker.subscribes() for _ in range(browsers)]
    claim = await worker.holds(await office.program.opening(), 1, await office.program.participant())
    await office.lapsing(claim)
    return worker, devices


@pytest.mark.parametrize("answer", [404, 410])
async def test_a_browser_that_has_gone_is_forgotten(office: Office, answer: int) -> None:
    worker, [gone, there] = await lapse(office, browsers=2)
    gone.answers.append(answer)
    await office.round()
    assert (len(gone.came), len(there.came)) == (0, 1)
    left = (await worker.browser.get("/v1/me/push-subscriptions")).json()["items"]
    assert len(left) == 1
    assert sorted((row.state, row.error) for row in await office.rows()) == [("given_up", "gone"), ("sent", None)]


async def test_one_browser_failing_does_not_have_another_told_twice(office: Office) -> None:
    _, [failing, there] = await lapse(office, browsers=2)
    failing.answers += [503, 500]
    for _ in range(3):
        await office.round()
        await office.hasten()
    assert (failing.asked, len(failing.came)) == (3, 1)
    assert (there.asked, len(there.came)) == (1, 1)


async def test_a_service_that_asks_to_be_left_alone_is(office: Office) -> None:
    worker, [device] = await lapse(office)
    device.answers.append(429)
    device.answer_headers["Retry-After"] = "300"
    await office.round()
    [row] = await office.run(
        "SELECT state, error, next_at - now() AS wait FROM notices WHERE program_id = :program", id=worker.known.id
    )
    assert (row.state, row.error) == ("due", "answer_429")
    assert timedelta(seconds=290) < row.wait <= timedelta(seconds=301)


@pytest.mark.parametrize("answer", [400, 403, 413])
async def test_what_is_refused_for_good_is_given_up(office: Office, answer: int) -> None:
    _, [device] = await lapse(office)
    device.answers.append(answer)
    await office.round()
    await office.hasten()
    await office.round()
    assert device.asked == 1
    assert [(row.state, row.error) for row in await office.rows()] == [("given_up", f"answer_{answer}")]


async def test_a_redirect_is_not_followed(office: Office) -> None:
    _, [device, other] = await lapse(office, browsers=2)
    device.answers.append(307)
    device.answer_headers["Location"] = other.endpoint
    await office.round()
    assert (other.asked, device.asked) == (1, 1)
    assert "answer_307" in {row.error for row in await office.rows()}


async def test_a_slow_service_delays_no_other_browser(office: Office) -> None:
    _, [slow, quick] = await lapse(office, browsers=2)
    slow.slow = 3.0
    await office.notices.find(office.program.id)
    for sender in office.notices.senders:
        await sender.look()
    await until(lambda: quick.came)
    assert slow.came == []
    for sender in office.notices.senders:
        await sender.done()
    assert len(slow.came) == 1


async def test_an_address_inside_is_never_called(office: Office) -> None:
    worker = await office.person()
    device = office.push.device()
    inside = {"endpoint": "https://10.0.0.1/push/x", "keys": device.subscription()["keys"]}
    await worker.browser.done("/v1/me/push-subscriptions", inside, 201)
    await worker.browser.done("/v1/me/notices/test", {"channel": "push"}, 201)
    await office.send()
    assert [(row.state, row.error) for row in await office.rows()] == [("due", "unreachable")]


async def test_a_browser_is_the_last_ones_who_subscribed_in_it(office: Office) -> None:
    first, second = await office.person(), await office.person()
    device = await first.subscribes()
    await second.subscribes(device)
    assert (await first.browser.get("/v1/me/push-subscriptions")).json() == {"items": []}
    assert (await first.browser.post("/v1/me/notices/test", {"channel": "push"})).status_code == 409
    await second.browser.done("/v1/me/notices/test", {"channel": "push"}, 201)
    await office.send()
    assert len(device.came) == 1
    # Subscribed once more with other keys, it is told with those.
    again = Device(device.origin, device.token)
    office.push.devices[again.token] = again
    await second.subscribes(again)
    await office.run("UPDATE notices SET moment = moment - interval '1 h' WHERE program_id = :program")
    await second.browser.done("/v1/me/notices/test", {"channel": "push"}, 201)
    await office.send()
    assert (len(device.came), len(again.came)) == (1, 1)
    assert len((await second.browser.get("/v1/me/push-subscriptions")).json()["items"]) == 1


async def test_one_takes_ones_own_browser_away_and_nobody_elses(office: Office) -> None:
    owner, other = await office.person(), await office.person()
    await owner.subscribes()
    [item] = (await owner.browser.get("/v1/me/push-subscriptions")).json()["items"]
    assert item["device"] == "Firefox on Windows"
    path = f"/v1/me/push-subscriptions/{item['id']}"
    assert (await other.browser.send("DELETE", path)).status_code == 404
    assert (await owner.browser.send("DELETE", path)).status_code == 200
    assert (await owner.browser.send("DELETE", path)).status_code == 404
    trail = await office.run(
        "SELECT action FROM audit WHERE program_id = :program AND action LIKE 'push_%' ORDER BY id"
    )
    assert [row.action for row in trail] == ["push_subscription.added", "push_subscription.removed"]


async def test_whoever_is_invited_again_is_told_in_no_browser_of_before(office: Office) -> None:
    worker = await office.person()
    await worker.subscribes()
    again = await office.program.call("POST", f"/v1/people/{worker.known.id}/invite")
    assert again.status_code == 200
    left = await office.run("SELECT count(*) FROM push_subscriptions WHERE person_id = :id", id=worker.known.id)
    assert left[0][0] == 0


async def test_ten_browsers_are_enough(office: Office) -> None:
    worker = await office.person()
    for _ in range(10):
        await worker.subscribes()
    one_more = await worker.browser.post("/v1/me/push-subscriptions", office.push.device().subscription())
    assert one_more.status_code == 409


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"endpoint": "ftp://push.example.net/x"}, "endpoint"),
        ({"endpoint": "https://user:pass@push.example.net/x"}, "endpoint"),
        ({"endpoint": "https://push.example.net/\r\nx"}, "endpoint"),
        ({"endpoint": "https://push.example.net/" + "x" * 2000}, "endpoint"),
        ({"keys": {"p256dh": "AAAA", "auth": "BTBZMqHH6r4Tts7J_aSIgg"}}, "keys.p256dh"),
        ({"keys": {"p256dh": "B" + "A" * 86, "auth": "BTBZMqHH6r4Tts7J_aSIgg"}}, "keys.p256dh"),
        ({"keys": {"auth": "AAAA"}}, "keys.p256dh"),
    ],
)
async def test_a_senseless_subscription_is_refused(office: Office, change: dict[str, Any], field: str) -> None:
    worker = await office.person()
    response = await worker.browser.post("/v1/me/push-subscriptions", office.push.device().subscription() | change)
    assert response.status_code == 422, response.text
    assert response.json()["errors"][0]["field"] == field


async def test_only_where_it_is_allowed_an_endpoint_is_without_tls(office: Office) -> None:
    # The other tests' application allows none on this machine.
    office.house.app.state.house.local_push = False
    try:
        worker = await office.person()
        response = await worker.browser.post("/v1/me/push-subscriptions", office.push.device().subscription())
    finally:
        office.house.app.state.house.local_push = True
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "endpoint"


async def test_a_key_gets_no_notices_and_is_told_so(office: Office) -> None:
    calls = [
        ("GET", "/v1/me/notices", None),
        ("PATCH", "/v1/me/notices", {"language": "es"}),
        ("POST", "/v1/me/notices/test", {"channel": "email"}),
        ("GET", "/v1/me/push-key", None),
        ("GET", "/v1/me/push-subscriptions", None),
        ("POST", "/v1/me/push-subscriptions", office.push.device().subscription()),
    ]
    for method, path, body in calls:
        response = await office.program.call(method, path, role=Role.CASE_MANAGER, json=body)
        assert response.status_code == 404
        assert "A key gets no notices" in response.json()["detail"]


async def test_what_opens_a_browser_is_stored_nowhere_in_clear(office: Office) -> None:
    worker = await office.person()
    device = office.push.device()
    headers = {"Origin": "https://house.example", "Idempotency-Key": "once"}
    made = await worker.browser.http.post("/v1/me/push-subscriptions", json=device.subscription(), headers=headers)
    assert made.status_code == 201
    assert device.endpoint not in made.text
    secrets = [device.token, device.subscription()["keys"]["auth"], device.secret.hex()]
    for table, text in (await rows(office.program)).items():
        assert not [each for each in secrets if each in text or each.encode().hex() in text], table


async def test_from_another_site_nothing_is_subscribed(office: Office) -> None:
    worker = await office.person()
    device = office.push.device()
    other: Browser = worker.browser
    answer = await other.post("/v1/me/push-subscriptions", device.subscription(), origin="https://elsewhere.example")
    assert answer.status_code == 403
