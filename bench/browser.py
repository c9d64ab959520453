"""(i) The board in a browser during a load of claims: how long after its end until the picture is the database's."""

import asyncio
import shutil
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from bench.figures import Figure, at_most
from bench.load import claims
from bench.pages import signed_in
from bench.plan import BenchError, Plan
from bench.servers import openberth
from bench.stage import Stage, staged

OPENINGS = 100
"""As many as a board shows."""
CONNECTIONS = 64
SETTLE_SECONDS = 4.0

WATCHED = """() => {
  const look = () => [...document.querySelectorAll(".opening .big")].map((each) => each.textContent).join();
  let seen = look();
  window.changedAt = 0;
  setInterval(() => { if (look() !== seen) { seen = look(); window.changedAt = Date.now(); } }, 10);
}"""
SHOWN = """() => Object.fromEntries([...document.querySelectorAll(".opening")].map(
  (each) => [each.dataset.opening, Number(each.querySelector(".big").textContent)]))"""


def measure(plan: Plan, folder: Path) -> list[Figure]:
    """Seconds from the end of the load until the last of the board's numbers has changed, each of them then the
    database's. The browser has the same cores as all the rest."""
    late: list[float] = []
    if not (chromium := shutil.which("chromium") or shutil.which("chromium-browser")):
        raise BenchError("there is no Chromium here: apt-get install chromium")
    with (
        staged(folder, "board") as stage,
        openberth(folder / "board.log", database_url=stage.url, rate_limit_address="1000000/second") as address,
    ):
        openings = stage.publish(OPENINGS)
        stage.settle()
        host = address.replace("127.0.0.1", "localhost")
        token = asyncio.run(signed_in(stage))
        with (
            sync_playwright() as playwright,
            # Root, as in containers, has no sandbox.
            playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]) as browser,
        ):
            window = browser.new_context(base_url=host)
            window.add_cookies([{"name": "openberth_session", "value": token, "url": host}])
            page = window.new_page()
            for nr in range(plan.rounds):
                plan.say(f"i: a board in a browser, round {nr + 1} of {plan.rounds}")
                with page.expect_response(lambda response: "/board/live" in response.url):
                    page.goto("/board?category=housing")
                page.evaluate(WATCHED)
                claims(address, stage, openings, connections=CONNECTIONS, seconds=plan.seconds)
                ended = time.time()
                page.wait_for_timeout(SETTLE_SECONDS * 1000)
                late.append(_last_change(page, stage) - ended)
    return [Figure("i · s from the end of a load until a board in a browser shows it all / 1", late, [1.0], at_most(1))]


def _last_change(page: Page, stage: Stage) -> float:
    """When the board's last number changed, in seconds since 1970. Raises BenchError if its picture is not the
    database's."""
    rows = stage.psql("SELECT id, units_total - units_taken FROM openings WHERE program_id = :'program'")
    told = {id: int(units) for id, units in (row.split("|") for row in rows)}
    shown: dict[str, int] = page.evaluate(SHOWN)
    if len(shown) != OPENINGS or any(told[id] != units for id, units in shown.items()):
        wrong = sum(told.get(id) != units for id, units in shown.items())
        raise BenchError(f"The board shows {len(shown)} openings, {wrong} of them wrong.")
    changed_at: float = page.evaluate("window.changedAt")
    if not changed_at:
        raise BenchError("The board heard nothing of the claims.")
    return changed_at / 1000
