"""One caller's HTTP client: every unsafe call has a key, and is repeated with it until an answer arrives."""

import asyncio
import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from app.simulate.clock import client_now
from app.simulate.meter import Meter

PATIENCE = 30.0
"""How many seconds a call is repeated before it counts as never answered: a restart takes less."""
FAULTS = 3
"""How often a call is tried that meets a fault of the server (500) each time."""
LONGEST_PAUSE = 1.0
TRY_AGAIN = frozenset({429, 502, 503, 504})
DONE = frozenset({200, 201})


class Unanswered(Exception):
    """The server gave no answer, however often it was asked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, with our own time when its first attempt left and when the answer was here."""

    status: int
    body: bytes
    etag: str | None
    sent: int
    received: int

    @property
    def done(self) -> bool:
        """Whether what was asked for was done."""
        return self.status in DONE

    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)

    def detail(self) -> str:
        """What a problem document says, as far as it is one."""
        try:
            return str(self.json()["detail"])[:300]
        except (ValueError, KeyError, TypeError):
            return self.body[:100].decode(errors="replace")


class Client:
    """Calls with one key. No two clients share an Idempotency-Key, so the same seed can be run again."""

    def __init__(self, http: httpx.AsyncClient, key: str, meter: Meter) -> None:
        self._http = http
        self._key = key
        self._meter = meter
        self._run = uuid4().hex
        self._numbers = itertools.count(1)

    def new_key(self) -> str:
        """An Idempotency-Key that was never used."""
        return f"simulate-{self._run}-{next(self._numbers)}"

    async def get(self, kind: str, path: str, params: Mapping[str, Any] | None = None) -> Answer:
        """Read something. Raises Unanswered."""
        return await self._until_answered(kind, "GET", path, {}, None, params, DONE, None)

    async def send(
        self,
        kind: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        expect: frozenset[int] = DONE,
        give_up_first_after: float | None = None,
    ) -> Answer:
        """Do something, once, however often it has to be asked. Raises Unanswered.

        `give_up_first_after` cuts the first attempt off after so many seconds, as a bad connection would.
        """
        all_headers = {**(headers or {}), "Idempotency-Key": key or self.new_key()}
        return await self._until_answered(kind, method, path, all_headers, body, None, expect, give_up_first_after)

    async def _until_answered(
        self,
        kind: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: Any,
        params: Mapping[str, Any] | None,
        expect: frozenset[int],
        give_up_first_after: float | None,
    ) -> Answer:
        headers["Authorization"] = f"Bearer {self._key}"
        first = client_now()
        until = time.monotonic() + PATIENCE
        cut_off, faults = give_up_first_after, 0
        for attempt in itertools.count():
            began = time.monotonic()
            try:
                async with asyncio.timeout(cut_off):
                    response = await self._http.request(method, path, headers=headers, json=body, params=params)
            except (httpx.TransportError, TimeoutError) as error:
                last = repr(error)
            else:
                answer = Answer(
                    response.status_code, response.content, response.headers.get("etag"), first, client_now()
                )
                if answer.status not in TRY_AGAIN:
                    detail = "" if answer.status in expect else answer.detail()
                    self._meter.answered(kind, time.monotonic() - began, answer.status, expect, detail)
                if answer.status < 500 and answer.status not in TRY_AGAIN:
                    return answer
                last = f"{answer.status}: {answer.detail()}"
                faults += answer.status not in TRY_AGAIN
            if faults >= FAULTS or time.monotonic() > until:
                raise Unanswered(f"{method} {path} was tried {attempt + 1} times and got no answer but {last}")
            self._meter.retried(kind)
            if cut_off is None:
                await asyncio.sleep(min(0.05 * 2 ** min(attempt, 10), LONGEST_PAUSE))
            cut_off = None
        raise AssertionError("the loop above ends only by returning or raising")
