"""Notes: an entry in the trail for what no trigger sees, above all that somebody looked."""

from alembic import op

from app.schema import run_sql

revision = "2026_11_24_a_notes"
down_revision = "2026_11_23_the_house"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("2026_11_24_a_notes")


def downgrade() -> None:
    op.execute("DROP FUNCTION note")
