"""The reference of figure f: a bare server of the `websockets` library. What one says, all who listen hear.

`python -m bench.broadcast --port N`. A client of `/say` sends messages, everyone else gets each by the library's own
`broadcast`; a first message of theirs is answered with one. An empty message comes back: all before it are spread.
"""

import argparse
import asyncio
import gc
import resource
from http import HTTPStatus

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.http11 import Request, Response


async def _serve(port: int) -> None:
    everyone: set[ServerConnection] = set()

    async def connected(connection: ServerConnection) -> None:
        assert connection.request is not None
        if connection.request.path == "/say":
            async for message in connection:
                if message:
                    broadcast(everyone, message)
                else:
                    await connection.send(message)
            return
        await connection.recv()
        await connection.send('{"type":"snapshot"}')
        everyone.add(connection)
        await connection.wait_closed()
        everyone.discard(connection)

    def ready(connection: ServerConnection, request: Request) -> Response | None:
        return connection.respond(HTTPStatus.OK, "ready\n") if request.path == "/readyz" else None

    async with serve(
        connected, "127.0.0.1", port, process_request=ready, compression=None, max_size=None, backlog=2048
    ):
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        await asyncio.get_running_loop().create_future()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvloop.run(_serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
