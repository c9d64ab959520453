"""The messages of a live stream as models: what is sent is checked against them by tests, and AsyncAPI shows them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.delivery.views import Wanted
from app.delivery.vocabulary import ClaimHeld, ClaimMoved, OpeningPublished, WatchMatched, WatchOn
from app.market.needs import Need
from app.market.vocabulary import ClaimState

Number = Annotated[int, Field(description="A number of the program's log.", ge=0)]


class Message(BaseModel):
    """A message of a live stream."""

    model_config = ConfigDict(extra="forbid")


class Listen(Wanted):
    """The first message of a WebSocket: what to listen for. Only fields that matter need be there."""

    authorization: Annotated[
        str | None, Field(description="`Bearer <key>`, for browsers, which can't send the header.")
    ] = None


class OpeningShown(OpeningPublished):
    """An opening with all that a board shows of it. Take it off at `fresh_until` and `ends_at`, by `now`."""

    units_open: int
    service_name: str
    organization_name: str
    city: str | None
    minimum_age: int | None
    maximum_age: int | None
    languages: list[str]
    attributes: dict[str, str]
    distance_km: float | None


class ClaimShown(Message):
    """A claim that occupies its units now. A held one is gone at `hold_until`."""

    claim_id: UUID
    bundle_id: UUID
    opening_id: UUID
    organization_id: UUID
    units: int
    state: ClaimState
    hold_until: datetime


class WatchShown(Message):
    """A watch of yours that is on."""

    watch_id: UUID
    need: Need
    until: datetime


class Snapshot(Message):
    """How things are at `number`; everything shown before is void. `because` says why you get it."""

    type: Literal["snapshot"]
    number: Number
    now: datetime
    because: Annotated[
        Literal["asked", "too_old", "unknown_number", "rules_changed"],
        Field(
            description="`too_old`: you missed more than is kept or sent; `unknown_number`: the log is another;"
            " `rules_changed`: the program changed what can be claimed."
        ),
    ]
    complete: Annotated[bool, Field(description="False: there are more than the thousand best.")]
    openings: list[OpeningShown]
    claims: list[ClaimShown]
    watches: list[WatchShown]


class Changed(Message):
    """What every change has."""

    number: Number
    at: datetime
    type: Annotated[str, Field(description="The event's type.")]


class OpeningChange(Changed):
    """An opening. If it `fits`, show it as it now is; else take it off, if you show it."""

    fits: bool
    opening_id: UUID
    opening: OpeningShown | None = None


class ClaimChange(Changed):
    """A claim of your organization's, or on its openings."""

    claim: ClaimMoved | ClaimHeld


class WatchChange(Changed):
    """A watch of yours: started, ended, or matched by openings that just appeared or came free."""

    watch: WatchMatched | WatchOn


class Changes(Message):
    """All that concerns you of the numbers after `after`, up to `number`. `after` is what you were told last."""

    type: Literal["changes"]
    after: Number
    number: Number
    now: datetime
    folded: Annotated[
        int, Field(ge=1, description="So many changes are left out, for a newer one of the same thing is here.")
    ] = 1
    items: list[OpeningChange | ClaimChange | WatchChange]


class Heartbeat(Message):
    """Nothing concerned you up to `number`, and by the database's clock it is `now`. One comes every 15 seconds."""

    type: Literal["heartbeat"]
    after: Number
    number: Number
    now: datetime


class End(BaseModel):
    """The last message, before the stream is closed with `code`; a problem's fields are there for a bad request."""

    model_config = ConfigDict(extra="allow")

    type: Literal["end"]
    detail: str
    code: int | None = None
    because: str | None = None


SENT: dict[str, type[BaseModel]] = {
    "snapshot": Snapshot,
    "changes": Changes,
    "heartbeat": Heartbeat,
    "end": End,
}
"""Every message that is sent, by its type."""


def check(document: dict[str, Any]) -> BaseModel:
    """The message as its model. Raises ValidationError, and KeyError for a type there is none of."""
    return SENT[document["type"]].model_validate(document)
