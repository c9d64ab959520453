"""Web Push: a message that only the browser can read (RFC 8291), and the word of who sends it (VAPID, RFC 8292)."""

import os
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from uuid import UUID

import httpx
import orjson
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from joserfc import jwt
from joserfc.jwk import ECKey
from sqlalchemy import ForeignKeyConstraint, LargeBinary, Select, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.access.audit import note
from app.core.database import Base
from app.core.keyring import Keyring, purpose_of
from app.core.outbound import Unreachable
from app.core.problems import Shredded
from app.delivery.notices.browsers import Target
from app.delivery.notices.rows import SENT, Outcome

RECORD_BYTES = 4096
"""One record, and the most that a push service must take (RFC 8030, 7.2)."""
MOST_BYTES = RECORD_BYTES - 86 - 17
"""What fits in it: less its header, padding delimiter and tag."""
_TOKEN_SECONDS = 3600
_LONGEST_BAN = timedelta(hours=1)


class PushKey(Base):
    """The key pair by which push services know a program. The private half is sealed."""

    __tablename__ = "push_keys"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    public_key: Mapped[str]
    private_key: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (ForeignKeyConstraint(["program_id"], ["programs.program_id"]),)


@dataclass(frozen=True, slots=True)
class Vapid:
    """A program's key pair, open. `public_key` is as browsers and push services take it."""

    public_key: str
    private_key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Push:
    """A message that is ready to go, but for its encryption."""

    target: Target
    vapid: Vapid
    notice_id: UUID
    content: bytes
    seconds: int
    urgent: bool


purpose = purpose_of("push_keys", "private_key")
"""What a program's private key is sealed for."""


def b64(data: bytes) -> str:
    """As the Web's standards write bytes: base64 for URLs, without padding."""
    return urlsafe_b64encode(data).decode().rstrip("=")


async def vapid_of(session: AsyncSession, keyring: Keyring, program_id: UUID) -> Vapid:
    """The program's key pair, made when it is first asked for, and anew after its data key was destroyed.

    Raises NoMasterKey.
    """
    row = (await session.execute(_stored(program_id))).one_or_none()
    if row is not None:
        try:
            return await _opened(session, keyring, program_id, row.public_key, row.private_key)
        except Shredded:
            # What was subscribed with it is sealed with the same lost key.
            await _make(session, keyring, program_id, instead=row.private_key)
    else:
        await _make(session, keyring, program_id)
    row = (await session.execute(_stored(program_id))).one()
    return await _opened(session, keyring, program_id, row.public_key, row.private_key)


def _stored(program_id: UUID) -> Select[str, bytes]:
    return select(PushKey.public_key, PushKey.private_key).where(PushKey.program_id == program_id)


async def _opened(session: AsyncSession, keyring: Keyring, program_id: UUID, public_key: str, sealed: bytes) -> Vapid:
    key = load_der_private_key(await keyring.open(session, program_id, purpose(program_id), sealed), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Vapid(public_key, key)


async def _make(session: AsyncSession, keyring: Keyring, program_id: UUID, instead: bytes = b"") -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public_key = b64(key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
    private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    sealed = await keyring.seal(session, program_id, purpose(program_id), private)
    values = {"public_key": public_key, "private_key": sealed}
    row = insert(PushKey).values(program_id=program_id, **values)
    made = await session.scalar(
        row.on_conflict_do_update(
            index_elements=["program_id"], set_=values, where=PushKey.private_key == instead
        ).returning(PushKey.program_id)
    )
    if made is not None:
        await note(session, "push_key.made", program_id)


def encrypt(
    target: Target, content: bytes, *, salt: bytes | None = None, key: ec.EllipticCurvePrivateKey | None = None
) -> bytes:
    """The body of a push message: RFC 8291, in one record of RFC 8188. `salt` and `key` are new for each message.

    Raises ValueError for a public key that is none, or for more than `MOST_BYTES`.
    """
    if len(content) > MOST_BYTES:
        raise ValueError(f"a push message holds {MOST_BYTES} bytes")
    salt = salt or os.urandom(16)
    key = key or ec.generate_private_key(ec.SECP256R1())
    ours = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), target.public_key)
    shared = key.exchange(ec.ECDH(), theirs)
    material = _hkdf(target.secret, shared, b"WebPush: info\0" + target.public_key + ours, 32)
    content_key = _hkdf(salt, material, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _hkdf(salt, material, b"Content-Encoding: nonce\0", 12)
    # 2 ends the last record.
    sealed = AESGCM(content_key).encrypt(nonce, content + b"\x02", None)
    return salt + RECORD_BYTES.to_bytes(4, "big") + bytes([len(ours)]) + ours + sealed


def _hkdf(salt: bytes, material: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt=salt, info=info).derive(material)


def authorization(vapid: Vapid, endpoint: httpx.URL, contact: str) -> str:
    """The `Authorization` header for this endpoint. `contact`: whom the push service may write to, a URL."""
    port = f":{endpoint.port}" if endpoint.port is not None else ""
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    claims = {
        "aud": f"{endpoint.scheme}://{host}{port}",
        "exp": int(time.time()) + _TOKEN_SECONDS,
        "sub": contact,
    }
    token = jwt.encode({"alg": "ES256", "typ": "JWT"}, claims, ECKey.import_key(_pem(vapid)))
    return f"vapid t={token}, k={vapid.public_key}"


def _pem(vapid: Vapid) -> bytes:
    return vapid.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


async def send_push(client: httpx.AsyncClient, push: Push, contact: str) -> Outcome:
    """Hand a message to its push service. What it answers decides whether it is tried again; 404 and 410 say that the
    browser no longer wants to hear (RFC 8030, 7.3)."""
    url = httpx.URL(push.target.endpoint)
    headers = {
        "Authorization": authorization(push.vapid, url, contact),
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "TTL": str(push.seconds),
        "Urgency": "high" if push.urgent else "normal",
        # Sent twice, it takes its own place while the browser is off.
        "Topic": push.notice_id.hex,
    }
    try:
        answer = await client.post(url, content=encrypt(push.target, push.content), headers=headers)
    except Unreachable:
        return Outcome("unreachable")
    except httpx.TimeoutException:
        return Outcome("timeout")
    except httpx.HTTPError:
        return Outcome("connection")
    return _judged(answer)


GONE = Outcome("gone", final=True)


def _judged(answer: httpx.Response) -> Outcome:
    status = answer.status_code
    if status < 300:
        return SENT
    if status in {404, 410}:
        return GONE
    # Asked to slow down, or its own trouble. A redirect is not followed, and may be gone tomorrow.
    passing = status in {408, 425, 429} or status >= 500 or status < 400
    return Outcome(f"answer_{status}", final=not passing, not_before=_retry_after(answer.headers.get("retry-after")))


def _retry_after(value: str | None) -> timedelta:
    """What `Retry-After` asks for, as far as it makes sense."""
    if value is None:
        return timedelta(0)
    try:
        seconds = float(value) if value.strip().isdigit() else parsedate_to_datetime(value).timestamp() - time.time()
    except ValueError:
        return timedelta(0)
    return min(max(timedelta(0), timedelta(seconds=min(seconds, 86_400))), _LONGEST_BAN)


def content_of(title: str, body: str, url: str, tag: str, language: str) -> bytes:
    """What the service worker gets: what to show, in which language, and which page to open."""
    words = {"title": title, "body": body, "url": url, "tag": tag, "lang": language}
    return orjson.dumps(words)
