"""The overview in a browser: its figures are the database's, its pictures are drawn, and everybody can read it."""

import asyncio
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page
from sqlalchemy import text

from app.access.roles import Role
from app.market.board import sample
from app.web import drawing
from app.web.overview_pictures import Picture
from tests.support import Program
from tests.web.conftest import SignIn, Site, faults

ROOT = Path(__file__).parents[2]


async def lived(town: Program) -> None:
    """Openings in two categories, holds that end in some ways, askings that could not be met, and one sample."""
    place = {"latitude": 47.6, "longitude": -122.33, "city": "Seattle"}
    location = await town.made("/v1/locations", place | {"organization_id": str(town.provider_id)})
    for category, units in (("housing", 7), ("food", 5)):
        service = await town.service(category, location_id=location["id"], attributes={"pets": "yes"})
        opening = await town.opening(units, service=service)
        for steps in (("confirm", "arrive"), ("confirm",), ("release",)):
            claim = await town.held(opening)
            for step in steps:
                assert (await town.step(claim, step)).status_code == 200
    for _ in range(3):
        find = {"category": "housing", "needs": random.sample(["couples", "hiv"], k=1), "near": [47.6, -122.33]}
        assert (await town.claim({"find": find})).status_code == 409
    async with town.house.owner.transaction(town.id, "tests") as session:
        # The loops of this server may have kept the board before anything was on it.
        await session.execute(text("DELETE FROM board_samples WHERE program_id = :id"), {"id": town.id})
        await sample(session)


async def cells(page: Page, heading: str) -> list[list[str]]:
    """The rows of the table under a heading, shown or folded away."""
    rows: list[list[str]] = await page.evaluate(
        """heading => [...document.querySelectorAll('section,details')]
            .find(each => each.querySelector('h2,summary')?.textContent.trim() === heading)
            .querySelectorAll('tbody tr').values().toArray()
            .map(row => [...row.children].map(cell => cell.textContent.trim()))""",
        heading,
    )
    return rows


async def number(site: Site, town: Program, question: str) -> int:
    """A number that the database says."""
    async with site.owner.transaction(town.id, "tests") as session:
        return int((await session.execute(text(question), {"id": town.id})).scalar_one())


async def test_the_figures_shown_are_the_databases(site: Site, town: Program, sign_in: SignIn) -> None:
    await lived(town)
    opened = await sign_in(Role.PROGRAM_MANAGER, width=1280)
    page = opened.page
    await page.goto("/")
    assert page.url.endswith("/overview")
    keys = [int(each) for each in await page.locator(".keys .big").all_inner_texts()]
    assert keys == [
        await number(site, town, "SELECT sum(units_total - units_taken) FROM openings WHERE program_id = :id"),
        await number(site, town, "SELECT count(*) FROM claims WHERE program_id = :id"),
        await number(site, town, "SELECT count(*) FROM claims WHERE program_id = :id AND state = 'arrived'"),
        await number(site, town, "SELECT count(*) FROM unmet_needs WHERE program_id = :id"),
    ]
    assert await cells(page, "By category and area") == [
        ["Housing", "Seattle", "5", "7", "1"],
        ["Food", "Seattle", "3", "5", "1"],
    ]
    assert await cells(page, "By category") == [
        ["Housing", "1", "1", "0", "1", "0", "0"],
        ["Food", "1", "1", "0", "1", "0", "0"],
    ]
    assert sum(int(row[1]) for row in await cells(page, "By need")) == 3
    assert await cells(page, "By area") == [["Seattle", "3"]]
    assert (await cells(page, "Providers"))[0][0] == "A provider"
    assert "Meets" in await page.locator(".missing li").first.inner_text()
    # Pictures take the page's own colors, and say in words what they are.
    for name in ("now", "day", "ends", "needs"):
        response = await page.request.get(f"/overview/pictures/{name}.svg?days=7")
        assert response.status == 200, await response.text()
        drawn = await response.text()
        assert 'id="picture"' in drawn
        assert "var(--accent)" in drawn
        assert "style=" not in drawn
    assert (await page.request.get("/overview/pictures/nothing.svg")).status == 404
    assert await page.locator("svg.picture").count() == 5
    box = await page.locator("svg.picture use").first.bounding_box()
    assert box
    assert box["height"] > 20, "nothing is drawn"


@pytest.mark.parametrize(("scheme", "locale"), [("light", "en-US"), ("dark", "es-MX")])
async def test_axe_finds_nothing_full_or_empty(town: Program, sign_in: SignIn, scheme: str, locale: str) -> None:
    opened = await sign_in(Role.PROGRAM_MANAGER, color_scheme=scheme, locale=locale, width=320)
    page = opened.page
    for state in ("empty", "full"):
        if state == "full":
            await lived(town)
        # Another time than the one counted a moment ago.
        await page.goto("/overview" if state == "empty" else "/overview?days=28")
        await page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
        assert await faults(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, state


async def test_without_a_script_and_by_keyboard_alone(town: Program, sign_in: SignIn) -> None:
    await lived(town)
    opened = await sign_in(Role.PROGRAM_MANAGER, java_script_enabled=False, width=1280)
    page = opened.page
    await page.goto("/overview")
    await page.focus("nav.spans a >> nth=2")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/overview?days=28")
    await page.focus("#now-numbers")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    assert await page.locator("[aria-labelledby='now now-numbers']:focus").count() == 1, "a table scrolls by keyboard"


async def test_evaluators_see_no_small_number_and_nobody_else_sees_the_page(town: Program, sign_in: SignIn) -> None:
    await lived(town)
    opened = await sign_in(Role.EVALUATOR, width=1280)
    page = opened.page
    assert page.url.endswith("/overview")
    assert "withheld" in await page.inner_text("main")
    assert await page.locator("nav.tabs, .keys").count() == 0
    assert {cell for row in await cells(page, "By category") for cell in row[1:]} == {"withheld"}
    assert await faults(page) == []
    other = await sign_in(Role.CASE_MANAGER)
    assert (await other.page.request.get("/overview")).status == 403
    assert (await other.page.request.get("/overview/pictures/now.svg")).status == 403


def test_what_is_drawn_fits_the_space_kept_for_it() -> None:
    rows: list[dict[str, Any]] = [
        {
            "name": f"Food and <b>&{n}",
            "number": n,
            "shown": str(n),
            "at": n * 3_600_000,
            "clock": "%H:%M",
            "last": n == 4,
        }
        for n in range(5)
    ]
    for kind in drawing.KINDS:
        drawn = drawing.svg(kind, rows)
        assert "<b>" not in drawn
        width, height = (float(drawn.split(f'{side}="')[1].split('"')[0]) for side in ("width", "height"))
        picture = Picture(kind, rows)
        assert abs(width - 380) < 30
        assert abs(height - picture.height) < 40, kind


def test_what_draws_is_loaded_by_no_process_that_serves() -> None:
    loaded = "import app.main, sys; print({'altair', 'vl_convert'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "set()"


async def test_who_goes_away_takes_the_figures_from_nobody(town: Program) -> None:
    path = "/v1/overview"
    first = asyncio.create_task(town.call("GET", path))
    await asyncio.sleep(0)
    first.cancel()
    assert (await town.call("GET", path)).status_code == 200
