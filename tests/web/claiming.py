"""What tests of a worker's pages say often: a place with all that the directory has, and claims of who is signed in."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from tests.support import Program
from tests.web.conftest import Opened, Site

POINT = {"latitude": 47.6045, "longitude": -122.3355}


@dataclass(slots=True)
class Worker:
    """Somebody who is signed in, and claims as themselves."""

    site: Site
    town: Program
    opened: Opened

    async def claims(self, *openings: dict[str, Any], participant: str | None = None) -> list[dict[str, Any]]:
        """What one call of theirs holds: for someone new, unless their code is given; `""`: for nobody named."""
        body: dict[str, Any] = {"items": [{"opening_id": each["id"]} for each in openings]}
        if participant != "":
            body["participant"] = participant or await self.town.participant()
        headers = {"Idempotency-Key": str(uuid4()), "Origin": self.site.address}
        response = await self.opened.page.context.request.post("/v1/claims", headers=headers, data=body)
        assert response.status == 201, await response.text()
        claims: list[dict[str, Any]] = (await response.json())["claims"]
        return claims

    async def post(self, path: str, **form: Any) -> Any:
        """Send a form as their browser would."""
        headers = {"Origin": self.site.address}
        return await self.opened.page.context.request.post(path, headers=headers, form=form, max_redirects=0)

    async def state(self, claim: dict[str, Any]) -> str:
        """Where a claim is in its life, as the API says."""
        state: str = (await self.town.call("GET", f"/v1/claims/{claim['id']}")).json()["state"]
        return state


async def shelter(town: Program, name: str = "Harbor night shelter", **facts: Any) -> dict[str, Any]:
    """A housing service with an address."""
    owner = {"organization_id": str(town.provider_id)}
    address = {"address_1": "101 Alaskan Way", "city": "Seattle", "state_province": "WA", "postal_code": "98104"}
    location = await town.made("/v1/locations", owner | address | POINT)
    service = {"name": name, "category": "housing", "location_id": location["id"], "languages": ["en", "es"]}
    more = {
        "description": "Come to the blue door.",
        "attributes": {"pets": "yes", "couples": "yes"},
        "phones": [{"number": "+1 206 555 0100", "extension": "7"}],
        "schedules": [{"description": "Doors open at 18:00"}],
        "required_documents": [{"document": "A lock for the locker"}],
    }
    return await town.made("/v1/services", owner | service | more | facts)


async def lasting(town: Program, claim: dict[str, Any], seconds: float) -> None:
    """Have a hold last this long from now, by the rights of the schema's owner."""
    async with town.house.owner.transaction(town.id, "tests") as session:
        statement = "UPDATE claims SET hold_until = clock_timestamp() + make_interval(secs => :seconds) WHERE id = :id"
        await session.execute(text(statement), {"id": claim["id"], "seconds": seconds})
