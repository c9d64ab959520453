"""The database: engine, transactions bound to one program, and the only place that commits."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, TypeAlias, cast
from uuid import UUID

import asyncpg
from sqlalchemy import DateTime, MetaData, Text, event, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Session

APP_ROLE = "openberth_app"
"""The role under which requests run: it can't bypass row-level security nor write the counts."""


class Base(DeclarativeBase):
    """The declarative base; constraints get predictable names so that migrations can refer to them."""

    type_annotation_map: ClassVar = {
        datetime: DateTime(timezone=True),
        str: Text,
        dict[str, Any]: JSONB,
        dict[str, str]: JSONB,
        list[str]: ARRAY(Text),
    }
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


BATCHES = 4
"""Connections per process for desks, beside the pool: one program's batches go one at a time."""
GLANCES = 3
"""Connections per process for hubs, which read the logs of those programs that somebody listens to, and the relay."""

PooledConnection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"


def asyncpg_url(url: str) -> URL:
    """The URL with the asyncpg driver, whatever PostgreSQL scheme it was written with."""
    return make_url(url).set(drivername="postgresql+asyncpg")


def plain_url(url: str) -> str:
    """The address as asyncpg itself and libpq take it."""
    return asyncpg_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def load_sql(beside: str, name: str) -> str:
    """The statement in `sql/<name>.sql` beside the module whose `__file__` is `beside`."""
    return (Path(beside).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def violated(error: IntegrityError) -> str | None:
    """The name of the constraint that a statement violated."""
    return getattr(getattr(error.orig, "__cause__", None), "constraint_name", None)


def when_committed(session: AsyncSession, job: Callable[[], None]) -> None:
    """Do this as soon as the session's transaction has committed: never if it doesn't.

    A savepoint that is released does it too, so it must bear to be done early and again.
    """

    def committed(_: Session) -> None:
        job()

    event.listen(session.sync_session, "after_commit", committed)


class Database:
    """Connections to PostgreSQL. One per process.

    They run under the app role, whoever logged in; `as_owner` leaves them the login's own rights, which see every
    program: for the command line alone.
    """

    def __init__(self, url: str, *, pool_size: int = 10, as_owner: bool = False) -> None:
        self._settings = {"application_name": "openberth", "timezone": "UTC"}
        if not as_owner:
            self._settings["role"] = APP_ROLE
        self._plain_url = plain_url(url)
        self.committed: Callable[[UUID], None] = _nobody
        """Told of each program whose data a transaction may have changed: the relay's bell."""
        self._batches: asyncpg.Pool[asyncpg.Record] | None = None
        self._glances: asyncpg.Pool[asyncpg.Record] | None = None
        self.engine = create_async_engine(
            asyncpg_url(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            # An error is logged with its statement; what was asked with it may be a person's name.
            hide_parameters=True,
            # A connection that died with its server is found here, not by the claim that gets it.
            pool_pre_ping=True,
            connect_args={
                "server_settings": self._settings,
                "command_timeout": 30,
            },
        )
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False, autoflush=False)

    @asynccontextmanager
    async def transaction(
        self, program_id: UUID | None, actor: str, *, reads: bool = False, steady: bool = False
    ) -> AsyncIterator[AsyncSession]:
        """One transaction, committed on leaving it and rolled back on any error.

        Row-level security shows it the rows of `program_id` alone (none at all without one); `actor` is who
        the trail names for what it changes. `reads`: it leaves no event, so nobody need look for one. `steady`: all
        its statements see the database as it is at the first.
        """
        async with self._sessions() as session, session.begin():
            if steady:
                await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            await session.execute(
                text(
                    "SELECT set_config('openberth.program_id', :program_id, true),"
                    " set_config('openberth.actor', :actor, true)"
                ),
                {"program_id": str(program_id or ""), "actor": actor},
            )
            yield session
        if program_id is not None and not reads:
            self.committed(program_id)

    @asynccontextmanager
    async def batches(self, program_id: UUID, actor: str) -> AsyncIterator["Batches"]:
        """Transactions one after the other on one bare asyncpg connection, for the desk.

        No driver stands in between: with the set-based statements of the claim that is where the time of a lone
        claim goes.
        """
        if self._batches is None:
            self._batches = self._bare(BATCHES)
            await self._batches
        async with self._batches.acquire() as connection:
            batches = Batches(connection, program_id, actor, self.committed)
            try:
                yield batches
            finally:
                await batches.end()

    @asynccontextmanager
    async def glance(self, program_id: UUID) -> AsyncIterator[PooledConnection]:
        """A bare connection on which a program's rows can be read: each statement is a transaction of its own.

        For what is read many times a second. The connection stays with the program until another one's is asked for,
        so that nothing but the statement goes back and forth.
        """
        if self._glances is None:
            self._glances = self._bare(GLANCES, connection_class=Glancing)
            await self._glances
        async with self._glances.acquire() as connection:
            await cast(Glancing, connection).turn_to(program_id)
            yield connection

    def _bare(self, size: int, **options: Any) -> "asyncpg.Pool[asyncpg.Record]":
        return asyncpg.create_pool(
            self._plain_url,
            min_size=0,
            max_size=size,
            # A batch ends with COMMIT or ROLLBACK, and SET LOCAL ends with it; a glance leaves its program, and whoever
            # glances next turns to theirs. Nothing is left to reset.
            reset=_leave,
            server_settings=self._settings,
            command_timeout=30,
            **options,
        )

    async def close(self) -> None:
        """Close every pooled connection."""
        await self.engine.dispose()
        for pool in (self._batches, self._glances):
            if pool is not None:
                await pool.close()


def _nobody(_: UUID) -> None:
    """Whom a database tells of its commits until somebody asks to be told."""


class Glancing(asyncpg.Connection):
    """A connection that reads the rows of one program, then perhaps of another."""

    _program_id: UUID | None = None

    async def turn_to(self, program_id: UUID) -> None:
        """Show the rows of this program from now on, and only those."""
        if program_id != self._program_id:
            # None meanwhile: if this breaks off, nobody knows whose it is.
            self._program_id = None
            await self.execute(f"SET openberth.program_id = '{program_id}'")
            self._program_id = program_id


class Batches:
    """One transaction after the other on one connection, each for the same program.

    Opening, program and actor go out in one round trip; with more to come, in that of the commit before it. Under
    load every reply waits behind other requests in the event loop, so a round trip less is what counts.
    """

    def __init__(
        self, connection: PooledConnection, program_id: UUID, actor: str, committed: Callable[[UUID], None]
    ) -> None:
        self._connection = connection
        self._program_id = program_id
        self._committed = committed
        self._open = False
        # Both values are UUIDs or fixed words of ours: there is nothing to escape.
        self._begin = f"BEGIN; SET LOCAL openberth.program_id = '{program_id}'; SET LOCAL openberth.actor = '{actor}'"

    @asynccontextmanager
    async def transaction(self, more: Callable[[], bool]) -> AsyncIterator[PooledConnection]:
        """One transaction, committed on leaving it and rolled back on any error. `more`: whether another follows
        at once, asked when this one commits."""
        if not self._open:
            await self._connection.execute(self._begin)
        # Whatever happens now, the next one begins anew, unless this one has begun it.
        self._open = False
        try:
            yield self._connection
        except BaseException:
            if not self._connection.is_closed():
                await self._connection.execute("ROLLBACK")
            raise
        if more():
            await self._connection.execute(f"COMMIT; {self._begin}")
            self._open = True
        else:
            await self._connection.execute("COMMIT")
        self._committed(self._program_id)

    async def end(self) -> None:
        """Leave the transaction that was begun and not needed."""
        if self._open and not self._connection.is_closed():
            self._open = False
            await self._connection.execute("ROLLBACK")


async def _leave(_: object) -> None:
    """What to do with a connection that comes back: nothing."""
