"""The life of a claim after it is held: confirm, extend, release, decline, arrive, no-show, complete."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, func, or_, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.access.programs import Program
from app.access.roles import Action
from app.core.database import load_sql, violated
from app.core.ids import new_id
from app.core.problems import Conflict, Forbidden, Invalid, NotFound, WrongState
from app.market.again import lost, need_again
from app.market.alternatives import alternatives
from app.market.answers import referral_result
from app.market.clock import now
from app.market.decide import Held, Item, Offer, Request, decide
from app.market.needs import Need
from app.market.openings import expire_lapsed, program_policy
from app.market.policy import zone
from app.market.search import for_a_find, search
from app.market.tables import Bundle, Claim, Opening
from app.market.vocabulary import DECLINE_REASONS, NEXT, ClaimState

LOCK = load_sql(__file__, "lock")
CANDIDATES = 50
"""How many openings a declined person may be re-placed to are locked along with the declined one."""

_COLUMNS = (
    Claim.id,
    Claim.bundle_id,
    Claim.opening_id,
    Claim.organization_id,
    Claim.claimed_by,
    Claim.worker_organization_id,
    Claim.units,
    Claim.state,
    Claim.need,
    Claim.held_at,
    Claim.hold_until,
    Claim.extensions,
    Claim.confirmed_at,
    Claim.arrived_at,
    Claim.ended_at,
    Claim.reason,
    Claim.replaces_id,
)


async def list_claims(
    session: AsyncSession,
    caller: Caller,
    *more: ColumnElement[bool],
    claim_id: UUID | None = None,
    state: ClaimState | None = None,
    opening_id: UUID | None = None,
    bundle_id: UUID | None = None,
    before: UUID | None = None,
    limit: int,
) -> list[dict[str, Any]]:
    """Claims that the caller may see, newest first. A lapsed hold reads as expired, swept or not.

    `more`: further conditions.
    """
    where = [Claim.program_id == caller.program_id, caller.where(Action.READ_CLAIMS, Claim), *more]
    lapsed = and_(Claim.state == ClaimState.HELD, Claim.hold_until <= now())
    if state is ClaimState.EXPIRED:
        where.append(or_(Claim.state == state, lapsed))
    elif state is not None:
        where += [Claim.state == state, ~lapsed]
    if claim_id is not None:
        where.append(Claim.id == claim_id)
    if opening_id is not None:
        where.append(Claim.opening_id == opening_id)
    if bundle_id is not None:
        where.append(Claim.bundle_id == bundle_id)
    if before is not None:
        where.append(Claim.id < before)
    rows = await session.execute(_select().where(*where).order_by(Claim.id.desc()).limit(limit))
    return [_view(row) for row in rows]


async def get_claim(session: AsyncSession, caller: Caller, claim_id: UUID) -> dict[str, Any]:
    """One claim. Raises NotFound when there is none that the caller may see."""
    return _view(await _row(session, caller, claim_id))


def _select() -> Any:
    participants = Bundle.metadata.tables["participants"]
    return (
        select(
            *_COLUMNS,
            Opening.service_id,
            Opening.category,
            Opening.unit,
            Bundle.participant_id,
            # The code of a person, or of a call that is nobody's.
            func.coalesce(participants.c.code, Bundle.one_time_code).label("participant"),
            now().label("as_of"),
        )
        .join(Opening, and_(Opening.program_id == Claim.program_id, Opening.id == Claim.opening_id))
        .join(Bundle, and_(Bundle.program_id == Claim.program_id, Bundle.id == Claim.bundle_id))
        .outerjoin(
            participants,
            and_(participants.c.program_id == Bundle.program_id, participants.c.id == Bundle.participant_id),
        )
    )


async def _row(session: AsyncSession, caller: Caller, claim_id: UUID) -> Row[Any]:
    row = (
        await session.execute(
            _select().where(
                Claim.program_id == caller.program_id, Claim.id == claim_id, caller.where(Action.READ_CLAIMS, Claim)
            )
        )
    ).one_or_none()
    if row is None:
        raise NotFound(f"No claim {claim_id} that you may see.")
    return row


def _view(row: Row[Any]) -> dict[str, Any]:
    lapsed = row.state == ClaimState.HELD and row.hold_until <= row.as_of
    state = ClaimState.EXPIRED.value if lapsed else row.state
    return {
        "id": row.id,
        "bundle_id": row.bundle_id,
        "opening_id": row.opening_id,
        "service_id": row.service_id,
        "organization_id": row.organization_id,
        "category": row.category,
        "unit": row.unit,
        "participant": row.participant,
        "units": row.units,
        "state": state,
        "held_at": row.held_at,
        "hold_until": row.hold_until,
        "extensions": row.extensions,
        "confirmed_at": row.confirmed_at,
        "arrived_at": row.arrived_at,
        "ended_at": row.hold_until if lapsed else row.ended_at,
        "reason": row.reason,
        "referral_result": referral_result(state, row.reason),
        "replaces_id": row.replaces_id,
    }


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the life cycle: the state it leads to, and on which side of the counter it is taken."""

    to: ClaimState
    action: Action
    stamp: str


STEPS: dict[str, Step] = {
    "confirm": Step(ClaimState.CONFIRMED, Action.STEER_CLAIM, "confirmed_at"),
    "release": Step(ClaimState.RELEASED, Action.STEER_CLAIM, "ended_at"),
    "decline": Step(ClaimState.DECLINED, Action.RECEIVE_CLAIM, "ended_at"),
    "arrive": Step(ClaimState.ARRIVED, Action.RECEIVE_CLAIM, "arrived_at"),
    "no-show": Step(ClaimState.NO_SHOW, Action.RECEIVE_CLAIM, "ended_at"),
    "complete": Step(ClaimState.COMPLETED, Action.RECEIVE_CLAIM, "ended_at"),
}


def _require(caller: Caller, row: Row[Any], action: Action) -> None:
    """Raises Forbidden unless the caller stands on the side of the counter that takes this step."""
    if not caller.may(action, row):
        side = "worker who claimed" if action is Action.STEER_CLAIM else "provider"
        raise Forbidden(f"Only the {side}, or one of the same organization, may do this.")


async def _lock(session: AsyncSession, caller: Caller, claim_id: UUID, action: Action, *also: UUID) -> Row[Any]:
    """The claim under the lock of its opening, where every change of its state is made.

    Its opening's lapsed holds are expired first, so a hold that has lapsed is seen as expired here too.
    """
    row = await _row(session, caller, claim_id)
    _require(caller, row, action)
    opening_ids = sorted({row.opening_id, *also})
    await session.execute(
        select(Opening.id)
        .where(Opening.program_id == caller.program_id, Opening.id.in_(opening_ids))
        .order_by(Opening.id)
        .with_for_update(key_share=True)
    )
    await expire_lapsed(session, caller.program_id, opening_ids)
    return await _row(session, caller, claim_id)


def _allow(row: Row[Any], to: ClaimState, verb: str) -> None:
    state = ClaimState(_view(row)["state"])
    if to not in NEXT[state]:
        raise WrongState(f"This claim is {state.replace('_', ' ')}; it can't {verb} now.", state=state)


async def _update(session: AsyncSession, row: Row[Any], program_id: UUID, **values: Any) -> None:
    """Change the claim. Raises WrongState when its hold lapsed since it was read: the guard's clock is the later."""
    try:
        await session.execute(update(Claim).where(Claim.program_id == program_id, Claim.id == row.id).values(**values))
    except IntegrityError as error:
        if violated(error) != "claims_no_lag":
            raise
        raise WrongState("This claim has expired just now.", state=ClaimState.EXPIRED) from error


async def step(session: AsyncSession, caller: Caller, claim_id: UUID, verb: str) -> dict[str, Any]:
    """Take one of `STEPS` but decline. Taking a step twice is no error: the second time answers as the first.

    Raises NotFound, Forbidden, and WrongState with the claim's present state.
    """
    step = STEPS[verb]
    row = await _lock(session, caller, claim_id, step.action)
    if row.state != step.to:
        _allow(row, step.to, verb.replace("-", " "))
        await _update(session, row, caller.program_id, state=step.to, **{step.stamp: now()})
    return await get_claim(session, caller, claim_id)


async def extend(
    session: AsyncSession, caller: Caller, claim_id: UUID, *, extended: int | None = None
) -> dict[str, Any]:
    """Start the hold's time again from now, as often as the program allows.

    `extended`: how often it had been when it was asked for, so that asking twice is no error and extends it once.
    Raises NotFound, Forbidden, WrongState unless it is held, Conflict when it was extended often enough.
    """
    row = await _lock(session, caller, claim_id, Action.STEER_CLAIM)
    if extended is not None and row.extensions > extended:
        return _view(row)
    if row.state != ClaimState.HELD:
        raise WrongState(f"This claim is {row.state.replace('_', ' ')}; only a hold is extended.", state=row.state)
    policy = await program_policy(session, caller.program_id)
    if row.extensions >= policy.max_extensions:
        raise Conflict(f"Your program lets a hold be extended {policy.max_extensions} times. Confirm or release it.")
    opening = (await _offers(session, caller.program_id, [row.opening_id]))[0][row.opening_id]
    until = policy.hold_until(
        opening.category,
        opening.hold_minutes,
        row.as_of,
        await _zone(session, caller.program_id),
        opening.ends_at,
    )
    await _update(
        session,
        row,
        caller.program_id,
        hold_until=max(until, row.hold_until),
        extensions=row.extensions + 1,
    )
    return await get_claim(session, caller, claim_id)


async def _zone(session: AsyncSession, program_id: UUID) -> Any:
    name = await session.scalar(select(Program.time_zone).where(Program.program_id == program_id))
    return zone(name or "UTC")


async def _offers(
    session: AsyncSession, program_id: UUID, opening_ids: list[UUID]
) -> tuple[dict[UUID, Offer], datetime]:
    """Openings as `decide` takes them, locked, and the clock read under the lock."""
    connection = await session.connection()
    rows: Sequence[Any] = (await connection.exec_driver_sql(LOCK, (program_id, sorted(opening_ids)))).all()
    return {row.id: Offer(*row[:17]) for row in rows}, max(row.now for row in rows)


@dataclass(frozen=True, slots=True)
class Declined:
    """A declined claim, whether another replaces it, and else what the person is offered.

    `replacement` is shown to those who may see it: where the person goes now is not the business of a provider
    that declined them.
    """

    claim: dict[str, Any]
    replaced: bool
    replacement: dict[str, Any] | None
    alternatives: list[dict[str, Any]]


async def decline(
    session: AsyncSession, caller: Caller, claim_id: UUID, reason_code: str, *, replace: bool
) -> Declined:
    """The provider declines a claim on its own opening, with a coded reason.

    In the same transaction the count is corrected if the place did not exist, and the person is given (`replace`)
    or offered the next best place that is open; a confidential one only if this claim is anonymous too, and given one
    only where the need asks for survivors or the lost one was confidential.

    Raises NotFound, Forbidden, WrongState, Invalid for a reason that is not in the list.
    """
    reason = DECLINE_REASONS.get(reason_code)
    if reason is None:
        raise Invalid.at("reason", f"{reason_code!r} is not a reason; the reasons are {', '.join(DECLINE_REASONS)}.")
    row = await _row(session, caller, claim_id)
    need, near_by = await need_again(session, caller.program_id, row)
    ruled_out = lost(row, reason)
    candidates = []
    if replace:
        barred = for_a_find(near_by, ruled_out)
        found = await search(session, caller.program_id, near_by, limit=CANDIDATES, ruled_out=barred)
        candidates = [each.opening.id for each in found]
    row = await _lock(session, caller, claim_id, Action.RECEIVE_CLAIM, *candidates)
    _allow(row, ClaimState.DECLINED, "be declined")
    await _update(session, row, caller.program_id, state=ClaimState.DECLINED, reason=reason.code, ended_at=now())
    if reason.place_gone:
        await session.execute(
            update(Opening)
            .where(Opening.program_id == caller.program_id, Opening.id == row.opening_id)
            .values(units_total=Opening.units_total - row.units, version=Opening.version + 1)
        )
    replacement_id = await _replace(session, caller, row, need, candidates) if candidates else None
    offered = [] if replacement_id else await alternatives(session, caller.program_id, near_by, ruled_out=ruled_out)
    shown = [] if replacement_id is None else await list_claims(session, caller, claim_id=replacement_id, limit=1)
    return Declined(
        await get_claim(session, caller, claim_id),
        replacement_id is not None,
        shown[0] if shown else None,
        offered,
    )


async def other_places(session: AsyncSession, caller: Caller, claim_id: UUID) -> list[dict[str, Any]]:
    """What could be claimed this second in place of a claim that is over: what its decline would offer now.

    Raises NotFound.
    """
    row = await _row(session, caller, claim_id)
    _, near_by = await need_again(session, caller.program_id, row)
    ruled_out = lost(row, DECLINE_REASONS[row.reason] if row.reason else None)
    return await alternatives(session, caller.program_id, near_by, ruled_out=ruled_out)


async def _replace(
    session: AsyncSession, caller: Caller, row: Row[Any], need: Need | None, candidates: list[UUID]
) -> UUID | None:
    """A new claim for the same participant and worker on the best candidate that still has room: its id."""
    offers, moment = await _offers(session, caller.program_id, candidates)
    known = tuple(id for id in candidates if id in offers)
    item = Item(row.units, known, need or Need(units=row.units))
    policy = await program_policy(session, caller.program_id)
    [outcome] = decide(
        offers,
        # With no holds counted: a cap must not cost the person a place that the provider's mistake took away.
        [Request(row.claimed_by, (item,), holds=0)],
        policy=policy,
        zone=await _zone(session, caller.program_id),
        now=moment,
    )
    if not isinstance(outcome, Held):
        return None
    [(opening_id, hold_until)] = outcome.placed
    claim = Claim(
        program_id=caller.program_id,
        id=new_id(),
        bundle_id=row.bundle_id,
        opening_id=opening_id,
        organization_id=offers[opening_id].organization_id,
        claimed_by=row.claimed_by,
        worker_organization_id=row.worker_organization_id,
        units=row.units,
        state=ClaimState.HELD,
        need=need.model_dump(mode="json", exclude_defaults=True) if need else None,
        held_at=moment,
        hold_until=hold_until,
        replaces_id=row.id,
    )
    session.add(claim)
    await session.flush()
    return claim.id


async def programs_lapsed(session: AsyncSession) -> Sequence[UUID]:
    """The programs with a hold that has lapsed and that nobody has come across."""
    return (await session.scalars(text("SELECT program_id FROM programs_lapsed()"))).all()


async def sweep(session: AsyncSession, program_id: UUID, limit: int = 500) -> int:
    """Expire lapsed holds that nobody has come across. Answers how many.

    Nothing depends on it: it keeps the table and the event log up to date where nobody claims.
    """
    opening_ids = await session.scalars(
        select(Claim.opening_id)
        .where(Claim.program_id == program_id, Claim.state == ClaimState.HELD, Claim.hold_until <= func.now())
        .order_by(Claim.hold_until)
        .limit(limit)
    )
    wanted = sorted(set(opening_ids))
    return await expire_lapsed(session, program_id, wanted) if wanted else 0
