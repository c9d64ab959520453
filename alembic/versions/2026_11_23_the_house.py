"""The house: programs, the directory, openings, claims, and the promises that the database keeps itself."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "2026_11_23_the_house"
down_revision = None
branch_labels = None
depends_on = None

ON_EARTH = (
    "CASE WHEN latitude IS NOT NULL THEN"
    " cube(ARRAY[6371.0 * cos(radians(latitude)) * cos(radians(longitude)),"
    " 6371.0 * cos(radians(latitude)) * sin(radians(longitude)),"
    " 6371.0 * sin(radians(latitude))]) END"
)

TABLES = (
    "claims",
    "bundles",
    "openings",
    "services",
    "locations",
    "participants",
    "keys",
    "organizations",
    "programs",
    "unmet_needs",
    "events",
    "audit",
    "idempotency",
)

FUNCTIONS = (
    "claims_inserted",
    "claims_guard",
    "claims_updated",
    "claims_deleted",
    "openings_inserted",
    "openings_updated",
    "programs_updated",
    "leave_trace",
    "refuse",
    "current_actor",
    "expire_lapsed",
    "find_key",
    "every_program",
)


CATEGORY = (
    "category IN ('housing', 'treatment', 'vocational', 'outreach', 'identification', 'food', 'transport',"
    " 'legal', 'health')"
)
UNIT = "unit IN ('bed', 'room', 'treatment_place', 'intake_appointment', 'training_seat', 'voucher', 'response_team')"


class Cube(sa.types.UserDefinedType[str]):
    """The type of contrib's extension of that name."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """Its name in SQL."""
        return "cube"


def run(name: str) -> None:
    """Run the statements of a file in alembic/sql, one by one: asyncpg takes one at a time."""
    file = Path(__file__).parent.parent / "sql" / f"{name}.sql"
    for statement in file.read_text(encoding="utf-8").split("\n;;\n"):
        op.execute(sa.text(statement.replace(":", "\\:")))


def upgrade() -> None:
    # Both are trusted extensions: the owner of the database may create them.
    op.execute("CREATE EXTENSION IF NOT EXISTS cube")
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.create_table(
        "audit",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("detail", JSONB, nullable=False),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_audit")),
    )
    op.create_table(
        "events",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("data", JSONB, nullable=False),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_events")),
    )
    op.create_table(
        "idempotency",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("caller_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("program_id", "caller_id", "key", name=op.f("pk_idempotency")),
    )
    op.create_table(
        "programs",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("policy", JSONB, server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("program_id", name=op.f("pk_programs")),
        sa.UniqueConstraint("slug", name=op.f("uq_programs_slug")),
    )
    op.create_table(
        "unmet_needs",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("filters", JSONB, nullable=False),
        sa.CheckConstraint(
            CATEGORY,
            name=op.f("ck_unmet_needs_category_known"),
        ),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_unmet_needs")),
    )
    op.create_index(op.f("ix_unmet_needs_program_id_at"), "unmet_needs", ["program_id", "at"])
    op.create_table(
        "organizations",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("website", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("serves_survivors", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("source_key", sa.Text(), nullable=True),
        sa.Column("promises_kept", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("promises_broken", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_organizations_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_organizations")),
    )
    op.create_index(
        op.f("ix_organizations_program_id_source_key"),
        "organizations",
        ["program_id", "source_key"],
        unique=True,
    )
    op.create_table(
        "keys",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["program_id", "organization_id"],
            ["organizations.program_id", "organizations.id"],
            name=op.f("fk_keys_program_id_organization_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_keys")),
        sa.UniqueConstraint("hash", name=op.f("uq_keys_hash")),
    )
    op.create_table(
        "locations",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("location_type", sa.Text(), nullable=False),
        sa.Column("latitude", sa.Double(), nullable=True),
        sa.Column("longitude", sa.Double(), nullable=True),
        sa.Column("address_1", sa.Text(), nullable=True),
        sa.Column("address_2", sa.Text(), nullable=True),
        sa.Column("city", sa.Text(), nullable=True),
        sa.Column("state_province", sa.Text(), nullable=True),
        sa.Column("postal_code", sa.Text(), nullable=True),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("masked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "location_type IN ('physical', 'postal', 'virtual')",
            name=op.f("ck_locations_location_type_known"),
        ),
        sa.CheckConstraint("(latitude IS NULL) = (longitude IS NULL)", name=op.f("ck_locations_point_whole")),
        sa.CheckConstraint("latitude BETWEEN -90 AND 90", name=op.f("ck_locations_latitude_on_earth")),
        sa.CheckConstraint("longitude BETWEEN -180 AND 180", name=op.f("ck_locations_longitude_on_earth")),
        sa.ForeignKeyConstraint(
            ["program_id", "organization_id"],
            ["organizations.program_id", "organizations.id"],
            name=op.f("fk_locations_program_id_organization_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_locations")),
    )
    op.create_index(
        op.f("ix_locations_program_id_organization_id"),
        "locations",
        ["program_id", "organization_id"],
    )
    op.create_table(
        "participants",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id", "organization_id"],
            ["organizations.program_id", "organizations.id"],
            name=op.f("fk_participants_program_id_organization_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_participants")),
    )
    op.create_index(op.f("ix_participants_program_id_code"), "participants", ["program_id", "code"], unique=True)
    op.create_table(
        "bundles",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("participant_id", sa.Uuid(), nullable=False),
        sa.Column("claimed_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id", "participant_id"],
            ["participants.program_id", "participants.id"],
            name=op.f("fk_bundles_program_id_participant_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_bundles")),
    )
    op.create_index(
        op.f("ix_bundles_program_id_participant_id"),
        "bundles",
        ["program_id", "participant_id"],
    )
    op.create_table(
        "services",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("location_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("hud_project_type", sa.Integer(), nullable=True),
        sa.Column("eligibility_description", sa.Text(), nullable=True),
        sa.Column("minimum_age", sa.Integer(), nullable=True),
        sa.Column("maximum_age", sa.Integer(), nullable=True),
        sa.Column("languages", ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("attributes", JSONB, server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("source_key", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            CATEGORY,
            name=op.f("ck_services_category_known"),
        ),
        sa.CheckConstraint(
            "status IN ('active', 'inactive', 'defunct', 'temporarily closed')",
            name=op.f("ck_services_status_known"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "location_id"],
            ["locations.program_id", "locations.id"],
            name=op.f("fk_services_program_id_location_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "organization_id"],
            ["organizations.program_id", "organizations.id"],
            name=op.f("fk_services_program_id_organization_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_services")),
    )
    op.create_index(op.f("ix_services_program_id_location_id"), "services", ["program_id", "location_id"])
    op.create_index(
        op.f("ix_services_program_id_organization_id"),
        "services",
        ["program_id", "organization_id"],
    )
    op.create_index(op.f("ix_services_program_id_source_key"), "services", ["program_id", "source_key"], unique=True)
    op.create_table(
        "openings",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("units_total", sa.Integer(), nullable=False),
        sa.Column("units_taken", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_lapse_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fresh_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hold_minutes", sa.Integer(), nullable=True),
        sa.Column("minimum_age", sa.Integer(), nullable=True),
        sa.Column("maximum_age", sa.Integer(), nullable=True),
        sa.Column("languages", ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("attributes", JSONB, server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("latitude", sa.Double(), nullable=True),
        sa.Column("longitude", sa.Double(), nullable=True),
        sa.Column(
            "on_earth",
            Cube(),
            sa.Computed(
                ON_EARTH,
                persisted=True,
            ),
            nullable=True,
        ),
        sa.Column("source_key", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            CATEGORY,
            name=op.f("ck_openings_category_known"),
        ),
        sa.CheckConstraint(
            UNIT,
            name=op.f("ck_openings_unit_known"),
        ),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_openings_ends_after_start")),
        sa.CheckConstraint("hold_minutes BETWEEN 1 AND 44640", name=op.f("ck_openings_hold_minutes_sane")),
        sa.CheckConstraint("units_taken BETWEEN 0 AND units_total", name=op.f("ck_openings_never_oversold")),
        sa.CheckConstraint("units_total BETWEEN 0 AND 100000", name=op.f("ck_openings_units_total_sane")),
        sa.ForeignKeyConstraint(
            ["program_id", "organization_id"],
            ["organizations.program_id", "organizations.id"],
            name=op.f("fk_openings_program_id_organization_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "service_id"],
            ["services.program_id", "services.id"],
            name=op.f("fk_openings_program_id_service_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_openings")),
        postgresql_with={"fillfactor": "60"},
    )
    op.create_index("ix_openings_freshest", "openings", ["program_id", "category", "fresh_until"])
    op.create_index(
        "ix_openings_nearest",
        "openings",
        ["program_id", "category", "on_earth"],
        postgresql_using="gist",
    )
    op.create_index(
        op.f("ix_openings_program_id_organization_id_id"),
        "openings",
        ["program_id", "organization_id", "id"],
    )
    op.create_index(op.f("ix_openings_program_id_service_id"), "openings", ["program_id", "service_id"])
    op.create_index(op.f("ix_openings_program_id_source_key"), "openings", ["program_id", "source_key"], unique=True)
    op.create_table(
        "claims",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bundle_id", sa.Uuid(), nullable=False),
        sa.Column("opening_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("claimed_by", sa.Uuid(), nullable=False),
        sa.Column("worker_organization_id", sa.Uuid(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("need", JSONB, nullable=True),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hold_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("extensions", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("replaces_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("(state = 'declined') = (reason IS NOT NULL)", name=op.f("ck_claims_declined_with_reason")),
        sa.CheckConstraint(
            "state IN ('held', 'confirmed', 'arrived', 'completed', 'released', 'expired', 'declined', 'no_show')",
            name=op.f("ck_claims_state_known"),
        ),
        sa.CheckConstraint("units BETWEEN 1 AND 100000", name=op.f("ck_claims_units_sane")),
        sa.ForeignKeyConstraint(
            ["program_id", "bundle_id"],
            ["bundles.program_id", "bundles.id"],
            name=op.f("fk_claims_program_id_bundle_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "opening_id"],
            ["openings.program_id", "openings.id"],
            name=op.f("fk_claims_program_id_opening_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_claims")),
    )
    op.create_index(
        "ix_claims_held",
        "claims",
        ["program_id", "opening_id", "hold_until"],
        postgresql_where=sa.text("state = 'held'"),
    )
    op.create_index(
        "ix_claims_lapsing",
        "claims",
        ["program_id", "hold_until"],
        postgresql_where=sa.text("state = 'held'"),
    )
    op.create_index(op.f("ix_claims_program_id_bundle_id"), "claims", ["program_id", "bundle_id"])
    op.create_index("ix_claims_provider", "claims", ["program_id", "organization_id", "id"])
    op.create_index("ix_claims_worker", "claims", ["program_id", "worker_organization_id", "id"])
    op.create_index(
        "ix_claims_holder",
        "claims",
        ["program_id", "claimed_by"],
        postgresql_where=sa.text("state = 'held'"),
    )

    run("2026_11_23_guards")
    run("2026_11_23_rights")


def downgrade() -> None:
    # The functions that take a row of openings go with the table's type, so the tables can't go first.
    for function in ("opening_facts", "opening_change"):
        op.execute(f"DROP FUNCTION {function}")
    for table in TABLES:
        op.drop_table(table)
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    # The role stays: it belongs to the whole server, where another database may use it.
    op.execute("DROP EXTENSION btree_gist")
    op.execute("DROP EXTENSION cube")
