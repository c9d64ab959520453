"""What providers and case managers have in common: they act by the dice until time is up."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from app.simulate.city import dice
from app.simulate.client import Client, Unanswered
from app.simulate.journal import Finding, Journal
from app.simulate.meter import Meter

Action = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Scene:
    """What all actors of a run share."""

    seed: int
    worker: Client
    """Calls with the case managers' key."""
    provider: Client
    """Calls with the providers' key."""
    meter: Meter
    journal: Journal = field(default_factory=Journal)
    until: float = 0.0

    def start(self, duration: float) -> None:
        """From now, for so many seconds."""
        self.until = time.monotonic() + duration

    def over(self) -> bool:
        """Whether time is up."""
        return time.monotonic() >= self.until


class Actor:
    """Someone who does one thing after another; `pause` is how many seconds they take between on average."""

    pause: float

    def __init__(self, scene: Scene, who: str) -> None:
        self.scene = scene
        self.journal = scene.journal
        self.random = dice(scene.seed, who)

    def actions(self) -> list[tuple[Action, float]]:
        """What they may do next, and how likely each is."""
        raise NotImplementedError

    async def run(self) -> None:
        """Act until time is up. What goes wrong on the way is noted, and the next thing done."""
        while not self.scene.over():
            actions, weights = zip(*self.actions(), strict=True)
            await self.attempt(self.random.choices(actions, weights)[0])
            await asyncio.sleep(self.random.uniform(0, 2 * self.pause))

    async def attempt(self, action: Action) -> None:
        """Do one thing, and note a call that got no answer, or one that can't be read."""
        try:
            await action()
        except Unanswered as error:
            self.journal.findings.append(Finding("every call gets an answer", str(error)))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            self.journal.findings.append(Finding("answers are as documented", f"{action.__name__}: {error!r}"))
