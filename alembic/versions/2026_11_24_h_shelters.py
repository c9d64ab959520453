"""Organizations that serve survivors have no participants: their people claim by one-time codes, and know nobody."""

import sqlalchemy as sa
from alembic import op

from app.schema import run_sql

revision = "2026_11_24_h_shelters"
down_revision = "2026_11_24_g_relay"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_organizations_survivors",
        "organizations",
        ["program_id", "id"],
        postgresql_where=sa.text("serves_survivors"),
    )
    run_sql("2026_11_24_h_shelters_past")
    run_sql("2026_11_24_h_shelters")


def downgrade() -> None:
    run_sql("2026_11_24_h_shelters_undone")
    op.drop_index("ix_organizations_survivors", "organizations")
