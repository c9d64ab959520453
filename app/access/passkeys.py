"""Passkeys (WebAuthn): a key in the person's device that signs them in alone, with no password beside it."""

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from app.access.challenges import Kind, pose, take
from app.access.people import Person
from app.access.site import Site
from app.core.database import Base
from app.core.ids import new_id
from app.core.problems import Conflict, Invalid, NotFound

MOST = 20
_SECONDS = 300


class Passkey(Base):
    """One passkey: its public half, and how often it says it has signed (0 for those that don't count)."""

    __tablename__ = "passkeys"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    credential_id: Mapped[bytes] = mapped_column(LargeBinary)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    used_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "person_id"], ["people.program_id", "people.id"]),
        Index(None, "program_id", "credential_id", unique=True),
        Index(None, "program_id", "person_id"),
    )


async def registration_options(session: AsyncSession, site: Site, person: Person) -> tuple[dict[str, Any], str]:
    """What a browser needs to make a passkey for this person, and the token of the challenge in it."""
    existing = await list_passkeys(session, person.id)
    options = generate_registration_options(
        rp_id=site.host,
        rp_name="Openberth",
        user_id=person.id.bytes,
        user_name=person.email,
        user_display_name=person.name,
        timeout=_SECONDS * 1000,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=each.credential_id) for each in existing],
    )
    challenge = b64encode(options.challenge).decode()
    token = await pose(session, person.program_id, Kind.NEW_PASSKEY, person.id, challenge=challenge)
    return json.loads(options_to_json(options)), token


async def register(
    session: AsyncSession, site: Site, person: Person, token: str, credential: dict[str, Any], name: str
) -> Passkey:
    """Keep the passkey that a browser made for its challenge. Raises NotSignedIn, Invalid, Conflict."""
    challenge = await take(session, Kind.NEW_PASSKEY, token)
    if challenge.person_id != person.id:
        raise Invalid.at("credential", "This passkey was begun for somebody else. Start again.")
    try:
        made = verify_registration_response(
            credential=credential,
            expected_challenge=b64decode(challenge.data["challenge"]),
            expected_rp_id=site.host,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError) as error:
        raise Invalid.at("credential", "This is no passkey for this site that was made just now.") from error
    if len(await list_passkeys(session, person.id)) >= MOST:
        raise Conflict(f"You have {MOST} passkeys. Remove one first.")
    row = insert(Passkey).values(
        program_id=person.program_id,
        id=new_id(),
        person_id=person.id,
        credential_id=made.credential_id,
        public_key=made.credential_public_key,
        sign_count=made.sign_count,
        name=name,
    )
    passkey: Passkey | None = await session.scalar(
        row.on_conflict_do_nothing(index_elements=["program_id", "credential_id"]).returning(Passkey)
    )
    if passkey is None:
        raise Conflict("This passkey is registered already.")
    return passkey


async def sign_in_options(session: AsyncSession, site: Site, program_id: UUID) -> tuple[dict[str, Any], str]:
    """What a browser needs to sign in with any passkey of its own, and the token of the challenge in it.

    It names no account, so it tells nobody which there are.
    """
    options = generate_authentication_options(
        rp_id=site.host, timeout=_SECONDS * 1000, user_verification=UserVerificationRequirement.REQUIRED
    )
    token = await pose(session, program_id, Kind.PASSKEY, challenge=b64encode(options.challenge).decode())
    return json.loads(options_to_json(options)), token


async def owner(
    session: AsyncSession, site: Site, challenge: dict[str, Any], credential: dict[str, Any]
) -> UUID | None:
    """The person whose passkey answered this challenge; None for any other answer.

    A counter that did not move on is refused: somebody else may have a copy of the key.
    """
    try:
        credential_id = base64url_to_bytes(credential["id"])
        row = await session.scalar(select(Passkey).where(Passkey.credential_id == credential_id).with_for_update())
        if row is None:
            return None
        answered = verify_authentication_response(
            credential=credential,
            expected_challenge=b64decode(challenge["challenge"]),
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=row.public_key,
            credential_current_sign_count=row.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError):
        return None
    await session.execute(
        text("UPDATE passkeys SET sign_count = :count, used_at = clock_timestamp() WHERE id = :id"),
        {"count": answered.new_sign_count, "id": row.id},
    )
    return row.person_id


async def list_passkeys(session: AsyncSession, person_id: UUID) -> Sequence[Passkey]:
    """This person's passkeys, oldest first."""
    return (await session.scalars(select(Passkey).where(Passkey.person_id == person_id).order_by(Passkey.id))).all()


async def remove_passkey(session: AsyncSession, person_id: UUID, passkey_id: UUID) -> None:
    """Take one away. Raises NotFound."""
    removed = await session.scalar(
        delete(Passkey).where(Passkey.person_id == person_id, Passkey.id == passkey_id).returning(Passkey.id)
    )
    if removed is None:
        raise NotFound("You have no such passkey.")


async def forget_passkeys(session: AsyncSession, person_id: UUID) -> None:
    """Take all of a person's passkeys away."""
    await session.execute(delete(Passkey).where(Passkey.person_id == person_id))
