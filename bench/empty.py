"""The empty route: the same framework, server and body as a claim's, and nothing behind it.

`python -m bench.empty --port N` starts it just as `openberth serve` starts the market.
"""

import argparse
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from app.api.claims import ClaimIn


def create_app() -> FastAPI:
    """An application that validates a claim's body and sends it back."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # As app/main.py does: the two must not differ by the garbage collector.
        gc.collect()
        gc.freeze()
        yield

    app = FastAPI(title="Empty", lifespan=lifespan)

    @app.post("/v1/claims", status_code=201)
    async def echo(body: ClaimIn) -> ClaimIn:
        return body

    @app.get("/readyz")
    async def ready() -> dict[str, str]:
        return {"status": "ok"}

    return app


def main() -> None:
    """Serve it, with the settings of `openberth serve` in app/cli/commands.py."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    uvicorn.run(
        "bench.empty:create_app",
        factory=True,
        host="127.0.0.1",
        port=parser.parse_args().port,
        workers=1,
        log_level="info",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )


if __name__ == "__main__":
    main()
