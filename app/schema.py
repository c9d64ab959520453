"""The schema as a whole: every model's metadata, and moving a database to it."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from sqlalchemy import text

from app.access import (
    audit,
    chain,
    challenges,
    counters,
    devices,
    idempotency,
    invitations,
    keys,
    openid_subjects,
    passkeys,
    passwords,
    people,
    programs,
    providers,
    recovery,
    sessions,
    tokens,
    totp,
    tries,
)
from app.casework import consents, demographics, disclosures, identity, participants, referrals
from app.core import events, keyring
from app.core.database import Base
from app.delivery import log, watches
from app.delivery.notices import browsers, choices, push, rows
from app.delivery.webhooks import tables as webhooks
from app.market import board, directory, tables

MODULES = (
    *(audit, chain, counters, idempotency, keys, programs, tokens),
    *(people, invitations, sessions, devices, challenges, tries),
    *(passwords, totp, recovery, passkeys, providers, openid_subjects),
    *(participants, identity, demographics, consents, disclosures, referrals),
    *(keyring, events, directory, tables, board),
    *(log, watches, webhooks),
    *(choices, browsers, push, rows),
)
"""Importing these registers their tables; a noun with a table of its own adds itself here."""

METADATA = Base.metadata

if TYPE_CHECKING:
    from alembic.config import Config

# Alembic is imported where it is used: it takes a third of a second, and a server that needs no migration no Alembic.

_SCRIPTS = Path(__file__).parent.parent / "alembic"


def _config(url: str = "postgresql://", output: TextIO | None = None) -> "Config":
    from alembic.config import Config

    config = Config(output_buffer=output)
    config.set_main_option("script_location", str(_SCRIPTS))
    # Dated names: migrations list in the order in which they were written.
    config.set_main_option("file_template", "%%(year)d_%%(month).2d_%%(day).2d_%%(slug)s")
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Migrate the database at `url`, whose role must own the schema, to `revision`."""
    from alembic import command

    command.upgrade(_config(url), revision)


def downgrade(url: str, revision: str) -> None:
    """Take the database at `url` back to `revision`; `base` is the empty schema."""
    from alembic import command

    command.downgrade(_config(url), revision)


def upgrade_sql() -> str:
    """The statements that build the schema from nothing."""
    from alembic import command

    output = io.StringIO()
    command.upgrade(_config(output=output), "head", sql=True)
    return output.getvalue()


def run_sql(name: str) -> None:
    """For migrations: run the statements of a file in alembic/sql, one by one, since asyncpg takes one at a time."""
    from alembic import op

    for statement in (_SCRIPTS / "sql" / f"{name}.sql").read_text(encoding="utf-8").split("\n;;\n"):
        op.execute(text(statement.replace(":", "\\:")))


def protect(*tables: str) -> None:
    """For migrations: let the app role see, of these new tables, the rows of its transaction's program alone.

    What it may do with those is granted beside, column by column.
    """
    from alembic import op

    for table in tables:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(
            # The sub-select is read once a statement instead of once a row; unset, it is null and shows nothing.
            f"CREATE POLICY one_program ON {table} TO openberth_app"
            " USING (program_id = (SELECT nullif(current_setting('openberth.program_id', true), '')\\:\\:uuid))"
        )


def revisions() -> list[str]:
    """Every revision that this code has, oldest first: they are named after their files, and those by date."""
    return sorted(file.stem for file in (_SCRIPTS / "versions").glob("*.py"))


def head() -> str:
    """The newest revision that this code has."""
    return revisions()[-1]
