"""Secrets at rest: sealed by the application, so that a copy of the database alone opens none of them."""

import os
from base64 import urlsafe_b64decode
from typing import Protocol
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.problems import Conflict

_NONCE_BYTES = 12


class Sealer(Protocol):
    """Encrypts and authenticates. What was sealed for one program and purpose opens for no other."""

    async def seal(self, session: AsyncSession, program_id: UUID, purpose: str, plaintext: bytes) -> bytes:
        """The text sealed. `purpose` names the row and column it is for."""
        ...

    async def open(self, session: AsyncSession, program_id: UUID, purpose: str, sealed: bytes) -> bytes:
        """What was sealed. Raises an error for what was not sealed so."""
        ...


class KeySealer:
    """A sealer with the one key of the settings: AES-256-GCM, a random nonce before each ciphertext."""

    def __init__(self, key: SecretStr | None) -> None:
        self._cipher = None if key is None else AESGCM(urlsafe_b64decode(key.get_secret_value() + "=="))

    async def seal(self, session: AsyncSession, program_id: UUID, purpose: str, plaintext: bytes) -> bytes:
        """The text sealed. Raises Conflict when the installation has no key."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._ready().encrypt(nonce, plaintext, _about(program_id, purpose))

    async def open(self, session: AsyncSession, program_id: UUID, purpose: str, sealed: bytes) -> bytes:
        """What was sealed. Raises Conflict when the installation has no key, InvalidTag for anything else."""
        return self._ready().decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _about(program_id, purpose))

    def _ready(self) -> AESGCM:
        if self._cipher is None:
            raise Conflict(
                "This installation has no key to keep secrets with. Whoever runs it must set OPENBERTH_SEALING_KEY."
            )
        return self._cipher


def _about(program_id: UUID, purpose: str) -> bytes:
    return f"{program_id}:{purpose}".encode()
