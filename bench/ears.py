"""Sockets that listen, as cheap as they can be: raw bytes, frames counted, in a process of their own.

`python -m bench.ears --count C --port N [--port M]` connects so many to each port, says what each wants, and prints
READY when all have had a first message. Then each line on its standard input is answered with one, as JSON: `count 0`
with what the sockets of the first port have heard since the last such line, and from then on they only count;
`watch 0` the same, and from then on they note of each number how often and when it came, which takes longer. Any other
line ends it. Times are the machine's wall clock.
"""

import argparse
import asyncio
import json
import os
import re
import resource
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import cast

import uvloop

_NUMBER = re.compile(rb'\{"type":"changes","after":\d+,"number":(\d+)')
"""Of changes alone: a heartbeat says the number of the last of them once more."""
AT_ONCE = 100
"""Connections that are being opened at the same time."""
TEXT, PING = 0x81, 0x89


@dataclass(slots=True)
class Heard:
    """What all sockets of a port heard: frames and bytes, when first and last; of each number how often and when last;
    and one socket's frames."""

    watching: bool
    frames: int = 0
    bytes: int = 0
    first: float = 0.0
    last: float = 0.0
    waves: dict[int, tuple[int, float]] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)


class Ears:
    """All sockets of a port."""

    def __init__(self) -> None:
        self.heard = Heard(watching=True)
        self.closed = 0

    def report(self, *, watching: bool) -> str:
        """What was heard since the last report; `watching`: how to go on."""
        heard, self.heard = self.heard, Heard(watching)
        said = asdict(heard) | {"closed": self.closed}
        said["waves"] = [[number, *wave] for number, wave in heard.waves.items()]
        return json.dumps(said)


class Ear(asyncio.Protocol):
    """One socket."""

    def __init__(self, ears: Ears, key: str, wanted: str, keeps: bool) -> None:
        self.ready = asyncio.get_running_loop().create_future()
        self._ears = ears
        self._key = key
        self._wanted = wanted.encode()
        self._keeps = keeps
        self._buffer = b""
        self._open = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for a WebSocket."""
        # Not an instance of it: uvloop has a class of its own.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(
            b"GET /v1/live HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            b"Authorization: Bearer " + self._key.encode() + b"\r\n\r\n"
        )

    def connection_lost(self, _: Exception | None) -> None:
        """Nobody closes a socket here but the server."""
        self._ears.closed += 1
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("closed before the first message"))

    def data_received(self, data: bytes) -> None:
        """Count frames; a part of one is kept for later."""
        buffer = self._buffer + data if self._buffer else data
        if not self._open:
            head, found, buffer = buffer.partition(b"\r\n\r\n")
            if not found:
                self._buffer = head
                return
            if b" 101 " not in head.split(b"\r\n")[0]:
                raise ConnectionError(head.decode())
            self._open = True
            assert self._transport is not None
            self._transport.write(_masked(TEXT, self._wanted))
        # Written out, for it is the client that must not be what is measured.
        at, end, heard = 0, len(buffer), self._ears.heard
        heard.bytes += len(data)
        heard.last = time.time()
        while end >= at + 2:
            size, start = buffer[at + 1], at + 2
            if size == 126:
                size, start = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, start = int.from_bytes(buffer[at + 2 : at + 10], "big"), at + 10
            if end < start + size:
                break
            if buffer[at] == TEXT:
                heard.frames += 1
                if heard.watching or self._keeps:
                    self._take(heard, buffer[start : start + size])
            elif buffer[at] == PING and self._transport:
                self._transport.write(_masked(0x8A, buffer[start : start + size]))
            at = start + size
        self._buffer = buffer[at:] if at < end else b""

    def _take(self, heard: Heard, payload: bytes) -> None:
        if not heard.first:
            heard.first = heard.last
        if not self.ready.done():
            self.ready.set_result(None)
        elif self._keeps:
            heard.kept.append(payload.decode())
        if heard.watching and (found := _NUMBER.match(payload)):
            number = int(found[1])
            count, _ = heard.waves.get(number, (0, 0.0))
            heard.waves[number] = (count + 1, heard.last)


def _masked(first: int, payload: bytes) -> bytes:
    # A mask of zeros is a mask.
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return bytes([first]) + size + b"\0\0\0\0" + payload


async def _listen(ports: list[int], count: int, key: str, wanted: str) -> None:
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(AT_ONCE)

    async def connect(port: int, ears: Ears, keeps: bool) -> None:
        async with gate:
            _, ear = await loop.create_connection(lambda: Ear(ears, key, wanted, keeps), "127.0.0.1", port)
            await ear.ready

    everyone = [Ears() for _ in ports]
    for port, ears in zip(ports, everyone, strict=True):
        await asyncio.gather(*(connect(port, ears, nr == 0) for nr in range(count)))
    print("READY", flush=True)
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while (line := (await lines.readline()).decode().split()) and line[0] in {"count", "watch"}:
        print(everyone[int(line[1])].report(watching=line[0] == "watch"), flush=True)
    # Thousands of sockets need not be closed one by one.
    os._exit(0)


def main() -> None:
    """Listen until told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True, action="append")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--wanted", default="{}")
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # Not as an argument, which every user of the machine can read.
    key = os.environ.get("BENCH_KEY", "")
    uvloop.run(_listen(arguments.port, arguments.count, key, arguments.wanted))


if __name__ == "__main__":
    main()
