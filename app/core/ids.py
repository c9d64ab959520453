"""Identifiers: UUIDv7 (RFC 9562), so that new rows land at the right edge of every index."""

import secrets
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

# Crockford's base 32: no I, L, O or U, so a code read aloud over a radio is not misheard.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id() -> UUID:
    """A new UUIDv7."""
    return uuid7()


def first_id(moment: datetime) -> UUID:
    """The smallest UUIDv7 of a moment: ids that were made from then on are greater. Every primary key is an index by
    time so; the clock is that of the machine which made the id."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | 0x2 << 62)


def new_letters(count: int) -> str:
    """So many random letters and digits, five bits each."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(count))


def new_code(groups: int = 2) -> str:
    """An opaque code for a person, such as `K7M4-Q2XP`: 20 random bits a group, nothing of the person in it."""
    return "-".join(new_letters(4) for _ in range(groups))


def new_one_time_code() -> str:
    """A code for one call alone, such as `K7M4-Q2XP-9DNR`: its third group tells it from a participant's."""
    return new_code(3)
