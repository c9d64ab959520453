"""One run: move in, act until time is up, ask how things stand, and check it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from rich.console import Console
from rich.live import Live

from app.simulate.actor import Actor, Scene
from app.simulate.board import board
from app.simulate.case_manager import CaseManager
from app.simulate.check import check_claims
from app.simulate.check_openings import check_openings
from app.simulate.client import Client, Unanswered
from app.simulate.collect import collect
from app.simulate.meter import Meter
from app.simulate.provider import Provider, Refused, must
from app.simulate.verdict import tell

REFRESH = 0.25
TIMEOUT = 15.0


async def simulate(
    base_url: str,
    key: str,
    *,
    provider_key: str | None = None,
    providers: int,
    case_managers: int,
    duration: float,
    seed: int,
    console: Console,
    live: bool = True,
    transport: httpx.AsyncBaseTransport | None = None,
) -> bool:
    """Run a city for `duration` seconds. Answers whether all promises were held; what was not is printed.

    `key` is a program manager's, or a case manager's together with a `provider_key`.
    """
    if min(providers, case_managers) < 1:
        raise ValueError("a city needs a provider and a case manager at least")
    limits = httpx.Limits(max_connections=2 * (providers + case_managers) + 8)
    # Waiting for a connection of our own pool is no sign of a server in trouble.
    patience = httpx.Timeout(TIMEOUT, pool=None)
    async with httpx.AsyncClient(base_url=base_url, transport=transport, limits=limits, timeout=patience) as http:
        meter = Meter()
        worker = Client(http, key, meter)
        provider = worker if provider_key is None else Client(http, provider_key, meter)
        scene = Scene(seed, worker, provider, meter)
        try:
            actors = await _move_in(scene, providers, case_managers, own_organization=provider_key is not None)
        except (Refused, Unanswered) as error:
            console.print(f"The simulation can't start. {error}", style="red", markup=False)
            return False
        scene.start(duration)
        async with _shown(scene, console, duration, live=live):
            await asyncio.gather(*(actor.run() for actor in actors))
        final = await collect(scene)
    findings = [*scene.journal.findings, *check_claims(scene.journal, final), *check_openings(scene.journal, final)]
    tell(console, scene.journal, final, findings, meter)
    return not findings


async def _move_in(scene: Scene, providers: int, case_managers: int, *, own_organization: bool) -> list[Actor]:
    """Everybody who acts, the providers with their first openings. Raises Refused, Unanswered."""
    must(await scene.provider.get("set up", "/v1/program"), "The key doesn't work")
    organization_id = None
    if own_organization:
        me = must(await scene.provider.get("set up", "/v1/me"), "The provider's key doesn't work")
        organization_id = str(me["organization_id"])
    desks = [Provider(scene, number) for number in range(providers)]
    await asyncio.gather(*(desk.move_in(organization_id) for desk in desks))
    return [*desks, *(CaseManager(scene, number) for number in range(case_managers))]


@asynccontextmanager
async def _shown(scene: Scene, console: Console, duration: float, *, live: bool) -> AsyncIterator[None]:
    """The table: drawn again and again while the city runs, or once when it is over."""
    scene.meter.start()
    if not live:
        yield
        console.print(board(scene.meter, duration))
        return
    with Live(board(scene.meter, duration), console=console, auto_refresh=False) as table:

        async def draw() -> None:
            while True:
                await asyncio.sleep(REFRESH)
                table.update(board(scene.meter, duration), refresh=True)

        drawing = asyncio.create_task(draw())
        try:
            yield
        finally:
            drawing.cancel()
            await asyncio.gather(drawing, return_exceptions=True)
            table.update(board(scene.meter, duration), refresh=True)
