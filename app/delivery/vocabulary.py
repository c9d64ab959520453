"""Every event by its type: what it says, and which permission lets one hear it. Docs and AsyncAPI come from here.

A payload carries ids and counts, never who a participant is. Fields are only ever added; a change that would break a
reader gets a new version.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.access.roles import Action
from app.market.vocabulary import DECLINE_REASONS, Category, ClaimState, Unit

VERSION = 1
"""The version of all payloads so far."""


class Payload(BaseModel):
    """What an event says."""

    model_config = ConfigDict(extra="forbid")


class Nothing(Payload):
    """No more than that it happened, to the thing that `subject_id` names."""


class OpeningPublished(Payload):
    """An opening as it is now: what a board needs to show it. Units open are `units_total` less `units_taken`."""

    opening_id: UUID
    service_id: UUID
    organization_id: UUID
    category: Category
    unit: Unit
    units_total: int
    units_taken: int
    fresh_until: datetime | None
    starts_at: datetime | None
    ends_at: datetime | None
    withdrawn_at: datetime | None
    version: Annotated[int, Field(description="Counts what the provider changed; claims leave it alone.")]


class OpeningChanged(OpeningPublished):
    """The same after a change, whoever made it: the provider, a claim, or time."""

    units_open_before: Annotated[
        int | None,
        Field(description="Units that could be claimed just before; 0 if it was off the board, or its terms changed."),
    ] = None
    version_before: Annotated[int | None, Field(description="Where it differs, the terms changed.")] = None


class ClaimHeld(Payload):
    """A claim as it was made."""

    claim_id: UUID
    bundle_id: UUID
    opening_id: UUID
    organization_id: Annotated[UUID, Field(description="The provider's.")]
    units: int
    state: ClaimState
    hold_until: datetime


class ClaimMoved(ClaimHeld):
    """A claim after a step of its life."""

    reason: Annotated[
        str | None, Field(description="Why it was declined.", json_schema_extra={"enum": [*DECLINE_REASONS, None]})
    ]


class WatchOn(Payload):
    """A watch that its owner started, or ended before its time."""

    watch_id: UUID
    caller_id: UUID
    until: datetime


class WatchMatched(Payload):
    """Openings that fit a watch appeared or came free. All who watch hear at once; the first to claim has it."""

    watch_id: UUID
    caller_id: UUID
    opening_ids: list[UUID]


class WebhookMoved(Payload):
    """What was done to a webhook, or that one is being tested."""

    webhook_id: UUID
    caller_id: Annotated[UUID, Field(description="As whom it acts.")]


class WebhookDisabled(WebhookMoved):
    """A webhook was switched off: by itself, so somebody should look."""

    because: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of event. Whoever may do `heard_by` with what it is about may hear of it."""

    payload: type[Payload]
    heard_by: Action
    words: str
    version: int = VERSION


KINDS: dict[str, Kind] = {
    "opening.published": Kind(OpeningPublished, Action.SEARCH, "An opening was published."),
    "opening.changed": Kind(OpeningChanged, Action.SEARCH, "Its count or its terms changed."),
    "opening.attested": Kind(OpeningChanged, Action.SEARCH, "Its provider attested it again."),
    "opening.withdrawn": Kind(OpeningChanged, Action.SEARCH, "It was taken off the board for good."),
    "claim.held": Kind(ClaimHeld, Action.READ_CLAIMS, "A place is held."),
    "claim.extended": Kind(ClaimMoved, Action.READ_CLAIMS, "Its hold lasts until another time."),
    "claim.confirmed": Kind(ClaimMoved, Action.READ_CLAIMS, "The worker confirmed it."),
    "claim.arrived": Kind(ClaimMoved, Action.READ_CLAIMS, "The person arrived."),
    "claim.completed": Kind(ClaimMoved, Action.READ_CLAIMS, "The stay or service is over."),
    "claim.released": Kind(ClaimMoved, Action.READ_CLAIMS, "The worker gave it back."),
    "claim.expired": Kind(ClaimMoved, Action.READ_CLAIMS, "Its hold lapsed."),
    "claim.declined": Kind(ClaimMoved, Action.READ_CLAIMS, "The provider declined it."),
    "claim.no_show": Kind(ClaimMoved, Action.READ_CLAIMS, "The person did not come."),
    "watch.started": Kind(WatchOn, Action.WATCH, "A watch is on."),
    "watch.ended": Kind(WatchOn, Action.WATCH, "Its owner ended it."),
    "watch.matched": Kind(WatchMatched, Action.WATCH, "Something that fits it appeared or came free."),
    "webhook.created": Kind(WebhookMoved, Action.KEEP_WEBHOOKS, "A webhook was made."),
    "webhook.changed": Kind(WebhookMoved, Action.KEEP_WEBHOOKS, "Its name, address, types or filter changed."),
    "webhook.rotated": Kind(WebhookMoved, Action.KEEP_WEBHOOKS, "It has a new secret."),
    "webhook.paused": Kind(WebhookMoved, Action.KEEP_WEBHOOKS, "It is sent nothing until it is resumed."),
    "webhook.resumed": Kind(WebhookMoved, Action.KEEP_WEBHOOKS, "It is sent to again."),
    "webhook.disabled": Kind(WebhookDisabled, Action.KEEP_WEBHOOKS, "It was switched off, and why."),
    "webhook.deleted": Kind(WebhookMoved, Action.KEEP_WEBHOOKS, "It was deleted."),
    "organization.added": Kind(Nothing, Action.READ_DIRECTORY, "An organization was added."),
    "location.added": Kind(Nothing, Action.READ_DIRECTORY, "A location was added."),
    "service.added": Kind(Nothing, Action.READ_DIRECTORY, "A service was added."),
    "organization.changed": Kind(Nothing, Action.READ_DIRECTORY, "What it says of itself changed."),
    "location.changed": Kind(Nothing, Action.READ_DIRECTORY, "It is elsewhere, or shown otherwise."),
    "service.changed": Kind(Nothing, Action.READ_DIRECTORY, "What it says of itself, or where it is, changed."),
    "program.changed": Kind(Nothing, Action.READ_PROGRAM, "The program's policy, name or time zone changed."),
    # Never to whoever referred: they learn two things, and not when.
    "referral.made": Kind(Nothing, Action.WORK_REFERRAL, "Somebody was referred."),
    "referral.contacted": Kind(Nothing, Action.WORK_REFERRAL, "Contact was made."),
    "referral.taken_in": Kind(Nothing, Action.WORK_REFERRAL, "Intake is completed."),
    "referral.closed": Kind(Nothing, Action.WORK_REFERRAL, "It ended without intake."),
    # Of these, only that they happened, and only to whoever may read the whole trail.
    "participant.added": Kind(Nothing, Action.READ_TRAIL, "A participant was given a code."),
    "key.created": Kind(Nothing, Action.READ_TRAIL, "A key was made."),
    "key.rotated": Kind(Nothing, Action.READ_TRAIL, "A key has a new secret."),
    "key.revoked": Kind(Nothing, Action.READ_TRAIL, "A key opens nothing any more."),
    "person.invited": Kind(Nothing, Action.READ_TRAIL, "A person was invited."),
    "person.joined": Kind(Nothing, Action.READ_TRAIL, "They accepted."),
    "person.changed": Kind(Nothing, Action.READ_TRAIL, "Their role, organization or name changed."),
    "person.ended": Kind(Nothing, Action.READ_TRAIL, "Their access ended."),
    "person.reopened": Kind(Nothing, Action.READ_TRAIL, "They were invited again after that."),
    "need.unmet": Kind(Nothing, Action.READ_TRAIL, "A need could not be met; it is recorded without the person."),
}


def governed_by(type: str) -> Action:
    """The permission that lets one hear an event of this type. One that a newer version writes is for whoever may
    read the trail."""
    kind = KINDS.get(type)
    return kind.heard_by if kind else Action.READ_TRAIL
