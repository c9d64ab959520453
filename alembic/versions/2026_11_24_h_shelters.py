"""Organizations that serve survivors have no participants: their people claim by one-time codes, and know nobody."""

from app.schema import run_sql

revision = "2026_11_24_h_shelters"
down_revision = "2026_11_24_f_survivors"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("2026_11_24_h_shelters_past")
    run_sql("2026_11_24_h_shelters")


def downgrade() -> None:
    run_sql("2026_11_24_h_shelters_undone")
