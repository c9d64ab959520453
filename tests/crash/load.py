"""Claims without pause under known keys, and what each key was answered: the client's side of a crash."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from httpx import Response, TransportError

from app.access.roles import Role
from tests.support import Program

CLIENTS = 12

Body = dict[str, Any]
Answer = tuple[int, bytes]


@dataclass(slots=True)
class Load:
    """What was asked and answered so far, over all crashes. `open` are the calls that nobody knows the fate of."""

    draw: random.Random
    openings: list[str]
    participants: list[str]
    answered: dict[str, tuple[Body, Answer]] = field(default_factory=dict)
    open: dict[str, Body] = field(default_factory=dict)
    failures: Counter[tuple[int, str]] = field(default_factory=Counter)
    _answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, program: Program) -> None:
        """Claim and claim with several clients at once, each until a call of its fails."""
        await asyncio.gather(*(self._client(program) for _ in range(CLIENTS)))

    async def until_answered(self, count: int) -> None:
        """Wait for so many answers more."""
        wanted = len(self.answered) + count
        async with asyncio.timeout(60):
            while len(self.answered) < wanted:
                self._answer.clear()
                await self._answer.wait()

    async def _client(self, program: Program) -> None:
        while True:
            key, body = str(uuid4()), self._body()
            self.open[key] = body
            try:
                response = await ask(program, key, body)
            except TransportError:
                return
            if response.status_code not in {201, 409}:
                self.failures[response.status_code, response.text] += 1
                return
            self.answered[key] = (self.open.pop(key), (response.status_code, response.content))
            self._answer.set()

    def _body(self) -> Body:
        named = self.draw.sample(self.openings, self.draw.randint(1, 3))
        items: list[Body] = [{"opening_id": opening, "units": self.draw.randint(1, 2)} for opening in named]
        if self.draw.random() < 0.2:
            items[-1] = {"find": {"category": "housing", "units": 1}}
        return {"participant": self.draw.choice(self.participants), "items": items}


async def ask(program: Program, key: str, body: Body) -> Response:
    """One claim under its key."""
    return await program.call("POST", "/v1/claims", role=Role.CASE_MANAGER, key=key, json=body)


async def new_load(program: Program, seed: int, units_total: int) -> Load:
    """A load on a few openings with so many units each."""
    service = await program.service()
    openings = [(await program.opening(units_total, service=service))["id"] for _ in range(4)]
    return Load(random.Random(seed), openings, [await program.participant() for _ in range(3)])
