"""The directory is edited while the market goes on: no masked place gets out, nobody is stuck, one edit wins."""

import asyncio
from collections import Counter
from typing import Any

import asyncpg
import pytest
from httpx import Response

from app.access.roles import Role
from tests.races.conftest import Pair

PLACE = {"latitude": 47.6205137, "longitude": -122.3493172}
GONE = {"reason": "place_no_longer_available"}

WAITING = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()
"""


async def change(pair: Pair, number: int, path: str, match: str = "*", **facts: Any) -> Response:
    """PATCH an entry of the directory, through the one process or the other."""
    return await pair.side(number).call(
        "PATCH", f"/v1/{path}", role=Role.PROVIDER, headers={"If-Match": match}, json=facts
    )


async def publish(pair: Pair, number: int, service: dict[str, Any]) -> dict[str, Any]:
    """An opening that must be published, through the one process or the other."""
    body = {"service_id": service["id"], "unit": "bed", "units_total": 3}
    return await pair.side(number).made("/v1/openings", body, Role.PROVIDER)


async def location(pair: Pair, **facts: Any) -> dict[str, Any]:
    return await pair.here.made("/v1/locations", {"organization_id": str(pair.here.provider_id)} | PLACE | facts)


async def pointed(pair: Pair) -> list[dict[str, Any]]:
    """The program's openings that have a point."""
    return await pair.ask("SELECT id FROM openings WHERE program_id = $1 AND latitude IS NOT NULL", pair.here.id)


async def until_waiting(connection: "asyncpg.Connection[Any]", count: int) -> None:
    """Wait until so many transactions wait for a lock."""
    async with asyncio.timeout(20):
        while await connection.fetchval(WAITING) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_no_opening_published_while_its_place_is_masked_has_a_point(pair: Pair) -> None:
    for _ in range(4):
        place = await location(pair)
        services = [await pair.here.service(location_id=place["id"]) for _ in range(3)]
        underway, published = asyncio.Event(), 0

        async def publishes(number: int, services: list[Any] = services, underway: asyncio.Event = underway) -> None:
            nonlocal published
            for turn in range(5):
                await publish(pair, number, services[(number + turn) % 3])
                published += 1
                if published == 6:
                    underway.set()

        async def masks(path: str = f"locations/{place['id']}", underway: asyncio.Event = underway) -> Response:
            await underway.wait()
            assert await pointed(pair)
            return await change(pair, 1, path, masked=True)

        masked, _ = await asyncio.gather(masks(), asyncio.gather(*map(publishes, range(6))))
        assert (masked.status_code, masked.json()["masked"]) == (200, True)
        assert published == 30
        assert await pointed(pair) == []


async def test_no_opening_keeps_the_point_of_a_place_masked_while_its_service_moves_there(pair: Pair) -> None:
    for turn in range(12):
        place = await location(pair)
        service = await pair.here.service(location_id=(await location(pair, latitude=47.1, longitude=-122.1))["id"])
        await publish(pair, turn, service)
        answers = await asyncio.gather(
            change(pair, turn, f"services/{service['id']}", location_id=place["id"]),
            change(pair, turn + 1, f"locations/{place['id']}", masked=True),
            change(pair, turn, f"services/{service['id']}", name=f"Service {turn}"),
        )
        assert [answer.status_code for answer in answers] == [200] * 3
        assert await pointed(pair) == []


async def test_no_place_is_shown_where_a_service_for_survivors_is_added_or_moves_to(pair: Pair) -> None:
    statuses = Counter[int]()
    for turn in range(10):
        place = await location(pair, masked=True)
        mine = {"organization_id": str(pair.here.provider_id), "category": "housing", "serves_survivors": True}
        one = await pair.here.made("/v1/services", mine | {"name": "One"})
        answers = await asyncio.gather(
            change(pair, turn, f"locations/{place['id']}", masked=False),
            change(pair, turn, f"services/{one['id']}", location_id=place["id"]),
            pair.side(turn + 1).call("POST", "/v1/services", json=mine | {"name": "Two", "location_id": place["id"]}),
        )
        statuses.update(answer.status_code for answer in answers)
    assert set(statuses) <= {200, 201, 422}
    # Of each race at least one was too late.
    assert statuses[422] >= 10
    shown = await pair.ask(
        "SELECT s.id FROM services s JOIN locations l ON l.program_id = s.program_id AND l.id = s.location_id"
        " WHERE s.program_id = $1 AND s.serves_survivors AND NOT l.masked",
        pair.here.id,
    )
    assert shown == []


async def test_an_organization_is_renamed_again_and_again_while_promises_are_counted(pair: Pair) -> None:
    service = await pair.here.service()
    openings = [await pair.here.opening(20, service=service) for _ in range(3)]
    codes = await pair.people(8)
    path, working = f"organizations/{pair.here.provider_id}", True
    renamed: list[int] = []

    async def renames(number: int) -> None:
        while working:
            renamed.append((await change(pair, number, path, name=f"Name {number}.{len(renamed)}")).status_code)

    async def works(number: int) -> list[int]:
        """Claims that end either way, of openings that were there and of one that is new."""
        new = await publish(pair, number, service)
        statuses = []
        for turn, opening in enumerate([*openings, new]):
            side = pair.side(number + turn)
            made = await side.claim({"opening_id": opening["id"]}, participant=codes[number])
            statuses.append(made.status_code)
            [claim] = made.json()["claims"]
            if (number + turn) % 2:
                statuses.append((await side.step(claim, "decline", Role.PROVIDER, json=GONE)).status_code)
            else:
                statuses += [(await side.step(claim, verb)).status_code for verb in ("confirm", "arrive")]
        return statuses

    async def all_work() -> list[list[int]]:
        nonlocal working
        try:
            return await asyncio.gather(*map(works, range(8)))
        finally:
            working = False

    done, _ = await asyncio.gather(all_work(), asyncio.gather(*map(renames, range(3))))
    assert set(renamed) == {200}
    assert {status for each in done for status in each} == {200, 201}
    [kept] = await pair.ask(
        "SELECT version, promises_kept, promises_broken FROM organizations WHERE program_id = $1 AND id = $2",
        pair.here.id,
        pair.here.provider_id,
    )
    assert kept == {"version": 1 + len(renamed), "promises_kept": 16, "promises_broken": 16}


async def test_an_opening_published_while_its_organization_is_renamed_stops_neither(pair: Pair) -> None:
    """Its claim is declined at the worst moment: the rename has looked for openings, and not yet the organization."""
    service = await pair.here.service()
    await publish(pair, 0, service)
    path = f"organizations/{pair.here.provider_id}"
    holder = await asyncpg.connect(pair.url)

    async def declined() -> Response:
        claim = await pair.there.held(await publish(pair, 1, service))
        return await pair.there.step(claim, "decline", Role.PROVIDER, json=GONE)

    try:
        async with holder.transaction():
            await holder.execute("SELECT FROM organizations WHERE id = $1 FOR NO KEY UPDATE", pair.here.provider_id)
            renaming = asyncio.create_task(change(pair, 0, path, name="Another"))
            await until_waiting(holder, 1)
            declining = asyncio.create_task(declined())
            await until_waiting(holder, 2)
        answers = await asyncio.gather(renaming, declining)
    finally:
        await holder.close()
    assert [answer.status_code for answer in answers] == [200, 200]


@pytest.mark.parametrize("kind", ["organizations", "locations", "services"])
async def test_of_changes_to_one_version_one_wins(pair: Pair, kind: str) -> None:
    place = await location(pair)
    service = await pair.here.service(location_id=place["id"])
    await publish(pair, 0, service)
    ids = {"organizations": str(pair.here.provider_id), "locations": place["id"], "services": service["id"]}
    path = f"{kind}/{ids[kind]}"
    answers = await asyncio.gather(*(change(pair, nr, path, '"v1"', name=f"Name {nr}") for nr in range(8)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 7}
    [won] = [answer.json() for answer in answers if answer.status_code == 200]
    assert won["version"] == 2
    assert (await pair.here.call("GET", f"/v1/{path}")).json() == won
    told = await pair.ask(
        "SELECT type FROM events WHERE program_id = $1 AND subject_id = $2::uuid ORDER BY id", pair.here.id, ids[kind]
    )
    assert [each["type"].partition(".")[2] for each in told] == ["added", "changed"]
