"""Calls that leave the house: to public addresses over TLS alone, of bounded size and time, never redirected."""

import asyncio
import ipaddress
import re
import socket
from contextlib import suppress
from threading import Thread

import httpx

MAX_ANSWER_BYTES = 1024 * 1024
SECONDS = 10.0

_NAME = re.compile(rb"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Unreachable(Exception):
    """The address may not be called, or did not answer as it should; the text says why, and `word` in one word."""

    def __init__(self, detail: str, word: str) -> None:
        super().__init__(detail)
        self.word = word


def check_url(url: httpx.URL, *, local: bool) -> None:
    """What can be said of a URL without asking anybody: `safe_address` says the rest when it is called.

    `local`: as there. Raises Unreachable for another scheme, for credentials, and for an address inside, in whatever
    way it is written.
    """
    if url.scheme not in {"https", "http"} or not url.host or url.userinfo:
        raise Unreachable("The address must start with https://, name a host, and hold no password.", "bad_url")
    if url.scheme != "https" and not local:
        raise Unreachable("The address must start with https://.", "not_https")
    try:
        # Understood as the system would when it is called: 2130706433 and 0x7f.1 are 127.0.0.1. Nobody is asked.
        written = socket.getaddrinfo(url.host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        if not _NAME.fullmatch(url.raw_host):
            raise Unreachable("The address must name a host.", "bad_url") from None
        return
    _chosen([ipaddress.ip_address(entry[4][0]) for entry in written], url, local=local)


async def safe_address(url: httpx.URL, *, local: bool) -> str:
    """The IP address to call for `url`. `local`: this machine may be called too, and without TLS.

    Raises Unreachable for another scheme, and for a name that stands for any address that is not public: one
    private address among public ones is how a name is made to lead inside.
    """
    if url.scheme not in {"https", "http"} or not url.host or url.userinfo:
        raise Unreachable("The address must start with https:// and name a host.", "bad_url")
    try:
        addresses = await addresses_of(url.host)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"The host {url.host} is not known.", "unknown_host") from error
    return str(_chosen(addresses, url, local=local))


def _chosen(addresses: list[Address], url: httpx.URL, *, local: bool) -> Address:
    if not addresses:
        raise Unreachable(f"The host {url.host} is not known.", "unknown_host")
    if local and all(address.is_loopback for address in addresses):
        return addresses[0]
    if not all(_public(address) for address in addresses):
        raise Unreachable(f"The host {url.host} is not on the public Internet.", "not_public")
    if url.scheme != "https":
        raise Unreachable("The address must start with https://.", "not_https")
    return addresses[0]


_looking_up: dict[tuple[asyncio.AbstractEventLoop, str], "asyncio.Future[list[Address]]"] = {}


async def addresses_of(host: str) -> list[Address]:
    """What a name stands for. Raises OSError, UnicodeError.

    Each name is asked for in a thread of its own, once for all who ask meanwhile: in the event loop's few threads, a
    handful of names whose servers never answer would keep everybody from looking anything up.
    """
    loop = asyncio.get_running_loop()
    key = loop, host
    if key not in _looking_up:
        found = _looking_up[key] = loop.create_future()
        found.add_done_callback(lambda _: _looking_up.pop(key, None))
        # Its ending must not be held up by a look-up that nobody waits for any more.
        Thread(target=_look_up, args=(host, loop, found), name=f"look-up of {host[:40]}", daemon=True).start()
    # Shielded: one who gives up must not take the answer from the others.
    return await asyncio.shield(_looking_up[key])


def _look_up(host: str, loop: asyncio.AbstractEventLoop, found: "asyncio.Future[list[Address]]") -> None:
    addresses: list[Address] = []
    failure: Exception | None = None
    try:
        entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        addresses = [ipaddress.ip_address(entry[4][0]) for entry in entries]
    except (OSError, ValueError) as error:
        failure = error

    def tell() -> None:
        if failure is None:
            found.set_result(addresses)
        else:
            found.set_exception(failure)
            # Whoever asked may have given up: then it is nobody's to retrieve.
            found.exception()

    # The loop may have ended meanwhile, and with it whoever asked.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(tell)


_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NOT_FOR_US = [
    # IETF protocol assignments, and what once led to IPv6 relays; Python took a while to know documentation's second.
    *map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20"))
]


def _public(address: Address) -> bool:
    """Whether it is a public unicast address, seen through the ways to write an IPv4 address in IPv6."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        # 64:ff9b::/96 leads to IPv4 through a translator.
        if inner is None and address in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return _public(inner)
        # Nothing else has been given out, whatever its bits might lead to: ::127.0.0.1, 64:ff9b:1::/48, fec0::/10.
        if address not in _GLOBAL_UNICAST:
            return False
    return address.is_global and not address.is_multicast and not any(address in each for each in _NOT_FOR_US)


class _Guarded(httpx.AsyncBaseTransport):
    """Looks the host up once, checks what it found, and calls that: a second look-up could be told otherwise."""

    def __init__(self, *, local: bool, kept_bytes: int | None) -> None:
        self._local = local
        self._kept_bytes = kept_bytes
        # No connection is used twice: two names may share an address, and the certificate was checked for one.
        self._inner = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_keepalive_connections=0), retries=0)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, read as far as it is kept. Raises Unreachable."""
        host = request.url.host
        address = await safe_address(request.url, local=self._local)
        # The Host header stands already; TLS asks for, and checks, the name.
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=address)
        response = await self._inner.handle_async_request(request)
        try:
            assert isinstance(response.stream, httpx.AsyncByteStream)
            content = await self._read(response.stream, host)
        finally:
            await response.aclose()
        # What says how the body comes is of no body that was cut.
        headers = [(name, value) for name, value in response.headers.raw if name.lower() not in _OF_THE_BODY]
        return httpx.Response(response.status_code, headers=headers, content=content, extensions=response.extensions)

    async def _read(self, stream: httpx.AsyncByteStream, host: str) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for part in stream:
            parts.append(part)
            size += len(part)
            if self._kept_bytes is not None and size >= self._kept_bytes:
                return b"".join(parts)[: self._kept_bytes]
            if size > MAX_ANSWER_BYTES:
                raise Unreachable(f"{host} answered with more than {MAX_ANSWER_BYTES // 1024} KiB.", "too_large")
        return b"".join(parts)

    async def aclose(self) -> None:
        """Close what is open."""
        await self._inner.aclose()


_OF_THE_BODY = {b"content-length", b"transfer-encoding", b"content-encoding"}


def outbound_client(*, local: bool, kept_bytes: int | None = None) -> httpx.AsyncClient:
    """A client that can't be led inside. `local`: it may call this machine, for development. `kept_bytes`: read no
    more than this of an answer and leave the rest; without it, an answer that is too large is refused."""
    return httpx.AsyncClient(
        transport=_Guarded(local=local, kept_bytes=kept_bytes),
        timeout=SECONDS,
        follow_redirects=False,
        # Proxies of the environment would be asked instead of the address that was checked.
        trust_env=False,
        # Nothing compressed: a small answer can't become a huge one.
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
    )
