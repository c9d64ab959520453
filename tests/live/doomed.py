"""Processes that send webhooks and kill themselves at a step they take, as a power cut would: at the n-th, or at the
first that is called so; at 0, never.

A step is a statement, a commit, the begin of a try, the moment in which its request is under way, and its answer.
Called as `python -m tests.live.doomed URL STEP…`, which runs a process for each, a few at a time; each prints where it
died. They are forked, so that what takes a second to import is imported once.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Database
from app.core.keyring import Keyring, MasterKeys
from app.delivery.webhooks.courier import Courier
from app.delivery.webhooks.sending import Outcome, Parcel, send
from tests.live.office import HASTY
from tests.support import MASTER_KEYS

UNDER_WAY_SECONDS = 0.02
AT_ONCE = 3


class Steps:
    """Counts, and kills at the last."""

    def __init__(self, last: str) -> None:
        self._left = int(last) if last.isdigit() else 0
        self._name = last

    def take(self, words: str) -> None:
        """One step more."""
        self._left -= 1
        if self._left == 0 or words == self._name:
            print(words, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)


class Doomed(Database):
    """A database whose every statement and commit, once there is something to do, is a step."""

    steps: Steps

    @asynccontextmanager
    async def transaction(
        self, program_id: UUID | None, actor: str, *, reads: bool = False, steady: bool = False
    ) -> AsyncIterator[AsyncSession]:
        """As ever."""
        async with super().transaction(program_id, actor, reads=reads, steady=steady) as session:
            yield session
        if program_id is not None:
            self.steps.take("committed")


async def main(url: str, last: str) -> None:
    """Send until killed."""
    steps = Steps(last)
    database = Doomed(url, pool_size=3)
    database.steps = steps

    def executing(*arguments: Any) -> None:
        words = " ".join(str(arguments[2]).split())
        # Looking for work is no step: how often that is done depends on time alone.
        if "webhooks_due" not in words and "set_config" not in words and words != "select pg_catalog.version()":
            steps.take(words[:70])

    event.listen(database.engine.sync_engine, "before_cursor_execute", executing)

    async def sending(http: httpx.AsyncClient, parcel: Parcel, seconds: float) -> Outcome:
        steps.take("before a try")
        trying = asyncio.create_task(send(http, parcel, seconds))
        await asyncio.sleep(UNDER_WAY_SECONDS)
        steps.take("while a try is under way")
        outcome = await trying
        steps.take("answered")
        return outcome

    keyring = Keyring(MasterKeys.parse(MASTER_KEYS))
    await Courier(
        database, keyring, local=True, patience=replace(HASTY, lease=timedelta(seconds=0.6)), sending=sending
    ).run()


def forked(url: str, lasts: list[str]) -> None:
    """A process for each, until all are dead."""
    children = []
    for last in lasts:
        child = os.fork()
        if child == 0:
            asyncio.run(main(url, last))
        children.append(child)
    for child in children:
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), status


if __name__ == "__main__":
    every = sys.argv[2:]
    for begin in range(0, len(every), AT_ONCE):
        forked(sys.argv[1], every[begin : begin + AT_ONCE])
