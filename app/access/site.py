"""Where people's browsers reach Openberth: its origin, its cookies, what its answers tell a browser, and whether a
request came from its own pages."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from app.core.problems import CrossSite

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
"""What a machine calls itself."""

POLICY = b"content-security-policy"
NOTHING = b"default-src 'none'; base-uri 'none'; object-src 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
"""What an answer may do that a browser shows by itself: nothing. A page brings a policy of its own."""


class Site:
    """What follows from the public URL.

    Over https every cookie is `Secure` and has the prefix `__Host-`, by which a browser takes it from this very
    host alone: no neighbour under the same domain can plant one.
    """

    def __init__(self, public_url: str) -> None:
        parts = urlsplit(public_url)
        assert parts.hostname, "the settings have checked it"
        self.secure = parts.scheme == "https"
        default = 443 if self.secure else 80
        port = "" if parts.port in {None, default} else f":{parts.port}"
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self.origin = f"{parts.scheme}://{host}{port}"
        self.host = parts.hostname
        prefix = "__Host-" if self.secure else ""
        self.session_cookie = f"{prefix}openberth_session"
        self.challenge_cookie = f"{prefix}openberth_challenge"
        self.device_cookie = f"{prefix}openberth_device"
        self.headers: tuple[tuple[bytes, bytes], ...] = (
            # Every answer is some caller's own: none is for a cache, the browser's own included.
            (b"cache-control", b"no-store"),
            (POLICY, NOTHING),
            (b"referrer-policy", b"no-referrer"),
            (b"x-content-type-options", b"nosniff"),
        )
        """The fields that go with every answer, as ASGI has them."""
        if self.secure:
            self.headers += ((b"strict-transport-security", b"max-age=31536000; includeSubDomains"),)

    def elsewhere(self, host: str) -> bool:
        """Whether this `Host` is another name for the machine that the public URL names, which browsers take for
        another site: no cookie of ours is sent there, and no form from there is taken."""
        return urlsplit(f"//{host}").hostname in LOOPBACK and self.host in LOOPBACK and f"//{host}" not in self.origin

    def require_own_page(self, headers: Mapping[str, str]) -> None:
        """Raises CrossSite unless a page of this very origin made the request.

        Every browser names the origin of an unsafe request in `Origin`, or says `Sec-Fetch-Site`; a page can forge
        neither. Who sends neither is no browser's page, and has no business with its cookie. `same-site` is not
        enough: a neighbour under the same domain is somebody else. `none` is what a person typed, and nobody types
        a POST.
        """
        origin = headers.get("origin")
        fetched = headers.get("sec-fetch-site")
        if (origin, fetched) not in {
            (self.origin, "same-origin"),
            (self.origin, None),
            (None, "same-origin"),
        }:
            raise CrossSite(
                f"Only pages of {self.origin} may do this with a session's cookie."
                " A program of yours uses a key instead, as `Authorization: Bearer <key>`."
            )
