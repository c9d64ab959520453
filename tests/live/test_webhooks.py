"""Webhooks: what happens arrives, signed, at least once and in order for each opening, however receivers behave."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.conftest import Clone
from tests.live.office import Office, Partner, new_partner, opened
from tests.live.receiver import OK, Received, Receiver, answering, receiving


@pytest.fixture(scope="module")
async def office(clone: Clone) -> AsyncIterator[Office]:
    """An office over a database of this file's own."""
    async with clone() as url, opened(url) as office:
        yield office


@pytest.fixture
async def partner(office: Office) -> Partner:
    """A partner system in a program of this test's own."""
    return await new_partner(office)


async def stir(partner: Partner, openings: int, rounds: int) -> list[dict[str, Any]]:
    """So many openings, each changed so often."""
    made = [await partner.program.opening(1) for _ in range(openings)]
    for _ in range(rounds):
        for opening in made:
            await partner.program.made(f"/v1/openings/{opening['id']}/adjust", {"by": 1})
    return made


async def numbered(partner: Partner, count: int, *types: str) -> set[int]:
    """The numbers of the events of these types, once there are so many."""
    for _ in range(400):
        if len(found := await partner.numbers(0, *types)) == count:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"there never were {count} of {types}")


async def test_what_happens_arrives_signed_as_a_cloud_event(office: Office, partner: Partner) -> None:
    async with receiving() as receiver, office.sending():
        webhook = await partner.webhook(receiver.url, types=["opening.published"])
        opening = await partner.program.opening(3)
        await receiver.until(lambda me: len(me.accepted) == 1)
    [received] = receiver.received
    receiver.require_signed(webhook["secret"])
    assert (received.method, received.headers["content-type"]) == ("POST", "application/cloudevents+json")
    event = received.event
    [logged] = (await partner.done("GET", "/v1/events", params={"types": "opening.published"}))["items"]
    assert event == {
        "specversion": "1.0",
        "id": str(logged["number"]),
        "source": f"urn:uuid:{partner.program.id}",
        "type": "org.openberth.opening.published",
        "subject": opening["id"],
        "time": logged["at"],
        "datacontenttype": "application/json",
        "partitionkey": opening["id"],
        "dataversion": 1,
        "data": logged["data"],
    }


async def naughty(receiver: Receiver, received: Received, writer: asyncio.StreamWriter) -> bytes | None:
    """Fails in every way, a few times each, and then comes back; the number of the request says how."""
    nr = len(receiver.received)
    answer: bytes | None = answering(202, b"x" * 4000)
    if nr <= 4:
        answer = answering(500, b"not today")
    elif nr <= 7:
        answer = None
        await asyncio.sleep(1.5)
    elif nr <= 11:
        answer = answering(302, Location=INWARD["url"])
    elif nr <= 14:
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)
        answer = None
    elif nr <= 17:
        answer = None
    elif nr <= 20:
        await asyncio.sleep(0.2)
    return answer


INWARD = {"url": ""}


async def test_a_receiver_that_does_everything_wrong_and_comes_back_gets_everything_in_order(
    office: Office, partner: Partner
) -> None:
    async with receiving() as inward, receiving(naughty) as receiver, office.sending():
        INWARD["url"] = inward.url
        webhook = await partner.webhook(receiver.url, types=["opening.published", "opening.changed"])
        await stir(partner, 5, 6)
        numbers = await numbered(partner, 35, "opening.published", "opening.changed")
        await receiver.until_numbers(numbers)
        state = await partner.until(webhook, failing_since=None)
        assert inward.received == []
        deliveries = await partner.deliveries(webhook)
    receiver.require_order()
    receiver.require_signed(webhook["secret"])
    assert state["state"] == "on"
    # The log tells the story.
    assert {each["number"] for each in deliveries} == numbers
    assert {each["state"] for each in deliveries} == {"delivered"}
    told = [each for delivery in deliveries for each in delivery["tries"]]
    assert {each["error"] for each in told} == {"not_accepted", "timed_out", "redirected", "broken_off", None}
    assert len(told) == len(receiver.received)
    by_error = {each["error"]: each for each in told}
    assert (by_error["not_accepted"]["status"], by_error["not_accepted"]["answer"]) == (500, "not today")
    assert by_error["redirected"]["status"] == 302
    assert by_error["timed_out"]["status"] is None
    assert 400 <= by_error["timed_out"]["ms"] < 1500
    assert (by_error[None]["status"], len(by_error[None]["answer"])) == (202, 1024)
    for delivery in deliveries:
        assert [each["nr"] for each in delivery["tries"]] == list(range(1, len(delivery["tries"]) + 1))
        assert [each["error"] is None for each in delivery["tries"]] == [False] * (len(delivery["tries"]) - 1) + [True]
        assert delivery["body"]["id"] == str(delivery["number"])
        assert all(each["url"] == receiver.url for each in delivery["tries"])


async def test_an_opening_whose_event_is_refused_holds_up_no_other(office: Office, partner: Partner) -> None:
    refused: list[str] = []

    async def picky(receiver: Receiver, received: Received, _: asyncio.StreamWriter) -> bytes | None:
        return answering(422) if received.lane in refused else OK

    async with receiving(picky) as receiver, office.sending():
        webhook = await partner.webhook(receiver.url, types=["opening.changed"])
        made = [await partner.program.opening(1) for _ in range(3)]
        refused.append(made[0]["id"])
        for _ in range(4):
            for opening in made:
                await partner.program.made(f"/v1/openings/{opening['id']}/adjust", {"by": 1})
        numbers = await numbered(partner, 12, "opening.changed")
        await receiver.until(lambda me: len(me.accepted) == 8)
        await receiver.until(lambda me: sum(each.lane == refused[0] for each in me.received) >= 3)
        assert len({each.number for each in receiver.received if each.lane == refused[0]}) == 1
        refused.clear()
        await receiver.until_numbers(numbers)
    receiver.require_order()
    assert (await partner.look(webhook))["state"] == "on"
