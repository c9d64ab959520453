"""Calls that leave the house go to public addresses alone, whatever a name is said to stand for."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from app.core.outbound import MAX_ANSWER_BYTES, Unreachable, check_url, outbound_client, safe_address


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names stand for: the network's own answers are not to be had in a test. Addresses stand for themselves."""
    known: dict[str, list[str]] = {}
    look_up = socket.getaddrinfo

    def looked_up(host: str, port: Any, *rest: Any, **options: Any) -> list[Any]:
        if host not in known:
            return list(look_up(host, port, *rest, **options | {"flags": socket.AI_NUMERICHOST}))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    return known


INSIDE = [
    "127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.9.9", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "192.0.0.8", "198.18.0.1", "240.0.0.1", "255.255.255.255", "192.88.99.1",
    "::1", "::", "fe80::1", "fd00::1", "fec0::1", "ff02::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1", "2002:7f00:1::", "64:ff9b::a00:1", "64:ff9b:1::7f00:1", "2001:db8::1", "3fff::1", "5f00::1",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
async def test_no_address_inside_is_called(names: dict[str, list[str]], address: str) -> None:
    names["issuer.example"] = [address]
    with pytest.raises(Unreachable, match="not on the public Internet"):
        await safe_address(httpx.URL("https://issuer.example/x"), local=False)
    # Not even where a public one stands beside it.
    names["issuer.example"] = ["93.184.216.34", address]
    with pytest.raises(Unreachable, match="not on the public Internet"):
        await safe_address(httpx.URL("https://issuer.example/x"), local=False)


WRITTEN = ["2130706433", "0x7f000001", "0x7f.1", "127.1", "0", "[::ffff:7f00:1]", "[::1]", "3232235521"]
"""Ways to write an address inside: as one number, in hexadecimal, with parts left out, in IPv6."""


@pytest.mark.parametrize("host", [*WRITTEN, *(f"[{each}]" if ":" in each else each for each in INSIDE)])
async def test_an_address_inside_is_found_out_however_it_is_written_and_before_it_is_called(
    names: dict[str, list[str]], host: str
) -> None:
    url = httpx.URL(f"https://{host}/x")
    with pytest.raises(Unreachable, match="not on the public Internet"):
        check_url(url, local=False)
    with pytest.raises(Unreachable, match="not on the public Internet"):
        await safe_address(url, local=False)


async def test_a_name_whose_server_never_answers_keeps_nobody_else_waiting(
    names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    silence = threading.Event()
    answers = socket.getaddrinfo

    def silent(host: str, *rest: Any, **options: Any) -> list[Any]:
        if host.startswith("silent"):
            silence.wait(20)
            raise socket.gaierror("no answer")
        return list(answers(host, *rest, **options))

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    names["issuer.example"] = ["93.184.216.34"]
    urls = [httpx.URL(f"https://silent-{nr // 3}.example/") for nr in range(90)]
    asking = [asyncio.create_task(safe_address(url, local=False)) for url in urls]
    await asyncio.sleep(0.05)
    # Thirty names, each asked for thrice: once.
    assert sum(each.name.startswith("look-up of silent-") for each in threading.enumerate()) == 30
    async with asyncio.timeout(10):
        assert await safe_address(httpx.URL("https://issuer.example"), local=False) == "93.184.216.34"
    asking[0].cancel()
    silence.set()
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert {type(each) for each in outcomes[1:]} == {Unreachable}


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


async def test_an_answer_is_left_where_no_more_of_it_is_kept() -> None:
    body = b"x" * 5_000_000
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with answering(answer) as port, outbound_client(local=True, kept_bytes=100) as http:
        response = await http.get(f"http://127.0.0.1:{port}/")
    assert (response.status_code, response.content) == (200, b"x" * 100)


async def test_the_name_is_looked_up_once_and_that_address_is_called(
    names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that stands for one address when it is checked, and for another when it is called."""
    looked_up = []
    answers = socket.getaddrinfo

    def once(host: str, *rest: Any, **options: Any) -> list[Any]:
        looked_up.append(host)
        names["rebound.example"] = ["127.0.0.1"] if looked_up.count("rebound.example") == 1 else ["10.0.0.1"]
        return list(answers(host, *rest, **options))

    monkeypatch.setattr(socket, "getaddrinfo", once)
    async with (
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as port,
        outbound_client(local=True) as http,
    ):
        assert (await http.get(f"http://rebound.example:{port}/")).text == "ok"
        assert looked_up.count("rebound.example") == 1
        with pytest.raises(Unreachable, match="not on the public Internet"):
            await http.get(f"http://rebound.example:{port}/")
