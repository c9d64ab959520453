"""Calls that leave the house: to public addresses over TLS alone, of bounded size and time, never redirected."""

import asyncio
import ipaddress
import socket

import httpx

MAX_ANSWER_BYTES = 1024 * 1024
SECONDS = 10.0


class Unreachable(Exception):
    """The address may not be called, or did not answer as it should; the text says why."""


async def safe_address(url: httpx.URL, *, local: bool) -> str:
    """The IP address to call for `url`. `local`: this machine may be called too, and without TLS.

    Raises Unreachable for another scheme, and for a name that stands for any address that is not public: one
    private address among public ones is how a name is made to lead inside.
    """
    if url.scheme not in {"https", "http"} or not url.host or url.userinfo:
        raise Unreachable("The address must start with https:// and name a host.")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            url.host, url.port or 443, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
    except OSError as error:
        raise Unreachable(f"The host {url.host} is not known.") from error
    addresses = [ipaddress.ip_address(entry[4][0]) for entry in found]
    if not addresses:
        raise Unreachable(f"The host {url.host} is not known.")
    if local and all(address.is_loopback for address in addresses):
        return str(addresses[0])
    if not all(_public(address) for address in addresses):
        raise Unreachable(f"The host {url.host} is not on the public Internet.")
    if url.scheme != "https":
        raise Unreachable("The address must start with https://.")
    return str(addresses[0])


def _public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether it is a public unicast address, seen through the ways to write an IPv4 address in IPv6."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        # 64:ff9b::/96 leads to IPv4 through a translator.
        if inner is None and address in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return _public(inner)
    return address.is_global and not address.is_multicast


class _Guarded(httpx.AsyncBaseTransport):
    """Looks the host up once, checks what it found, and calls that: a second look-up could be told otherwise."""

    def __init__(self, *, local: bool) -> None:
        self._local = local
        # No connection is used twice: two names may share an address, and the certificate was checked for one.
        self._inner = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_keepalive_connections=0), retries=0)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, read whole. Raises Unreachable."""
        host = request.url.host
        address = await safe_address(request.url, local=self._local)
        # The Host header stands already; TLS asks for, and checks, the name.
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=address)
        response = await self._inner.handle_async_request(request)
        try:
            parts: list[bytes] = []
            size = 0
            assert isinstance(response.stream, httpx.AsyncByteStream)
            async for part in response.stream:
                size += len(part)
                if size > MAX_ANSWER_BYTES:
                    raise Unreachable(f"{host} answered with more than {MAX_ANSWER_BYTES // 1024} KiB.")
                parts.append(part)
        finally:
            await response.aclose()
        return httpx.Response(
            response.status_code, headers=response.headers, content=b"".join(parts), extensions=response.extensions
        )

    async def aclose(self) -> None:
        """Close what is open."""
        await self._inner.aclose()


def outbound_client(*, local: bool) -> httpx.AsyncClient:
    """A client that can't be led inside. `local`: it may call this machine, for development."""
    return httpx.AsyncClient(
        transport=_Guarded(local=local),
        timeout=SECONDS,
        follow_redirects=False,
        # Proxies of the environment would be asked instead of the address that was checked.
        trust_env=False,
        # Nothing compressed: a small answer can't become a huge one.
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
    )
