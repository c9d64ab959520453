"""The bus: tells the other processes that a program's log has grown. The log is the truth, the bus only wakes.

What the bus loses costs no event: on every connection, and every few seconds besides, each hub reads the log from
the last number it has.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol
from uuid import UUID

import asyncpg
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import DeliverPolicy, DiscardPolicy, StreamConfig

from app.core.database import plain_url

log = logging.getLogger(__name__)

Heard = Callable[[UUID, int], None]
"""Takes "this program has numbers up to this"."""

CHANNEL = "openberth_log"
STREAM = "OPENBERTH"
PROBE_SECONDS = 5.0
AGAIN_SECONDS = 0.5


class Bus(Protocol):
    """What a bus must do. `in_database`: the transaction that numbers also tells, by NOTIFY."""

    in_database: bool

    async def tell(self, program_id: UUID, latest: int) -> None:
        """Say that a program has numbers up to `latest`. Never raises for a bus that can't be reached."""

    async def listen(self, heard: Heard, connected: Callable[[], None]) -> None:
        """Hear what all processes tell, until cancelled; `connected` is called each time that listening begins, for
        whatever was told before. Raises when the connection is lost."""


class PostgresBus:
    """LISTEN and NOTIFY, on a connection of its own. NOTIFY is part of the relay's transaction and of no other: its
    commit takes a lock that all notifying transactions share, which claims must not queue for."""

    in_database = True

    def __init__(self, url: str) -> None:
        self._url = plain_url(url)

    async def tell(self, program_id: UUID, latest: int) -> None:
        """The transaction has told."""

    async def listen(self, heard: Heard, connected: Callable[[], None]) -> None:
        """Hear until the connection is lost. Raises ConnectionError, OSError, PostgresError."""
        connection = await asyncpg.connect(self._url, timeout=10, server_settings={"application_name": "openberth bus"})
        try:
            await connection.add_listener(CHANNEL, lambda *told: _hear(heard, str(told[3])))
            connected()
            while True:
                await asyncio.sleep(PROBE_SECONDS)
                # A connection that died in silence is found by asking.
                await asyncio.wait_for(connection.execute("SELECT"), PROBE_SECONDS)
        finally:
            connection.terminate()


class NatsBus:
    """NATS JetStream: one subject for each program, whose newest message is kept for whoever connects later."""

    in_database = False

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: Client | None = None

    async def tell(self, program_id: UUID, latest: int) -> None:
        """Publish it; a server that can't be reached just now loses it, which the readers' own looking makes good."""
        client = self._client
        if client is None or not client.is_connected:
            return
        try:
            await client.publish(f"{STREAM}.{program_id}", str(latest).encode())
        except (NatsError, OSError) as error:
            log.warning("NATS did not take a message: %r", error)

    async def listen(self, heard: Heard, connected: Callable[[], None]) -> None:
        """Hear until the connection is lost. Raises NatsError, OSError, ConnectionError."""
        lost = asyncio.Event()

        async def gone() -> None:
            lost.set()

        async def told(message: Msg) -> None:
            _hear(heard, f"{message.subject.rpartition('.')[2]} {message.data.decode()}")

        client = await nats.connect(
            self._url, allow_reconnect=False, connect_timeout=5, disconnected_cb=gone, closed_cb=gone, ping_interval=5
        )
        try:
            stream = client.jetstream()
            await stream.add_stream(
                StreamConfig(STREAM, subjects=[f"{STREAM}.*"], max_msgs_per_subject=1, discard=DiscardPolicy.OLD)
            )
            await stream.subscribe(
                f"{STREAM}.*", cb=told, ordered_consumer=True, deliver_policy=DeliverPolicy.LAST_PER_SUBJECT
            )
            self._client = client
            connected()
            await lost.wait()
            raise ConnectionError("the connection to NATS is lost")
        finally:
            self._client = None
            with suppress(NatsError, OSError):
                await client.close()


def _hear(heard: Heard, told: str) -> None:
    program_id, _, latest = told.partition(" ")
    try:
        heard(UUID(program_id), int(latest))
    except ValueError:
        # Whoever may reach the bus may say anything on it.
        log.warning("the bus said something that is none of ours")


def bus_of(database_url: str, nats_url: str | None) -> Bus:
    """The bus that the settings name."""
    return NatsBus(nats_url) if nats_url else PostgresBus(database_url)
