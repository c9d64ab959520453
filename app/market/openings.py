"""Openings: publishing them, and every change that their provider makes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.access.programs import Program
from app.access.roles import Action
from app.core.ids import new_id
from app.core.problems import BelowTaken, Conflict, Forbidden, Invalid, NotFound, PreconditionFailed, Sentence
from app.market.clock import lapsed_units, now
from app.market.directory import Location, Organization, Service
from app.market.policy import MarketPolicy
from app.market.tables import Opening
from app.market.vocabulary import Category

MAX_UNITS_TOTAL = 100_000


@dataclass(frozen=True, slots=True)
class Published:
    """An opening as it stands at `as_of`: lapsed holds don't count as taken, swept or not."""

    opening: Opening
    units_taken: int
    as_of: datetime

    @property
    def units_open(self) -> int:
        """Units that could be claimed if the opening is on the board."""
        return self.opening.units_total - self.units_taken

    @property
    def on_board(self) -> bool:
        """Whether it can be claimed now."""
        return self.why_off_board is None

    @property
    def why_off_board(self) -> str | None:
        """Why it can't be claimed now: `withdrawn`, `ended`, `stale` or `full`; None when it can."""
        o = self.opening
        if o.withdrawn_at is not None:
            return "withdrawn"
        if o.ends_at is not None and o.ends_at <= self.as_of:
            return "ended"
        if o.fresh_until is None or o.fresh_until <= self.as_of:
            return "stale"
        return None if self.units_open > 0 else "full"


async def program_policy(session: AsyncSession, program_id: UUID) -> MarketPolicy:
    """The policy of the program."""
    stored = await session.scalar(select(Program.policy).where(Program.program_id == program_id))
    return MarketPolicy.model_validate(stored or {}).complete()


async def read(session: AsyncSession, program_id: UUID, *where: ColumnElement[bool], limit: int = 1) -> list[Published]:
    """Openings as they stand, in id order."""
    rows = await session.execute(
        select(Opening, (Opening.units_taken - lapsed_units()).label("taken"), now().label("as_of"))
        .where(Opening.program_id == program_id, *where)
        .order_by(Opening.id)
        .limit(limit)
        .execution_options(populate_existing=True)
    )
    return [Published(row.Opening, row.taken, row.as_of) for row in rows]


async def get_opening(session: AsyncSession, program_id: UUID, opening_id: UUID) -> Published:
    """One opening as it stands. Raises NotFound."""
    found = await read(session, program_id, Opening.id == opening_id)
    if not found:
        raise NotFound(f"No opening {opening_id} in this program.")
    return found[0]


async def publish(session: AsyncSession, caller: Caller, service_id: UUID, terms: dict[str, Any]) -> Published:
    """Publish an opening of a service, with the service's terms where none are given.

    Raises Invalid for an unknown service, a service that isn't active, or a start beyond the program's immediacy
    window; Forbidden for a service of another organization.
    """
    # Locked as its location is below: whoever changes one of them waits, and then finds this opening to take along.
    service = await session.get(Service, (caller.program_id, service_id), with_for_update={"read": True})
    if service is None:
        raise Invalid.at("service_id", f"No service {service_id} in this program.")
    if not caller.may(Action.PUBLISH, service):
        raise Forbidden("Only the service's own organization publishes its openings.")
    if service.status != "active":
        raise Invalid.at(
            "service_id",
            Sentence("The service is %(status)s; only an active one can have openings.", status=service.status),
        )
    policy = await program_policy(session, caller.program_id)
    moment: datetime = (await session.execute(select(now()))).scalar_one()
    check_immediacy(policy, service.category, terms.get("starts_at"), terms.get("ends_at"), moment)
    location = await _shown_location(session, service)
    asked = terms.pop("fresh_until", None)
    attributes = service.attributes | (terms.pop("attributes", None) or {})
    inherited = {
        name: value if (value := terms.pop(name, None)) is not None else getattr(service, name)
        for name in ("minimum_age", "maximum_age", "languages")
    }
    check_ages(inherited["minimum_age"], inherited["maximum_age"])
    opening_id = new_id()
    # Not through the unit of work: it would write every column, and the counts are not ours to write.
    values = dict(
        program_id=caller.program_id,
        id=opening_id,
        service_id=service_id,
        organization_id=service.organization_id,
        category=service.category,
        attested_at=moment,
        fresh_until=freshness(policy, service.category, moment, asked),
        attributes=attributes,
        latitude=location.latitude if location else None,
        longitude=location.longitude if location else None,
        **inherited,
        **terms,
    )
    await session.execute(insert(Opening).values(values))
    return await get_opening(session, caller.program_id, opening_id)


async def _shown_location(session: AsyncSession, service: Service) -> Location | None:
    """Where the service is, unless that must not be known: a masked place is never copied to an opening, so that
    no search by distance can circle in on it."""
    if service.location_id is None:
        return None
    at = (service.program_id, service.location_id)
    location = await session.get_one(Location, at, with_for_update={"read": True})
    organization = await session.get_one(Organization, (service.program_id, service.organization_id))
    return None if location.masked or organization.serves_survivors or service.serves_survivors else location


def check_immediacy(
    policy: MarketPolicy,
    category: str,
    starts_at: datetime | None,
    ends_at: datetime | None,
    moment: datetime,
) -> None:
    """Raises Invalid when an opening starts later than the program's window for its category, or has ended."""
    hours = policy.rules(category).immediacy_hours
    if starts_at is not None and starts_at > moment + timedelta(hours=hours):
        raise Invalid.at(
            "starts_at",
            Sentence(
                "A %(category)s opening must start within %(hours)s hours: that is this program's immediacy window for"
                " %(category)s, so that nobody waits. Publish this one once its start is that near.",
                category=category,
                hours=hours,
            ),
        )
    if ends_at is not None and ends_at <= moment:
        raise Invalid.at("ends_at", Sentence("It has ended already. Leave ends_at out if the opening has no end."))
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        raise Invalid.at("ends_at", Sentence("It must end after it starts."))


def check_ages(minimum_age: int | None, maximum_age: int | None) -> None:
    """Raises Invalid when no age lies between the two, one of which may be what was there before."""
    if minimum_age is not None and maximum_age is not None and minimum_age > maximum_age:
        raise Invalid.at(
            "minimum_age",
            Sentence(
                "With a minimum age of %(youngest)s and a maximum of %(oldest)s it would serve nobody.",
                youngest=minimum_age,
                oldest=maximum_age,
            ),
        )


def freshness(policy: MarketPolicy, category: str, moment: datetime, asked: datetime | None) -> datetime:
    """Until when a word given at `moment` holds: what the provider asks for, at most what the program allows."""
    deadline = moment + timedelta(minutes=policy.rules(category).fresh_minutes)
    return min(asked, deadline) if asked else deadline


async def _own(session: AsyncSession, caller: Caller, opening_id: UUID) -> Published:
    """The opening, locked and with lapsed holds expired. Raises NotFound, Forbidden."""
    await session.execute(
        select(Opening.id)
        .where(Opening.program_id == caller.program_id, Opening.id == opening_id)
        .with_for_update(key_share=True)
    )
    await expire_lapsed(session, caller.program_id, [opening_id])
    published = await get_opening(session, caller.program_id, opening_id)
    if not caller.may(Action.PUBLISH, published.opening):
        raise Forbidden("Only the opening's own organization changes it.")
    return published


async def expire_lapsed(session: AsyncSession, program_id: UUID, opening_ids: list[UUID]) -> int:
    """Expire the lapsed holds on these openings. Answers how many there were."""
    expired = await session.scalar(
        text("SELECT expire_lapsed(:program_id, :opening_ids)"),
        {"program_id": program_id, "opening_ids": opening_ids},
    )
    return int(expired or 0)


async def _write(session: AsyncSession, published: Published, **values: Any) -> Published:
    opening = published.opening
    await session.execute(
        update(Opening).where(Opening.program_id == opening.program_id, Opening.id == opening.id).values(**values)
    )
    return await get_opening(session, opening.program_id, opening.id)


def _not_withdrawn(published: Published) -> None:
    if published.opening.withdrawn_at is not None:
        raise Conflict("This opening was withdrawn. Publish a new one.")


def _enough(published: Published, units_total: int) -> None:
    # The count as it is stored, under our lock: a hold that lapses this very moment is still in it.
    taken = published.opening.units_taken
    if units_total < taken:
        raise BelowTaken(
            f"{taken} units are held, confirmed or arrived, so the total can't be {units_total}."
            " Decline a claim first if its place is gone.",
            units_taken=taken,
            units_total=published.opening.units_total,
        )


async def change(
    session: AsyncSession, caller: Caller, opening_id: UUID, version: int | None, terms: dict[str, Any]
) -> Published:
    """Change what the provider published, if it is still at `version` (None: whatever it is at).

    Raises NotFound, Forbidden, PreconditionFailed, BelowTaken, Invalid, Conflict when it was withdrawn.
    """
    published = await _own(session, caller, opening_id)
    opening = published.opening
    if version is not None and version != opening.version:
        raise PreconditionFailed(
            f"The opening is at version {opening.version} now. GET it again and apply your change to that."
        )
    _not_withdrawn(published)
    if "units_total" in terms:
        _enough(published, terms["units_total"])
    policy = await program_policy(session, caller.program_id)
    if terms.keys() & {"starts_at", "ends_at"}:
        starts_at, ends_at = terms.get("starts_at", opening.starts_at), terms.get("ends_at", opening.ends_at)
        check_immediacy(policy, opening.category, starts_at, ends_at, published.as_of)
    check_ages(terms.get("minimum_age", opening.minimum_age), terms.get("maximum_age", opening.maximum_age))
    if "attributes" in terms:
        terms["attributes"] = opening.attributes | terms["attributes"]
    return await _write(session, published, version=opening.version + 1, **terms)


async def adjust(session: AsyncSession, caller: Caller, opening_id: UUID, by: int) -> Published:
    """Add `by` units, or take them away. Raises NotFound, Forbidden, BelowTaken, Invalid, Conflict."""
    published = await _own(session, caller, opening_id)
    _not_withdrawn(published)
    units_total = published.opening.units_total + by
    if units_total > MAX_UNITS_TOTAL:
        raise Invalid.at(
            "by",
            Sentence(
                "An opening has at most %(most)s units; this would make %(units)s.",
                most=MAX_UNITS_TOTAL,
                units=units_total,
            ),
        )
    if units_total < 0:
        raise BelowTaken(
            f"There are {published.opening.units_total} units, so {-by} can't be taken away.",
            units_taken=published.units_taken,
            units_total=published.opening.units_total,
        )
    _enough(published, units_total)
    return await _write(session, published, units_total=units_total, version=published.opening.version + 1)


async def attest(session: AsyncSession, caller: Caller, opening_id: UUID, until: datetime | None) -> Published:
    """The provider's word that the opening is still true. Raises NotFound, Forbidden, Conflict."""
    published = await _own(session, caller, opening_id)
    _not_withdrawn(published)
    policy = await program_policy(session, caller.program_id)
    fresh_until = freshness(policy, published.opening.category, published.as_of, until)
    return await _write(session, published, attested_at=published.as_of, fresh_until=fresh_until)


async def attest_all(session: AsyncSession, caller: Caller) -> int:
    """The provider's word that all that its organization has open is still true: what is neither withdrawn nor over.

    Answers how many that is.
    """
    ids = list(
        await session.scalars(
            select(Opening.id)
            .where(
                Opening.program_id == caller.program_id,
                Opening.organization_id == caller.organization_id,
                caller.where(Action.PUBLISH, Opening),
                Opening.withdrawn_at.is_(None),
                or_(Opening.ends_at.is_(None), Opening.ends_at > now()),
            )
            # In the order in which claims lock them.
            .order_by(Opening.id)
            .with_for_update(key_share=True)
        )
    )
    await expire_lapsed(session, caller.program_id, ids)
    policy = await program_policy(session, caller.program_id)
    moment: datetime = (await session.execute(select(now()))).scalar_one()
    for category in Category:
        await session.execute(
            update(Opening)
            .where(Opening.program_id == caller.program_id, Opening.id.in_(ids), Opening.category == category)
            .values(attested_at=moment, fresh_until=freshness(policy, category, moment, None))
        )
    return len(ids)


async def withdraw(session: AsyncSession, caller: Caller, opening_id: UUID) -> Published:
    """Take the opening off the board for good; claims on it stand. Withdrawing twice changes nothing."""
    published = await _own(session, caller, opening_id)
    if published.opening.withdrawn_at is not None:
        return published
    return await _write(session, published, withdrawn_at=published.as_of, version=published.opening.version + 1)


async def withdraw_all(session: AsyncSession, program_id: UUID, service_id: UUID) -> None:
    """Take every opening of a service off the board for good; claims on them stand."""
    of_service = [Opening.program_id == program_id, Opening.service_id == service_id, Opening.withdrawn_at.is_(None)]
    # In the order in which claims lock them.
    locking = select(Opening.id).where(*of_service).order_by(Opening.id).with_for_update(key_share=True)
    ids = list(await session.scalars(locking))
    await expire_lapsed(session, program_id, ids)
    await session.execute(
        update(Opening)
        .where(*of_service, Opening.id.in_(ids))
        .values(withdrawn_at=now(), version=Opening.version + 1)
        .execution_options(synchronize_session=False)
    )
