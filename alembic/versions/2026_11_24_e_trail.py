"""The trail: entries are sealed into a chain per program, nobody changes them, and what is old is retired."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from app.schema import protect, run_sql

revision = "2026_11_24_e_trail"
down_revision = "2026_11_24_d_people"
branch_labels = None
depends_on = None

NOTHING = sa.text("decode(repeat('00', 32), 'hex')")
TRIGGERS = ("audit_identified", "audit_unchanged", "audit_kept")
FUNCTIONS = (
    "retire_unmet_needs",
    "retire_needs",
    "retire_answers",
    "retire_events",
    "retire_trail",
    "retention_ran",
    "retention_cut_off",
    "seal_trail",
    "take_transaction_id",
    "audit_bytes",
)


def upgrade() -> None:
    op.create_table(
        "audit_seals",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("program_id", "number", name=op.f("pk_audit_seals")),
        sa.UniqueConstraint("program_id", "entry_id", name=op.f("uq_audit_seals_program_id_entry_id")),
    )
    op.create_table(
        "audit_chains",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("hash", sa.LargeBinary(), server_default=NOTHING, nullable=False),
        sa.Column("settled_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("fence_id", sa.BigInteger(), nullable=True),
        sa.Column("fence_xid", sa.BigInteger(), nullable=True),
        sa.Column("retired_number", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("retired_hash", sa.LargeBinary(), server_default=NOTHING, nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_audit_chains_program_id")),
        sa.PrimaryKeyConstraint("program_id", name=op.f("pk_audit_chains")),
    )
    protect("audit_seals", "audit_chains")
    op.add_column("programs", sa.Column("retention", JSONB, server_default=sa.text("'{}'::jsonb"), nullable=False))
    op.create_index(op.f("ix_audit_program_id_subject_id_id"), "audit", ["program_id", "subject_id", "id"])
    op.create_index(
        "ix_claims_remembered",
        "claims",
        ["program_id", "ended_at"],
        postgresql_where=sa.text("need IS NOT NULL AND ended_at IS NOT NULL"),
    )
    run_sql("2026_11_24_e_trail")
    run_sql("2026_11_24_e_retention")


def downgrade() -> None:
    for trigger in TRIGGERS:
        op.execute(f"DROP TRIGGER {trigger} ON audit")
    op.execute("DROP AGGREGATE chain_hash(bytea, bytea)")
    op.execute("DROP FUNCTION chain_link")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    op.drop_index("ix_claims_remembered", "claims")
    op.drop_index(op.f("ix_audit_program_id_subject_id_id"), "audit")
    op.drop_column("programs", "retention")
    op.drop_table("audit_chains")
    op.drop_table("audit_seals")
