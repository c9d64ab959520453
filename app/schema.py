"""The schema as a whole: every model's metadata, and moving a database to it."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from app.access import audit, idempotency, keys, programs
from app.casework import participants
from app.core import events
from app.core.database import Base
from app.market import directory, tables

MODULES = (audit, idempotency, keys, programs, participants, events, directory, tables)
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


def revisions() -> list[str]:
    """Every revision that this code has, oldest first: they are named after their files, and those by date."""
    return sorted(file.stem for file in (_SCRIPTS / "versions").glob("*.py"))


def head() -> str:
    """The newest revision that this code has."""
    return revisions()[-1]
