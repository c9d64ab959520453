"""What the tests of notices say often: people with mailboxes and browsers, and the loops taken step by step."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
from sqlalchemy import CursorResult, text

from app.access.roles import Role
from app.delivery.notices.send import Notices
from tests.browser import Browser, Known, invited
from tests.notices.post import Post
from tests.notices.push_service import Device, PushService
from tests.support import House, Program


@dataclass(slots=True)
class Office:
    """A program of a test's own on an application that sends, with its mail server, push service and loops."""

    house: House
    program: Program
    post: Post
    push: PushService
    notices: Notices
    superuser: str

    async def person(self, role: Role = Role.CASE_MANAGER, **fields: Any) -> "Someone":
        """A person of the program, signed in: of the provider for a provider's role, else of the agency."""
        if role is Role.PROVIDER:
            fields = {"organization_id": str(self.program.provider_id)} | fields
        known = await invited(self.program, role, **fields)
        browser = Browser(self.house)
        body = {"token": known.token, "password": known.password}
        await browser.done("/v1/invitations/accept/password", body)
        return Someone(self, known, browser)

    async def round(self) -> None:
        """Find what is due if this program is looked at, and send all of it."""
        if await self.looked_at():
            await self.notices.find(self.program.id)
        await self.send()

    async def looked_at(self) -> bool:
        """Whether the loop looks for what is due in this program."""
        async with self.house.app.state.house.database.transaction(None, "tests", reads=True) as session:
            return self.program.id in await self.notices.programs(session)

    async def send(self) -> None:
        """Send what is due until nothing is."""
        for sender in self.notices.senders:
            while await sender.look():
                await sender.done()

    async def run(self, statement: str, **values: Any) -> list[Any]:
        """One statement as the schema's owner; `:program` is the program."""
        async with self.house.owner.transaction(self.program.id, "tests") as session:
            result = await session.execute(text(statement), {"program": self.program.id, **values})
            assert isinstance(result, CursorResult)
            return list(result) if result.returns_rows else []

    async def hasten(self) -> None:
        """Let all that is to be tried again be due now."""
        await self.run("UPDATE notices SET next_at = now() WHERE program_id = :program AND state = 'due'")

    async def rows(self) -> list[Any]:
        """The stored notices."""
        return await self.run("SELECT * FROM notices WHERE program_id = :program ORDER BY id")

    async def shift(self, table: str, id: str, **intervals: timedelta) -> None:
        """Put times of a row so far from now, past every trigger: nobody else can move when a hold was made."""
        connection = await asyncpg.connect(self.superuser)
        try:
            await connection.execute("SET session_replication_role = replica")
            for column, distance in intervals.items():
                await connection.execute(
                    f"UPDATE {table} SET {column} = clock_timestamp() + $1 WHERE id = $2", distance, id
                )
        finally:
            await connection.close()

    async def lapsing(self, claim: dict[str, Any], minutes: float = 10) -> None:
        """Let a hold be one of hours ago that lapses in so many minutes."""
        await self.shift("claims", claim["id"], held_at=timedelta(hours=-3), hold_until=timedelta(minutes=minutes))

    async def stale_in(self, opening: dict[str, Any], minutes: float) -> None:
        """Let an opening be attested hours ago, until so many minutes from now."""
        await self.shift(
            "openings", opening["id"], attested_at=timedelta(hours=-24), fresh_until=timedelta(minutes=minutes)
        )


@dataclass(slots=True)
class Someone:
    """A person, signed in in a browser."""

    office: Office
    known: Known
    browser: Browser

    @property
    def mail(self) -> list[str]:
        """What their mailbox got, as they read it."""
        return [each.text for each in self.office.post.to(self.known.email)]

    async def holds(self, opening: dict[str, Any], units: int = 1, participant: str | None = None) -> dict[str, Any]:
        """A claim that they make."""
        body: dict[str, Any] = {"items": [{"opening_id": opening["id"], "units": units}]}
        if participant is not None:
            body["participant"] = participant
        response = await self.browser.http.post(
            "/v1/claims",
            json=body,
            headers={"Origin": "https://house.example", "Idempotency-Key": f"{opening['id']}-{units}-{participant}"},
        )
        assert response.status_code == 201, response.text
        claim: dict[str, Any] = response.json()["claims"][0]
        return claim

    async def subscribes(self, device: Device | None = None) -> Device:
        """Be told in a browser."""
        device = device or self.office.push.device()
        await self.browser.done("/v1/me/push-subscriptions", device.subscription(), 201)
        return device

    async def chooses(self, **changes: Any) -> dict[str, Any]:
        """Change their choices."""
        response = await self.browser.send("PATCH", "/v1/me/notices", changes)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def sees(self) -> dict[str, Any]:
        """Their choices and newest notices."""
        response = await self.browser.get("/v1/me/notices")
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer
