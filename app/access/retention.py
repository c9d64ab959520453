"""Retention: what kinds of data a program keeps for how long, and taking away what is older."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Integer, Select, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.programs import Program
from app.core.database import Database

_BATCH = 5000
"""Rows that one transaction takes away."""

_DAYS_100 = 100
_YEARS_3 = 1096
_YEARS_6 = 2192
LONGEST = 36_525


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of data that has an end.

    `function` is the SQL function that takes away what is older than so many days, at most so many rows of the
    transaction's program, leaves `retention.ran`, and answers how many went. `days` is the default, None for ever;
    no program can set fewer than `at_least`, which the function holds too.
    """

    words: str
    function: str
    days: int | None
    at_least: int
    why: str


KINDS: dict[str, Kind] = {
    "trail": Kind(
        "entries of the trail, with their seals",
        "retire_trail",
        _YEARS_6,
        _YEARS_3,
        "six years: HIPAA documentation, 45 CFR 164.316(b)(2), and its accounting of disclosures, 164.528;"
        " never under three: the accounting of 42 CFR 2.25",
    ),
    "events": Kind(
        "events, of which the trail keeps the fact", "retire_events", 90, 7, "a reader catches up in days, not months"
    ),
    "webhook_deliveries": Kind(
        "what was sent to webhooks and has ended, with what was answered",
        "retire_webhook_deliveries",
        30,
        1,
        "whoever looks for what went wrong looks within weeks",
    ),
    "answers": Kind(
        "answers kept by Idempotency-Key", "retire_answers", None, 7, "the same key gives the same answer for ever"
    ),
    "needs": Kind(
        "what an ended claim had asked for",
        "retire_needs",
        30,
        1,
        "it only serves to find another place; minimum necessary, 45 CFR 164.502(b)",
    ),
    "unmet_needs": Kind(
        "unmet needs, which name nobody", "retire_unmet_needs", _YEARS_3, 30, "planning looks back over three budgets"
    ),
    "notices": Kind(
        "notices that were sent or given up",
        "retire_notices",
        30,
        2,
        "long enough to find out why somebody was not told; at least until no look finds the same thing due again",
    ),
    "board": Kind(
        "what was open every quarter of an hour",
        "retire_board",
        _DAYS_100,
        7,
        "to hold this month against the two before it",
    ),
}
"""Every kind, by its name in the policy. A noun with data that must go adds a line here, and its SQL function."""


class RetentionPolicy(BaseModel):
    """How long a program keeps each kind of data."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: dict[str, Annotated[int, Field(ge=1, le=LONGEST)] | None] = Field(
        default_factory=dict,
        max_length=100,
        description=f"Days by kind, null for ever. The kinds: {', '.join(KINDS)}. What is left out has its default.",
    )
    legal_hold: bool = Field(default=False, description="While it is true nothing goes, whatever its age.")

    @model_validator(mode="after")
    def _known(self) -> "RetentionPolicy":
        for name, days in self.days.items():
            if name not in KINDS:
                raise ValueError(f"there is no such kind; the kinds are {', '.join(KINDS)}")
            if days is not None and days < KINDS[name].at_least:
                raise ValueError(f"{name} are kept for at least {KINDS[name].at_least} days")
        return self

    def complete(self) -> "RetentionPolicy":
        """This policy with the default of every kind that it says nothing of."""
        return self.model_copy(update={"days": {name: kind.days for name, kind in KINDS.items()} | self.days})


@dataclass(frozen=True, slots=True)
class Retired:
    """How many of a kind went, or would go; `days` None: it is kept for ever; `held`: by a legal hold."""

    kind: str
    days: int | None
    held: bool
    count: int


async def read_policy(session: AsyncSession, program_id: UUID) -> RetentionPolicy:
    """The policy in force in a program."""
    stored = await session.scalar(select(Program.retention).filter_by(program_id=program_id))
    return RetentionPolicy.model_validate(stored or {}).complete()


async def retire(database: Database, program_id: UUID, actor: str, *, dry_run: bool = False) -> list[Retired]:
    """Take away all that is too old in a program, in transactions of a bounded size. Under a legal hold, nothing.

    With `dry_run` everything is taken back again, in one transaction for each kind.
    """
    async with database.transaction(program_id, actor) as session:
        policy = await read_policy(session, program_id)
    retired = []
    for name, days in policy.days.items():
        count = 0
        if days is not None and not policy.legal_hold:
            statement = select(getattr(func, KINDS[name].function)(cast(days, Integer), cast(_BATCH, Integer)))
            count = await (_would_go if dry_run else _go)(database, program_id, actor, statement)
        retired.append(Retired(name, days, policy.legal_hold, count))
    return retired


async def _go(database: Database, program_id: UUID, actor: str, statement: Select[int]) -> int:
    gone, batch = 0, 1
    while batch:
        async with database.transaction(program_id, actor) as session:
            batch = (await session.execute(statement)).scalar_one()
        gone += batch
    return gone


async def _would_go(database: Database, program_id: UUID, actor: str, statement: Select[int]) -> int:
    gone, batch = 0, 1
    async with database.transaction(program_id, actor) as session:
        tried = await session.begin_nested()
        while batch:
            batch = (await session.execute(statement)).scalar_one()
            gone += batch
        await tried.rollback()
    return gone
