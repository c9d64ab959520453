"""What is open is kept every quarter of an hour, for planning."""

import sqlalchemy as sa
from alembic import op

from app.schema import protect, run_sql

revision = "2026_11_24_l_board"
down_revision = "2026_11_24_k_sessions_held"
branch_labels = None
depends_on = None

CATEGORIES = (
    "'housing', 'treatment', 'vocational', 'outreach', 'identification', 'food', 'transport', 'legal', 'health'"
)
FUNCTIONS = ("retire_board", "sample_board", "board_now", "area_name")


def upgrade() -> None:
    op.create_table(
        "board_samples",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("area", sa.Text(), nullable=False),
        sa.Column("openings", sa.BigInteger(), nullable=False),
        sa.Column("units_open", sa.BigInteger(), nullable=False),
        sa.Column("units_total", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(f"category IN ({CATEGORIES})", name=op.f("ck_board_samples_category_known")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_board_samples_program_id")),
        sa.PrimaryKeyConstraint("program_id", "at", "category", "area", name=op.f("pk_board_samples")),
    )
    protect("board_samples")
    run_sql("2026_11_24_l_board")


def downgrade() -> None:
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    op.drop_table("board_samples")
