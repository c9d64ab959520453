"""Webhooks: what happens, sent to a system of yours. A secret is shown in one answer and kept in none."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import Query, Response
from pydantic import Field

from app.access.callers import Caller
from app.access.roles import Action
from app.api.errors import documented
from app.api.fields import (
    Cursor,
    In,
    Limit,
    Line,
    Moment,
    Out,
    Page,
    bad_cursor,
    from_cursor,
    id_from_cursor,
    to_cursor,
)
from app.api.routing import face
from app.core.problems import Invalid
from app.delivery.views import MAX_NUMBER
from app.delivery.vocabulary import KINDS
from app.delivery.webhooks import keeping
from app.delivery.webhooks.filters import Filter
from app.delivery.webhooks.keeping import LONGEST_OVERLAP, From
from app.delivery.webhooks.sending import ERRORS
from app.delivery.webhooks.tables import Because, Delivery, Fate, State, Try, Webhook
from app.dependencies import House, Ring, Session, requires, secret_answer

router = face("webhooks")
Keeper = Annotated[Caller, requires(Action.KEEP_WEBHOOKS)]

Address = Annotated[
    str,
    Field(
        max_length=2000,
        description="Where to send: https, and on the public Internet.",
        examples=["https://partner.example.org/openberth"],
    ),
]
Types = Annotated[
    list[Annotated[str, Field(max_length=60, json_schema_extra={"enum": [*KINDS]})]] | None,
    Field(min_length=1, max_length=len(KINDS), description="Only these types; null for all that you may see."),
]


class WebhookIn(In):
    """A webhook to make."""

    name: Annotated[Line, Field(description="What it is for.")] = "Webhook"
    url: Address
    types: Types = None
    filter: Annotated[Filter, Field(description="What an event must be about.")] = Filter()


class WebhookPatch(In):
    """What to change; what is left out stays. What is already being tried is not filtered anew."""

    name: Line | None = None
    url: Address | None = None
    types: Types = None
    filter: Filter | None = None


class WebhookOut(Out):
    """A webhook. It sends what its caller may see."""

    id: UUID
    caller_id: Annotated[UUID, Field(description="As whom it acts.")]
    organization_id: UUID
    name: str
    url: str
    types: list[str] | None
    filter: Filter
    state: Annotated[State, Field(description="`paused` by whoever keeps it, `off` by itself.")]
    off_because: Because | None
    state_since: Moment
    after_number: Annotated[int, Field(description="The log has been taken up to this number.")]
    accepted_at: Annotated[Moment | None, Field(description="When the endpoint last accepted something.")]
    failing_since: Annotated[Moment | None, Field(description="Since when it has accepted nothing that was sent.")]
    previous_until: Annotated[Moment | None, Field(description="Until when the secret before signs too.")]
    created_at: Moment


class NewWebhookOut(WebhookOut):
    """A webhook with its secret, which is shown this once."""

    secret: Annotated[str, Field(examples=["whsec_…"])]


class OverlapIn(In):
    """For how long the secret before goes on signing too."""

    overlap_minutes: Annotated[int, Field(ge=0, le=LONGEST_OVERLAP // timedelta(minutes=1), strict=True)] = 24 * 60


class ResumeIn(In):
    """Where it goes on: what came meanwhile is sent, or left out."""

    start: Annotated[From, Field(alias="from")]


class ReplayIn(In):
    """After which number of the log to send again."""

    after: Annotated[int, Field(ge=0, le=MAX_NUMBER, strict=True)]


class TryOut(Out):
    """One try, and what was answered."""

    nr: int
    at: Moment
    url: str
    status: int | None
    answer: Annotated[str | None, Field(description="How the answer began: its first kilobyte.")]
    ms: Annotated[int | None, Field(description="How long it took; null while under way, or when it was cut off.")]
    error: Annotated[
        str | None,
        Field(
            description="Null when it was accepted. " + " ".join(f"`{word}`: {said}" for word, said in ERRORS.items()),
            json_schema_extra={"enum": [*ERRORS, None]},
        ),
    ]


class DeliveryOut(Out):
    """One event, or test, as it was sent."""

    id: Annotated[UUID, Field(description="The `webhook-id`, the same in every try.")]
    number: Annotated[int | None, Field(description="Its number in the log; null for a test.")]
    type: str
    state: Fate
    taken_at: Moment
    ended_at: Moment | None
    next_try_at: Annotated[Moment | None, Field(description="Null when it has ended.")]
    body: Annotated[dict[str, Any], Field(description="What is sent.")]
    tries: list[TryOut]


def _delivery(delivery: Delivery, tries: list[Try]) -> DeliveryOut:
    return DeliveryOut(
        id=delivery.id,
        number=delivery.number,
        type=delivery.type,
        state=Fate(delivery.state),
        taken_at=delivery.taken_at,
        ended_at=delivery.ended_at,
        next_try_at=delivery.due_at if delivery.ended_at is None else None,
        body=orjson.loads(delivery.body),
        tries=[TryOut.model_validate(each) for each in tries],
    )


def _shown(response: Response, webhook: Webhook, secret: str) -> NewWebhookOut:
    response.headers["Location"] = f"/v1/webhooks/{webhook.id}"
    return NewWebhookOut.model_validate(WebhookOut.model_validate(webhook).model_dump() | {"secret": secret})


@router.post("/webhooks", status_code=201, responses=documented(409))
@secret_answer
async def create_webhook(
    caller: Keeper, session: Session, ring: Ring, house: House, body: WebhookIn, response: Response
) -> NewWebhookOut:
    """Have what happens from now on sent to an address of yours, as far as you may see it. See docs/webhooks.md.

    The same Idempotency-Key again answers 409 `answer-not-kept`, with the `location` of the webhook that was made.
    """
    keeping.check_types(body.types)
    keeping.check_address(body.url, local=house.local_webhooks)
    webhook, secret = await keeping.create(
        session, ring, caller, name=body.name, url=body.url, types=body.types, filter=body.filter
    )
    return _shown(response, webhook, secret)


@router.get("/webhooks")
async def list_webhooks(caller: Keeper, session: Session, cursor: Cursor = None, limit: Limit = 50) -> Page[WebhookOut]:
    """Your webhooks, newest first; for managers, the program's."""
    found = await keeping.listed(session, caller, before=id_from_cursor(cursor), limit=limit + 1)
    following = to_cursor(found[limit - 1].id) if len(found) > limit else None
    return Page(items=[WebhookOut.model_validate(each) for each in found[:limit]], next=following)


@router.get("/webhooks/{webhook_id}", responses=documented(404))
async def read_webhook(caller: Keeper, session: Session, webhook_id: UUID) -> WebhookOut:
    """One webhook."""
    return WebhookOut.model_validate(await keeping.get(session, caller, webhook_id))


@router.patch("/webhooks/{webhook_id}", responses=documented(404))
async def change_webhook(
    caller: Keeper, session: Session, house: House, webhook_id: UUID, body: WebhookPatch
) -> WebhookOut:
    """Change its name, address, types or filter. `types` null: all that its caller may see."""
    changes = body.model_dump(mode="json", exclude_unset=True)
    for field in ("name", "url", "filter"):
        if field in changes and changes[field] is None:
            raise Invalid.at(field, "Leave it out to keep it as it is.")
    if "types" in changes:
        keeping.check_types(body.types)
    if body.url is not None:
        keeping.check_address(body.url, local=house.local_webhooks)
    if body.filter is not None:
        changes["filter"] = body.filter.model_dump(mode="json", exclude_none=True)
    return WebhookOut.model_validate(await keeping.change(session, caller, webhook_id, changes))


@router.delete("/webhooks/{webhook_id}", responses=documented(404))
async def delete_webhook(caller: Keeper, session: Session, webhook_id: UUID) -> WebhookOut:
    """Delete a webhook with its deliveries."""
    webhook = WebhookOut.model_validate(await keeping.get(session, caller, webhook_id))
    await keeping.remove(session, caller, webhook_id)
    return webhook


@router.post("/webhooks/{webhook_id}/rotate-secret", responses=documented(404, 409, 410))
@secret_answer
async def rotate_webhook_secret(
    caller: Keeper, session: Session, ring: Ring, webhook_id: UUID, body: OverlapIn, response: Response
) -> NewWebhookOut:
    """Give it a new secret. For `overlap_minutes` more, everything is signed with both."""
    overlap = timedelta(minutes=body.overlap_minutes)
    return _shown(response, *await keeping.rotate(session, ring, caller, webhook_id, overlap))


@router.post("/webhooks/{webhook_id}/test", status_code=201, responses=documented(404, 409))
async def test_webhook(caller: Keeper, session: Session, webhook_id: UUID) -> DeliveryOut:
    """Send an event that says it is a test, once, even while paused or off. What came of it is in the deliveries."""
    return _delivery(await keeping.test(session, caller, webhook_id), [])


@router.post("/webhooks/{webhook_id}/pause", responses=documented(404))
async def pause_webhook(caller: Keeper, session: Session, webhook_id: UUID) -> WebhookOut:
    """Send nothing more until it is resumed. What happens meanwhile stays in the log, for as long as that is kept."""
    return WebhookOut.model_validate(await keeping.pause(session, caller, webhook_id))


@router.post("/webhooks/{webhook_id}/resume", responses=documented(404, 409, 410))
async def resume_webhook(caller: Keeper, session: Session, webhook_id: UUID, body: ResumeIn) -> WebhookOut:
    """Send again after a pause, or after it was switched off."""
    return WebhookOut.model_validate(await keeping.resume(session, caller, webhook_id, body.start))


@router.post("/webhooks/{webhook_id}/replay", responses=documented(404, 410))
async def replay_webhook(caller: Keeper, session: Session, webhook_id: UUID, body: ReplayIn) -> WebhookOut:
    """Send again what came after a number of the log, in order and under the same ids."""
    return WebhookOut.model_validate(await keeping.replay(session, caller, webhook_id, body.after))


@router.get("/webhooks/{webhook_id}/deliveries", responses=documented(404))
async def list_deliveries(
    caller: Keeper,
    session: Session,
    webhook_id: UUID,
    state: Annotated[Fate | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[DeliveryOut]:
    """What was sent to a webhook, newest first: every try, and what was answered."""
    found, tries = await keeping.deliveries(
        session, caller, webhook_id, before=_before(cursor), state=state, limit=limit + 1
    )
    last = found[limit - 1] if len(found) > limit else None
    return Page(
        items=[_delivery(each, tries[each.id]) for each in found[:limit]],
        next=None if last is None else to_cursor(last.taken_at.isoformat(), last.id),
    )


def _before(cursor: str | None) -> tuple[datetime, UUID] | None:
    if cursor is None:
        return None
    at, id = from_cursor(cursor, 2)
    try:
        taken_at, last = datetime.fromisoformat(at), UUID(id)
    except ValueError:
        raise bad_cursor() from None
    if taken_at.tzinfo is None:
        raise bad_cursor()
    return taken_at, last
