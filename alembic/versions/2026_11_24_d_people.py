"""People: who signs in, with what, and for how long."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.schema import protect, run_sql

revision = "2026_11_24_d_people"
down_revision = "2026_11_24_c_casework"
branch_labels = None
depends_on = None

# Children first.
TABLES = (
    "openid_subjects",
    "identity_providers",
    "passkeys",
    "recovery_codes",
    "totp",
    "passwords",
    "challenges",
    "devices",
    "sessions",
    "invitations",
    "sign_in_failures",
    "people",
)
FUNCTIONS = ("program_of", "find_session", "people_updated", "people_guard", "note_factor", "note_provider")


def moment(name: str, *, nullable: bool = False, now: bool = False) -> sa.Column[object]:
    """A time, with or without now as its default."""
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("now()") if now else None, nullable=nullable
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
        "people",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        moment("created_at", now=True),
        moment("joined_at", nullable=True),
        moment("ended_at", nullable=True),
        sa.ForeignKeyConstraint(
            ["program_id", "organization_id"],
            ["organizations.program_id", "organizations.id"],
            name=op.f("fk_people_program_id_organization_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_people")),
    )
    op.create_index(op.f("ix_people_program_id_email"), "people", ["program_id", "email"], unique=True)
    op.create_index(op.f("ix_people_program_id_organization_id"), "people", ["program_id", "organization_id"])
    op.create_table(
        "invitations",
        *of_person("invitations"),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        moment("expires_at"),
        sa.PrimaryKeyConstraint("program_id", "person_id", name=op.f("pk_invitations")),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        *of_person("sessions"),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        moment("created_at", now=True),
        moment("seen_at", now=True),
        moment("idle_until"),
        moment("expires_at"),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("hash", name=op.f("uq_sessions_hash")),
    )
    op.create_index(op.f("ix_sessions_program_id_person_id"), "sessions", ["program_id", "person_id"])
    op.create_table(
        "devices",
        *of_person("devices"),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        moment("expires_at"),
        sa.PrimaryKeyConstraint("program_id", "person_id", "hash", name=op.f("pk_devices")),
    )
    op.create_table(
        "challenges",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("data", JSONB, nullable=False),
        sa.Column("tries", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        moment("expires_at"),
        sa.ForeignKeyConstraint(
            ["program_id", "person_id"],
            ["people.program_id", "people.id"],
            name=op.f("fk_challenges_program_id_person_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_challenges")),
    )
    op.create_index(op.f("ix_challenges_program_id_hash"), "challenges", ["program_id", "hash"], unique=True)
    op.create_index(op.f("ix_challenges_program_id_person_id"), "challenges", ["program_id", "person_id"])
    op.create_index(op.f("ix_challenges_program_id_expires_at"), "challenges", ["program_id", "expires_at"])
    op.create_table(
        "sign_in_failures",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("counter", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        moment("last_at"),
        moment("barred_until"),
        sa.PrimaryKeyConstraint("program_id", "counter", name=op.f("pk_sign_in_failures")),
    )
    op.create_index(op.f("ix_sign_in_failures_program_id_last_at"), "sign_in_failures", ["program_id", "last_at"])
    op.create_table(
        "passwords",
        *of_person("passwords"),
        sa.Column("hash", sa.Text(), nullable=False),
        moment("changed_at", now=True),
        sa.PrimaryKeyConstraint("program_id", "person_id", name=op.f("pk_passwords")),
    )
    op.create_table(
        "totp",
        *of_person("totp"),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        moment("confirmed_at", nullable=True),
        sa.PrimaryKeyConstraint("program_id", "person_id", name=op.f("pk_totp")),
    )
    op.create_table(
        "recovery_codes",
        *of_person("recovery_codes"),
        sa.Column("hashes", ARRAY(sa.LargeBinary()), nullable=False),
        sa.PrimaryKeyConstraint("program_id", "person_id", name=op.f("pk_recovery_codes")),
    )
    op.create_table(
        "passkeys",
        sa.Column("id", sa.Uuid(), nullable=False),
        *of_person("passkeys"),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        moment("created_at", now=True),
        moment("used_at", nullable=True),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_passkeys")),
    )
    op.create_index(
        op.f("ix_passkeys_program_id_credential_id"), "passkeys", ["program_id", "credential_id"], unique=True
    )
    op.create_index(op.f("ix_passkeys_program_id_person_id"), "passkeys", ["program_id", "person_id"])
    op.create_table(
        "identity_providers",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("client_secret", sa.LargeBinary(), nullable=True),
        moment("changed_at", now=True),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_identity_providers_program_id")),
        sa.PrimaryKeyConstraint("program_id", "slug", name=op.f("pk_identity_providers")),
    )
    op.create_table(
        "openid_subjects",
        *of_person("openid_subjects"),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        moment("bound_at", now=True),
        sa.PrimaryKeyConstraint("program_id", "issuer", "subject", name=op.f("pk_openid_subjects")),
    )
    op.create_index(op.f("ix_openid_subjects_program_id_person_id"), "openid_subjects", ["program_id", "person_id"])
    protect(*reversed(TABLES))
    run_sql("2026_11_24_d_people")


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
