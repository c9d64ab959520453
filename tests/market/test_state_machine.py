"""The whole market against a model: any order of operations, through HTTP, over a real database.

Nothing here waits for time to pass. A hold lapses because a superuser, with triggers off, moves its end into the
past and with it the opening's `next_lapse_at`: to every line of the application that is what a later clock looks
like. (The owner can't do it with the triggers on, and a hold of a few milliseconds would be a race in the test.)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx import Response
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.engine import make_url

from app.access.keys import create_key
from app.access.roles import Role
from app.market.vocabulary import DECLINE_REASONS
from app.worker import sweep_lapsed_holds
from tests.conftest import Server
from tests.market.model import MAX_EXTENSIONS, NEXT, Ask, Hold, Market, Place
from tests.market.world import World, running_world
from tests.support import new_program

LAPSE = """
WITH moved AS (UPDATE claims SET hold_until = clock_timestamp() - interval '1 ms' WHERE id = $1
               RETURNING program_id, opening_id, hold_until)
UPDATE openings o SET next_lapse_at = least(o.next_lapse_at, m.hold_until)
  FROM moved m WHERE o.program_id = m.program_id AND o.id = m.opening_id"""

COUNTS = """
SELECT o.id, o.units_total, o.units_taken, o.next_lapse_at,
       coalesce(sum(c.units) FILTER (WHERE c.state IN ('held', 'confirmed', 'arrived')), 0) AS counted,
       min(c.hold_until) FILTER (WHERE c.state = 'held') AS first_lapse
  FROM openings o LEFT JOIN claims c ON c.program_id = o.program_id AND c.opening_id = o.id
 WHERE o.program_id = $1 GROUP BY o.program_id, o.id"""

CLAIMS = """
SELECT (SELECT count(*) FROM claims WHERE program_id = $1) AS claims,
       (SELECT count(*) FROM events WHERE program_id = $1 AND type = 'claim.held') AS told,
       (SELECT count(*) FROM audit WHERE program_id = $1 AND action = 'claim.held') AS trailed,
       (SELECT count(*) FROM unmet_needs WHERE program_id = $1) AS unmet"""

any_of = st.integers(0, 11)
"""Which one of those there are: taken modulo their number, so that an example means the same when it shrinks."""
units = st.sampled_from([1, 1, 2])
HOW = ["named", "housing", "treatment"]
FOR_WHOM = ["somebody", "somebody", "nobody", "nobody of a shelter's"]
"""A participant is named, or none is, by a case manager or by staff of the shelter."""
for_whom = st.sampled_from(FOR_WHOM)
REASONS = ["place_no_longer_available", "barred", "in_hospital"]
ONWARD = {"held": ("confirm", "confirmed"), "confirmed": ("arrive", "arrived"), "arrived": ("complete", "completed")}
STEPS = [*ONWARD.values(), ("release", "released"), ("no-show", "no_show")]


@pytest.fixture
def world(server: Server, own_database: str) -> Iterator[World]:
    """The application over a database of this test's own."""
    with running_world(own_database, server.url(make_url(own_database).database or "", "postgres")) as world:
        yield world


@dataclass(frozen=True)
class Sent:
    """A call and its answer, for repeating it."""

    method: str
    path: str
    key: str
    role: Role
    request: dict[str, Any]
    answer: Response


class Trade(RuleBasedStateMachine):
    """Providers and workers doing anything in any order."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.market = Market()
        self.sent: list[Sent] = []
        self.refused_items = 0
        self.program = world.run(new_program(world.house))
        self.participant = world.run(self.program.participant())
        provider, agency = str(self.program.provider_id), str(self.program.agency_id)
        self.services = [
            self._post("/v1/services", {"organization_id": owner, "name": "A service", "category": category})
            for owner, category in ((provider, "housing"), (agency, "housing"), (provider, "treatment"))
        ]
        self.refuge = self._post("/v1/organizations", {"name": "A refuge", "serves_survivors": True})["id"]
        body = {"organization_id": self.refuge, "name": "A shelter", "category": "housing"}
        self.services.append(self._post("/v1/services", body))
        world.run(self._hire_staff())

    async def _hire_staff(self) -> None:
        """Of the shelter: the outreach worker is theirs."""
        async with self.world.house.owner.transaction(self.program.id, "tests") as session:
            _, key = await create_key(session, self.program.id, UUID(self.refuge), Role.OUTREACH_WORKER)
        self.program.keys[Role.OUTREACH_WORKER] = key

    # How the rules speak.

    def _send(self, method: str, path: str, *, role: Role = Role.PROGRAM_MANAGER, **request: Any) -> Response:
        key = str(uuid4())
        response = self.world.run(self.program.call(method, path, role=role, key=key, **request))
        self.sent.append(Sent(method, path, key, role, request, response))
        return response

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        response = self._send("POST", path, json=body)
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json()
        return made

    def _get(self, path: str) -> Any:
        response = self.world.run(self.program.call("GET", path))
        assert response.status_code == 200, response.text
        return response.json()

    def _place(self, which: int) -> Place:
        return self.market.places[which % len(self.market.places)]

    def _hold(self, which: int) -> Hold:
        return self.market.holds[which % len(self.market.holds)]

    # What providers do.

    @initialize()
    def open_for_the_day(self) -> None:
        for which in range(len(self.services)):
            self.publish(which, 4)

    # Few places, so that claims meet on them.
    @precondition(lambda self: len(self.market.places) < 6)
    @rule(which=any_of, total=st.integers(0, 3))
    def publish(self, which: int, total: int) -> None:
        service = self.services[which % len(self.services)]
        body = {"service_id": service["id"], "unit": "bed", "units_total": total}
        made = self._post("/v1/openings", body)
        organization_id = service["organization_id"]
        place = Place(made["id"], organization_id, service["category"], total, organization_id == self.refuge)
        assert made["confidential"] == place.confidential
        self.market.places.append(place)

    @rule(which=any_of, by=st.integers(-2, 2))
    def adjust(self, which: int, by: int) -> None:
        place = self._place(which)
        response = self._send("POST", f"/v1/openings/{place.id}/adjust", json={"by": by})
        if place.withdrawn or place.total + by < self.market.taken(place):
            assert response.status_code == 409, response.text
        else:
            assert response.status_code == 200, response.text
            place.total += by
            place.version += 1

    @rule(which=any_of, total=st.integers(0, 3), behind=st.sampled_from([0, 0, 0, 1]))
    def change_the_total(self, which: int, total: int, behind: int) -> None:
        place = self._place(which)
        match = {"If-Match": f'"v{place.version - behind}"'}
        response = self._send("PATCH", f"/v1/openings/{place.id}", json={"units_total": total}, headers=match)
        if behind:
            assert response.status_code == 412, response.text
        elif place.withdrawn or total < self.market.taken(place):
            assert response.status_code == 409, response.text
        else:
            assert response.status_code == 200, response.text
            place.total = total
            place.version += 1

    @rule(which=any_of)
    def attest(self, which: int) -> None:
        place = self._place(which)
        response = self._send("POST", f"/v1/openings/{place.id}/attest")
        assert response.status_code == (409 if place.withdrawn else 200), response.text
        place.fresh = place.fresh or not place.withdrawn

    @rule(which=any_of)
    def go_stale(self, which: int) -> None:
        place = self._place(which)
        stale = "UPDATE openings SET fresh_until = clock_timestamp() - interval '1 ms' WHERE id = $1"
        self.world.run(self.world.superuser.execute(stale, UUID(place.id)))
        place.fresh = False

    @precondition(lambda self: len(self.market.places) > 3)
    @rule(which=any_of)
    def withdraw(self, which: int) -> None:
        place = self._place(which)
        response = self._send("POST", f"/v1/openings/{place.id}/withdraw")
        assert response.status_code == 200, response.text
        place.version += not place.withdrawn
        place.withdrawn = True

    # What workers do.

    @rule(which=any_of, many=units, whom=for_whom)
    def claim_a_place(self, which: int, many: int, whom: str) -> None:
        self._claim([Ask(many, self._place(which))], whom)

    @rule(category=st.sampled_from(["housing", "treatment"]), many=units, whom=for_whom, survivors=st.booleans())
    def find_and_claim(self, category: str, many: int, whom: str, survivors: bool) -> None:
        self._claim([Ask(many, category=category, survivors=survivors)], whom)

    @rule(asked=st.lists(st.tuples(units, st.sampled_from(HOW), any_of), min_size=2, max_size=3), whom=for_whom)
    def claim_a_bundle(self, asked: list[tuple[int, str, int]], whom: str) -> None:
        asks = [
            Ask(many, self._place(which)) if how == "named" else Ask(many, category=how) for many, how, which in asked
        ]
        self._claim(asks, whom)

    @rule(which=any_of)
    def a_shelter_names_somebody(self, which: int) -> None:
        body = {"participant": self.participant, "items": [{"opening_id": self._place(which).id}]}
        response = self._send("POST", "/v1/claims", role=Role.OUTREACH_WORKER, json=body)
        assert response.status_code == 422, response.text

    def _claim(self, asks: Sequence[Ask], whom: str) -> None:
        items: list[dict[str, Any]] = [
            {"opening_id": ask.place.id, "units": ask.units}
            if ask.place
            else {"find": {"category": ask.category, "units": ask.units, "prefers": ["survivors"] * ask.survivors}}
            for ask in asks
        ]
        named = whom == "somebody"
        body = {"items": items} | ({"participant": self.participant} if named else {})
        role = Role.OUTREACH_WORKER if whom == "nobody of a shelter's" else Role.CASE_MANAGER
        response = self._send("POST", "/v1/claims", role=role, json=body)
        if self.market.can_place(asks):
            assert response.status_code == 201, response.text
            self._held(asks, response.json()["claims"], named=named)
        else:
            assert response.status_code == 409, response.text
            refusal = response.json()
            self.refused_items += len(refusal["refused"])
            self._can_be_claimed(refusal["alternatives"], asks)

    def _held(self, asks: Sequence[Ask], claims: list[dict[str, Any]], *, named: bool) -> None:
        places = {place.id: place for place in self.market.places}
        chosen = [places[claim["opening_id"]] for claim in claims]
        assert self.market.fits(zip(asks, chosen, strict=True))
        anonymous = not named or any(place.confidential for place in chosen)
        for ask, place, claim in zip(asks, chosen, claims, strict=True):
            assert claim["units"] == ask.units
            assert (claim["participant"] == self.participant) is not anonymous
            self.market.holds.append(Hold(claim["id"], claim["bundle_id"], place, ask.units, anonymous, ask.survivors))

    def _can_be_claimed(self, alternatives: list[dict[str, Any]], asks: Sequence[Ask]) -> None:
        board = self.market.board()
        for offered in alternatives:
            least = 1 if offered["relaxed"] == "units" else asks[offered["item"]].units
            assert board.get(offered["opening_id"], 0) == offered["units_open"] >= least

    # What becomes of claims.

    @precondition(lambda self: any(hold.state in ONWARD for hold in self.market.holds))
    @rule(which=any_of)
    def go_on(self, which: int) -> None:
        under_way = [hold for hold in self.market.holds if hold.state in ONWARD]
        hold = under_way[which % len(under_way)]
        self._step(hold, *ONWARD[hold.state])

    @precondition(lambda self: self.market.holds)
    @rule(which=any_of, step=st.sampled_from(STEPS))
    def take_any_step(self, which: int, step: tuple[str, str]) -> None:
        self._step(self._hold(which), *step)

    def _step(self, hold: Hold, verb: str, to: str) -> None:
        response = self._send("POST", f"/v1/claims/{hold.id}/{verb}")
        if hold.state == to:
            assert response.status_code == 200, response.text
        elif to in NEXT.get(hold.state, ()):
            assert response.status_code == 200, response.text
            hold.state = to
            self.market.kept[hold.place.organization_id] += to == "arrived"
        else:
            assert response.status_code == 409, response.text
        assert response.json()["state"] == hold.state

    @precondition(lambda self: self.market.holds)
    @rule(which=any_of)
    def extend(self, which: int) -> None:
        hold = self._hold(which)
        response = self._send("POST", f"/v1/claims/{hold.id}/extend")
        if hold.state == "held" and hold.extensions < MAX_EXTENSIONS:
            assert response.status_code == 200, response.text
            hold.extensions += 1
        else:
            assert response.status_code == 409, response.text

    @precondition(lambda self: self.market.holds)
    @rule(which=any_of, reason=st.sampled_from(REASONS), place=st.booleans())
    def decline(self, which: int, reason: str, place: bool) -> None:
        hold = self._hold(which)
        response = self._send("POST", f"/v1/claims/{hold.id}/decline", json={"reason": reason, "replace": place})
        if "declined" not in NEXT.get(hold.state, ()):
            assert response.status_code == 409, response.text
            return
        assert response.status_code == 200, response.text
        hold.state = "declined"
        if DECLINE_REASONS[reason].place_gone:
            hold.place.total -= hold.units
            hold.place.version += 1
            self.market.broken[hold.place.organization_id] += 1
        declined = response.json()
        elsewhere = self.market.instead_of(hold, barred=DECLINE_REASONS[reason].bars_organization)
        assert declined["replaced"] is (place and bool(elsewhere))
        if declined["replaced"]:
            given = declined["replacement"]
            assert (given["bundle_id"], given["replaces_id"]) == (hold.bundle_id, hold.id)
            [where] = [each for each in elsewhere if each.id == given["opening_id"]]
            self.market.holds.append(
                Hold(given["id"], hold.bundle_id, where, hold.units, hold.anonymous, hold.survivors)
            )
        else:
            assert bool(declined["alternatives"]) >= bool(elsewhere)
            self._can_be_claimed(declined["alternatives"], [Ask(hold.units)])

    @precondition(lambda self: any(hold.state == "held" for hold in self.market.holds))
    @rule(which=any_of)
    def let_a_hold_lapse(self, which: int) -> None:
        held = [hold for hold in self.market.holds if hold.state == "held"]
        hold = held[which % len(held)]
        self.world.run(self._move_the_clock_past(hold))
        hold.state = "expired"

    async def _move_the_clock_past(self, hold: Hold) -> None:
        async with self.world.superuser.transaction():
            await self.world.superuser.execute("SET LOCAL session_replication_role = replica")
            await self.world.superuser.execute(LAPSE, UUID(hold.id))

    @rule()
    def sweep(self) -> None:
        self.world.run(sweep_lapsed_holds(self.world.house.app.state.house.database))

    @rule(which=st.integers(0, 99))
    def send_again(self, which: int) -> None:
        sent = self.sent[which % len(self.sent)]
        again = self.world.run(self.program.call(sent.method, sent.path, role=sent.role, key=sent.key, **sent.request))
        assert (again.status_code, again.content) == (sent.answer.status_code, sent.answer.content)
        assert again.headers.get("etag") == sent.answer.headers.get("etag")

    # What must hold after each of these.

    @invariant()
    def every_opening_reads_as_the_model_has_it(self) -> None:
        seen = {}
        for owner in {service["organization_id"] for service in self.services}:
            for opening in self._get(f"/v1/organizations/{owner}/openings?limit=200")["items"]:
                assert opening["units_open"] == opening["units_total"] - opening["units_taken"] >= 0
                seen[opening["id"]] = (opening["units_total"], opening["units_taken"], opening["version"])
        assert seen == {p.id: (p.total, self.market.taken(p), p.version) for p in self.market.places}

    @invariant()
    def a_search_finds_exactly_what_can_be_claimed(self) -> None:
        found = self._get("/v1/openings?limit=200")["items"]
        assert {each["id"]: each["units_open"] for each in found} == self.market.board()

    @invariant()
    def every_claim_reads_as_the_model_has_it(self) -> None:
        claims = self._get("/v1/claims?limit=200")["items"]
        seen = {each["id"]: (each["opening_id"], each["units"], each["state"], each["extensions"]) for each in claims}
        assert seen == {h.id: (h.place.id, h.units, h.state, h.extensions) for h in self.market.holds}
        nameless = {each["id"] for each in claims if each["participant"] != self.participant}
        assert nameless == {h.id for h in self.market.holds if h.anonymous}

    @invariant()
    def the_database_counts_as_it_must(self) -> None:
        for row in self.world.run(self.world.superuser.fetch(COUNTS, self.program.id)):
            assert row["units_taken"] == row["counted"] <= row["units_total"]
            # Later than the first lapse, it would keep a lapsed hold in the way.
            assert row["first_lapse"] is None or row["next_lapse_at"] <= row["first_lapse"]
        row = self.world.run(self.world.superuser.fetchrow(CLAIMS, self.program.id))
        assert row is not None
        assert row["claims"] == row["told"] == row["trailed"] == len(self.market.holds)
        assert row["unmet"] == self.refused_items

    @invariant()
    def promises_are_counted(self) -> None:
        counts = "SELECT id, promises_kept, promises_broken FROM organizations WHERE program_id = $1"
        for row in self.world.run(self.world.superuser.fetch(counts, self.program.id)):
            expected = self.market.kept[str(row["id"])], self.market.broken[str(row["id"])]
            assert (row["promises_kept"], row["promises_broken"]) == expected


@pytest.mark.timeout(300)
def test_any_order_of_operations_leaves_the_market_as_the_model_has_it(world: World) -> None:
    run_state_machine_as_test(
        lambda: Trade(world),  # type: ignore[arg-type]  # it takes any factory
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            derandomize=True,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
