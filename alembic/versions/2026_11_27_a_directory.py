"""The directory can be edited: a version of each entry, what changed in the trail, and openings that follow."""

import sqlalchemy as sa
from alembic import op

from app.schema import run_sql

revision = "2026_11_27_a_directory"
down_revision = "2026_11_24_m_contacts"
branch_labels = None
depends_on = None

TABLES = ("organizations", "locations", "services")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
    run_sql("2026_11_27_a_directory")


def downgrade() -> None:
    run_sql("2026_11_27_a_directory_undone")
    for table in reversed(TABLES):
        op.drop_column(table, "version")
