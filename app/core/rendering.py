"""JSON as it leaves the house."""

from collections.abc import Mapping
from typing import Any

import orjson


def to_json(document: Mapping[str, Any]) -> bytes:
    """JSON bytes: UUIDs as text, times as RFC 3339 in UTC with a Z."""
    # `default` is for asyncpg's own subclass of UUID, which orjson doesn't take for one.
    return orjson.dumps(document, default=str, option=orjson.OPT_UTC_Z)
