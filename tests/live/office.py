"""Webhooks in this process and in a hurry: an application without loops, and couriers that a test starts and stops."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from httpx import ASGITransport, AsyncClient
from pydantic import SecretStr

from app.access.keys import create_key
from app.access.roles import Role
from app.core.database import Database
from app.core.settings import Settings
from app.delivery.bus import PostgresBus
from app.delivery.relay import Relay
from app.delivery.webhooks.courier import Courier
from app.delivery.webhooks.patience import Patience
from app.main import create_app
from app.worker import supervise
from tests.support import MASTER_KEYS, PUBLIC_URL, House, Program, new_program

HASTY = Patience(
    first=timedelta(milliseconds=30),
    longest=timedelta(milliseconds=300),
    seconds=0.4,
    slow_seconds=0.15,
    lease=timedelta(seconds=1),
    look_seconds=0.05,
    rest_seconds=0.005,
    again_seconds=0.05,
)
"""A day in seconds. All else is as it is for partners."""

SCOPES = ["webhooks:write", "events:read", "openings:read", "claims:read", "directory:read"]


@dataclass(slots=True)
class Office:
    """A house, and who sends for it."""

    house: House
    url: str

    @asynccontextmanager
    async def numbering(self, heard: Callable[[], None] = lambda: None) -> AsyncIterator[None]:
        """Number what happens, while inside, and say so to `heard`."""
        state = self.house.app.state.house
        relay = Relay(state.database, PostgresBus(self.url), lambda *_: heard())
        state.database.committed = relay.ring
        async with _running(supervise("relay", relay.run, 0.01, 0.1), supervise("look-out", relay.look, 0.05, 0.1)):
            yield

    @asynccontextmanager
    async def sending(self, patience: Patience = HASTY, *, local: bool = True) -> AsyncIterator[None]:
        """Number what happens and send it, while inside; to this machine too, if `local`."""
        state = self.house.app.state.house
        courier = Courier(state.database, state.keyring, local=local, patience=patience)
        async with self.numbering(courier.ring), _running(supervise("webhooks", courier.run, 0.05, 0.1)):
            yield


@asynccontextmanager
async def _running(*loops: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Office]:
    """An office over the database at `url`."""
    settings = Settings(
        database_url=url,
        pool_size=6,
        master_keys=SecretStr(MASTER_KEYS),
        allow_local_webhooks=True,
        public_url=PUBLIC_URL,
    )
    app = create_app(settings, loops=False)
    owner = Database(url, pool_size=2, as_owner=True)
    async with app.router.lifespan_context(app):
        transport = ASGITransport(app, raise_app_exceptions=False)
        async with AsyncClient(transport=transport, base_url="http://house") as http:
            yield Office(House(app, http, owner), url)
    await owner.close()


@dataclass(slots=True)
class Partner:
    """A partner system of a program's provider, and its key."""

    program: Program
    key_id: UUID
    key: str

    async def call(self, method: str, path: str, **request: Any) -> Any:
        """A request with its key."""
        return await self.program.call(method, path, headers={"Authorization": f"Bearer {self.key}"}, **request)

    async def done(self, method: str, path: str, body: dict[str, Any] | None = None, **request: Any) -> Any:
        """A request that must succeed: what it answers."""
        response = await self.call(method, path, json=body, **request)
        assert response.status_code in {200, 201}, response.text
        return response.json()

    async def webhook(self, url: str, **more: Any) -> dict[str, Any]:
        """A new webhook, with its secret."""
        made: dict[str, Any] = await self.done("POST", "/v1/webhooks", {"url": url, **more})
        return made

    async def look(self, webhook: dict[str, Any]) -> dict[str, Any]:
        """A webhook as it stands."""
        found: dict[str, Any] = await self.done("GET", f"/v1/webhooks/{webhook['id']}")
        return found

    async def until(self, webhook: dict[str, Any], seconds: float = 15, **expected: Any) -> dict[str, Any]:
        """A webhook as soon as it is like this."""
        found: dict[str, Any] = {}
        try:
            async with asyncio.timeout(seconds):
                while True:
                    found = await self.look(webhook)
                    if all(found[name] == value for name, value in expected.items()):
                        return found
                    await asyncio.sleep(0.03)
        except TimeoutError:
            raise AssertionError(f"never {expected}: {found}") from None

    async def deliveries(self, webhook: dict[str, Any], **params: Any) -> list[dict[str, Any]]:
        """All deliveries of a webhook, oldest first."""
        items: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self.done(
                "GET", f"/v1/webhooks/{webhook['id']}/deliveries", params={"limit": 200, **params, **cursor}
            )
            items += page["items"]
            if page["next"] is None:
                return items[::-1]
            cursor = {"cursor": page["next"]}

    async def ended(self, webhook: dict[str, Any]) -> list[dict[str, Any]]:
        """All deliveries of a webhook, once none is being tried any more."""
        deliveries: list[dict[str, Any]] = []
        for _ in range(200):
            deliveries = await self.deliveries(webhook)
            if all(each["ended_at"] is not None for each in deliveries):
                return deliveries
            await asyncio.sleep(0.05)
        raise AssertionError(f"still tried: {[each for each in deliveries if each['ended_at'] is None]}")

    async def numbers(self, after: int, *types: str) -> set[int]:
        """The numbers of the log after one, as far as this partner may see it, once nothing is left to number."""
        number = {"after": after, "limit": 1000, **({"types": ",".join(types)} if types else {})}
        return {each["number"] for each in (await self.done("GET", "/v1/events", params=number))["items"]}


async def partner_of(program: Program, scopes: list[str] | None = None, **key: Any) -> Partner:
    """A partner system of the program's provider."""
    async with program.house.owner.transaction(program.id, "tests") as session:
        made, secret = await create_key(
            session, program.id, program.provider_id, Role.PARTNER_SYSTEM, scopes=scopes or SCOPES, **key
        )
    return Partner(program, made.id, secret)


async def new_partner(office: Office) -> Partner:
    """A partner system in a program of its own."""
    return await partner_of(await new_program(office.house))


async def stir(partner: Partner, openings: int, rounds: int) -> list[dict[str, Any]]:
    """So many openings, each changed so often."""
    made = [await partner.program.opening(1) for _ in range(openings)]
    for _ in range(rounds):
        for opening in made:
            await partner.program.made(f"/v1/openings/{opening['id']}/adjust", {"by": 1})
    return made


async def numbered(partner: Partner, count: int, *types: str) -> set[int]:
    """The numbers of the events of these types, once there are so many."""
    for _ in range(400):
        if len(found := await partner.numbers(0, *types)) == count:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"there never were {count} of {types}")
