"""What a person proves who they are with, taken together: which they have, and all of it taken away."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.access.devices import forget_devices
from app.access.openid_subjects import forget_identities, has_identity
from app.access.passkeys import forget_passkeys, list_passkeys
from app.access.passwords import forget_password, stored_hash
from app.access.recovery import codes_left, forget_codes
from app.access.totp import has_totp, remove_totp


@dataclass(frozen=True, slots=True)
class Factors:
    """Which factors a person has."""

    password: bool
    totp: bool
    passkeys: int
    recovery_codes_left: int
    openid: bool


async def factors_of(session: AsyncSession, person_id: UUID) -> Factors:
    """This person's factors."""
    return Factors(
        password=await stored_hash(session, person_id) is not None,
        totp=await has_totp(session, person_id),
        passkeys=len(await list_passkeys(session, person_id)),
        recovery_codes_left=await codes_left(session, person_id),
        openid=await has_identity(session, person_id),
    )


async def forget_factors(session: AsyncSession, person_id: UUID) -> None:
    """Take every factor away: whoever accepts an invitation starts afresh, whoever had the account before."""
    await forget_password(session, person_id)
    await remove_totp(session, person_id)
    await forget_codes(session, person_id)
    await forget_passkeys(session, person_id)
    await forget_identities(session, person_id)
    await forget_devices(session, person_id)
