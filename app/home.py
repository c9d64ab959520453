"""Where the database is: the one that the settings name, or the embedded cluster, started for as long as needed."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from app import schema
from app.core.database import plain_url
from app.core.embedded import running
from app.core.keyring import MasterKeys, ensure_file
from app.core.settings import Settings


class NotReady(Exception):
    """The database can't be used as it is; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Home:
    """The addresses of the database: for requests, and for the owner of the schema."""

    url: str
    owner_url: str
    embedded: bool


@contextmanager
def home(settings: Settings) -> Iterator[Home]:
    """The database, running while inside. Raises ClusterError when the embedded cluster can't run."""
    if settings.database_url:
        yield Home(settings.database_url, settings.owner_database_url or settings.database_url, embedded=False)
        return
    with running(settings.data_dir) as cluster:
        cluster.ensure_database()
        yield Home(cluster.url(), cluster.url(), embedded=True)


def key_file(settings: Settings, home: Home) -> Path | None:
    """Where the master keys of the embedded database are, if the settings name none: beside its folder, not in it, so
    that a copy of the data alone opens nothing. None where the settings or another server's operator have them."""
    if not home.embedded or settings.master_keys or settings.master_keys_file is not None:
        return settings.master_keys_file
    folder = settings.data_dir.expanduser().resolve()
    return folder.with_name(f"{folder.name}.keys")


def master_keys(settings: Settings, home: Home) -> MasterKeys | None:
    """The master keys, those of the embedded database made if there are none yet. None where nobody has set any.

    Raises BadMasterKeys.
    """
    file = key_file(settings, home)
    if not settings.master_keys and settings.master_keys_file is None and file is not None:
        ensure_file(file)
        return MasterKeys.read(file)
    return MasterKeys.of(settings)


async def revision(url: str) -> str | None:
    """The schema's revision in this database, None for an empty one. Raises NotReady when it can't be reached."""
    try:
        connection = await asyncpg.connect(plain_url(url), timeout=10)
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        raise NotReady(f"The database can't be reached: {error}. Check OPENBERTH_DATABASE_URL.") from error
    try:
        if await connection.fetchval("SELECT to_regclass('alembic_version') IS NULL"):
            return None
        found: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
        return found
    finally:
        await connection.close()


def migrated(home: Home) -> None:
    """See that the schema is the one this code knows. The embedded database is migrated on the spot; for another
    that is its operator's decision. Raises NotReady."""
    found = asyncio.run(revision(home.owner_url))
    if found == schema.head():
        return
    if home.embedded:
        migrate(home)
        return
    raise NotReady(
        f"The database is at {found or 'no schema'}, this code needs {schema.head()}: run `openberth migrate`."
    )


def migrate(home: Home) -> None:
    """Bring the schema to the newest revision. Raises NotReady for one that a newer Openberth has left."""
    found = asyncio.run(revision(home.owner_url))
    if found is not None and found not in schema.revisions():
        raise NotReady(
            f"The database is at {found}, which this version does not know: a newer Openberth has used it."
            " Run that one, or give this one a database of its own."
        )
    schema.upgrade(home.owner_url)
