"""A process that seals one program's trail without pause, until it is ended: `python -m tests.races.sealer URL ID`."""

import asyncio
import sys
from uuid import UUID

from app.access import chain
from app.core.database import Database


async def main(url: str, program_id: UUID) -> None:
    """Seal and seal, in small batches, so that an end of the process falls into one."""
    chain.BATCH = 50
    database = Database(url, pool_size=1)
    print("sealing", flush=True)
    while True:
        await chain.seal(database, program_id)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], UUID(sys.argv[2])))
