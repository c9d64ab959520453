"""The WebSocket protocol of our server: uvicorn's own, and a way to send one message's bytes to thousands."""

import asyncio

from starlette.types import Scope
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import OPEN

from app.delivery.listener import Push

_EXTENSION = "openberth.push"


def push_of(scope: Scope) -> Push | None:
    """The socket's way to send whole frames, None where another server than ours holds it."""
    extension: dict[str, Push] | None = scope.get("extensions", {}).get(_EXTENSION)
    return extension["push"] if extension else None


class SharedFrames(WebSocketsSansIOProtocol):
    """uvicorn's protocol. What it sends by itself goes to the transport whole and at once, and so does this: messages
    come one after the other, and a frame never stands inside another."""

    def handle_connect(self, event: Request) -> None:
        """Offer the extension with the request."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            self.scope["extensions"][_EXTENSION] = {"push": self.push}

    def push(self, message: bytes) -> "asyncio.Future[None] | None":
        """See `Push`."""
        if self.conn.state is not OPEN or self.disconnected:
            raise ClientDisconnected
        if self.writable.is_set():
            self.transport.write(message)
            return None
        return asyncio.ensure_future(self._push_later(message))

    async def _push_later(self, message: bytes) -> None:
        await self.writable.wait()
        if self.conn.state is not OPEN or self.disconnected:
            raise ClientDisconnected
        self.transport.write(message)
