"""A provider: publishes openings, keeps them true or forgets to, and receives the people who come."""

from typing import Any

from app.simulate import city
from app.simulate.actor import Action, Actor, Scene
from app.simulate.client import Answer
from app.simulate.facts import SECOND, Claim, micros, rfc3339

PAUSE = 0.1
AT_MOST = 8
"""How many openings one provider keeps on the board."""
STALE_TAG = '"v0"'


class Refused(Exception):
    """What the simulation can't do without was refused."""


def must(answer: Answer, what: str) -> Any:
    """What a call made that must succeed. Raises Refused."""
    if not answer.done:
        raise Refused(f"{what}: the server answered {answer.status}, {answer.detail()}")
    return answer.json()


class Provider(Actor):
    """One provider, its services and its openings."""

    pause = PAUSE

    def __init__(self, scene: Scene, number: int) -> None:
        super().__init__(scene, f"provider {number}")
        self._client = scene.provider
        self._services: list[tuple[str, city.Kind]] = []
        self._openings: list[str] = []
        self._withdrawn: list[str] = []

    def actions(self) -> list[tuple[Action, float]]:
        """What a provider does, and how often."""
        return [
            (self.receive, 40),
            (self.adjust, 18),
            (self.change, 10),
            (self.attest, 10),
            (self.let_lapse, 5),
            (self.publish, 6),
            (self.withdraw, 2),
        ]

    async def move_in(self, organization_id: str | None) -> None:
        """Make what a provider needs before it can publish, and publish. Raises Refused, Unanswered."""
        if organization_id is None:
            made = await self._client.send("set up", "POST", "/v1/organizations", city.organization(self.random))
            organization_id = must(made, "An organization could not be added")["id"]
        for _ in range(2):
            body = city.location(self.random, organization_id)
            made = await self._client.send("set up", "POST", "/v1/locations", body)
            location_id = must(made, "A location could not be added")["id"]
            body, kind = city.service(self.random, organization_id, location_id)
            made = await self._client.send("set up", "POST", "/v1/services", body)
            self._services.append((must(made, "A service could not be added")["id"], kind))
            await self.publish()
        if not self._openings:
            raise Refused("No opening could be published: see the errors in the table.")

    def _soon(self, least: float, most: float) -> str:
        return rfc3339(self.journal.clock.server_now() + int(self.random.uniform(least, most) * SECOND))

    async def publish(self) -> None:
        """Publish an opening; some with short holds, some that are stale or over in seconds."""
        if len(self._openings) >= AT_MOST:
            return
        service_id, kind = self.random.choice(self._services)
        body: dict[str, Any] = {
            "service_id": service_id,
            "unit": kind.unit,
            "units_total": self.random.choice((1, 1, 2, 3, 4, 6, 10)),
        }
        if self.random.random() < 0.5:
            body["hold_minutes"] = self.random.choice((1, 1, 15))
        if self._openings and self.random.random() < 0.3:
            # Holds lapse when the opening ends: so that short runs see holds lapse too.
            body[self.random.choice(("fresh_until", "ends_at"))] = self._soon(2, 5)
        answer = await self._client.send("publish", "POST", "/v1/openings", body)
        if answer.done:
            published = answer.json()
            self.journal.clock.learn(answer.sent, micros(published["attested_at"]), answer.received)
            self._openings.append(self.journal.note_change(published, answer.sent, answer.received).id)

    async def adjust(self) -> None:
        """Count some more or some fewer."""
        by = self.random.choice((-2, -1, -1, 1, 1, 2))
        path = f"/v1/openings/{self.random.choice(self._openings)}/adjust"
        answer = await self._client.send("adjust", "POST", path, {"by": by})
        if answer.done:
            self.journal.note_change(answer.json(), answer.sent, answer.received)

    async def change(self) -> None:
        """Read an opening, and change it unless somebody else did."""
        path = f"/v1/openings/{self.random.choice(self._openings)}"
        read = await self._client.get("read opening", path)
        if not read.done:
            return
        opening = self.journal.note_look(read.json(), read.received)
        change = self.random.choice(
            (
                {"units_total": opening.units_taken + self.random.randint(0, 3)},
                {"hold_minutes": self.random.choice((1, 15, None))},
                {"ends_at": self._soon(2, 5)},
                {"ends_at": None},
                {"attributes": {"step_free": self.random.choice(("yes", "no"))}},
            )
        )
        tag = STALE_TAG if self.random.random() < 0.1 else read.etag or "*"
        answer = await self._client.send("change", "PATCH", path, change, headers={"If-Match": tag})
        if answer.done:
            self.journal.note_change(answer.json(), answer.sent, answer.received)

    async def attest(self) -> None:
        """Give its word for an opening again, most likely one whose word has lapsed by now."""
        await self._attest(None)

    async def let_lapse(self) -> None:
        """Give its word for a second or two only: then nobody may claim until it is given again."""
        await self._attest({"fresh_until": self._soon(0.2, 2)})

    async def _attest(self, body: dict[str, Any] | None) -> None:
        path = f"/v1/openings/{self.random.choice(self._openings)}/attest"
        answer = await self._client.send("attest", "POST", path, body)
        if answer.done:
            attested = answer.json()
            self.journal.clock.learn(answer.sent, micros(attested["attested_at"]), answer.received)
            self.journal.note_look(attested, answer.received)

    async def withdraw(self) -> None:
        """Take an opening off the board for good. Whoever holds a place there still comes."""
        if len(self._openings) < 2:
            return
        opening_id = self.random.choice(self._openings)
        self._openings.remove(opening_id)
        self._withdrawn.append(opening_id)
        answer = await self._client.send("withdraw", "POST", f"/v1/openings/{opening_id}/withdraw")
        if answer.done:
            self.journal.note_change(answer.json(), answer.sent, answer.received)

    async def receive(self) -> None:
        """Look who holds a place, and say what became of some of them."""
        opening_id = self.random.choice(self._openings + self._withdrawn)
        state = self.random.choice(("confirmed", "confirmed", "arrived", "held"))
        answer = await self._client.get(
            "list claims", "/v1/claims", {"opening_id": opening_id, "state": state, "limit": 20}
        )
        if not answer.done:
            return
        claims = answer.json()["items"]
        for claim in self.random.sample(claims, k=min(3, len(claims))):
            verb = self._what_became(state)
            if verb == "decline":
                await self._decline(claim)
            elif verb is not None:
                done = await self._client.send(verb, "POST", f"/v1/claims/{claim['id']}/{verb}")
                if done.done:
                    self.journal.seen.append(Claim.read(done.json()))

    def _what_became(self, state: str) -> str | None:
        verbs, weights = {
            "held": (("decline", None), (5, 95)),
            "confirmed": (("arrive", "no-show", "decline", None), (68, 12, 12, 8)),
            "arrived": (("complete", None), (60, 40)),
        }[state]
        return self.random.choices(verbs, weights)[0]

    async def _decline(self, claim: dict[str, Any]) -> None:
        reason = self.random.choice(city.TO_DECLINE)
        body = {"reason": reason, "replace": self.random.random() < 0.5}
        answer = await self._client.send("decline", "POST", f"/v1/claims/{claim['id']}/decline", body)
        if not answer.done:
            return
        declined = answer.json()
        self.journal.seen.append(Claim.read(declined))
        if declined["replacement"] is not None:
            self.journal.given.append(Claim.read(declined["replacement"]))
        published = self.journal.openings.get(claim["opening_id"])
        if reason in city.PLACE_GONE and published is not None:
            # It took the place off the count, but its answer doesn't tell the total: so look.
            published.changes += 1
            look = await self._client.get("read opening", f"/v1/openings/{claim['opening_id']}")
            if look.done:
                self.journal.note_look(look.json(), look.received)
