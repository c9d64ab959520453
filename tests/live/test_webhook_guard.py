"""The guard, attacked by whoever says where a webhook is sent: by its name, its answer, and what a name stands for."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.live.office import Office, Partner, stir
from tests.live.receiver import Received, Receiver, answering, receiving


class Names:
    """What names stand for, in turn; each was asked for so often."""

    def __init__(self) -> None:
        self.known: dict[str, list[str]] = {}
        self.asked: dict[str, int] = {}
        self._answers = socket.getaddrinfo

    def answer(self, host: str, port: Any, *rest: Any, **options: Any) -> list[Any]:
        """In place of the network's answer. The last one stays."""
        # What is written in numbers needs no answer of anybody's, and a name is none.
        if host not in self.known or options.get("flags", 0) & socket.AI_NUMERICHOST:
            return list(self._answers(host, port, *rest, **options))
        nr = self.asked[host] = self.asked.get(host, 0) + 1
        address = self.known[host][min(nr, len(self.known[host])) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in address.split(" ")]


@pytest.fixture
async def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """A name server of this test's own."""
    names = Names()
    monkeypatch.setattr(socket, "getaddrinfo", names.answer)
    return names


@pytest.fixture
async def inside() -> AsyncIterator[Receiver]:
    """A service of ours that no partner may reach."""
    async with receiving() as receiver:
        yield receiver


async def errors(partner: Partner, webhook: dict[str, Any]) -> list[str | None]:
    """What its tries came to, once there are two."""
    found: list[str | None] = []
    for _ in range(200):
        found = [each["error"] for delivery in await partner.deliveries(webhook) for each in delivery["tries"]]
        if len([each for each in found if each is not None]) >= 2:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"never tried twice: {found}")


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fd00::1", "93.184.216.34 127.0.0.1"],
)
async def test_a_name_that_leads_inside_is_not_called(
    office: Office, partner: Partner, names: Names, inside: Receiver, address: str
) -> None:
    names.known["partner.example"] = [address]
    port = urlsplit(inside.url).port
    async with office.sending(local=False):
        webhook = await partner.webhook(f"https://partner.example:{port}/", types=["opening.published"])
        await stir(partner, 1, 0)
        assert set(await errors(partner, webhook)) == {"not_public"}
    assert inside.received == []


async def test_a_name_whose_answer_changes_is_called_where_it_was_checked(
    office: Office, partner: Partner, names: Names, inside: Receiver
) -> None:
    """The first answer may be called, the next may not: each call is checked, and made by the answer that was."""
    port = urlsplit(inside.url).port
    names.known["partner.example"] = ["127.0.0.1", "10.0.0.1", "127.0.0.1 10.0.0.1", "10.0.0.1"]
    inside.behave = _failing
    async with office.sending():
        webhook = await partner.webhook(f"http://partner.example:{port}/", types=["opening.published"])
        asked = names.asked.get("partner.example", 0)
        await stir(partner, 1, 0)
        await inside.until(lambda me: len(me.received) == 1)
        for _ in range(100):
            if names.asked["partner.example"] >= asked + 4:
                break
            await asyncio.sleep(0.05)
        found = await errors(partner, webhook)
        [delivery] = await partner.deliveries(webhook)
    tries = len(delivery["tries"])
    assert found[0] == "not_accepted"
    assert set(found[1:]) <= {"not_public", None}
    assert len(inside.received) == 1
    # Once for each try, and never between the check and the call.
    assert tries - 1 <= names.asked["partner.example"] <= tries + 1


async def _failing(_: Receiver, __: Received, ___: asyncio.StreamWriter) -> bytes | None:
    return answering(500)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(office: Office, partner: Partner, inside: Receiver, status: int) -> None:
    async def elsewhere(_: Receiver, __: Received, ___: asyncio.StreamWriter) -> bytes | None:
        return answering(status, Location=inside.url)

    async with receiving(elsewhere) as receiver, office.sending():
        webhook = await partner.webhook(receiver.url, types=["opening.published"])
        await stir(partner, 1, 0)
        assert set(await errors(partner, webhook)) <= {"redirected", None}
    assert inside.received == []


async def test_an_address_that_was_let_in_by_another_setting_is_checked_when_it_is_called(
    office: Office, partner: Partner, inside: Receiver
) -> None:
    async with office.sending(local=False):
        webhook = await partner.webhook(inside.url, types=["opening.published"])
        await stir(partner, 1, 0)
        assert set(await errors(partner, webhook)) <= {"not_public", None}
    assert inside.received == []


async def test_an_endless_answer_and_one_that_is_no_text_are_cut_and_kept_as_text(
    office: Office, partner: Partner
) -> None:
    async def endless(_: Receiver, __: Received, writer: asyncio.StreamWriter) -> bytes | None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n")
        for _nr in range(1000):
            writer.write(b"400\r\n" + b"\xff\x00\x80\x1f" * 256 + b"\r\n")
            await writer.drain()
        return None

    async with receiving(endless) as receiver, office.sending():
        webhook = await partner.webhook(receiver.url, types=["opening.published"])
        await stir(partner, 1, 0)
        await receiver.until(lambda me: len(me.received) == 1)
        [delivery] = await partner.ended(webhook)
    assert delivery["state"] == "delivered"
    assert 0 < len(delivery["tries"][0]["answer"]) <= 1024
