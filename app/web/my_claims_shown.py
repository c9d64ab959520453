"""A worker's claims as pages show them: each with its place and what replaced it, bundles together, by haste."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.market.claims import get_claim, list_claims
from app.market.openings import program_policy
from app.market.own_claims import current
from app.market.places import Place, places
from app.market.vocabulary import ClaimState
from app.web.languages import N_

BUNDLE = 50
"""More claims than one call makes with all that ever replaced them."""
LOOK_AGAIN = timedelta(hours=2)
"""How long a place that was lost stays up where it asks for another."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A claim on a page. `data` is what the API answers of it."""

    data: dict[str, Any]
    place: Place
    replacement: UUID | None
    extensions_left: int

    @property
    def state(self) -> str:
        """Where it is in its life."""
        state: str = self.data["state"]
        return state

    @property
    def lost(self) -> bool:
        """Whether the person has no place by it, and not by their own choice: another should be found."""
        return self.state == ClaimState.EXPIRED or (self.state == ClaimState.DECLINED and not self.replacement)


@dataclass(frozen=True, slots=True)
class Together:
    """The claims of one call, the most urgent first."""

    code: str
    claims: Sequence[Shown]

    @property
    def held(self) -> int:
        """How many of them are held and not confirmed yet."""
        return sum(each.state == ClaimState.HELD for each in self.claims)


SECTIONS = {
    "held": N_("Held: confirm in time"),
    "lost": N_("Look for another place"),
    "coming": N_("On the way"),
    "there": N_("Arrived"),
    "over": N_("Ended lately"),
}
"""What the parts of the page are called, in order of haste."""


async def shown(session: AsyncSession, caller: Caller, claims: Sequence[dict[str, Any]]) -> list[Shown]:
    """The claims with their places. What replaces one of them must be among them: it is of the same bundle."""
    found = await places(session, caller, [each["opening_id"] for each in claims])
    most = (await program_policy(session, caller.program_id)).max_extensions
    instead = {each["replaces_id"]: each["id"] for each in claims if each["replaces_id"]}
    return [
        Shown(each, found[each["opening_id"]], instead.get(each["id"]), max(0, most - each["extensions"]))
        for each in claims
    ]


async def one(session: AsyncSession, caller: Caller, claim_id: UUID) -> tuple[Shown, list[Shown]]:
    """A claim, and the others of its bundle. Raises NotFound for one that the caller may not see."""
    claim = await get_claim(session, caller, claim_id)
    bundle = await list_claims(session, caller, bundle_id=claim["bundle_id"], limit=BUNDLE)
    if all(each["id"] != claim_id for each in bundle):
        bundle.append(claim)
    found = await shown(session, caller, bundle)
    it = next(each for each in found if each.data["id"] == claim_id)
    return it, [each for each in found if each is not it]


async def listed(
    session: AsyncSession, caller: Caller, moment: datetime, *, mine: bool
) -> list[tuple[str, list[Together]]]:
    """The claims that go on, by section; a bundle is whole, in the section of its most urgent claim."""
    found = await shown(session, caller, await current(session, caller, mine=mine))
    bundles: dict[UUID, list[Shown]] = {}
    for each in found:
        bundles.setdefault(each.data["bundle_id"], []).append(each)
    placed: dict[str, list[tuple[datetime, Together]]] = {name: [] for name in SECTIONS}
    for claims in bundles.values():
        # A claim that was replaced is told of on the one that replaces it.
        visible = [each for each in claims if each.replacement is None] or claims
        ranked = sorted(visible, key=lambda each: _haste(each, found, moment))
        section, _, when = _haste(ranked[0], found, moment)
        placed[list(SECTIONS)[section]].append((when, Together(ranked[0].data["participant"], ranked)))
    return [
        (name, [each for _, each in sorted(entries, key=lambda entry: entry[0], reverse=name != "held")])
        for name, entries in placed.items()
        if entries
    ]


def _haste(claim: Shown, among: Iterable[Shown], moment: datetime) -> tuple[int, float, datetime]:
    """The section it belongs in, how it ranks there, and the time that counts."""
    data = claim.data
    if claim.state == ClaimState.HELD:
        return 0, data["hold_until"].timestamp(), data["hold_until"]
    if claim.state == ClaimState.CONFIRMED:
        return 2, -data["confirmed_at"].timestamp(), data["confirmed_at"]
    if claim.state == ClaimState.ARRIVED:
        return 3, -data["arrived_at"].timestamp(), data["arrived_at"]
    wanting = claim.lost and data["ended_at"] > moment - LOOK_AGAIN and not _placed_since(claim, among)
    return (1 if wanting else 4), -data["ended_at"].timestamp(), data["ended_at"]


def _placed_since(claim: Shown, among: Iterable[Shown]) -> bool:
    """Whether the same person has been found a place of the same kind after this one."""
    return any(
        other.data["participant"] == claim.data["participant"]
        and other.data["category"] == claim.data["category"]
        and other.data["held_at"] > claim.data["held_at"]
        and not other.data["ended_at"]
        for other in among
    )
