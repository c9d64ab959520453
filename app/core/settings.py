"""What an installation can set, read from `OPENBERTH_*` environment variables."""

from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.core.embedded import default_data_dir


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError("give scheme, host and port alone, such as https://openberth.example.org")
    return f"{parts.scheme}://{parts.netloc}".lower()


def _sealing_key(key: SecretStr | None) -> SecretStr | None:
    if key is not None and len(urlsafe_b64decode(key.get_secret_value() + "==")) != 32:
        raise ValueError("give 32 random bytes in base64url, such as `openssl rand -base64 32 | tr +/ -_` prints")
    return key


class Settings(BaseSettings):
    """The settings of one process; every field is an environment variable with the prefix `OPENBERTH_`."""

    model_config = SettingsConfigDict(env_prefix="OPENBERTH_", extra="ignore")

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
    pool_size: int = Field(default=10, ge=2, le=200, description="Database connections per process.")
    desk_queue: int = Field(
        default=5000, ge=1, description="Claims that may wait at one program's desk before the answer is 503."
    )
    desk_batch: int = Field(default=128, ge=1, le=1000, description="The most claims in one transaction.")
    public_url: Annotated[str, AfterValidator(_address)] = Field(
        default="http://127.0.0.1:8000",
        description="Where people's browsers reach Openberth: scheme, host and port. With https, cookies are Secure. "
        "Passkeys need a name here, such as http://localhost:8000: browsers allow them no bare address.",
    )
    session_idle_minutes: int = Field(
        default=30, ge=1, le=1440, description="A person who does nothing for so long is signed out."
    )
    session_hours: int = Field(
        default=12, ge=1, le=168, description="A person signs in again after so long, whatever they do."
    )
    sealing_key: Annotated[SecretStr | None, AfterValidator(_sealing_key)] = Field(
        default=None,
        description="32 random bytes in base64url that encrypt the secrets of second factors and identity providers.",
    )
    allow_local_issuers: bool = Field(
        default=False,
        description="Let an OpenID Connect issuer be on this machine, and without TLS. For development alone.",
    )
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
