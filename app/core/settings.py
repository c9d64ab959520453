"""What an installation can set, read from `OPENBERTH_*` environment variables."""

from dataclasses import dataclass
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

from limits import RateLimitItem, parse
from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.core.embedded import default_data_dir


def parse_quota(words: str) -> RateLimitItem | None:
    """A quota such as `100/minute` or `600/10 seconds`; None for `off`. Raises ValueError."""
    return None if words.strip().lower() == "off" else parse(words)


def _quota(words: str) -> str:
    parse_quota(words)
    return words


Quota = Annotated[str, AfterValidator(_quota)]


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError("give scheme, host and port alone, such as https://openberth.example.org")
    return f"{parts.scheme}://{parts.netloc}".lower()


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in. `implicit`: TLS from the first byte, else STARTTLS.

    `here`: it is on this machine, the one place where TLS is only used if it is offered.
    """

    host: str
    port: int
    implicit: bool
    here: bool
    username: str | None
    password: str | None


def parse_mail_server(url: str) -> MailServer:
    """The server of `smtp://user:password@host:port` or `smtps://…`. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError("give smtp:// or smtps:// with user, password, host and port alone")
    implicit = parts.scheme == "smtps"
    return MailServer(
        parts.hostname,
        parts.port or (465 if implicit else 587),
        implicit,
        parts.hostname in {"localhost", "127.0.0.1", "::1"},
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
    )


def _mail_server(url: SecretStr) -> SecretStr:
    parse_mail_server(url.get_secret_value())
    return url


def _sender(address: str) -> str:
    name, spec = parseaddr(address)
    local, at, domain = spec.rpartition("@")
    if not at or not local or not domain or not address.isprintable():
        raise ValueError("give an address, such as Openberth <notices@openberth.example.org>")
    # Raises ValueError too, for what no header could hold.
    return str(Address(name, addr_spec=spec))


class Settings(BaseSettings):
    """The settings of one process; every field is an environment variable with the prefix `OPENBERTH_`."""

    # What was set wrongly may hold a password: an error says which setting it is, and not what it was set to.
    model_config = SettingsConfigDict(env_prefix="OPENBERTH_", extra="ignore", hide_input_in_errors=True)

    database_url: str | None = Field(
        default=None,
        description="PostgreSQL 15 or later, as postgresql://user:password@host/database. "
        "Without it, openberth runs PostgreSQL 18 itself in OPENBERTH_DATA_DIR.",
    )
    owner_database_url: str | None = Field(
        default=None,
        description="The role that owns the schema and migrates it, where it differs from OPENBERTH_DATABASE_URL.",
    )
    data_dir: Path = Field(default_factory=default_data_dir, description="Where the embedded cluster lives.")
    master_keys: SecretStr | None = Field(
        default=None,
        description="The keys above every program's own, as id:base64,id:base64; the first is the current one. "
        "The embedded database makes a file of its own instead.",
    )
    master_keys_file: Path | None = Field(
        default=None, description="The same in a file of mode 0600, one key a line; OPENBERTH_MASTER_KEYS goes first."
    )
    pool_size: int = Field(default=10, ge=2, le=200, description="Database connections per process.")
    desk_queue: int = Field(
        default=5000, ge=1, description="Claims that may wait at one program's desk before the answer is 503."
    )
    desk_batch: int = Field(default=128, ge=1, le=1000, description="The most claims in one transaction.")
    rate_limit: Quota = Field(
        default="20000/10 seconds",
        description="Requests that one caller may make, as count/[number] unit; `off` for no limit.",
    )
    rate_limit_address: Quota = Field(
        default="30/minute",
        description="How often one address may show a key that is no good, sign in, or ask for a token.",
    )
    public_url: Annotated[str, AfterValidator(_address)] = Field(
        default="http://127.0.0.1:8000",
        description="Where people's browsers reach Openberth: scheme, host and port. With https, cookies are Secure. "
        "Passkeys need a name here, such as http://localhost:8000: browsers allow them no bare address.",
    )
    api_docs: bool | None = Field(
        default=None,
        description="Serve /docs, a page whose scripts come from a public network. Left out, only where the public URL "
        "is plain http: on one's own machine.",
    )
    session_idle_minutes: int = Field(
        default=30, ge=1, le=1440, description="A person who does nothing for so long is signed out."
    )
    session_hours: int = Field(
        default=12, ge=1, le=168, description="A person signs in again after so long, whatever they do."
    )
    allow_local_issuers: bool = Field(
        default=False,
        description="Let an OpenID Connect issuer be on this machine, and without TLS. For development alone.",
    )
    allow_local_webhooks: bool = Field(
        default=False,
        description="Let a webhook's address be on this machine, and without TLS. For development alone.",
    )
    nats_url: str | None = Field(
        default=None,
        description="NATS with JetStream, as nats://host:4222, to wake the hubs of other machines. "
        "Without it, PostgreSQL's LISTEN and NOTIFY does.",
    )
    live_sockets: int = Field(default=10_000, ge=1, description="Live sockets and streams that one process holds.")
    smtp_url: Annotated[SecretStr, AfterValidator(_mail_server)] | None = Field(
        default=None,
        description="Where mail is handed in: smtp://user:password@host:587 with STARTTLS, or smtps:// with TLS from "
        "the start. Without it, and OPENBERTH_MAIL_FROM, no notice goes by e-mail.",
    )
    mail_from: Annotated[str, AfterValidator(_sender)] | None = Field(
        default=None, description="From whom mail is, such as Openberth <notices@openberth.example.org>."
    )
    allow_local_push: bool = Field(
        default=False,
        description="Let a browser's push service be on this machine, and without TLS. For development alone.",
    )
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")

    @model_validator(mode="after")
    def _mail_is_whole(self) -> "Settings":
        if (self.smtp_url is None) != (self.mail_from is None):
            raise ValueError("set OPENBERTH_SMTP_URL and OPENBERTH_MAIL_FROM both, or neither")
        return self

    @property
    def shows_docs(self) -> bool:
        """Whether /docs is served."""
        return self.public_url.startswith("http:") if self.api_docs is None else self.api_docs
