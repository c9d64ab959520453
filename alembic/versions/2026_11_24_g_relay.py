"""The relay: events carry their transaction, the log numbers them, and people may watch for openings."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.schema import protect, run_sql

revision = "2026_11_24_g_relay"
down_revision = "2026_11_24_f_survivors"
branch_labels = None
depends_on = None

FUNCTIONS = ("number_events", "programs_behind", "forget_events", "tell_watchers")


def upgrade() -> None:
    # What was written before there was a log stays out of it: transaction 0 is older than any.
    op.add_column("events", sa.Column("xid", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.alter_column("events", "xid", server_default=sa.text("(pg_current_xact_id()::text)::bigint"))
    # Not one index more, which every claim would pay for, but another order of the one there is. `id` stays unique: it
    # is drawn from a sequence, always.
    op.execute("-- squawk-ignore ban-drop-constraint\nALTER TABLE events DROP CONSTRAINT pk_events")
    op.create_primary_key("pk_events", "events", ["program_id", "xid", "id"])
    op.create_table(
        "log_pages",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.Column("event_ids", ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("xids", ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("seen_xid", sa.BigInteger(), nullable=False),
        sa.Column("seen_open", ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("taking_xid", sa.BigInteger(), nullable=True),
        sa.Column("taking_open", ARRAY(sa.BigInteger()), nullable=True),
        sa.Column("cluster", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("cardinality(event_ids) = cardinality(xids)", name=op.f("ck_log_pages_named_in_full")),
        sa.PrimaryKeyConstraint("program_id", "last_number", name=op.f("pk_log_pages")),
    )
    op.create_table(
        "watches",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("caller_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("need", JSONB, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("until <= started_at + interval '24 hours'", name=op.f("ck_watches_a_day_at_most")),
        sa.ForeignKeyConstraint(
            ["program_id", "organization_id"],
            ["organizations.program_id", "organizations.id"],
            name=op.f("fk_watches_program_id_organization_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_watches")),
    )
    op.create_index("ix_watches_on", "watches", ["program_id", "until"], postgresql_where=sa.text("ended_at IS NULL"))
    op.create_index(op.f("ix_watches_program_id_caller_id"), "watches", ["program_id", "caller_id"])
    protect("log_pages", "watches")
    run_sql("2026_11_24_g_relay")


def downgrade() -> None:
    run_sql("2026_11_24_g_relay_undone")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    op.drop_table("watches")
    op.execute("DROP FUNCTION watches_changed")
    op.drop_table("log_pages")
    op.drop_constraint("pk_events", "events", type_="primary")
    op.create_primary_key("pk_events", "events", ["program_id", "id"])
    op.drop_column("events", "xid")
