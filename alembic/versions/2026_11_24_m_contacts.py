"""How a service is reached, when, and with which papers: HSDS `phones`, `schedules` and `required_documents`."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "2026_11_24_m_contacts"
down_revision = "2026_11_24_l_board"
branch_labels = None
depends_on = None

COLUMNS = ("phones", "schedules", "required_documents")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("services", sa.Column(name, JSONB, server_default=sa.text("'[]'::jsonb"), nullable=False))


def downgrade() -> None:
    for name in reversed(COLUMNS):
        op.drop_column("services", name)
