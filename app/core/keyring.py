"""The key ring: what identifies a person is sealed before it is stored, and only who holds the key can read it."""

import base64
import binascii
import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.problems import NoMasterKey
from app.core.settings import Settings

NONCE_BYTES = 12
KEY_BYTES = 32


class BadMasterKeys(ValueError):
    """The master key as configured can't be used; the text says why, never what it is."""


class CanNotOpen(Exception):
    """A sealed text that was not sealed for this program and purpose, or has been changed."""


class MasterKeys:
    """The master key that every program's own is derived from."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def of(cls, settings: Settings) -> "MasterKeys | None":
        """The key that the settings name, None without one. Raises BadMasterKeys."""
        if settings.master_keys is None:
            return None
        _, _, encoded = settings.master_keys.get_secret_value().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:
            raise BadMasterKeys(f"The master key is not `id:base64` of {KEY_BYTES} bytes.")
        return cls(key)

    def of_program(self, program_id: UUID) -> bytes:
        """The program's own key."""
        return HKDF(SHA256(), KEY_BYTES, salt=program_id.bytes, info=b"openberth program").derive(self._key)


class Keyring:
    """Seals and opens with AES-256-GCM. Without a master key it raises NoMasterKey, and all else goes on."""

    def __init__(self, masters: MasterKeys | None) -> None:
        self._masters = masters

    def _cipher(self, program_id: UUID) -> AESGCM:
        if self._masters is None:
            raise NoMasterKey(
                "This server has no master key, so nothing that names a person can be stored or read. Codes and claims"
                " work without. Its operator sets OPENBERTH_MASTER_KEYS."
            )
        return AESGCM(self._masters.of_program(program_id))

    async def seal(self, session: AsyncSession, program_id: UUID, purpose: str, plaintext: bytes) -> bytes:
        """The text sealed. `purpose` names the row and column it is for."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher(program_id).encrypt(nonce, plaintext, purpose.encode())

    async def open(self, session: AsyncSession, program_id: UUID, purpose: str, sealed: bytes) -> bytes:
        """What was sealed. Raises CanNotOpen, NoMasterKey."""
        try:
            return self._cipher(program_id).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], purpose.encode())
        except InvalidTag:
            raise CanNotOpen(f"this is not what was sealed for {purpose}") from None
