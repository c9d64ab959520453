"""Sealer, sweeper and notices go to the programs that have something for them, not to each."""

from alembic import op

from app.schema import run_sql

revision = "2026_11_27_b_idle"
down_revision = "2026_11_27_a_directory"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("2026_11_27_b_idle")


def downgrade() -> None:
    op.execute("DROP FUNCTION programs_unsealed, programs_lapsed, programs_reached")
