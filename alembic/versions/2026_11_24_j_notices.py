"""Notices: what people are told by e-mail and in their browsers, and what they chose of it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from app.schema import protect, run_sql

revision = "2026_11_24_j_notices"
down_revision = "2026_11_24_i_webhooks"
branch_labels = None
depends_on = None

# Children first.
TABLES = ("notices", "push_keys", "push_subscriptions", "notice_choices")
FUNCTIONS = ("programs_owing", "retire_notices")


def moment(name: str, *, nullable: bool = False, default: str | None = None) -> sa.Column[object]:
    """A time, with or without a default."""
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text(default) if default else None, nullable=nullable
    )


def of_person(table: str) -> tuple[sa.Column[object], sa.Column[object], sa.ForeignKeyConstraint]:
    """The columns that say whose a row is."""
    return (
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id", "person_id"],
            ["people.program_id", "people.id"],
            name=op.f(f"fk_{table}_program_id_person_id"),
        ),
    )


def upgrade() -> None:
    op.create_table(
        "notice_choices",
        *of_person("notice_choices"),
        sa.Column("language", sa.Text(), server_default=sa.text("'en'"), nullable=False),
        sa.Column("lapse_minutes", sa.SmallInteger(), server_default=sa.text("15"), nullable=False),
        sa.Column("attest_minutes", sa.SmallInteger(), server_default=sa.text("60"), nullable=False),
        sa.Column("quiet_from", sa.Time(), nullable=True),
        sa.Column("quiet_until", sa.Time(), nullable=True),
        sa.Column("choices", JSONB, server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.CheckConstraint("language IN ('en', 'es')", name=op.f("ck_notice_choices_language_known")),
        sa.CheckConstraint("lapse_minutes BETWEEN 5 AND 120", name=op.f("ck_notice_choices_lapse_minutes_sane")),
        sa.CheckConstraint("attest_minutes BETWEEN 15 AND 720", name=op.f("ck_notice_choices_attest_minutes_sane")),
        sa.CheckConstraint(
            "num_nulls(quiet_from, quiet_until) <> 1 AND quiet_from <> quiet_until",
            name=op.f("ck_notice_choices_quiet_from_until"),
        ),
        sa.PrimaryKeyConstraint("program_id", "person_id", name=op.f("pk_notice_choices")),
    )
    op.create_table(
        "push_subscriptions",
        sa.Column("id", sa.Uuid(), nullable=False),
        *of_person("push_subscriptions"),
        sa.Column("endpoint_hash", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        moment("created_at", default="now()"),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_push_subscriptions")),
    )
    op.create_index(
        op.f("ix_push_subscriptions_program_id_endpoint_hash"),
        "push_subscriptions",
        ["program_id", "endpoint_hash"],
        unique=True,
    )
    op.create_index(
        op.f("ix_push_subscriptions_program_id_person_id"), "push_subscriptions", ["program_id", "person_id"]
    )
    op.create_table(
        "push_keys",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("private_key", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_push_keys_program_id")),
        sa.PrimaryKeyConstraint("program_id", name=op.f("pk_push_keys")),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.Uuid(), nullable=False),
        *of_person("notices"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        moment("moment"),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("destination", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'due'"), nullable=False),
        moment("useful_until"),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        moment("next_at", default="clock_timestamp()"),
        sa.Column("error", sa.Text(), nullable=True),
        moment("created_at", default="now()"),
        moment("sent_at", nullable=True),
        sa.CheckConstraint("channel IN ('email', 'push')", name=op.f("ck_notices_channel_known")),
        sa.CheckConstraint("state IN ('due', 'sent', 'given_up')", name=op.f("ck_notices_state_known")),
        sa.CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", name=op.f("ck_notices_sent_when_sent")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_notices")),
    )
    op.create_index(
        "ix_notices_once",
        "notices",
        ["program_id", "person_id", "kind", "subject_id", "moment", "destination"],
        unique=True,
    )
    op.create_index(
        "ix_notices_due", "notices", ["program_id", "channel", "next_at"], postgresql_where=sa.text("state = 'due'")
    )
    op.create_index(op.f("ix_notices_program_id_created_at"), "notices", ["program_id", "created_at"])
    # A claim enters it when it is declined: none that is made pays for it.
    op.create_index(
        "ix_claims_declined", "claims", ["program_id", "ended_at"], postgresql_where=sa.text("state = 'declined'")
    )
    protect(*reversed(TABLES))
    run_sql("2026_11_24_j_notices")


def downgrade() -> None:
    op.execute("DROP TRIGGER invitations_forget_browsers ON invitations")
    op.execute("DROP TRIGGER people_forget_browsers ON people")
    op.drop_index("ix_claims_declined", "claims")
    for table in TABLES:
        op.drop_table(table)
    for function in (*FUNCTIONS, "forget_browsers"):
        op.execute(f"DROP FUNCTION {function}")
