"""What an installation can set, read from `OPENBERTH_*` environment variables."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.core.embedded import default_data_dir


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
    nats_url: str | None = Field(
        default=None,
        description="NATS with JetStream, as nats://host:4222, to wake the hubs of other machines. "
        "Without it, PostgreSQL's LISTEN and NOTIFY does.",
    )
    log_days: int = Field(default=30, ge=1, le=3650, description="How long the ordered log is kept.")
    live_sockets: int = Field(default=10_000, ge=1, description="Live sockets and streams that one process holds.")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
