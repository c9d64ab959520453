"""When each key was last used: coarse, and off the path of requests."""

import time
from uuid import UUID

from sqlalchemy import text

from app.access.callers import Caller
from app.core.database import Database

EVERY_SECONDS = 60.0
_MOST = 10_000


class LastUse:
    """Gathers which keys were used; `write` stores it, for each key at most once a minute in each process.

    Lossy by design: what was gathered when a process dies, or beyond ten thousand keys, is not stored. A key's last
    use is true to a minute or two, and good for finding keys that nobody uses.
    """

    def __init__(self) -> None:
        self._used: dict[UUID, UUID] = {}
        self._written: dict[UUID, float] = {}

    def mark(self, caller: Caller) -> None:
        """This caller's key was used just now."""
        if len(self._used) < _MOST and time.monotonic() >= self._written.get(caller.id, 0) + EVERY_SECONDS:
            self._used[caller.id] = caller.program_id

    async def write(self, database: Database) -> None:
        """Store what was gathered, a transaction for each program."""
        used, self._used = self._used, {}
        if len(self._written) >= _MOST:
            self._written.clear()
        now = time.monotonic()
        self._written |= dict.fromkeys(used, now)
        for program_id in set(used.values()):
            ids = sorted(key_id for key_id, program in used.items() if program == program_id)
            async with database.transaction(program_id, "clock", reads=True) as session:
                await session.execute(text("SELECT keys_used(:ids)"), {"ids": ids})
