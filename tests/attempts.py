"""Calls of the API's routes, each by one caller on one thing, as tests/expectations.py has them."""

import asyncio
import json
import re
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

from httpx import Response

from app.access.roles import Role
from tests.lines import AGENCY, PROVIDER, Line, Org, Reach
from tests.whole_world import MAKE, Side, marks, terms

NAMES = re.compile(r"\{([a-z_]+)\}")
AT_ONCE = 8

Made = TypeVar("Made")


@dataclass(slots=True)
class World:
    """The program that is called, and another one in the same database."""

    here: Side
    elsewhere: Side


async def together(calls: list[Coroutine[Any, Any, Made]]) -> list[Made]:
    """Several calls at a time."""
    few = asyncio.Semaphore(AT_ONCE)

    async def one(call: Coroutine[Any, Any, Made]) -> Made:
        async with few:
            return await call

    return await asyncio.gather(*map(one, calls))


@dataclass(slots=True)
class Attempt:
    """One caller's call of a route, on a thing of the world's `here`; and what was asked and answered."""

    route: str
    line: Line
    reach: Reach
    role: Role
    side: Side
    world: World
    things: dict[str, str] = field(default_factory=dict)
    asked: str = ""
    response: Response | None = None

    @property
    def abroad(self) -> bool:
        """Whether the caller is of another program."""
        return self.side is self.world.elsewhere

    @property
    def body(self) -> Any:
        """What is sent, before anything is filled in."""
        if not self.reach.nameless:
            return self.line.body
        return {name: each for name, each in self.line.body.items() if name != "participant"}

    @property
    def named(self) -> set[str]:
        """The things of somebody's that the path and the body name."""
        names = set(NAMES.findall(f"{self.route} {json.dumps(self.body)}"))
        return names & {*MAKE, "terms"} if not self.line.names else set()

    @property
    def expected(self) -> bool:
        """Whether the table lets this caller reach this thing."""
        return self.role in self.reach.roles and not (self.abroad and self.named)

    @property
    def safe(self) -> bool:
        """Whether it only reads."""
        return self.route.startswith("GET ")

    def __str__(self) -> str:
        where = "another program" if self.abroad else f"the {self.reach.standing}"
        answer = "" if self.response is None else f": {self.response.status_code} {self.response.text[:600]}"
        return f"{self.route} as {self.role} of {where}, on what is the {self.reach.whose}'s{answer}"

    async def value(self, name: str) -> str:
        """What stands for a name in the path or the body. What a caller may change is made for them alone."""
        here = self.world.here
        others = {
            "hmis_id": here.standing[AGENCY, "hmis_id"],
            "issuer": here.issuer,
            "program": here.slug,
            "new_email": f"new-{uuid4().hex}@example.org",
        }
        if name in others:
            return others[name]
        fresh = self.expected and not self.safe
        whose = self.reach.whose
        if name in {"referral_id", "watch_id", "webhook_id"} and self.reach.by_caller and self.expected:
            return await self.side.thing(name, self.reach.standing, state=self.role, fresh=True)
        if self.line.names:
            # A name of each program's own: nobody else's test may meet what is made under it here.
            return await here.thing(name, Org.PROSECUTION)
        if name not in NAMES.findall(self.route):
            # What only the body names: a place of the provider's, somebody of the agency's.
            whose = PROVIDER if name in {"opening_id", "service_id"} else whose
            whose = AGENCY if name == "named" else whose
            fresh = False
        return await here.thing(name, whose, state=self.line.claim, fresh=fresh)

    async def filled(self, form: Any) -> Any:
        """A path or a body with everything in it that it names."""
        if form == "{terms}":
            return terms(self.world.here, self.reach.whose)
        if isinstance(form, dict):
            return {name: await self.filled(each) for name, each in form.items()}
        if isinstance(form, list):
            return [await self.filled(each) for each in form]
        if not isinstance(form, str):
            return form
        for name in NAMES.findall(form):
            if name not in self.things:
                self.things[name] = await self.value(name)
            form = form.replace(f"{{{name}}}", self.things[name])
        return form

    async def prepare(self) -> tuple[str, Any, Any]:
        """What is asked: method with path, body, and parameters. All that they name is there."""
        asked, body = await self.filled(self.route), await self.filled(self.body)
        return asked, body, await self.filled(dict(self.line.params))

    async def made(self) -> "Attempt":
        """The call, made."""
        asked, body, params = await self.prepare()
        method, path = asked.split(" ")
        self.asked = f"{path} {json.dumps(body)} {json.dumps(params)}"
        form = {"data": self.line.form} if self.line.form else {}
        if self.line.rows is not None:
            params["limit"] = "200"
        self.response = await self.side.call(self.reach.standing, self.role, method, path, body, params=params, **form)
        return self

    @property
    def answer(self) -> Response:
        """What was answered: never a fault of ours."""
        assert self.response is not None
        assert self.response.status_code < 500, str(self)
        return self.response

    def told(self) -> set[str]:
        """Every mark in the answer, headers included, that was not in the question."""
        headers = "\n".join(value.decode("latin-1") for _, value in self.answer.headers.raw)
        return marks(f"{headers}\n{self.answer.text}") - marks(self.asked)


def attempts(world: World, route: str, line: Line) -> Iterator[Attempt]:
    """Everybody who calls a route: from each place of its line, and from another program."""
    for role in Role:
        for reach in line.reach:
            yield Attempt(route, line, reach, role, world.here, world)
        yield Attempt(route, line, line.reach[0], role, world.elsewhere, world)
