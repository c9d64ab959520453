"""Openings: search what is open now, publish it, and keep it true."""

from datetime import datetime
from math import isfinite
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from app.access.callers import Caller
from app.access.roles import Action
from app.api.errors import documented
from app.api.fields import (
    Age,
    Attributes,
    Cursor,
    In,
    Languages,
    Limit,
    Moment,
    Out,
    Page,
    bad_cursor,
    from_cursor,
    id_from_cursor,
    to_cursor,
)
from app.api.routing import face
from app.dependencies import IfMatch, Session, etag, requires
from app.market import openings
from app.market.attributes import HOUSEHOLDS
from app.market.directory import Organization, get_entry
from app.market.needs import MAX_UNITS, Need, When
from app.market.openings import MAX_UNITS_TOTAL, Published
from app.market.search import After, Found, search
from app.market.tables import Opening
from app.market.vocabulary import Category, Unit

router = face("openings")

Publisher = Annotated[Caller, requires(Action.PUBLISH)]
Searcher = Annotated[Caller, requires(Action.SEARCH)]

HoldMinutes = Annotated[
    int | None, Field(ge=1, le=44_640, strict=True, description="How long a hold on it lasts, in minutes.")
]


class Terms(In):
    """What a provider says of an opening, and may change. Absent ages, languages and attributes are the service's."""

    starts_at: When | None = None
    ends_at: When | None = None
    hold_minutes: HoldMinutes = None
    minimum_age: Age | None = None
    maximum_age: Age | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "Terms":
        if self.minimum_age is not None and self.maximum_age is not None and self.minimum_age > self.maximum_age:
            raise ValueError("minimum_age is above maximum_age")
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            raise ValueError("ends_at must come after starts_at")
        return self


class OpeningIn(Terms):
    """An opening to publish. `fresh_until` is cut to what the program allows for its category."""

    service_id: UUID
    unit: Unit
    units_total: Annotated[int, Field(ge=0, le=MAX_UNITS_TOTAL, strict=True)]
    fresh_until: When | None = None
    languages: Languages | None = None
    attributes: Attributes | None = None


class OpeningChange(Terms):
    """What to change: a field that is left out stays as it is. Attributes given are merged into those there are."""

    units_total: Annotated[int, Field(ge=0, le=MAX_UNITS_TOTAL, strict=True)] = 0
    languages: Languages = []
    attributes: Attributes = {}


class Adjustment(In):
    """A change of the count."""

    by: Annotated[
        int, Field(ge=-MAX_UNITS_TOTAL, le=MAX_UNITS_TOTAL, strict=True, description="Units to add, or to take away.")
    ]


class Attestation(In):
    """The provider's word. `fresh_until` is cut to what the program allows, which it is too when left out."""

    fresh_until: When | None = None


Confidential = Annotated[
    bool,
    Field(description="It serves survivors of domestic violence: no place is shown, and a claim is by one-time code."),
]


class OpeningOut(Out):
    """An opening as it stands now. Lapsed holds don't count as taken."""

    id: UUID
    service_id: UUID
    organization_id: UUID
    category: Category
    unit: Unit
    units_total: int
    units_taken: int
    units_open: int
    on_board: Annotated[bool, Field(description="Whether it can be claimed now.")]
    off_board_because: Annotated[
        str | None, Field(description="`withdrawn`, `ended`, `stale` (attest it to put it back) or `full`.")
    ]
    starts_at: Moment | None
    ends_at: Moment | None
    attested_at: Moment | None
    fresh_until: Moment | None
    withdrawn_at: Moment | None
    hold_minutes: int | None
    minimum_age: int | None
    maximum_age: int | None
    languages: list[str]
    attributes: dict[str, str]
    confidential: Confidential
    version: int
    created_at: Moment


class Why(Out):
    """Why an opening ranked where it did. Each part is 0 to 1 but where a unit is named."""

    sentence: str
    score: float
    fit: float
    distance_km: float | None
    attested_minutes_ago: float
    honour_rate: float


class FoundOut(Out):
    """An opening that can be claimed now, and why it ranked where it did."""

    id: UUID
    service_id: UUID
    service_name: str
    organization_id: UUID
    organization_name: str
    category: Category
    unit: Unit
    units_open: int
    starts_at: Moment | None
    ends_at: Moment | None
    attested_at: Moment | None
    fresh_until: Moment
    city: str | None
    minimum_age: int | None
    maximum_age: int | None
    languages: list[str]
    attributes: dict[str, str]
    confidential: Confidential
    why: Why


def opening_out(published: Published, response: Response | None = None) -> OpeningOut:
    """The opening as callers see it, its ETag in the response."""
    opening = published.opening
    if response is not None:
        response.headers["ETag"] = etag(opening.version)
    return OpeningOut.model_validate(
        vars(opening)
        | {
            "units_taken": published.units_taken,
            "units_open": published.units_open,
            "on_board": published.on_board,
            "off_board_because": published.why_off_board,
        }
    )


def _found_out(found: Found) -> FoundOut:
    why = Why(
        sentence=found.why(),
        score=round(found.score, 4),
        fit=round(found.fit, 4),
        distance_km=None if found.distance_km is None else round(found.distance_km, 3),
        attested_minutes_ago=round(found.attested_minutes_ago, 1),
        honour_rate=round(found.honour_rate, 4),
    )
    return FoundOut.model_validate(dict(found.opening._mapping) | {"why": why})


def _listed(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


Names = Annotated[str | None, Query(max_length=2000, description="Attribute names, separated by commas.")]


async def need_of_query(
    category: Category | None = None,
    unit: Unit | None = None,
    units: Annotated[int, Query(ge=1, le=MAX_UNITS, description="How many, in one opening.")] = 1,
    near: Annotated[str | None, Query(max_length=60, description="LAT,LON in degrees.")] = None,
    within_km: Annotated[float | None, Query(gt=0, le=20_000)] = None,
    needs: Names = None,
    prefers: Names = None,
    age: Annotated[int | None, Query(ge=0, le=130)] = None,
    household: Annotated[str | None, Query(max_length=40, description=f"One of {', '.join(HOUSEHOLDS)}.")] = None,
    language: Annotated[str | None, Query(max_length=35, description="A BCP 47 tag, such as es.")] = None,
    starts_by: When | None = None,
    lasts_until: When | None = None,
) -> Need:
    """The need that a query string says, checked as that of a claim is."""
    given: dict[str, Any] = {
        "category": category,
        "unit": unit,
        "units": units,
        "near": near,
        "within_km": within_km,
        "needs": _listed(needs),
        "prefers": _listed(prefers),
        "age": age,
        "household": household,
        "language": language,
        "starts_by": starts_by,
        "lasts_until": lasts_until,
    }
    try:
        return Need.model_validate(given)
    except ValidationError as error:
        raise RequestValidationError([{**e, "loc": ("query", *e["loc"])} for e in error.errors()]) from None


_MOMENT = TypeAdapter[datetime](When)


def _after(cursor: str | None) -> After | None:
    if cursor is None:
        return None
    as_of, score, id = from_cursor(cursor, 3)
    try:
        after = After(_MOMENT.validate_strings(as_of), float(score), UUID(id))
    except ValueError:
        raise bad_cursor() from None
    if not isfinite(after.score):
        raise bad_cursor()
    return after


@router.get("/openings")
async def search_openings(
    caller: Searcher,
    session: Session,
    need: Annotated[Need, Depends(need_of_query)],
    cursor: Cursor = None,
    limit: Limit = 20,
) -> Page[FoundOut]:
    """What can be claimed this second, best first, each with why it ranked there.

    `needs` must be answered yes by the provider; unknown never satisfies. `prefers` ranks. Stale, full, withdrawn
    and ended openings never appear.
    """
    found = await search(session, caller.program_id, need, limit=limit + 1, after=_after(cursor))
    following = None
    if len(found) > limit:
        last = found[limit - 1]
        following = to_cursor(last.opening.as_of.isoformat(), last.score, last.opening.id)
    return Page[FoundOut](items=[_found_out(each) for each in found[:limit]], next=following)


@router.get("/organizations/{organization_id}/openings", responses=documented(404))
async def list_openings(
    caller: Publisher, session: Session, organization_id: UUID, cursor: Cursor = None, limit: Limit = 50
) -> Page[OpeningOut]:
    """Every opening of an organization for its own desk: stale, full, withdrawn and ended ones too.

    Of another organization's desk you see none, unless you run the program.
    """
    await get_entry(session, caller, Organization, organization_id)
    where = [Opening.organization_id == organization_id, caller.where(Action.PUBLISH, Opening)]
    if (after := id_from_cursor(cursor)) is not None:
        where.append(Opening.id > after)
    found = await openings.read(session, caller.program_id, *where, limit=limit + 1)
    following = to_cursor(found[limit - 1].opening.id) if len(found) > limit else None
    return Page[OpeningOut](items=[opening_out(each) for each in found[:limit]], next=following)


@router.post("/openings", status_code=201)
async def publish_opening(caller: Publisher, session: Session, body: OpeningIn, response: Response) -> OpeningOut:
    """Publish what is open now. It is attested by publishing it."""
    terms = body.model_dump(exclude={"service_id"}, exclude_none=True)
    published = await openings.publish(session, caller, body.service_id, terms)
    response.headers["Location"] = f"/v1/openings/{published.opening.id}"
    return opening_out(published, response)


@router.get("/openings/{opening_id}", responses=documented(404))
async def read_opening(caller: Searcher, session: Session, opening_id: UUID, response: Response) -> OpeningOut:
    """One opening as it stands. Its ETag names what its provider published: claims don't change it."""
    return opening_out(await openings.get_opening(session, caller.program_id, opening_id), response)


@router.patch("/openings/{opening_id}", responses=documented(404, 409, 412, 428))
async def change_opening(
    caller: Publisher,
    session: Session,
    opening_id: UUID,
    version: IfMatch,
    body: OpeningChange,
    response: Response,
) -> OpeningOut:
    """Change what was published, if nobody changed it since you read it."""
    terms = body.model_dump(exclude_unset=True)
    return opening_out(await openings.change(session, caller, opening_id, version, terms), response)


@router.post("/openings/{opening_id}/adjust", responses=documented(404, 409))
async def adjust_opening(
    caller: Publisher, session: Session, opening_id: UUID, body: Adjustment, response: Response
) -> OpeningOut:
    """Add units or take them away. No If-Match: deltas commute with claims and with each other."""
    return opening_out(await openings.adjust(session, caller, opening_id, body.by), response)


@router.post("/openings/{opening_id}/attest", responses=documented(404, 409))
async def attest_opening(
    caller: Publisher, session: Session, opening_id: UUID, response: Response, body: Attestation | None = None
) -> OpeningOut:
    """Say that it is still true. A stale opening is back on the board at once."""
    until = body.fresh_until if body else None
    return opening_out(await openings.attest(session, caller, opening_id, until), response)


@router.post("/openings/{opening_id}/withdraw", responses=documented(404))
async def withdraw_opening(caller: Publisher, session: Session, opening_id: UUID, response: Response) -> OpeningOut:
    """Take it off the board for good. Claims on it stand."""
    return opening_out(await openings.withdraw(session, caller, opening_id), response)
