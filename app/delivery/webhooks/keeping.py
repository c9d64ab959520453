"""Keeping webhooks: made, changed, tested, paused, resumed, replayed, and the log of what was delivered."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import delete, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit import note
from app.access.callers import Caller
from app.access.roles import Action
from app.access.standing import standing
from app.core.ids import new_id
from app.core.keyring import Keyring
from app.core.outbound import Unreachable, check_url
from app.core.problems import Conflict, Gone, Invalid, NotFound
from app.delivery.log import Extent, extent
from app.delivery.vocabulary import KINDS
from app.delivery.webhooks.filters import Filter
from app.delivery.webhooks.messages import new_secret, shown, trial_event
from app.delivery.webhooks.steps import previous_purpose, secret_purpose
from app.delivery.webhooks.tables import Delivery, Fate, State, Try, Webhook

MOST = 20
"""Webhooks that one caller may have."""
LONGEST_OVERLAP = timedelta(days=7)
"""For how long the secret before a rotation may go on signing."""
TEST = "webhook.test"


class From(StrEnum):
    """Where a webhook goes on when it is resumed."""

    WHERE_IT_WAS = "where_it_was"
    NOW = "now"


def check_types(types: Sequence[str] | None) -> None:
    """Raises Invalid for a type that there is not."""
    if unknown := sorted(set(types or ()) - KINDS.keys()):
        raise Invalid.at("types", f"{', '.join(map(repr, unknown))}: the types are {', '.join(KINDS)}.")


def check_address(url: str, *, local: bool) -> None:
    """Raises Invalid for an address that may not be called. `local`: this machine may be, for development."""
    try:
        found = httpx.URL(url)
        if found.fragment:
            raise Invalid.at("url", "Leave out what comes after #: it is never sent.")
        check_url(found, local=local)
    except httpx.InvalidURL as error:
        raise Invalid.at("url", "This is no address that can be called.") from error
    except Unreachable as error:
        raise Invalid.at("url", str(error)) from error


async def create(
    session: AsyncSession,
    keyring: Keyring,
    caller: Caller,
    *,
    name: str,
    url: str,
    types: Sequence[str] | None,
    filter: Filter,
) -> tuple[Webhook, str]:
    """A new webhook, which hears of what happens from now on, and its secret. Raises Conflict when there are enough."""
    mine = select(func.count()).select_from(Webhook).filter_by(program_id=caller.program_id, caller_id=caller.id)
    if ((await session.scalar(mine)) or 0) >= MOST:
        raise Conflict(f"You have {MOST} webhooks. Delete one first.")
    id, secret = new_id(), new_secret()
    found = await extent(session, caller.program_id)
    await session.execute(
        insert(Webhook).values(
            program_id=caller.program_id,
            id=id,
            caller_id=caller.id,
            organization_id=caller.organization_id,
            scopes=None if caller.scopes is None else sorted(caller.scopes),
            name=name,
            url=url,
            types=None if types is None else sorted(set(types)),
            filter=filter.model_dump(mode="json", exclude_none=True),
            secret=await keyring.seal(session, caller.program_id, secret_purpose(id), secret),
            after_number=found.latest,
        )
    )
    return await get(session, caller, id), shown(secret)


async def get(session: AsyncSession, caller: Caller, webhook_id: UUID, *, locked: bool = False) -> Webhook:
    """One webhook that the caller may keep. Raises NotFound. `locked`: nobody sends for it until this is done."""
    query = select(Webhook).where(
        Webhook.program_id == caller.program_id,
        Webhook.id == webhook_id,
        caller.where(Action.KEEP_WEBHOOKS, Webhook),
    )
    if locked:
        query = query.with_for_update()
    webhook: Webhook | None = await session.scalar(query.execution_options(populate_existing=True))
    if webhook is None:
        raise NotFound(f"There is no webhook {webhook_id} that you may see.")
    return webhook


async def listed(session: AsyncSession, caller: Caller, *, before: UUID | None, limit: int) -> list[Webhook]:
    """The webhooks that the caller may keep, newest first."""
    query = select(Webhook).where(Webhook.program_id == caller.program_id, caller.where(Action.KEEP_WEBHOOKS, Webhook))
    if before is not None:
        query = query.where(Webhook.id < before)
    return list(await session.scalars(query.order_by(Webhook.id.desc()).limit(limit)))


async def change(session: AsyncSession, caller: Caller, webhook_id: UUID, changes: dict[str, Any]) -> Webhook:
    """Give a webhook another name, address, types or filter. A new address is tried at once. Raises NotFound."""
    webhook = await get(session, caller, webhook_id, locked=True)
    if changes.get("url", webhook.url) != webhook.url:
        await _patience_anew(session, webhook)
    for field, value in changes.items():
        setattr(webhook, field, value)
    await session.flush()
    return webhook


async def remove(session: AsyncSession, caller: Caller, webhook_id: UUID) -> None:
    """Delete a webhook with its deliveries. Raises NotFound."""
    webhook = await get(session, caller, webhook_id, locked=True)
    await session.execute(delete(Webhook).where(Webhook.program_id == webhook.program_id, Webhook.id == webhook.id))


async def rotate(
    session: AsyncSession, keyring: Keyring, caller: Caller, webhook_id: UUID, overlap: timedelta
) -> tuple[Webhook, str]:
    """A new secret. Until the overlap is over, the one before signs too; one before that does no more. Raises
    NotFound."""
    webhook = await get(session, caller, webhook_id, locked=True)
    before = await keyring.open(session, webhook.program_id, secret_purpose(webhook.id), webhook.secret)
    secret = new_secret()
    webhook.previous_secret = await keyring.seal(session, webhook.program_id, previous_purpose(webhook.id), before)
    webhook.previous_until = await _now(session) + overlap
    webhook.secret = await keyring.seal(session, webhook.program_id, secret_purpose(webhook.id), secret)
    await session.flush()
    return webhook, shown(secret)


async def pause(session: AsyncSession, caller: Caller, webhook_id: UUID) -> Webhook:
    """Send nothing more until it is resumed. What is off stays off. Raises NotFound."""
    webhook = await get(session, caller, webhook_id, locked=True)
    if webhook.state == State.ON:
        webhook.state, webhook.state_since = State.PAUSED, await _now(session)
        await session.flush()
    return webhook


async def resume(session: AsyncSession, caller: Caller, webhook_id: UUID, start: From) -> Webhook:
    """Send again, from where it was or from now. Raises NotFound; Conflict while its caller is none; Gone when the
    log no longer goes back to where it was."""
    webhook = await get(session, caller, webhook_id, locked=True)
    await _require_standing(session, webhook)
    if start is From.NOW:
        webhook.after_number = (await extent(session, webhook.program_id)).latest
        await session.execute(
            update(Delivery)
            .where(*_trying(webhook))
            .values(state=Fate.SKIPPED, ended_at=func.clock_timestamp())
            .execution_options(synchronize_session=False)
        )
    else:
        first = await session.scalar(select(func.min(Delivery.number)).where(*_trying(webhook)))
        needed = webhook.after_number if first is None else min(webhook.after_number, first - 1)
        _require_held(await extent(session, webhook.program_id), needed)
    if webhook.state != State.ON:
        webhook.state, webhook.off_because, webhook.state_since = State.ON, None, await _now(session)
    await _patience_anew(session, webhook)
    await session.flush()
    return webhook


async def replay(session: AsyncSession, caller: Caller, webhook_id: UUID, after: int) -> Webhook:
    """Send again, in order, what came after a number, under the same ids. Raises NotFound; Invalid for a number that
    it has not come to, Gone for one that the log no longer goes back to."""
    webhook = await get(session, caller, webhook_id, locked=True)
    if after > webhook.after_number:
        raise Invalid.at("after", f"It has come to {webhook.after_number}: from {after} on, it would leave some out.")
    _require_held(await extent(session, webhook.program_id), after)
    webhook.after_number = after
    webhook.due_at = await _now(session)
    await note(session, "webhook.replayed", webhook.id, after=after)
    await session.flush()
    return webhook


async def test(session: AsyncSession, caller: Caller, webhook_id: UUID) -> Delivery:
    """Send one event that says it is a test, paused or not; tried once. Raises NotFound, Conflict."""
    webhook = await get(session, caller, webhook_id, locked=True)
    await _require_standing(session, webhook)
    id, now = new_id(), await _now(session)
    await session.execute(
        insert(Delivery).values(
            program_id=webhook.program_id,
            id=id,
            webhook_id=webhook.id,
            lane=id,
            type=TEST,
            body=trial_event(webhook.program_id, webhook.id, webhook.caller_id, id, now),
        )
    )
    webhook.due_at = now
    await note(session, "webhook.tested", webhook.id)
    await session.flush()
    return await session.get_one(Delivery, (webhook.program_id, id))


async def deliveries(
    session: AsyncSession,
    caller: Caller,
    webhook_id: UUID,
    *,
    before: tuple[datetime, UUID] | None,
    state: Fate | None,
    limit: int,
) -> tuple[list[Delivery], dict[UUID, list[Try]]]:
    """What was sent to a webhook, newest first, and the tries of each. Raises NotFound."""
    webhook = await get(session, caller, webhook_id)
    query = select(Delivery).where(Delivery.program_id == webhook.program_id, Delivery.webhook_id == webhook.id)
    if before is not None:
        query = query.where(tuple_(Delivery.taken_at, Delivery.id) < tuple_(*before))
    if state is not None:
        query = query.where(Delivery.state == state)
    found = list(await session.scalars(query.order_by(Delivery.taken_at.desc(), Delivery.id.desc()).limit(limit)))
    tries: dict[UUID, list[Try]] = {each.id: [] for each in found}
    made = select(Try).where(Try.program_id == webhook.program_id, Try.delivery_id.in_(tries)).order_by(Try.nr)
    for each in await session.scalars(made):
        tries[each.delivery_id].append(each)
    return found, tries


def _trying(webhook: Webhook) -> tuple[Any, ...]:
    """The events that have been taken for it and have not ended."""
    return (
        Delivery.program_id == webhook.program_id,
        Delivery.webhook_id == webhook.id,
        Delivery.ended_at.is_(None),
        Delivery.number.is_not(None),
    )


async def _patience_anew(session: AsyncSession, webhook: Webhook) -> None:
    """Try everything now, as if it had never failed."""
    webhook.failing_since, webhook.due_at = None, await _now(session)
    await session.execute(
        update(Delivery)
        .where(*_trying(webhook))
        .values(first_tried_at=None, due_at=func.clock_timestamp())
        .execution_options(synchronize_session=False)
    )


async def _require_standing(session: AsyncSession, webhook: Webhook) -> None:
    caller = await standing(session, webhook.program_id, webhook.caller_id, webhook.scopes)
    if caller is None or not caller.may(Action.KEEP_WEBHOOKS):
        raise Conflict("Whose webhook this is has no key that opens any more, or may have none. Make a new one.")


def _require_held(found: Extent, after: int) -> None:
    if not found.holds_all_after(after):
        raise Gone(
            f"The log begins at {found.oldest} by now: what came after {after} is not all there. Take a snapshot, such"
            " as a search, and resume from now.",
            oldest=found.oldest,
            latest=found.latest,
        )


async def _now(session: AsyncSession) -> datetime:
    moment: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    return moment
