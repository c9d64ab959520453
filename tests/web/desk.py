"""What the tests of the desk say often."""

from typing import Any

from playwright.async_api import Page
from sqlalchemy import text

from app.access.roles import Role
from tests.support import Program
from tests.web.conftest import Opened, SignIn

RINGS = "window.rings = 0; const start = OscillatorNode.prototype.start;" + (
    "OscillatorNode.prototype.start = function (...when) { window.rings += 1; return start.apply(this, when); };"
)
"""Counts the notes that are played."""


async def stale(program: Program, opening: dict[str, Any]) -> None:
    """Let an opening's attestation have run out an hour ago, by the rights of the schema's owner."""
    async with program.house.owner.transaction(program.id, "tests") as session:
        aged = "UPDATE openings SET fresh_until = clock_timestamp() - interval '1 hour' WHERE id = :id"
        await session.execute(text(aged), {"id": opening["id"]})


async def confirmed(program: Program, opening: dict[str, Any], **facts: Any) -> dict[str, Any]:
    """A claim whose person is coming."""
    response = await program.claim({"opening_id": opening["id"]}, **facts)
    assert response.status_code == 201, response.text
    claim: dict[str, Any] = response.json()["claims"][0]
    assert (await program.step(claim, "confirm")).status_code == 200
    return claim


async def state(program: Program, claim: dict[str, Any]) -> str:
    """Where a claim stands."""
    found: str = (await program.call("GET", f"/v1/claims/{claim['id']}")).json()["state"]
    return found


async def at_desk(sign_in: SignIn, width: int = 820, **context: Any) -> Opened:
    """Provider staff at their desk, whose page hears of changes."""
    opened = await sign_in(Role.PROVIDER, width=width, height=1180, **context)
    if context.get("java_script_enabled", True):
        await opened.page.clock.install()
        async with opened.page.expect_response("**/desk/live*"):
            await opened.go("/desk")
    else:
        await opened.go("/desk")
    return opened


def number(page: Page, opening: dict[str, Any]) -> Any:
    """The big number of an opening."""
    return page.locator(f"#opening-{opening['id']} .big")


async def later(page: Page) -> None:
    """The time in which a step can be taken back goes by."""
    await page.clock.fast_forward(5_100)
