"""Killed at any step, and several at once: everybody is told, and nobody twice but for what no sender can know."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Database
from app.core.keyring import Keyring, MasterKeys
from app.delivery.notices.send import Notices
from tests.notices import post, push_service
from tests.notices.conftest import opened, sending, settings_of
from tests.notices.office import Office, Someone
from tests.notices.waiting import until
from tests.serving import served
from tests.support import PUBLIC_URL

STEPS = ("finding", "taking", "preparing", "handing over", "handed over", "settling")


class Mortal(Database):
    """A database whose process is killed in the middle of its n-th transaction for a program: nothing commits."""

    left: int | None = None

    @asynccontextmanager
    async def transaction(self, program_id: Any, actor: str, **options: Any) -> AsyncIterator[AsyncSession]:
        """A transaction, perhaps the last."""
        async with super().transaction(program_id, actor, **options) as session:
            yield session
            if program_id is not None and self.left is not None:
                self.left -= 1
                if self.left < 0:
                    raise asyncio.CancelledError


async def expire(office: Office) -> None:
    """Let every lease run out."""
    await office.run("UPDATE notices SET next_at = now() WHERE program_id = :program AND state = 'due'")


async def someone_lapsing(office: Office) -> tuple[Someone, Any]:
    """Somebody with a browser, and a hold about to lapse."""
    worker = await office.person()
    device = await worker.subscribes()
    claim = await worker.holds(await office.program.opening(), 1, await office.program.participant())
    await office.lapsing(claim)
    return worker, device


@pytest.mark.parametrize("step", STEPS)
async def test_killed_at_any_step_nothing_is_lost(office: Office, shared_database: str, step: str) -> None:
    worker, device = await someone_lapsing(office)
    database = Mortal(shared_database, pool_size=4)
    settings = settings_of(shared_database, office.post.port)
    dying = Notices(database, Keyring(MasterKeys.of(settings)), settings)
    try:
        if step == "finding":
            database.left = 0
            with pytest.raises(asyncio.CancelledError):
                await dying.find(office.program.id)
        else:
            await dying.find(office.program.id)
            for sender in dying.senders:
                await _kill(database, sender, step)
    finally:
        await dying.aclose()
        await database.close()
    await expire(office)
    await office.round()
    # What was handed over and not written down is the one thing that is told again.
    times = 2 if step in {"handed over", "settling"} else 1
    assert (len(worker.mail), len(device.came)) == (times, times)
    assert {row.state for row in await office.rows()} == {"sent"}
    if times == 2:
        # And a mailbox and a browser can tell that it is the same.
        assert len({mail.message["Message-ID"] for mail in office.post.to(worker.known.email)}) == 1
        assert len({each["tag"] for each in device.came}) == 1


async def _kill(database: Mortal, sender: Any, step: str) -> None:
    deliver = sender._deliver

    async def dead(ready: Any) -> Any:
        if step == "handed over":
            await deliver(ready)
        raise asyncio.CancelledError

    if step in {"handing over", "handed over"}:
        sender._deliver = dead
    database.left = {"taking": 0, "preparing": 1, "settling": 2}.get(step)
    if step == "taking":
        with pytest.raises(asyncio.CancelledError):
            await sender.look()
    else:
        assert await sender.look() == 1
        await sender.done()
    database.left = None


async def test_many_senders_at_once_tell_each_thing_once(office: Office, shared_database: str) -> None:
    people = [await someone_lapsing(office) for _ in range(6)]
    settings = settings_of(shared_database, office.post.port)
    async with AsyncExitStack() as stack:
        others = []
        for _ in range(4):
            database = Database(shared_database, pool_size=3)
            stack.push_async_callback(database.close)
            notices = Notices(database, Keyring(MasterKeys.of(settings)), settings)
            stack.push_async_callback(notices.aclose)
            others.append(notices)
        await asyncio.gather(*(each.find(office.program.id) for each in others))

        async def send(notices: Notices) -> None:
            for sender in notices.senders:
                while await sender.look():
                    await sender.done()

        await asyncio.gather(*(send(each) for each in others))
    assert [(len(worker.mail), len(device.came)) for worker, device in people] == [(1, 1)] * 6
    assert {(row.state, row.attempts) for row in await office.rows()} == {("sent", 1)}


async def test_a_sender_that_is_asked_to_end_finishes_what_it_began(office: Office) -> None:
    worker, _ = await someone_lapsing(office)
    office.post.slow[worker.known.email] = 1.0
    await office.notices.find(office.program.id)
    [by_mail] = [each for each in office.notices.senders if each.channel == "email"]
    running = asyncio.create_task(by_mail.run())
    await until(lambda: office.post.conversations > 0 and by_mail._under_way)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(worker.mail) == 1
    assert {row.state for row in await office.rows() if row.channel == "email"} == {"sent"}


async def test_a_killed_process_is_followed_by_another(own_database: str, tmp_path: Path) -> None:
    """The loops as they run in servers: two of them, one killed with kill -9 in the middle of a mail."""
    owner = Database(own_database, pool_size=2, as_owner=True)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(owner.close)
        mail = await stack.enter_async_context(post.running())
        push = await stack.enter_async_context(push_service.running())
        settings = {
            "smtp_url": f"smtp://127.0.0.1:{mail.port}",
            "mail_from": "notices@house.example",
            "allow_local_push": True,
            "public_url": PUBLIC_URL,
            "pool_size": 5,
        }
        first = await stack.enter_async_context(served(own_database, tmp_path / "1.log", owner=owner, **settings))
        house = await stack.enter_async_context(sending(own_database, mail.port))
        office = await stack.enter_async_context(opened(house, own_database, mail, push))
        program = office.program
        worker = await office.person()
        device = await worker.subscribes()
        opening = await program.opening(20)
        mail.slow[worker.known.email] = 60.0
        for units in range(1, 4):
            await office.lapsing(await worker.holds(opening, units, await program.participant()))
        await until(lambda: mail.conversations >= 3 and len(device.came) == 3, 30)
        # What the browser was told has been written down, what the mailbox is to be told is under way.
        async with asyncio.timeout(5):
            while True:
                if [row.state for row in await office.rows() if row.channel == "push"] == ["sent"] * 3:
                    break
                await asyncio.sleep(0.02)
        await first.kill()
        assert worker.mail == []
        mail.slow.clear()
        log = tmp_path / "2.log"
        await stack.enter_async_context(served(own_database, log, owner=owner, **settings))
        await stack.enter_async_context(served(own_database, tmp_path / "3.log", owner=owner, **settings))
        await expire(office)
        await until(lambda: len(worker.mail) >= 3, 30)
        await asyncio.sleep(2)
        assert (len(worker.mail), len(device.came)) == (3, 3)
        assert {row.state for row in await office.rows()} == {"sent"}
        assert "Traceback" not in log.read_text()
