"""Casework: data keys, identities and what finds them, demographics, consents and disclosures."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

from app.schema import protect, run_sql

revision = "2026_11_24_c_casework"
down_revision = "2026_11_24_b_keys"
branch_labels = None
depends_on = None

TABLES = ("disclosures", "consents", "demographics", "identity_marks", "identities", "data_keys")
FUNCTIONS = (
    "write_identity",
    "read_identity",
    "erase_identity",
    "seek_identities",
    "write_demographics",
    "count_demographics",
    "consents_inserted",
    "consents_guard",
    "consents_updated",
    "disclosures_guard",
    "disclosures_inserted",
    "data_keys_changed",
    "casework_program",
)
CLOCK = sa.text("clock_timestamp()")


def to_participant(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["program_id", "participant_id"],
        ["participants.program_id", "participants.id"],
        name=op.f(f"fk_{table}_program_id_participant_id"),
    )


def to_organization(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["program_id", "organization_id"],
        ["organizations.program_id", "organizations.id"],
        name=op.f(f"fk_{table}_program_id_organization_id"),
    )


def create_identity_tables() -> None:
    op.create_table(
        "data_keys",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("master_id", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_data_keys_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_data_keys")),
    )
    op.create_index(
        "ix_data_keys_current",
        "data_keys",
        ["program_id"],
        unique=True,
        postgresql_where=sa.text("retired_at IS NULL"),
    )
    op.create_table(
        "identities",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("participant_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), server_default=CLOCK, nullable=False),
        to_participant("identities"),
        sa.PrimaryKeyConstraint("program_id", "participant_id", name=op.f("pk_identities")),
    )
    op.create_table(
        "identity_marks",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("mark", sa.LargeBinary(), nullable=False),
        sa.Column("participant_id", sa.Uuid(), nullable=False),
        to_participant("identity_marks"),
        sa.PrimaryKeyConstraint("program_id", "mark", "participant_id", name=op.f("pk_identity_marks")),
    )
    op.create_index(
        op.f("ix_identity_marks_program_id_participant_id"), "identity_marks", ["program_id", "participant_id"]
    )
    op.create_table(
        "demographics",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("race_ethnicity", ARRAY(sa.Text()), nullable=True),
        sa.Column("gender", ARRAY(sa.Text()), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_demographics_program_id")),
        sa.PrimaryKeyConstraint("program_id", "subject", name=op.f("pk_demographics")),
    )


def create_consent_tables() -> None:
    op.create_table(
        "consents",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("participant_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.Column("text_version", sa.Text(), nullable=False),
        sa.Column("kinds", ARRAY(sa.Text()), nullable=False),
        sa.Column("disclosers", ARRAY(sa.Uuid()), nullable=False),
        sa.Column("recipients", ARRAY(sa.Uuid()), nullable=False),
        sa.Column("treating_providers", sa.Boolean(), nullable=False),
        sa.Column("expiry", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("signed_on", sa.Date(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), server_default=CLOCK, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.Uuid(), nullable=True),
        sa.Column("revoked_how", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Uuid(), nullable=True),
        sa.Column("ended_words", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("expiry IN ('date', 'event', 'condition')", name=op.f("ck_consents_expiry_known")),
        sa.CheckConstraint("(expiry = 'date') = (expires_at IS NOT NULL)", name=op.f("ck_consents_expiry_whole")),
        sa.CheckConstraint(
            "cardinality(kinds) > 0 AND cardinality(disclosers) > 0 AND cardinality(recipients) > 0",
            name=op.f("ck_consents_complete"),
        ),
        sa.CheckConstraint(
            "revoked_how IN ('in_writing', 'spoken', 'by_representative')", name=op.f("ck_consents_revoked_how_known")
        ),
        sa.CheckConstraint(
            "num_nonnulls(revoked_at, revoked_by, revoked_how) IN (0, 3)", name=op.f("ck_consents_revoked_whole")
        ),
        sa.CheckConstraint(
            "num_nonnulls(ended_at, ended_by, ended_words) IN (0, 3)", name=op.f("ck_consents_ended_whole")
        ),
        to_participant("consents"),
        to_organization("consents"),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_consents")),
    )
    op.create_index(
        op.f("ix_consents_program_id_participant_id_id"), "consents", ["program_id", "participant_id", "id"]
    )
    op.create_table(
        "disclosures",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("participant_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("caller_id", sa.Uuid(), nullable=False),
        sa.Column("claim_id", sa.Uuid(), nullable=False),
        sa.Column("consent_id", sa.Uuid(), nullable=False),
        sa.Column("kinds", ARRAY(sa.Text()), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=CLOCK, nullable=False),
        sa.CheckConstraint("cardinality(kinds) > 0", name=op.f("ck_disclosures_of_something")),
        to_participant("disclosures"),
        to_organization("disclosures"),
        sa.ForeignKeyConstraint(
            ["program_id", "claim_id"],
            ["claims.program_id", "claims.id"],
            name=op.f("fk_disclosures_program_id_claim_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "consent_id"],
            ["consents.program_id", "consents.id"],
            name=op.f("fk_disclosures_program_id_consent_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_disclosures")),
    )
    op.create_index(
        op.f("ix_disclosures_program_id_participant_id_id"), "disclosures", ["program_id", "participant_id", "id"]
    )


def upgrade() -> None:
    create_identity_tables()
    create_consent_tables()
    protect(*reversed(TABLES))
    run_sql("2026_11_24_c_casework")


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
