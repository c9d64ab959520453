"""Whose sessions hold, asked for those who listen: listening is no use, and moves no idle end."""

from alembic import op

from app.schema import run_sql

revision = "2026_11_24_k_sessions_held"
down_revision = "2026_11_24_j_notices"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("2026_11_24_k_sessions_held")


def downgrade() -> None:
    op.execute("DROP FUNCTION find_people")
