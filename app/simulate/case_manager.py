"""A case manager: claims places for people, tries again when the line is bad, and sees each claim through or not."""

import asyncio
from typing import Any

from app.simulate import city
from app.simulate.actor import Action, Actor, Scene
from app.simulate.client import Answer
from app.simulate.facts import Claim
from app.simulate.journal import Asked, Finding, Told

PAUSE = 0.05
NAMELESS = 0.1
"""How many of their calls name nobody: the place is held before it is known for whom."""
REMEMBERED = 200
"""How many of their last calls they may repeat."""
ANOTHER_BODY = frozenset({422})


class CaseManager(Actor):
    """One case manager and the claims that they are to see through."""

    pause = PAUSE

    def __init__(self, scene: Scene, number: int) -> None:
        super().__init__(scene, f"case manager {number}")
        self._client = scene.worker
        self._participant: str | None = None
        self._in_hand: list[Claim] = []
        self._asked: list[Asked] = []

    def actions(self) -> list[tuple[Action, float]]:
        """What a case manager does, and how often. There must be a claim before there is anything else to do."""
        first: list[tuple[Action, float]] = [
            (self.claim_what_search_shows, 30),
            (self.claim_what_can_be_found, 15),
            (self.claim_several, 12),
        ]
        if not self._asked:
            return first
        again: list[tuple[Action, float]] = [
            (self.ask_again, 4),
            (self.ask_something_else_with_the_same_key, 1),
        ]
        return first + again + ([(self.follow_up, 38)] if self._in_hand else [])

    async def _person(self) -> str | None:
        if self.random.random() < NAMELESS:
            return None
        if self._participant is None or self.random.random() < 0.7:
            answer = await self._client.send("add participant", "POST", "/v1/participants", {})
            self._participant = str(answer.json()["code"])
            self.journal.participants.add(self._participant)
        return self._participant

    async def _search(self) -> dict[str, Any] | None:
        """An item for one of the first openings that a search shows: where everybody else looks too."""
        need = city.need(self.random)
        answer = await self._client.get("search", "/v1/openings", {**city.query(need), "limit": 10})
        found = answer.json()["items"] if answer.done else []
        if not found:
            return None
        opening = self.random.choice(found[:4])
        return {"opening_id": opening["id"], "units": need.get("units", 1)}

    async def claim_what_search_shows(self) -> None:
        """Search, then claim one of the best."""
        if (item := await self._search()) is not None:
            await self._claim([item])

    async def claim_what_can_be_found(self) -> None:
        """Leave it to the server to find a place."""
        await self._claim([{"find": city.need(self.random)}])

    async def claim_several(self) -> None:
        """Two or three things in one call, named or to be found."""
        items = []
        for _ in range(self.random.randint(2, 3)):
            named = await self._search() if self.random.random() < 0.5 else None
            items.append(named or {"find": city.need(self.random)})
        await self._claim(items)

    async def _claim(self, items: list[dict[str, Any]]) -> None:
        answer = await self._ask(items)
        if answer.status == 409 and self.random.random() < 0.5:
            alternatives = answer.json().get("alternatives", [])
            if alternatives:
                await self._ask([{"opening_id": alternatives[0]["opening_id"], "units": 1}])

    async def _ask(self, items: list[dict[str, Any]]) -> Answer:
        asked = Asked(self._client.new_key(), await self._person(), items)
        self.journal.asked.append(asked)
        luck = self.random.random()
        if luck < 0.05:
            # A double click: both are under way at once, and must get one and the same answer.
            answers = [*await asyncio.gather(self._send(asked), self._send(asked))]
        else:
            # Cut off somewhere between sending and the answer: so nobody here knows whether it was held.
            cut_off = self.random.uniform(0.001, 0.02) if luck < 0.10 else None
            answers = [await self._send(asked, cut_off)]
            if luck > 0.97:
                answers.append(await self._send(asked))
        first = answers[0]
        asked.answers += [Told(each.status, each.body) for each in answers]
        self._asked = [*self._asked[-REMEMBERED:], asked]
        if first.status == 201:
            claims = [Claim.read(claim) for claim in first.json()["claims"]]
            self.journal.clock.learn(first.sent, claims[0].held_at, first.received)
            self.scene.meter.claimed(len(claims))
            self._in_hand += claims
        return first

    async def _send(self, asked: Asked, cut_off: float | None = None, kind: str = "claim") -> Answer:
        body = {"participant": asked.participant, "items": asked.items}
        return await self._client.send(kind, "POST", "/v1/claims", body, key=asked.key, give_up_first_after=cut_off)

    async def ask_again(self) -> None:
        """Repeat a call that was answered long since."""
        asked = self.random.choice(self._asked)
        answer = await self._send(asked, kind="claim again")
        asked.answers.append(Told(answer.status, answer.body))

    async def ask_something_else_with_the_same_key(self) -> None:
        """A client's mistake that must be refused: the answer would be another request's."""
        asked = self.random.choice(self._asked)
        body = {"participant": asked.participant, "items": [*asked.items, {"find": {"category": "food"}}]}
        answer = await self._client.send("claim amiss", "POST", "/v1/claims", body, key=asked.key, expect=ANOTHER_BODY)
        if answer.status not in ANOTHER_BODY:
            what = f"{asked.key} was used for another request, and answered {answer.status} instead of 422"
            self.journal.findings.append(Finding("a key belongs to one request", what))

    async def follow_up(self) -> None:
        """See one claim through: confirm, extend or release it, or forget all about it."""
        claim = self.random.choice(self._in_hand)
        if claim.state == "confirmed":
            verb = self.random.choices(("release", None), (1, 6))[0]
        else:
            verb = self.random.choices(("confirm", "extend", "release", None), (60, 8, 15, 17))[0]
        self._in_hand.remove(claim)
        if verb is None:
            return
        answer = await self._client.send(verb, "POST", f"/v1/claims/{claim.id}/{verb}")
        if answer.done:
            seen = Claim.read(answer.json())
            self.journal.seen.append(seen)
            if seen.state in {"held", "confirmed"}:
                self._in_hand.append(seen)
