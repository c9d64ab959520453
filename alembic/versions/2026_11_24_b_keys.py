"""Keys with names, scopes, rotation and tokens; and the counts that rate limits share."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

from app.schema import protect, run_sql

revision = "2026_11_24_b_keys"
down_revision = "2026_11_24_a_notes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("keys", sa.Column("name", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("keys", sa.Column("scopes", ARRAY(sa.Text()), nullable=True))
    op.add_column("keys", sa.Column("prefix", sa.Text(), nullable=True))
    op.add_column("keys", sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "key_secrets",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("scopes", ARRAY(sa.Text()), nullable=True),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('token', 'previous')", name=op.f("ck_key_secrets_kind_known")),
        sa.ForeignKeyConstraint(
            ["program_id", "key_id"], ["keys.program_id", "keys.id"], name=op.f("fk_key_secrets_program_id_key_id")
        ),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_key_secrets")),
        sa.UniqueConstraint("hash", name=op.f("uq_key_secrets_hash")),
    )
    op.create_index(op.f("ix_key_secrets_program_id_key_id"), "key_secrets", ["program_id", "key_id"])
    op.create_table(
        "rate_counts",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", "until", name=op.f("pk_rate_counts")),
        prefixes=["UNLOGGED"],
    )
    op.create_index(op.f("ix_rate_counts_until"), "rate_counts", ["until"])
    protect("key_secrets")
    # No policy and no right: requests reach it through `count_together` alone.
    op.execute("ALTER TABLE rate_counts ENABLE ROW LEVEL SECURITY")
    run_sql("2026_11_24_b_keys")


def downgrade() -> None:
    for trigger in ("keys_updated", "keys_stay_revoked", "keys_stay_who_they_are"):
        op.execute(f"DROP TRIGGER {trigger} ON keys")
    for function in ("find_secret", "rotate_key", "revoke_key", "keys_used", "keys_updated", "count_together"):
        op.execute(f"DROP FUNCTION {function}")
    op.execute("DROP POLICY no_operators ON keys")
    op.execute("REVOKE ALL ON keys FROM openberth_app")
    op.drop_table("rate_counts")
    op.drop_table("key_secrets")
    for column in ("last_used_at", "prefix", "scopes", "name"):
        op.drop_column("keys", column)
