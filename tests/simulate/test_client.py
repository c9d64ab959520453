"""A call is repeated under its key until an answer arrives, and is never given up silently."""

from collections.abc import Iterator

import httpx
import pytest

from app.simulate import client as client_module
from app.simulate.client import Client, Unanswered
from app.simulate.meter import Latencies, Meter


def client(*answers: int | Exception) -> tuple[Client, Meter, list[str]]:
    """A client of a server that answers so in turn; its counts; and the keys that arrive there."""
    turns: Iterator[int | Exception] = iter(answers)
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        turn = next(turns)
        if isinstance(turn, Exception):
            raise turn
        return httpx.Response(turn, json={"detail": "So it is."})

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://house")
    meter = Meter()
    return Client(http, "key", meter), meter, keys


async def test_a_restart_is_sat_out_under_one_key() -> None:
    calls, meter, keys = client(httpx.ReadError("gone"), httpx.ConnectError("nobody there"), 503, 201)
    answer = await calls.send("claim", "POST", "/v1/claims", {})
    assert answer.status == 201
    assert len(keys) == 4
    assert len(set(keys)) == 1
    kind = meter.kinds["claim"]
    assert (kind.retries, kind.errors, kind.refused, kind.latencies.count) == (3, 0, 0, 1)


async def test_calls_have_keys_of_their_own() -> None:
    calls, _, keys = client(201, 201)
    for _ in range(2):
        await calls.send("claim", "POST", "/v1/claims", {})
    assert len(set(keys)) == 2


async def test_a_fault_is_counted_and_tried_again_but_not_for_ever() -> None:
    calls, meter, _ = client(500, 200, 500, 500, 500)
    assert (await calls.send("adjust", "POST", "/v1/openings/1/adjust", {})).status == 200
    with pytest.raises(Unanswered, match="500: So it is"):
        await calls.send("adjust", "POST", "/v1/openings/1/adjust", {})
    assert meter.kinds["adjust"].errors == 4
    assert meter.samples[0] == "adjust: 500 So it is."


async def test_a_server_that_stays_away_is_given_up_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "PATIENCE", 0.0)
    calls, _, _ = client(*[httpx.ConnectError("nobody there")] * 5)
    with pytest.raises(Unanswered, match="nobody there"):
        await calls.send("claim", "POST", "/v1/claims", {})


async def test_a_refusal_is_no_error() -> None:
    calls, meter, _ = client(409, 412, 404)
    for _ in range(3):
        await calls.send("claim", "POST", "/v1/claims", {})
    assert (meter.kinds["claim"].refused, meter.kinds["claim"].errors) == (2, 1)


def test_percentiles_are_within_a_bucket() -> None:
    latencies = Latencies()
    assert latencies.percentile(0.5) is None
    for milliseconds in range(1, 101):
        latencies.add(milliseconds / 1000)
    assert latencies.percentile(0.5) == pytest.approx(0.050, rel=0.02)
    assert latencies.percentile(0.99) == pytest.approx(0.099, rel=0.02)
