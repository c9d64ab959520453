"""A real SMTP server on loopback (aiosmtpd): what it was handed, how, and what it answers."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

USER, PASSWORD = "notices", "p@ss/word:%"
URL_PASSWORD = "p%40ss%2Fword%3A%25"


@dataclass(frozen=True, slots=True)
class Received:
    """One mail, to whom, and whether over TLS and after a login."""

    to: list[str]
    sender: str
    message: EmailMessage
    tls: bool
    login: bool

    @property
    def text(self) -> str:
        """Subject and body, as a person reads them."""
        return f"{self.message['Subject']}\n{self.message.get_content()}"


@dataclass(slots=True)
class Post:
    """The server. `refuse` answers RCPT for an address, None to take it; `refuse_data` answers for the mail.

    `slow`: how long it takes over a mail, by whom it is to.
    """

    port: int = 0
    implicit: bool = False
    received: list[Received] = field(default_factory=list)
    conversations: int = 0
    refuse: Callable[[str], str | None] = lambda _: None
    refuse_data: str | None = None
    slow: dict[str, float] = field(default_factory=dict)

    async def handle_RCPT(self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]) -> str:
        """Take an address, or don't."""
        self.conversations += 1
        if (answer := self.refuse(address)) is not None:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: SMTP, session: Session, envelope: Envelope) -> str:
        """Take a mail, or don't."""
        await asyncio.sleep(max(self.slow.get(to, 0) for to in envelope.rcpt_tos))
        if self.refuse_data is not None:
            return self.refuse_data
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, policy=policy.default)
        self.received.append(
            Received(
                list(envelope.rcpt_tos),
                envelope.mail_from or "",
                message,
                self.implicit or session.ssl is not None,
                bool(session.authenticated),
            )
        )
        return "250 OK"

    def to(self, address: str) -> list[Received]:
        """What one mailbox got."""
        return [each for each in self.received if address in each.to]


@asynccontextmanager
async def running(
    *, starttls: ssl.SSLContext | None = None, implicit: ssl.SSLContext | None = None, login: bool = False
) -> AsyncIterator[Post]:
    """The server on a port of its own: in clear, with STARTTLS, or in TLS from the first byte."""
    # aiosmtpd does not see that implicit TLS is TLS.
    post = Post(implicit=implicit is not None)
    loop = asyncio.get_running_loop()

    def known(_: str, user: bytes, password: bytes) -> bool:
        return (user, password) == (USER.encode(), PASSWORD.encode())

    def conversation() -> SMTP:
        options: dict[str, Any] = {"enable_SMTPUTF8": True, "hostname": "localhost", "loop": loop}
        if login:
            options |= {"auth_required": True, "auth_callback": known, "auth_require_tls": implicit is None}
        if starttls is not None:
            options |= {"tls_context": starttls, "require_starttls": True}
        return SMTP(post, **options)

    server = await loop.create_server(conversation, "127.0.0.1", 0, ssl=implicit)
    post.port = server.sockets[0].getsockname()[1]
    try:
        yield post
    finally:
        server.close()


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS with a certificate for this machine, and the file of who vouches for it: itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, SHA256())
    )
    file, secret = folder / "certificate.pem", folder / "key.pem"
    file.write_bytes(made.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file, secret)
    return context, file
