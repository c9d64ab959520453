"""Identity providers: with which OpenID Connect issuers the people of a program may sign in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, LargeBinary, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.core.keyring import Keyring
from app.core.problems import NotFound


class IdentityProvider(Base):
    """A provider, by the short name that its address here has. A public client has no secret."""

    __tablename__ = "identity_providers"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    issuer: Mapped[str]
    client_id: Mapped[str]
    client_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (ForeignKeyConstraint(["program_id"], ["programs.program_id"]),)


@dataclass(frozen=True, slots=True)
class Client:
    """What Openberth is to a provider, its secret open."""

    slug: str
    issuer: str
    client_id: str
    client_secret: str | None


def purpose(slug: str) -> str:
    """What a provider's client secret is sealed for."""
    return f"identity-provider:{slug}"


async def put_provider(
    session: AsyncSession,
    keyring: Keyring,
    program_id: UUID,
    slug: str,
    *,
    name: str,
    issuer: str,
    client_id: str,
    client_secret: str | None,
) -> IdentityProvider:
    """Set a provider up, or replace what was set up under its slug."""
    sealed = None
    if client_secret is not None:
        sealed = await keyring.seal(session, program_id, purpose(slug), client_secret.encode())
    values = {"name": name, "issuer": issuer, "client_id": client_id, "client_secret": sealed}
    row = insert(IdentityProvider).values(program_id=program_id, slug=slug, **values)
    statement = row.on_conflict_do_update(
        index_elements=["program_id", "slug"], set_={**values, "changed_at": func.clock_timestamp()}
    ).returning(IdentityProvider)
    return (await session.scalars(statement, execution_options={"populate_existing": True})).one()


async def list_providers(session: AsyncSession) -> Sequence[IdentityProvider]:
    """The program's providers, by name."""
    query = select(IdentityProvider).order_by(IdentityProvider.name, IdentityProvider.slug)
    return (await session.scalars(query)).all()


async def remove_provider(session: AsyncSession, slug: str) -> None:
    """Let nobody sign in with this provider any more. Raises NotFound."""
    statement = delete(IdentityProvider).where(IdentityProvider.slug == slug).returning(IdentityProvider.slug)
    if await session.scalar(statement) is None:
        raise NotFound("There is no such identity provider.")


async def client_of(session: AsyncSession, keyring: Keyring, slug: str) -> Client:
    """What is needed to sign in with this provider. Raises NotFound."""
    row = await session.scalar(select(IdentityProvider).where(IdentityProvider.slug == slug))
    if row is None:
        raise NotFound("Nobody signs in this way here.")
    secret = None
    if row.client_secret is not None:
        secret = (await keyring.open(session, row.program_id, purpose(slug), row.client_secret)).decode()
    return Client(slug, row.issuer, row.client_id, secret)
