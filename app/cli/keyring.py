"""The key ring's commands: a new master key, rotation, and a program's end."""

import asyncio
from typing import Annotated
from uuid import UUID

import typer

from app.access.programs import find_program
from app.casework.rotation import reseal, rewrap
from app.casework.rotation import shred as destroy
from app.cli.output import console, explained
from app.core.database import Database
from app.core.keyring import Keyring, MasterKeys, new_master_key
from app.core.settings import Settings
from app.home import Home, NotReady, home, master_keys, migrated

cli = typer.Typer(help="Master keys, and the programs' data keys under them.", no_args_is_help=True)


@cli.command()
def new() -> None:
    """Print a new master key. Put it first in the ring, restart the servers, then `rotate`."""
    typer.echo(new_master_key())


@cli.command()
def rotate() -> None:
    """Wrap every data key by the first master key of the ring. Safe to repeat; then the others may go."""
    with explained(), home(Settings()) as where:
        migrated(where)
        done = asyncio.run(_rotate(where, _masters(where)))
        console.print(f"{done} data keys were wrapped by another master key; all are by the first one now.")


@cli.command("reseal")
def reseal_program(slug: Annotated[str, typer.Argument(help="The program's slug.")]) -> None:
    """Give a program a new data key, and seal all of its own again. May be stopped, and run again to go on."""
    with explained(), home(Settings()) as where:
        migrated(where)
        done = asyncio.run(_reseal(where, slug, Keyring(_masters(where))))
        console.print(f"{done} texts sealed again; the old data key is destroyed.")


def _masters(where: Home) -> MasterKeys:
    masters = master_keys(Settings(), where)
    if masters is None:
        raise NotReady("No master keys are set: OPENBERTH_MASTER_KEYS or OPENBERTH_MASTER_KEYS_FILE.")
    return masters


async def _rotate(where: Home, masters: MasterKeys) -> int:
    database = Database(where.owner_url, pool_size=1, as_owner=True)
    try:
        return await rewrap(database, masters)
    finally:
        await database.close()


async def _reseal(where: Home, slug: str, keyring: Keyring) -> int:
    database = Database(where.owner_url, pool_size=1, as_owner=True)
    try:
        return await reseal(database, keyring, await _program(database, slug))
    finally:
        await database.close()


async def shred(where: Home, slug: str) -> str:
    """Shred a program; answers what was done. Raises NotReady for one that isn't there."""
    database = Database(where.owner_url, pool_size=1, as_owner=True)
    try:
        count = await destroy(database, await _program(database, slug))
    finally:
        await database.close()
    if not count:
        return f"{slug} had no data key: there was nothing to destroy."
    return (
        f"Destroyed {count} data key{'s' if count > 1 else ''} of {slug}. Identities, consents and all else that was"
        " sealed can't be read any more; codes, claims and counts stand. Backups from before still have the wrapped"
        " keys: destroy them too, or the master key that wrapped them."
    )


async def _program(database: Database, slug: str) -> UUID:
    async with database.transaction(None, "operator") as session:
        program = await find_program(session, slug)
    if program is None:
        raise NotReady(f"No program {slug!r} here.")
    return program.program_id
