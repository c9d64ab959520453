"""What an event tells of an opening is put into the statement that asks for it, instead of being called for each row.

PostgreSQL inlines a function only where it promises no more than what it calls: `jsonb_build_object` is stable, for
times are told in the session's time zone.
"""

from alembic import op

revision = "2026_11_27_c_facts"
down_revision = "2026_11_27_b_idle"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER FUNCTION opening_facts(openings) STABLE")


def downgrade() -> None:
    op.execute("ALTER FUNCTION opening_facts(openings) IMMUTABLE")
