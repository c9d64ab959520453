"""Survivors: what serves them is claimed by one-time codes; and referrals under the golden rule."""

import sqlalchemy as sa
from alembic import op

from app.schema import protect, run_sql

revision = "2026_11_24_f_survivors"
down_revision = "2026_11_24_e_trail"
branch_labels = None
depends_on = None

KIND = "kind IN ('diversion', 'social_contact', 'community')"
CLOSE_REASON = (
    "close_reason IN ('could_not_be_found', 'declined', 'referred_elsewhere', 'already_in_program', 'not_eligible',"
    " 'died', 'entered_in_error')"
)
FALSE = sa.text("false")


def upgrade() -> None:
    op.add_column("services", sa.Column("serves_survivors", sa.Boolean(), server_default=FALSE, nullable=False))
    op.add_column("openings", sa.Column("confidential", sa.Boolean(), server_default=FALSE, nullable=False))
    op.add_column("bundles", sa.Column("one_time_code", sa.Text(), nullable=True))
    run_sql("2026_11_24_f_survivors_past")
    op.create_check_constraint(
        op.f("ck_openings_confidential_has_no_place"), "openings", "NOT (confidential AND latitude IS NOT NULL)"
    )
    op.create_check_constraint(op.f("ck_bundles_for_one"), "bundles", "num_nonnulls(participant_id, one_time_code) = 1")
    op.create_check_constraint(
        op.f("ck_bundles_one_time_code_shape"),
        "bundles",
        "one_time_code ~ '^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}$'",
    )
    op.create_index(
        "ix_bundles_one_time",
        "bundles",
        ["program_id", "one_time_code"],
        unique=True,
        postgresql_where=sa.text("one_time_code IS NOT NULL"),
    )
    op.create_table(
        "referrals",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("referred_by", sa.Uuid(), nullable=False),
        sa.Column("referrer_role", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.LargeBinary(), nullable=True),
        sa.Column("person", sa.LargeBinary(), nullable=False),
        sa.Column("referred_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("contacted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("taken_in_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("participant_id", sa.Uuid(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("close_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(KIND, name=op.f("ck_referrals_kind_known")),
        sa.CheckConstraint(CLOSE_REASON, name=op.f("ck_referrals_close_reason_known")),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (close_reason IS NULL)", name=op.f("ck_referrals_closed_with_reason")
        ),
        sa.CheckConstraint(
            "(taken_in_at IS NULL) = (participant_id IS NULL)", name=op.f("ck_referrals_taken_in_as_someone")
        ),
        sa.CheckConstraint(
            "taken_in_at IS NULL OR (contacted_at IS NOT NULL AND closed_at IS NULL)",
            name=op.f("ck_referrals_taken_in_after_contact"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "organization_id"],
            ["organizations.program_id", "organizations.id"],
            name=op.f("fk_referrals_program_id_organization_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "participant_id"],
            ["participants.program_id", "participants.id"],
            name=op.f("fk_referrals_program_id_participant_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_referrals")),
    )
    op.create_index(op.f("ix_referrals_program_id_referred_by_id"), "referrals", ["program_id", "referred_by", "id"])
    op.create_index(
        "ix_referrals_open",
        "referrals",
        ["program_id", "id"],
        postgresql_where=sa.text("taken_in_at IS NULL AND closed_at IS NULL"),
    )
    protect("referrals")
    run_sql("2026_11_24_f_survivors")


def downgrade() -> None:
    op.drop_table("referrals")
    run_sql("2026_11_24_f_survivors_undone")
    op.drop_index("ix_bundles_one_time", "bundles")
    op.drop_constraint(op.f("ck_bundles_one_time_code_shape"), "bundles")
    op.drop_constraint(op.f("ck_bundles_for_one"), "bundles")
    op.drop_constraint(op.f("ck_openings_confidential_has_no_place"), "openings")
    # Refused while there is an anonymous bundle: the schema before this one has no room for it.
    op.alter_column("bundles", "participant_id", nullable=False)
    op.drop_column("bundles", "one_time_code")
    op.drop_column("openings", "confidential")
    op.drop_column("services", "serves_survivors")
