"""Tokens that a browser or an invitation carries: random, and stored as a hash alone."""

import hashlib
import secrets
from uuid import UUID

_PROGRAM_LETTERS = 32


def new_token(program_id: UUID) -> str:
    """A token of 256 random bits, after the program whose rows it is looked up in."""
    return program_id.hex + secrets.token_urlsafe(32)


def program_of_token(token: str) -> UUID | None:
    """The program that a token names; None for what is none of ours."""
    try:
        return UUID(hex=token[:_PROGRAM_LETTERS]) if len(token) <= 200 else None
    except ValueError:
        return None


def token_hash(token: str) -> bytes:
    """What is stored of it. 256 random bits can't be guessed back from one round of SHA-256."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
