"""Bounded: what a slow listener has not taken is folded to the newest of each thing, and then it is let go."""

import asyncio
from time import monotonic
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.callers import Caller
from app.access.roles import Role
from app.core.ids import new_id
from app.delivery import channel
from app.delivery import listener as bounds
from app.delivery.channel import Channel
from app.delivery.frames import Frame, Item
from app.delivery.listener import Ended, Listener, Passport, Push
from app.delivery.views import Wanted
from tests.live.board import Board, dial, latest, listening
from tests.support import House, Program


def listener(told: int = 0, push: Push | None = None) -> Listener:
    """A listener who has been told up to a number."""
    made = Listener(Caller(new_id(), new_id(), new_id(), Role.CASE_MANAGER), Wanted(), Passport("a key"), push)
    made.told = told
    return made


def frame(after: int, number: int, *keys: str) -> Frame:
    """A frame whose items are of these things, in order, the last with the frame's own number."""
    first = number - len(keys) + 1
    items = [Item(key, first + nr, f'{{"number":{first + nr}}}') for nr, key in enumerate(keys)]
    return Frame(after, number, "now", items)


async def drained(who: Listener, count: int) -> list[dict[str, Any]]:
    return [orjson.loads((await who.next()).text) for _ in range(count)]


async def test_whoever_keeps_up_shares_the_very_bytes() -> None:
    both = [listener(), listener()]
    sent = frame(0, 2, "a", "b")
    for each in both:
        each.offer(sent)
    first, second = [await each.next() for each in both]
    assert first.text is second.text


async def test_what_was_told_already_is_not_told_again() -> None:
    who = listener(told=5)
    who.offer(frame(0, 4, "a"))
    who.offer(frame(4, 7, "b", "c", "d"))
    [message] = await drained(who, 1)
    assert (message["after"], message["number"]) == (5, 7)
    assert [item["number"] for item in message["items"]] == [6, 7]


async def test_a_slow_listener_gets_the_newest_of_each_thing_and_no_gap() -> None:
    who = listener()
    count = bounds.MOST_FRAMES * 3
    for nr in range(count):
        who.offer(frame(nr, nr + 1, f"opening {nr % 7}"))
    messages = []
    told = 0
    while told < count:
        messages += await drained(who, 1)
        assert messages[-1]["after"] == told
        told = messages[-1]["number"]
    shown = [item["number"] for message in messages for item in message.get("items", [])]
    assert shown == sorted(set(shown))
    assert {count - nr for nr in range(7)} <= set(shown)
    assert len(shown) + sum(message.get("folded", 0) for message in messages) == count


@given(st.data())
async def test_folding_keeps_the_newest_of_each(data: st.DataObject) -> None:
    keys = data.draw(st.lists(st.sampled_from("abcd"), min_size=2, max_size=30))
    cut = data.draw(st.integers(1, len(keys) - 1))
    folded = frame(0, cut, *keys[:cut]).then(frame(cut, len(keys), *keys[cut:]))
    assert (folded.after, folded.number) == (0, len(keys))
    newest = {key: nr for nr, key in enumerate(keys, 1)}
    assert {item.key: item.number for item in folded.items} == newest
    assert len(folded.items) + folded.folded == len(keys)


async def test_who_is_too_slow_even_for_that_is_told_and_let_go() -> None:
    who = listener()
    for nr in range(bounds.MOST_ITEMS + bounds.MOST_FRAMES + 2):
        who.offer(frame(nr, nr + 1, f"opening {nr}"))
    with pytest.raises(Ended, match="more slowly") as ended:
        await who.next()
    assert orjson.loads(ended.value.text)["because"] == "too_slow"


async def test_who_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    who = listener()
    who.offer(frame(0, 1, "a"))
    who.check_pace()
    assert who.ended is None
    monkeypatch.setattr(bounds, "SLOW_SECONDS", -1.0)
    who.check_pace()
    with pytest.raises(Ended, match="took nothing") as ended:
        await who.next()
    assert ended.value.code == Ended.SLOW


async def test_what_is_pushed_keeps_its_order_with_what_has_to_queue() -> None:
    """The socket's buffer fills up on the second message: what follows waits for it, and comes in order."""
    sent: list[int] = []
    full: list[asyncio.Future[None]] = []

    def push(message: bytes) -> asyncio.Future[None] | None:
        sent.append(orjson.loads(message[message.index(b"{") :])["number"])
        if len(sent) != 2:
            return None
        full.append(asyncio.get_running_loop().create_future())
        return full[0]

    who = listener(push=push)

    async def sender() -> None:
        while True:
            sent.append((await who.next()).number)

    task = asyncio.create_task(sender())
    await asyncio.sleep(0)
    for nr in range(5):
        who.offer(frame(nr, nr + 1, f"opening {nr}"))
        await asyncio.sleep(0)
    assert sent == [1, 2]
    full[0].set_result(None)
    await asyncio.sleep(0.01)
    assert sent == [1, 2, 3, 4, 5]
    who.offer(frame(5, 6, "opening 6"))
    assert sent[-1] == 6
    task.cancel()


async def test_a_client_that_never_reads_harms_nobody_and_is_let_go(lively: Program) -> None:
    """One socket's client stops reading; the others hear of everything, and the server forgets it in time."""
    openings = [await lively.opening(100) for _ in range(30)]
    person = await lively.participant()
    await latest(lively)
    deaf = await dial(lively)
    await listening(deaf, own_claims=True)
    deaf.transport.pause_reading()
    board = Board(lively, Role.CASE_MANAGER, {"own_claims": True})
    task = asyncio.create_task(board.run())
    for _ in range(3):
        items = [{"opening_id": opening["id"], "units": 1} for opening in openings[:10]]
        await asyncio.gather(*(lively.claim(*items, participant=person) for _ in range(20)))
    async with asyncio.timeout(20):
        while len(board.claims) < 600:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert {board.shows()[opening["id"]] for opening in openings[:10]} == {40}
    task.cancel()
    deaf.transport.abort()


async def test_nothing_is_handed_out_without_a_permission_of_this_second() -> None:
    who = listener()
    who.offer(frame(0, 1, "a"))
    who.asked_at -= 2
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(who.next(), 0.05)
    again = asyncio.create_task(who.next())
    await asyncio.sleep(0.01)
    who.permit(monotonic())
    assert (await again).number == 1


async def test_a_channel_that_nobody_listens_to_rests(
    house: House, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time of its next heartbeat has come, and there is nobody to tell: it must not ask for the time for ever."""
    asked = 0
    running: asyncio.Task[None] | None = None

    def counted() -> float:
        nonlocal asked
        # Other channels of this process ask too.
        asked += asyncio.current_task() is running
        return monotonic()

    monkeypatch.setattr(channel, "monotonic", counted)
    monkeypatch.setattr(channel, "HEARTBEAT_SECONDS", 0.05)
    idle = Channel(house.app.state.house.database, program.id)
    running = asyncio.create_task(idle.run())
    await asyncio.sleep(0.5)
    running.cancel()
    assert 0 < asked < 100
