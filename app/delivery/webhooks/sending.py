"""One try: a call of the endpoint, and what came of it."""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from uuid import UUID

import httpx

from app.core.outbound import Unreachable
from app.delivery.webhooks.messages import MEDIA_TYPE, signed
from app.delivery.webhooks.patience import retry_after

KEPT_BYTES = 1024
"""How much of an answer is read and kept."""
GONE = 410


@dataclass(frozen=True, slots=True)
class Parcel:
    """A try that is to be made: `nr` is the delivery's how-manieth."""

    delivery_id: UUID
    nr: int
    at: datetime
    url: str
    body: str
    secrets: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. `error` is None when it was accepted, else a word; `asked` is the answer's Retry-After."""

    delivery_id: UUID
    nr: int
    ms: int
    error: str | None
    status: int | None = None
    answer: str | None = None
    asked: timedelta | None = None

    @property
    def accepted(self) -> bool:
        """Whether the endpoint has it."""
        return self.error is None


ERRORS = {
    "not_accepted": "The answer's status was none of 2xx.",
    "redirected": "The answer sent us elsewhere, where we don't go.",
    "gone": "The answer was 410: the webhook is switched off.",
    "timed_out": "There was no whole answer in time.",
    "not_connected": "No connection could be made.",
    "tls_failed": "The certificate, or what else TLS needs, is not good.",
    "broken_off": "The connection broke, or what came over it is no HTTP.",
    "bad_url": "The address can't be called.",
    "unknown_host": "The name is not known.",
    "not_public": "The name or address leads to no public address.",
    "not_https": "The address is not https.",
}
"""What a try can come to, in a word."""


async def send(http: httpx.AsyncClient, parcel: Parcel, seconds: float) -> Outcome:
    """Make a try, in so many seconds at most."""
    began = monotonic()
    error: str | None
    response: httpx.Response | None = None
    headers = {"Content-Type": MEDIA_TYPE, "User-Agent": "Openberth"}
    headers |= signed(parcel.secrets, parcel.delivery_id, parcel.at, parcel.body)
    try:
        # Over all of it: an endpoint that sends a byte a second would never time out otherwise.
        async with asyncio.timeout(seconds):
            response = await http.post(parcel.url, content=parcel.body.encode(), headers=headers)
        error = _judged(response.status_code)
    except Unreachable as unreachable:
        error = unreachable.word
    except (TimeoutError, httpx.TimeoutException):
        error = "timed_out"
    except httpx.ConnectError as broken:
        error = "tls_failed" if _by_tls(broken) else "not_connected"
    except httpx.InvalidURL:
        error = "bad_url"
    except httpx.RequestError:
        error = "broken_off"
    ms = round((monotonic() - began) * 1000)
    if response is None:
        return Outcome(parcel.delivery_id, parcel.nr, ms, error)
    # Text for people, whatever it was; PostgreSQL can't store a NUL.
    answer = response.content[:KEPT_BYTES].decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    asked = retry_after(response.headers.get("retry-after"))
    return Outcome(parcel.delivery_id, parcel.nr, ms, error, response.status_code, answer, asked)


def _judged(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return "redirected"
    return "gone" if status == GONE else "not_accepted"


def _by_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
