"""The schema as a whole: every model's metadata, and moving a database to it."""

import io
from pathlib import Path
from typing import TextIO

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from app.access import audit, idempotency, keys, programs
from app.casework import participants
from app.core import events
from app.core.database import Base
from app.market import directory, tables

MODULES = (audit, idempotency, keys, programs, participants, events, directory, tables)
"""Importing these registers their tables; a noun with a table of its own adds itself here."""

METADATA = Base.metadata

_SCRIPTS = Path(__file__).parent.parent / "alembic"


def _config(url: str = "postgresql://", output: TextIO | None = None) -> Config:
    config = Config(output_buffer=output)
    config.set_main_option("script_location", str(_SCRIPTS))
    # Dated names: migrations list in the order in which they were written.
    config.set_main_option("file_template", "%%(year)d_%%(month).2d_%%(day).2d_%%(slug)s")
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Migrate the database at `url`, whose role must own the schema, to `revision`."""
    command.upgrade(_config(url), revision)


def downgrade(url: str, revision: str) -> None:
    """Take the database at `url` back to `revision`; `base` is the empty schema."""
    command.downgrade(_config(url), revision)


def upgrade_sql() -> str:
    """The statements that build the schema from nothing."""
    output = io.StringIO()
    command.upgrade(_config(output=output), "head", sql=True)
    return output.getvalue()


def head() -> str:
    """The newest revision that this code has."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision, "there is at least one migration"
    return revision
