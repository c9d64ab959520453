"""Calls that leave the house go to public addresses alone, whatever a name is said to stand for."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from app.core.outbound import MAX_ANSWER_BYTES, Unreachable, outbound_client, safe_address


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names stand for: the network's own answers are not to be had in a test."""
    known: dict[str, list[str]] = {}

    async def look_up(_: object, host: str, port: int, **__: Any) -> list[Any]:
        if host not in known:
            raise socket.gaierror("unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host]]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", look_up)
    return known


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.9.9", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "::1", "fe80::1", "fd00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::a00:1"],
)  # fmt: skip
async def test_no_address_inside_is_called(names: dict[str, list[str]], address: str) -> None:
    names["issuer.example"] = [address]
    with pytest.raises(Unreachable, match="not on the public Internet"):
        await safe_address(httpx.URL("https://issuer.example/x"), local=False)
    # Not even where a public one stands beside it.
    names["issuer.example"] = ["93.184.216.34", address]
    with pytest.raises(Unreachable, match="not on the public Internet"):
        await safe_address(httpx.URL("https://issuer.example/x"), local=False)


@pytest.mark.parametrize(
    "url", ["http://issuer.example", "ftp://issuer.example", "https://", "https://a:b@issuer.example"]
)
async def test_only_https_without_credentials(names: dict[str, list[str]], url: str) -> None:
    names["issuer.example"] = ["93.184.216.34"]
    with pytest.raises(Unreachable):
        await safe_address(httpx.URL(url), local=False)


async def test_a_public_address_is_called_and_this_machine_where_that_is_allowed(names: dict[str, list[str]]) -> None:
    names["issuer.example"] = ["93.184.216.34"]
    names["localhost"] = ["127.0.0.1"]
    assert await safe_address(httpx.URL("https://issuer.example"), local=False) == "93.184.216.34"
    assert await safe_address(httpx.URL("http://localhost:9"), local=True) == "127.0.0.1"
    names["issuer.example"] = ["10.0.0.1"]
    with pytest.raises(Unreachable):
        await safe_address(httpx.URL("http://issuer.example"), local=True)


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[int]:
    """A server on this machine that gives every caller these bytes: its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_a_redirect_is_not_followed() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n"
    async with answering(moved) as port, outbound_client(local=True) as http:
        assert (await http.get(f"http://127.0.0.1:{port}/")).status_code == 302


async def test_an_endless_answer_is_cut() -> None:
    body = b"x" * (MAX_ANSWER_BYTES + 1)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with answering(answer) as port, outbound_client(local=True) as http:
        with pytest.raises(Unreachable, match="more than"):
            await http.get(f"http://127.0.0.1:{port}/")


async def test_the_name_is_looked_up_once_and_that_address_is_called(
    names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that stands for a public address when it is checked, and for one inside when it is called."""
    names["localhost"] = ["127.0.0.1"]
    looked_up = []
    look_up = asyncio.BaseEventLoop.getaddrinfo

    async def once(loop: Any, host: str, port: int, **options: Any) -> list[Any]:
        looked_up.append(host)
        return await look_up(loop, host, port, **options)

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", once)
    names["127.0.0.1"] = ["127.0.0.1"]
    async with (
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as port,
        outbound_client(local=True) as http,
    ):
        assert (await http.get(f"http://localhost:{port}/")).text == "ok"
    assert looked_up.count("localhost") == 1
