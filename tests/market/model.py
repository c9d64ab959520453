"""A slow, obviously right market in memory: what the real one must look like after every step."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product

OCCUPYING = {"held", "confirmed", "arrived"}
NEXT = {
    "held": {"confirmed", "released", "declined"},
    "confirmed": {"arrived", "released", "declined", "no_show"},
    "arrived": {"completed"},
}
"""Which state a caller may lead a claim to. Expiry is the clock's alone."""
MAX_EXTENSIONS = 2


@dataclass(eq=False)
class Place:
    """An opening. `fresh`: attested until some later time; `confidential`: claimed by one-time codes."""

    id: str
    organization_id: str
    category: str
    total: int
    confidential: bool = False
    fresh: bool = True
    withdrawn: bool = False
    version: int = 1


@dataclass(eq=False)
class Hold:
    """A claim, on the place it was made on. `survivors`: it was found by a need that says so."""

    id: str
    bundle_id: str
    place: Place
    units: int
    anonymous: bool
    survivors: bool = False
    state: str = "held"
    extensions: int = 0


@dataclass(frozen=True)
class Ask:
    """One item of a call: units of a named place, or of any place of a category, one for `survivors` included."""

    units: int
    place: Place | None = None
    category: str | None = None
    survivors: bool = False

    def suits(self, place: Place) -> bool:
        """Whether the place is what is asked for."""
        if self.place:
            return place is self.place
        return place.category == self.category and (self.survivors or not place.confidential)


@dataclass
class Market:
    """Every place and every claim of one program, and how each organization kept its word."""

    places: list[Place] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    kept: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)

    def taken(self, place: Place) -> int:
        """The units that claims take up, counted anew each time."""
        return sum(hold.units for hold in self.holds if hold.place is place and hold.state in OCCUPYING)

    def free(self, place: Place) -> int:
        """The units that can be claimed now: none where nobody vouches for them."""
        return place.total - self.taken(place) if place.fresh and not place.withdrawn else 0

    def board(self) -> dict[str, int]:
        """What a search must find: every place with a free unit, and how many."""
        return {place.id: free for place in self.places if (free := self.free(place)) > 0}

    def choices(self, ask: Ask) -> list[Place]:
        """The places that would do for an item, were it alone."""
        return [place for place in self.places if ask.suits(place) and self.free(place) >= ask.units]

    def can_place(self, asks: Sequence[Ask]) -> bool:
        """Whether there is any way at all to hold every item."""
        return any(
            self.fits(zip(asks, places, strict=True)) for places in product(*(self.choices(ask) for ask in asks))
        )

    def fits(self, pairs: Iterable[tuple[Ask, Place]]) -> bool:
        """Whether these items fit on these places together."""
        needed: Counter[Place] = Counter()
        for ask, place in pairs:
            if place not in self.choices(ask):
                return False
            needed[place] += ask.units
        return all(units <= self.free(place) for place, units in needed.items())

    def instead_of(self, hold: Hold, *, barred: bool) -> list[Place]:
        """The places that a declined person could be given: like the one lost, elsewhere.

        A confidential one only if nobody knows whom the bundle is for, and somebody asked for it, or the one lost was.
        """
        survivors = hold.anonymous and (hold.survivors or hold.place.confidential)
        return [
            place
            for place in self.choices(Ask(hold.units, category=hold.place.category, survivors=survivors))
            if place is not hold.place and not (barred and place.organization_id == hold.place.organization_id)
        ]
