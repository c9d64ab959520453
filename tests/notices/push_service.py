"""A push service on loopback and the browsers behind it, which read what only they can read (RFC 8291, 8292)."""

import asyncio
import json
import os
import socket
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.requests import Request
from starlette.responses import Response

from app.delivery.notices.push import b64
from tests.notices.waiting import until


def unb64(text: str) -> bytes:
    """The bytes of base64 for URLs without padding."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def hkdf(salt: bytes, material: bytes, info: bytes, length: int) -> bytes:
    """HKDF with SHA-256."""
    return HKDF(SHA256(), length, salt=salt, info=info).derive(material)


@dataclass(slots=True)
class Device:
    """One browser: its keys, where its push service takes messages for it, and those that came."""

    origin: str
    token: str = field(default_factory=lambda: uuid4().hex)
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    secret: bytes = field(default_factory=lambda: os.urandom(16))
    came: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    answer_headers: dict[str, str] = field(default_factory=dict)
    slow: float = 0.0
    asked: int = 0

    @property
    def public_key(self) -> bytes:
        """Its public key."""
        return self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    @property
    def endpoint(self) -> str:
        """Where to send to."""
        return f"{self.origin}/push/{self.token}"

    def subscription(self) -> dict[str, Any]:
        """What `toJSON()` of its subscription says."""
        keys = {"p256dh": b64(self.public_key), "auth": b64(self.secret)}
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": keys}

    def read(self, body: bytes) -> dict[str, Any]:
        """What a message says."""
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        sender, sealed = body[21 : 21 + length], body[21 + length :]
        assert len(sealed) <= size
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
        shared = self.key.exchange(ec.ECDH(), theirs)
        material = hkdf(self.secret, shared, b"WebPush: info\x00" + self.public_key + sender, 32)
        key = hkdf(salt, material, b"Content-Encoding: aes128gcm\x00", 16)
        nonce = hkdf(salt, material, b"Content-Encoding: nonce\x00", 12)
        plain = AESGCM(key).decrypt(nonce, sealed, None)
        assert plain[-1:] == b"\x02"
        words: dict[str, Any] = json.loads(plain[:-1])
        return words

    def text(self) -> str:
        """All that came, as a person reads it."""
        return "\n".join(f"{each['title']}\n{each['body']}\n{each['url']}" for each in self.came)


def vouched(header: str) -> tuple[dict[str, Any], str]:
    """What a VAPID header claims, checked against the key in it; and that key."""
    scheme, _, rest = header.partition(" ")
    assert scheme == "vapid"
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    point = unb64(parts["k"])
    assert len(point) == 65
    jwk: dict[str, str | list[str]] = {"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}
    token = jwt.decode(parts["t"], ECKey.import_key(jwk), algorithms=["ES256"])
    return dict(token.claims), parts["k"]


@dataclass(slots=True)
class PushService:
    """The service, by the tokens of its browsers."""

    origin: str
    devices: dict[str, Device] = field(default_factory=dict)

    def device(self) -> Device:
        """A new browser."""
        device = Device(self.origin)
        self.devices[device.token] = device
        return device

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application."""
        request = Request(scope, receive)
        device = self.devices.get(request.url.path.rpartition("/")[2])
        body = await request.body()
        status, headers = 404, {}
        if device is not None and request.method == "POST":
            device.asked += 1
            await asyncio.sleep(device.slow)
            status, headers = (device.answers.pop(0) if device.answers else 201), device.answer_headers
            if status == 201:
                device.headers.append(dict(request.headers))
                device.came.append(device.read(body))
        await Response(status_code=status, headers=headers)(scope, receive, send)


@asynccontextmanager
async def running() -> AsyncIterator[PushService]:
    """The service on a port of its own."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        service = PushService(f"http://127.0.0.1:{listening.getsockname()[1]}")
        server = uvicorn.Server(uvicorn.Config(service, lifespan="off", log_level="error"))
        # It would take the signals of the whole test run.
        server.capture_signals = nullcontext  # type: ignore[assignment, method-assign]
        task = asyncio.create_task(server.serve(sockets=[listening]))
        await until(lambda: server.started)
        try:
            yield service
        finally:
            server.should_exit = True
            server.force_exit = True
            await task
