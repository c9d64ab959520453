"""Who listens hears of what the directory's changes do to openings: new names, and places that moved or are masked."""

from typing import Any

import pytest

from app.access.roles import Role
from tests.live.board import Board, at, dial, latest, listening
from tests.live.conftest import Servers
from tests.live.test_stream import described, told
from tests.support import Program

HERE: dict[str, Any] = {"latitude": 47.6, "longitude": -122.33}
AWAY: dict[str, Any] = {"latitude": 48.6, "longitude": -122.33}
AROUND_HERE = {"near": "47.6,-122.33", "within_km": 10}
AROUND_AWAY = {"near": "48.6,-122.33", "within_km": 10}


async def change(program: Program, path: str, **facts: Any) -> None:
    """A PATCH that must be made."""
    answer = await program.call("PATCH", f"/v1/{path}", role=Role.PROVIDER, headers={"If-Match": "*"}, json=facts)
    assert answer.status_code == 200, answer.text


async def test_a_board_shows_the_names_of_now(lively: Program, servers: Servers) -> None:
    service = await lively.service(**HERE)
    opening = await lively.opening(2, service=service)
    await latest(lively)
    async with dial(lively) as here, dial(at(lively, servers.there)) as there:
        for socket in (here, there):
            described(snapshot := await listening(socket, category="housing"))
            assert [each["service_name"] for each in snapshot["openings"]] == ["A service"]
        for path, facts, shown in (
            (f"services/{service['id']}", {"name": "Night beds"}, {"service_name": "Night beds"}),
            (f"organizations/{lively.provider_id}", {"name": "Plymouth"}, {"organization_name": "Plymouth"}),
            (f"locations/{service['location_id']}", {"city": "Ravenna"}, {"city": "Ravenna"}),
        ):
            await change(lively, path, **facts)
            for socket in (here, there):
                heard = await told(socket, "opening.changed")
                assert (heard["opening_id"], heard["fits"]) == (opening["id"], True)
                assert {name: heard["opening"][name] for name in shown} == shown


async def test_a_board_of_a_neighbourhood_loses_what_moves_away(lively: Program) -> None:
    service = await lively.service(**HERE)
    opening = await lively.opening(2, service=service)
    stays = await lively.opening(2, service=await lively.service(**HERE))
    await latest(lively)
    async with dial(lively) as here, dial(lively) as away:
        snapshot = await listening(here, **AROUND_HERE)
        assert {each["opening_id"] for each in snapshot["openings"]} == {opening["id"], stays["id"]}
        assert (await listening(away, **AROUND_AWAY))["openings"] == []
        await change(lively, f"locations/{service['location_id']}", **AWAY)
        left, came = await told(here, "opening.changed"), await told(away, "opening.changed")
        assert (left["opening_id"], left["fits"], "opening" in left) == (opening["id"], False, False)
        assert (came["opening_id"], came["fits"], came["opening"]["distance_km"]) == (opening["id"], True, 0)
        # And back again, with its service alone.
        own = {"organization_id": str(lively.provider_id)}
        place = await lively.made("/v1/locations", own | HERE)
        await change(lively, f"services/{service['id']}", location_id=place["id"])
        assert (await told(away, "opening.changed"))["fits"] is False
        assert (await told(here, "opening.changed"))["opening"]["distance_km"] == 0


@pytest.mark.parametrize("near", [True, False])
async def test_a_board_loses_where_a_masked_place_is(lively: Program, near: bool) -> None:
    service = await lively.service(**HERE)
    opening = await lively.opening(2, service=service)
    await change(lively, f"locations/{service['location_id']}", city="Ravenna")
    await latest(lively)
    async with dial(lively) as socket:
        [before] = (await listening(socket, **AROUND_HERE if near else {"near": AROUND_HERE["near"]}))["openings"]
        assert (before["city"], before["distance_km"]) == ("Ravenna", 0)
        await change(lively, f"locations/{service['location_id']}", masked=True)
        heard = await told(socket, "opening.changed")
        assert (heard["opening_id"], heard["fits"]) == (opening["id"], not near)
        if not near:
            assert (heard["opening"]["city"], heard["opening"]["distance_km"]) == (None, None)


async def test_a_board_that_comes_back_after_a_change_ends_where_one_that_stayed_does(lively: Program) -> None:
    service = await lively.service(**HERE)
    await lively.opening(2, service=service)
    number = await latest(lively)
    await change(lively, f"services/{service['id']}", name="Night beds")
    await change(lively, f"locations/{service['location_id']}", **AWAY)
    await latest(lively)
    stays, comes = [Board(lively, Role.CASE_MANAGER, where) for where in (AROUND_AWAY, AROUND_HERE)]
    for board, after in ((stays, None), (comes, number)):
        async with dial(lively) as socket:
            resume = {} if after is None else {"resume_after": after}
            board.number = after
            board.take(await listening(socket, **board.wanted, **resume))
    assert [each["service_name"] for each in stays.openings.values()] == ["Night beds"]
    assert comes.openings == {}


@pytest.mark.parametrize("status", ["inactive", "defunct"])
async def test_a_board_loses_what_a_service_no_longer_offers(lively: Program, status: str) -> None:
    service = await lively.service()
    opening = await lively.opening(2, service=service)
    await latest(lively)
    async with dial(lively) as socket:
        await listening(socket, category="housing")
        await change(lively, f"services/{service['id']}", status=status)
        heard = await told(socket, "opening.withdrawn")
        assert (heard["opening_id"], heard["fits"]) == (opening["id"], False)
