"""Runs migrations: online as the schema's owner, offline as SQL for review and lint."""

import asyncio

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from app.core.database import asyncpg_url
from app.schema import METADATA

# A migration that can't get its lock soon gives up, instead of queueing every request behind it.
TIMEOUTS = "SET lock_timeout = '5s'; SET statement_timeout = '10min'"


def offline() -> None:
    """Print the statements."""
    context.configure(dialect_name="postgresql", target_metadata=METADATA, literal_binds=True)
    with context.begin_transaction():
        for statement in TIMEOUTS.split("; "):
            context.execute(statement)
        context.run_migrations()


def run(connection: Connection) -> None:
    """Run them in one transaction."""
    context.configure(connection=connection, target_metadata=METADATA)
    with context.begin_transaction():
        for statement in TIMEOUTS.split("; "):
            connection.exec_driver_sql(statement)
        context.run_migrations()


async def online() -> None:
    """Connect and run."""
    url = context.config.get_main_option("sqlalchemy.url")
    assert url, "app.schema sets the URL"
    engine = create_async_engine(asyncpg_url(url))
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


if context.is_offline_mode():
    offline()
else:
    asyncio.run(online())
