"""The tables of the live market: openings, bundles, claims and unmet needs."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, ForeignKeyConstraint, Index, SmallInteger, func, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from app.core.database import Base
from app.market.directory import one_of
from app.market.vocabulary import Category, ClaimState, Unit


class Cube(UserDefinedType[str]):
    """PostgreSQL's `cube` (contrib): here a point of three dimensions, whose GiST index finds the nearest."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "cube"


ON_EARTH = (
    "CASE WHEN latitude IS NOT NULL THEN"
    " cube(ARRAY[6371.0 * cos(radians(latitude)) * cos(radians(longitude)),"
    " 6371.0 * cos(radians(latitude)) * sin(radians(longitude)),"
    " 6371.0 * sin(radians(latitude))]) END"
)
"""The point on a sphere of the earth's mean radius, in km: straight lines order as great circles do.

What earthdistance's `ll_to_earth` does, without its SQL functions: until PostgreSQL 16 an index on those could
not be restored from a dump."""


class Opening(Base):
    """A number of interchangeable units of one service that can be taken up soon.

    `units_taken` and `next_lapse_at` are kept by triggers for every writer, and the app role can't write them.
    `next_lapse_at` is never later than the first lapse of a hold on this opening, so that a claim has to look
    for lapsed holds only when it lies in the past. `version` counts what its provider changed: claims leave it
    alone, since a delta commutes with them. What a search filters by is copied here from service and location.

    `confidential`: its organization or service serves survivors of domestic violence. A trigger copies it from there
    for every writer, it never changes, and then the opening has no place and is claimed by one-time codes.
    """

    __tablename__ = "openings"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    service_id: Mapped[UUID]
    organization_id: Mapped[UUID]
    category: Mapped[str]
    unit: Mapped[str]
    units_total: Mapped[int]
    units_taken: Mapped[int] = mapped_column(server_default=text("0"))
    next_lapse_at: Mapped[datetime | None]
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    attested_at: Mapped[datetime | None]
    fresh_until: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    hold_minutes: Mapped[int | None]
    minimum_age: Mapped[int | None]
    maximum_age: Mapped[int | None]
    languages: Mapped[list[str]] = mapped_column(server_default=text("'{}'"))
    attributes: Mapped[dict[str, str]] = mapped_column(server_default=text("'{}'::jsonb"))
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    on_earth: Mapped[str | None] = mapped_column(Cube, Computed(ON_EARTH, persisted=True), deferred=True)
    confidential: Mapped[bool] = mapped_column(server_default=text("false"))
    source_key: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "service_id"], ["services.program_id", "services.id"]),
        ForeignKeyConstraint(["program_id", "organization_id"], ["organizations.program_id", "organizations.id"]),
        one_of("category", Category),
        one_of("unit", Unit),
        CheckConstraint("units_total BETWEEN 0 AND 100000", name="units_total_sane"),
        CheckConstraint("units_taken BETWEEN 0 AND units_total", name="never_oversold"),
        CheckConstraint("ends_at > starts_at", name="ends_after_start"),
        CheckConstraint("hold_minutes BETWEEN 1 AND 44640", name="hold_minutes_sane"),
        CheckConstraint("NOT (confidential AND latitude IS NOT NULL)", name="confidential_has_no_place"),
        Index(None, "program_id", "service_id"),
        Index(None, "program_id", "organization_id", "id"),
        Index(None, "program_id", "source_key", unique=True),
        # Search without a place starts from what was attested last; with one, from the nearest.
        Index("ix_openings_freshest", "program_id", "category", "fresh_until"),
        Index("ix_openings_nearest", "program_id", "category", "on_earth", postgresql_using="gist"),
        # Room on each page for new versions of a row: a claim then touches no index (a HOT update).
        {"postgresql_with": {"fillfactor": "60"}},
    )


class Bundle(Base):
    """The claims made by one call, all or nothing: for a participant, or anonymous under a one-time code.

    A call that ends on a confidential opening is anonymous as a whole, whatever else it holds: its other claims
    would lead to the person. Nothing says whom it was for, here or anywhere, and the database lets no claim on such
    an opening into a bundle that names a participant.
    """

    __tablename__ = "bundles"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    participant_id: Mapped[UUID | None]
    one_time_code: Mapped[str | None]
    claimed_by: Mapped[UUID]
    created_at: Mapped[datetime]

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "participant_id"], ["participants.program_id", "participants.id"]),
        CheckConstraint("num_nonnulls(participant_id, one_time_code) = 1", name="for_one"),
        # A participant's code has two groups: it can't be written in here by mistake.
        CheckConstraint(
            "one_time_code ~ '^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}$'", name="one_time_code_shape"
        ),
        Index(None, "program_id", "participant_id"),
        Index(
            "ix_bundles_one_time",
            "program_id",
            "one_time_code",
            unique=True,
            postgresql_where=text("one_time_code IS NOT NULL"),
        ),
    )


class Claim(Base):
    """Units of one opening held for one participant, and what became of it.

    `organization_id` is the provider's and `worker_organization_id` the claiming worker's, copied here since
    they decide who may see it. `need` is what was asked for when the program found the place, so that a
    decline can be re-placed with the same needs.
    """

    __tablename__ = "claims"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    bundle_id: Mapped[UUID]
    opening_id: Mapped[UUID]
    organization_id: Mapped[UUID]
    claimed_by: Mapped[UUID]
    worker_organization_id: Mapped[UUID]
    units: Mapped[int]
    state: Mapped[str]
    need: Mapped[dict[str, Any] | None]
    held_at: Mapped[datetime]
    hold_until: Mapped[datetime]
    extensions: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    confirmed_at: Mapped[datetime | None]
    arrived_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    replaces_id: Mapped[UUID | None]

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "bundle_id"], ["bundles.program_id", "bundles.id"]),
        ForeignKeyConstraint(["program_id", "opening_id"], ["openings.program_id", "openings.id"]),
        one_of("state", ClaimState),
        CheckConstraint("units BETWEEN 1 AND 100000", name="units_sane"),
        CheckConstraint("(state = 'declined') = (reason IS NOT NULL)", name="declined_with_reason"),
        Index(None, "program_id", "bundle_id"),
        Index(
            "ix_claims_held",
            "program_id",
            "opening_id",
            "hold_until",
            postgresql_where=text("state = 'held'"),
        ),
        Index("ix_claims_lapsing", "program_id", "hold_until", postgresql_where=text("state = 'held'")),
        Index("ix_claims_provider", "program_id", "organization_id", "id"),
        Index("ix_claims_worker", "program_id", "worker_organization_id", "id"),
        Index("ix_claims_holder", "program_id", "claimed_by", postgresql_where=text("state = 'held'")),
        # What a notice is due of. A claim enters it when it is declined.
        Index("ix_claims_declined", "program_id", "ended_at", postgresql_where=text("state = 'declined'")),
        # Those whose need is to be forgotten. A claim enters it when it ends: none that is made pays for it.
        Index(
            "ix_claims_remembered",
            "program_id",
            "ended_at",
            postgresql_where=text("need IS NOT NULL AND ended_at IS NOT NULL"),
        ),
    )


class UnmetNeed(Base):
    """What was asked for and could not be claimed. Demand for planning: never a person, never a position."""

    __tablename__ = "unmet_needs"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    category: Mapped[str]
    unit: Mapped[str | None]
    units: Mapped[int]
    reason: Mapped[str]
    filters: Mapped[dict[str, Any]]

    __table_args__ = (
        one_of("category", Category),
        Index(None, "program_id", "at"),
    )
