"""A thousand sockets that listen, as cheap as they can be: raw bytes, frames counted, in a process of their own.

`python -m bench.ears --port N --count C` connects, says what each wants, and prints READY when all have had a first
message. Then each line on its standard input is answered with one: `report` with what was heard since the last report,
as JSON; any other ends it. Times are the machine's wall clock.
"""

import argparse
import asyncio
import json
import os
import re
import resource
import sys
import time
from dataclasses import dataclass, field
from typing import cast

import uvloop

_NUMBER = re.compile(rb'"number":(\d+)')
AT_ONCE = 100
"""Connections that are being opened at the same time."""


@dataclass(slots=True)
class Heard:
    """What all sockets heard: frames and bytes, and of each number how often and when last; one socket's frames."""

    frames: int = 0
    bytes: int = 0
    waves: dict[int, tuple[int, float]] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    closed: int = 0


class Ear(asyncio.Protocol):
    """One socket."""

    def __init__(self, heard: Heard, key: str, wanted: str, keeps: bool) -> None:
        self.ready = asyncio.get_running_loop().create_future()
        self._heard = heard
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
        self._heard.closed += 1
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
            self._transport.write(_masked(0x81, self._wanted))
        at = 0
        while (frame := _frame(buffer, at)) is not None:
            opcode, start, end = frame
            if opcode == 1:
                self._take(buffer, start, end)
            elif opcode == 9 and self._transport:
                self._transport.write(_masked(0x8A, buffer[start:end]))
            at = end
        self._buffer = buffer[at:]

    def _take(self, buffer: bytes, start: int, end: int) -> None:
        if not self.ready.done():
            self.ready.set_result(None)
            return
        heard = self._heard
        heard.frames += 1
        heard.bytes += end - start
        found = _NUMBER.search(buffer, start, min(end, start + 120))
        if found:
            number = int(found[1])
            count, _ = heard.waves.get(number, (0, 0.0))
            heard.waves[number] = (count + 1, time.time())
        if self._keeps:
            heard.kept.append(buffer[start:end].decode())


def _masked(first: int, payload: bytes) -> bytes:
    # A mask of zeros is a mask.
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return bytes([first]) + size + b"\0\0\0\0" + payload


def _frame(buffer: bytes, at: int) -> tuple[int, int, int] | None:
    """The opcode, beginning and end of the payload of the frame that begins here, if all of it is there."""
    if len(buffer) < at + 2:
        return None
    size, start = buffer[at + 1] & 0x7F, at + 2
    if size > 125:
        wide = 2 if size == 126 else 8
        if len(buffer) < start + wide:
            return None
        size, start = int.from_bytes(buffer[start : start + wide], "big"), start + wide
    return (buffer[at] & 0x0F, start, start + size) if len(buffer) >= start + size else None


async def _listen(port: int, count: int, key: str, wanted: str) -> None:
    heard = Heard()
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(AT_ONCE)

    async def connect(nr: int) -> None:
        async with gate:
            _, ear = await loop.create_connection(lambda: Ear(heard, key, wanted, nr == 0), "127.0.0.1", port)
            await ear.ready

    await asyncio.gather(*(connect(nr) for nr in range(count)))
    print("READY", flush=True)
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while (await lines.readline()).strip() == b"report":
        said = {
            "frames": heard.frames,
            "bytes": heard.bytes,
            "waves": [[number, *wave] for number, wave in heard.waves.items()],
            "kept": heard.kept,
            "closed": heard.closed,
        }
        heard.frames = heard.bytes = 0
        heard.waves, heard.kept = {}, []
        print(json.dumps(said), flush=True)
    # Thousands of sockets need not be closed one by one.
    os._exit(0)


def main() -> None:
    """Listen until told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
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
