"""Webhooks: subscriptions, deliveries in order for each opening, and their tries."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.schema import protect, run_sql

revision = "2026_11_24_i_webhooks"
down_revision = "2026_11_24_h_shelters"
branch_labels = None
depends_on = None

NOW = sa.text("clock_timestamp()")
FUNCTIONS = ("retire_webhook_deliveries", "webhooks_due", "standing_caller")


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("caller_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("scopes", ARRAY(sa.Text()), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("types", ARRAY(sa.Text()), nullable=True),
        sa.Column("filter", JSONB, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("previous_secret", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), server_default="on", nullable=False),
        sa.Column("off_because", sa.Text(), nullable=True),
        sa.Column("state_since", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("after_number", sa.BigInteger(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('on', 'paused', 'off')", name=op.f("ck_webhooks_state_known")),
        sa.CheckConstraint(
            "off_because IN ('failing', 'gone', 'caller_ended', 'not_permitted', 'secret_lost', 'log_gone')",
            name=op.f("ck_webhooks_off_because_known"),
        ),
        sa.CheckConstraint("(state = 'off') = (off_because IS NOT NULL)", name=op.f("ck_webhooks_off_says_why")),
        sa.ForeignKeyConstraint(
            ["program_id", "organization_id"],
            ["organizations.program_id", "organizations.id"],
            name=op.f("fk_webhooks_program_id_organization_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_webhooks")),
    )
    op.create_index(op.f("ix_webhooks_program_id_caller_id"), "webhooks", ["program_id", "caller_id"])
    op.create_index(op.f("ix_webhooks_program_id_organization_id"), "webhooks", ["program_id", "organization_id"])
    _deliveries()
    op.create_table(
        "webhook_tries",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("nr", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("ms", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["program_id", "delivery_id"],
            ["webhook_deliveries.program_id", "webhook_deliveries.id"],
            name=op.f("fk_webhook_tries_program_id_delivery_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("program_id", "delivery_id", "nr", name=op.f("pk_webhook_tries")),
    )
    protect("webhooks", "webhook_deliveries", "webhook_tries")
    run_sql("2026_11_24_i_webhooks")


def _deliveries() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("webhook_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("lane", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="trying", nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("first_tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("taken_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('trying', 'delivered', 'failed', 'withheld', 'skipped')",
            name=op.f("ck_webhook_deliveries_state_known"),
        ),
        sa.CheckConstraint(
            "(state = 'trying') = (ended_at IS NULL)", name=op.f("ck_webhook_deliveries_ended_says_how")
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "webhook_id"],
            ["webhooks.program_id", "webhooks.id"],
            name=op.f("fk_webhook_deliveries_program_id_webhook_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_webhook_deliveries")),
    )
    table = "webhook_deliveries"
    op.create_index("ix_webhook_deliveries_number", table, ["program_id", "webhook_id", "number"], unique=True)
    op.create_index(
        "ix_webhook_deliveries_trying",
        table,
        ["program_id", "webhook_id", "lane", "number"],
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("ix_webhook_deliveries_newest", table, ["program_id", "webhook_id", "taken_at", "id"])
    op.create_index(op.f("ix_webhook_deliveries_program_id_ended_at"), table, ["program_id", "ended_at"])


def downgrade() -> None:
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    op.drop_table("webhook_tries")
    op.drop_table("webhook_deliveries")
    op.drop_table("webhooks")
    op.execute("DROP FUNCTION webhooks_changed")
