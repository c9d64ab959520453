"""Sealing what identifies a person before it is stored: only a process that holds the key can read it again."""

import hmac
import os
from base64 import b64decode
from functools import lru_cache
from typing import Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from app.core.problems import NoKey

KEY_BYTES = 32
_NONCE_BYTES = 12


class Sealer(Protocol):
    """What seals and digests, for one program and one purpose at a time: neither opens what was sealed for another."""

    def seal(self, program_id: UUID, purpose: str, plaintext: bytes) -> bytes:
        """The plaintext, encrypted and authenticated. Raises NoKey."""

    def unseal(self, program_id: UUID, purpose: str, sealed: bytes) -> bytes:
        """What was sealed for the same program and purpose. Raises NoKey when this is not the key that sealed it."""

    def digest(self, program_id: UUID, purpose: str, data: bytes) -> bytes:
        """A keyed digest, which nobody without the key can find the data of by trying. Raises NoKey."""


class OneKey:
    """Seals with AES-256-GCM under keys derived (HKDF) from the installation's one key."""

    def __init__(self, key: SecretStr | None) -> None:
        self._key = None if key is None else b64decode(key.get_secret_value())
        self._derived = lru_cache(maxsize=1024)(self._derive)

    def _derive(self, program_id: UUID, purpose: str) -> bytes:
        if self._key is None:
            raise NoKey("This installation has no OPENBERTH_SEALING_KEY, so nothing that identifies a person is kept.")
        info = program_id.bytes + purpose.encode()
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(self._key)

    def seal(self, program_id: UUID, purpose: str, plaintext: bytes) -> bytes:
        """The nonce, and then the ciphertext with its tag."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self._derived(program_id, f"seal {purpose}")).encrypt(nonce, plaintext, None)

    def unseal(self, program_id: UUID, purpose: str, sealed: bytes) -> bytes:
        """What `seal` sealed."""
        key = AESGCM(self._derived(program_id, f"seal {purpose}"))
        try:
            return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
        except InvalidTag:
            raise NoKey("This was sealed with another OPENBERTH_SEALING_KEY than this process has.") from None

    def digest(self, program_id: UUID, purpose: str, data: bytes) -> bytes:
        """An HMAC-SHA256."""
        return hmac.digest(self._derived(program_id, f"digest {purpose}"), data, "sha256")
