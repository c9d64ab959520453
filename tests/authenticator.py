"""An authenticator in software: real keys, attestation "none" and assertions, with nothing of the verifier in it."""

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def b64(data: bytes) -> str:
    """Base64url without padding."""
    return urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text: str) -> bytes:
    """The bytes of base64url."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass(slots=True)
class Held:
    """A credential in the authenticator."""

    id: bytes
    key: ec.EllipticCurvePrivateKey
    user: str
    count: int = 0


class Authenticator:
    """Makes and uses passkeys on P-256 for pages of one origin. `verified`: it asks for a fingerprint or a PIN."""

    def __init__(self, origin: str, *, verified: bool = True) -> None:
        self.origin = origin
        self.flags = PRESENT | (VERIFIED if verified else 0)
        self.held: list[Held] = []

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        """What `navigator.credentials.create` gives for these options."""
        assert options["authenticatorSelection"]["residentKey"] == "required"
        assert options["authenticatorSelection"]["userVerification"] == "required"
        held = Held(secrets.token_bytes(32), ec.generate_private_key(ec.SECP256R1()), options["user"]["id"])
        numbers = held.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        data = (
            hashlib.sha256(options["rp"]["id"].encode()).digest()
            + bytes([self.flags | ATTESTED])
            + held.count.to_bytes(4, "big")
            + bytes(16)
            + len(held.id).to_bytes(2, "big")
            + held.id
            + cbor2.dumps(cose)
        )
        self.held.append(held)
        return {
            "id": b64(held.id),
            "rawId": b64(held.id),
            "type": "public-key",
            "response": {
                "clientDataJSON": b64(self._client_data("webauthn.create", options["challenge"])),
                "attestationObject": b64(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
            },
        }

    def get(self, options: dict[str, Any], *, count: int | None = None) -> dict[str, Any]:
        """What `navigator.credentials.get` gives, signed by the passkey made last. `count`: a counter set back."""
        held = self.held[-1]
        held.count = held.count + 1 if count is None else count
        data = hashlib.sha256(options["rpId"].encode()).digest() + bytes([self.flags]) + held.count.to_bytes(4, "big")
        client_data = self._client_data("webauthn.get", options["challenge"])
        signature = held.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        return {
            "id": b64(held.id),
            "rawId": b64(held.id),
            "type": "public-key",
            "response": {
                "clientDataJSON": b64(client_data),
                "authenticatorData": b64(data),
                "signature": b64(signature),
                "userHandle": held.user,
            },
        }
