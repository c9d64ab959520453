"""A partner's endpoint: a real HTTP server on this machine that behaves as badly as a test wants."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from standardwebhooks.webhooks import Webhook

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def answering(status: int, body: bytes = b"", **headers: str) -> bytes:
    """An answer as it goes over the wire."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass(slots=True)
class Received:
    """One request, and how it was answered."""

    method: str
    headers: dict[str, str]
    body: str
    accepted: bool = False

    @property
    def id(self) -> UUID:
        """Its `webhook-id`."""
        return UUID(self.headers["webhook-id"])

    @property
    def event(self) -> dict[str, Any]:
        """The CloudEvent in it."""
        event: dict[str, Any] = json.loads(self.body)
        return event

    @property
    def number(self) -> int:
        """Its number in the log."""
        return int(self.event["id"])

    @property
    def lane(self) -> str:
        """Within what its order counts."""
        return str(self.event["partitionkey"])


Behaviour = Callable[["Receiver", Received, asyncio.StreamWriter], Awaitable[bytes | None]]
"""Answers what is to be sent, None for nothing: then the connection is closed."""


async def kind(_: "Receiver", __: Received, ___: asyncio.StreamWriter) -> bytes | None:
    """Accepts everything at once."""
    return OK


@dataclass(slots=True)
class Receiver:
    """What came in, in order; `behave` may be changed while it runs."""

    behave: Behaviour = kind
    received: list[Received] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    url: str = ""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = (await reader.readexactly(int(headers.get("content-length", "0")))).decode()
            received = Received(head[0].split(" ")[0], headers, body)
            self.received.append(received)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            self.changed.set()
            try:
                answer = await self.behave(self, received, writer)
            finally:
                self.under_way -= 1
            if answer is not None:
                received.accepted = answer.startswith(b"HTTP/1.1 2")
                writer.write(answer)
                await writer.drain()
            self.changed.set()
        except (ConnectionError, asyncio.IncompleteReadError):
            # Whoever called has given up.
            return
        finally:
            writer.close()

    @property
    def accepted(self) -> list[Received]:
        """What was answered with 2xx."""
        return [each for each in self.received if each.accepted]

    async def until(self, enough: Callable[["Receiver"], bool], seconds: float = 30) -> None:
        """Wait until what came in is enough. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not enough(self):
                self.changed.clear()
                await self.changed.wait()

    async def until_accepted(self, count: int, seconds: float = 30) -> None:
        """Wait until so many were accepted. Raises TimeoutError."""
        await self.until(lambda me: len(me.accepted) >= count, seconds)

    async def until_numbers(self, numbers: set[int], seconds: float = 30) -> None:
        """Wait until all of these were accepted."""
        try:
            await self.until(lambda me: {each.number for each in me.accepted} >= numbers, seconds)
        except TimeoutError:
            missing = sorted(numbers - {each.number for each in self.accepted})
            raise AssertionError(f"never accepted: {missing}") from None

    def require_order(self) -> None:
        """No event was sent before every earlier one of its lane had been accepted, and each under one id."""
        accepted: dict[str, set[int]] = {}
        sent: dict[str, set[int]] = {}
        ids: dict[int, UUID] = {}
        for each in self.received:
            before = {number for number in sent.get(each.lane, ()) if number < each.number}
            assert before <= accepted.get(each.lane, set()), f"{each.number} overtook one of {before}"
            assert not [n for n in accepted.get(each.lane, ()) if n > each.number], f"{each.number} came too late"
            sent.setdefault(each.lane, set()).add(each.number)
            assert ids.setdefault(each.number, each.id) == each.id
            if each.accepted:
                accepted.setdefault(each.lane, set()).add(each.number)

    def require_signed(self, secret: str) -> None:
        """The library accepts every one of them."""
        for each in self.received:
            assert Webhook(secret).verify(each.body, each.headers)["specversion"] == "1.0"


@asynccontextmanager
async def receiving(behave: Behaviour = kind) -> AsyncIterator[Receiver]:
    """A receiver on this machine."""
    receiver = Receiver(behave)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/openberth"
    try:
        yield receiver
    finally:
        server.close()
