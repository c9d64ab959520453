"""The rules that a program sets for its market: immediacy, freshness, holds and caps."""

from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.market.vocabulary import Category

SAME_NIGHT = timedelta(hours=6)
"""How far ahead a cut-off may lie on the next calendar day and still be tonight's."""

Minutes = Annotated[int, Field(ge=1, le=60 * 24 * 31, strict=True)]


class HoldRule(BaseModel):
    """How long a hold lasts: `minutes`, or until the local time `until`.

    Real rules are of both kinds: 90 minutes, or "be here by 20:00". A claim made after the cut-off, or less than
    `late_minutes` before it, gets `late_minutes`: someone on the way at 20:10 is not turned into a hold until
    tomorrow evening that keeps the bed empty all night. A cut-off in the small hours belongs to the evening before
    it: at 22:00 "by 00:30" is the one that comes within `SAME_NIGHT`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    minutes: Minutes | None = None
    until: time | None = None
    late_minutes: Minutes = 30

    @model_validator(mode="after")
    def _one_of(self) -> "HoldRule":
        if (self.minutes is None) == (self.until is None):
            raise ValueError("give either minutes or until (a local time such as 20:00), not both")
        if self.until is not None and self.until.tzinfo is not None:
            raise ValueError("until is a time of day in the program's own time zone, without an offset")
        return self

    def ends(self, now: datetime, zone: ZoneInfo) -> datetime:
        """The moment at which a hold taken at `now` lapses, in UTC.

        On the day clocks go forward a cut-off inside the missing hour falls as long after midnight as it
        otherwise would; on the day they go back an ambiguous one means the first of the two.
        """
        if self.until is None:
            assert self.minutes is not None
            return now + timedelta(minutes=self.minutes)
        today = now.astimezone(zone).date()
        late = now + timedelta(minutes=self.late_minutes)
        cut_off, after_midnight = (
            datetime.combine(day, self.until, zone).astimezone(now.tzinfo) for day in (today, today + timedelta(days=1))
        )
        if cut_off < late and after_midnight - now <= SAME_NIGHT:
            cut_off = after_midnight
        return max(cut_off, late)


class CategoryRules(BaseModel):
    """The rules of one category of service."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    immediacy_hours: Annotated[
        int, Field(ge=1, le=24 * 90, strict=True, description="An opening must start within this many hours.")
    ]
    fresh_minutes: Annotated[Minutes, Field(description="An attestation is good for this long.")]
    hold: HoldRule


_DEFAULT = CategoryRules(immediacy_hours=72, fresh_minutes=24 * 60, hold=HoldRule(minutes=240))


class MarketPolicy(BaseModel):
    """What a program may set. Every part has a default, so that a new program can start without any."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    categories: dict[Category, CategoryRules] = Field(
        default_factory=lambda: {
            # A shelter bed is for tonight; ninety minutes is the commonest hold on one.
            Category.HOUSING: CategoryRules(immediacy_hours=24, fresh_minutes=12 * 60, hold=HoldRule(minutes=90)),
            Category.TREATMENT: CategoryRules(immediacy_hours=72, fresh_minutes=24 * 60, hold=HoldRule(minutes=240)),
            # Training opens in dated cohorts; California's diversion law gives intake thirty days.
            Category.VOCATIONAL: CategoryRules(
                immediacy_hours=24 * 30, fresh_minutes=7 * 24 * 60, hold=HoldRule(minutes=24 * 60)
            ),
            # Someone who asks for outreach hears back within 48 hours.
            Category.OUTREACH: CategoryRules(immediacy_hours=48, fresh_minutes=12 * 60, hold=HoldRule(minutes=60)),
        }
    )
    max_extensions: Annotated[int, Field(ge=0, le=100, strict=True)] = 2
    max_active_holds: Annotated[
        int | None,
        Field(ge=1, le=10_000, strict=True, description="Holds that one worker may have at once; null: no cap."),
    ] = None

    def complete(self) -> "MarketPolicy":
        """This policy with the defaults for every category that it says nothing of."""
        return self.model_copy(update={"categories": MarketPolicy().categories | self.categories})

    def rules(self, category: str) -> CategoryRules:
        """The rules for a category, or the general ones where the program sets none."""
        return self.categories.get(Category(category), _DEFAULT)

    def hold_until(
        self, category: str, hold_minutes: int | None, now: datetime, zone: ZoneInfo, ends_at: datetime | None
    ) -> datetime:
        """When a hold taken at `now` lapses: the opening's own minutes before the category's rule, and
        never after the opening itself ends."""
        hold = HoldRule(minutes=hold_minutes) if hold_minutes else self.rules(category).hold
        until = hold.ends(now, zone)
        return min(until, ends_at) if ends_at else until


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The time zone of this IANA name."""
    return ZoneInfo(name)
