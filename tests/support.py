"""What tests say often: a program with keys, an opening, a participant, a claim; all through HTTP."""

import base64
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID, uuid4

from fastapi import FastAPI
from httpx import AsyncClient, Response
from sqlalchemy import insert, text

from app.access.keys import create_key
from app.access.programs import add_program
from app.access.roles import Role
from app.access.site import Site
from app.core.database import Database
from app.core.ids import new_id
from app.market.directory import Organization

SEATTLE = "47.6062,-122.3321"
MASTER_KEYS = "test:" + base64.b64encode(bytes(32)).decode()
"""A ring with one master key, for tests alone."""
PUBLIC_URL = "https://house.example"
EVERY_ANSWER = {name for name, _ in Site(PUBLIC_URL).headers}
"""The header fields that go with every answer, and so tell nothing."""


@dataclass(slots=True)
class House:
    """The running application, a client of it, and the owner's way into its database."""

    app: FastAPI
    http: AsyncClient
    owner: Database


class Reached(Protocol):
    """What a program is reached through: the application in this process, or a server of its own."""

    http: AsyncClient
    owner: Database


@dataclass(slots=True)
class Program:
    """One program: its id, a provider's and an agency's organization, and a key per role.

    The provider's key belongs to `provider_id`, every other to `agency_id`.
    """

    house: Reached
    id: UUID
    provider_id: UUID
    agency_id: UUID
    keys: dict[Role, str] = field(default_factory=dict)

    async def call(
        self,
        method: str,
        path: str,
        *,
        role: Role = Role.PROGRAM_MANAGER,
        key: str | None = None,
        **request: Any,
    ) -> Response:
        """One request as a role, under an `Idempotency-Key` if one is given."""
        headers = {"Authorization": f"Bearer {self.keys[role]}"} | request.pop("headers", {})
        if key is not None:
            headers["Idempotency-Key"] = key
        return await self.house.http.request(method, path, headers=headers, **request)

    async def made(self, path: str, body: dict[str, Any], role: Role = Role.PROGRAM_MANAGER) -> dict[str, Any]:
        """What a POST that must succeed made."""
        response = await self.call("POST", path, role=role, json=body)
        assert response.status_code in {200, 201}, response.text
        made: dict[str, Any] = response.json()
        return made

    async def made_once(self, path: str, body: dict[str, Any], role: Role = Role.CASE_MANAGER) -> dict[str, Any]:
        """What a POST that must succeed made, under a key of its own."""
        response = await self.call("POST", path, role=role, key=str(uuid4()), json=body)
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json()
        return made

    async def service(self, category: str = "housing", **facts: Any) -> dict[str, Any]:
        """A service of the provider; with `latitude` and `longitude`, at a location of its own."""
        body = {"organization_id": str(self.provider_id), "name": "A service", "category": category}
        if "latitude" in facts:
            place = {name: facts.pop(name) for name in ("latitude", "longitude")}
            location = await self.made("/v1/locations", {"organization_id": body["organization_id"], **place})
            body["location_id"] = location["id"]
        return await self.made("/v1/services", body | facts)

    async def opening(
        self, units_total: int = 1, *, service: dict[str, Any] | None = None, **terms: Any
    ) -> dict[str, Any]:
        """A published opening, of a new housing service unless one is given."""
        service = service or await self.service()
        body = {"service_id": service["id"], "unit": "bed", "units_total": units_total} | terms
        return await self.made("/v1/openings", body)

    async def participant(self) -> str:
        """A new participant's code."""
        code: str = (await self.made("/v1/participants", {}, Role.CASE_MANAGER))["code"]
        return code

    async def claim(
        self,
        *items: dict[str, Any],
        participant: str | None = None,
        named: bool = True,
        key: str | None = None,
        role: Role = Role.CASE_MANAGER,
    ) -> Response:
        """One call to claim these items: for a new participant unless one is given, or naming nobody; under a new key
        unless one is given."""
        body: dict[str, Any] = {"items": list(items)}
        if named:
            body["participant"] = participant or await self.participant()
        return await self.call("POST", "/v1/claims", role=role, key=key or str(uuid4()), json=body)

    async def held(self, opening: dict[str, Any], units: int = 1) -> dict[str, Any]:
        """A claim that must be held."""
        response = await self.claim({"opening_id": opening["id"], "units": units})
        assert response.status_code == 201, response.text
        claim: dict[str, Any] = response.json()["claims"][0]
        return claim

    async def step(
        self, claim: dict[str, Any], verb: str, role: Role = Role.PROGRAM_MANAGER, **request: Any
    ) -> Response:
        """One step of a claim's life."""
        return await self.call("POST", f"/v1/claims/{claim['id']}/{verb}", role=role, **request)

    async def lapse(self, claim: dict[str, Any]) -> None:
        """Let a hold lapse within milliseconds, by the rights of the schema's owner, and wait until it has."""
        async with self.house.owner.transaction(self.id, "tests") as session:
            shorter = "UPDATE claims SET hold_until = clock_timestamp() + interval '20 ms' WHERE id = :id"
            await session.execute(text(shorter), {"id": claim["id"]})
        async with self.house.owner.transaction(self.id, "tests") as session:
            await session.execute(text("SELECT pg_sleep(0.03)"))

    async def look(self, opening: dict[str, Any]) -> dict[str, Any]:
        """The opening as it stands."""
        response = await self.call("GET", f"/v1/openings/{opening['id']}")
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found


async def new_program(house: Reached, time_zone: str = "America/Los_Angeles") -> Program:
    """A program of its own in the house's database, with a key for every role."""
    async with house.owner.transaction(None, "tests") as session:
        row = await add_program(session, f"test-{uuid4().hex[:12]}", "A program", time_zone)
        program = Program(house, row.program_id, new_id(), new_id())
        for id, name in ((program.provider_id, "A provider"), (program.agency_id, "An agency")):
            await session.execute(insert(Organization).values(program_id=program.id, id=id, name=name))
        for role in Role:
            owner = program.provider_id if role is Role.PROVIDER else program.agency_id
            _, program.keys[role] = await create_key(session, program.id, owner, role)
    return program


def told_in_headers(response: Response) -> list[tuple[bytes, bytes]]:
    """The headers of an answer that could tell something: not its length, nor how many requests the caller has left."""
    return [each for each in response.headers.raw if each[0] not in {b"content-length", b"ratelimit"}]
