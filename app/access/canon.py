"""The bytes that a seal's hash is made of, and a chain read from an export checked without any database.

`audit_bytes` in alembic/sql/2026_11_24_e_trail.sql makes the same bytes: the entry as a JSON array, as PostgreSQL
prints jsonb, in UTF-8:

    ["<program_id>", <id>, "<at, in microseconds since 1970, UTC>", "<actor>", "<action>", "<subject_id>", <detail>]

A seal's hash is the SHA-256 of the hash before it, 32 bytes, and these; before the first stand 32 zeros.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

FORMAT = "openberth-trail-1"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Number(str):
    """A number of JSON exactly as written: 1.10 is not 1.1 to a hash."""

    __slots__ = ()


class NotATrail(Exception):
    """The file is no export of a trail; the text says why."""


@dataclass(frozen=True, slots=True)
class Head:
    """A place in a chain, written `number:hash`: note it elsewhere, and a trail cut off before it is found out."""

    number: int
    hash: bytes

    @classmethod
    def parse(cls, words: str) -> "Head":
        """The head in `number:hash`. Raises ValueError."""
        number, _, digest = words.partition(":")
        if not (number.isascii() and number.isdigit() and len(number) <= 18 and len(digest) == 64):
            raise ValueError("a head is written number:hash, the hash as 64 hexadecimal digits")
        return cls(int(number), bytes.fromhex(digest))

    def __str__(self) -> str:
        return f"{self.number}:{self.hash.hex()}"


START = Head(0, bytes(32))
"""Where every chain starts."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong with a chain: at which number, which entry if one is known, and what."""

    number: int
    entry_id: int | None
    words: str

    def __str__(self) -> str:
        entry = "" if self.entry_id is None else f", entry {self.entry_id}"
        return f"number {self.number}{entry}: {self.words}"


def jsonb(value: Any) -> str:
    """A JSON value as PostgreSQL prints jsonb: keys by length in bytes, then bytes; numbers as they were written."""
    match value:
        case Number():
            return str(value)
        case dict():
            keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
            return "{" + ", ".join(f"{jsonb(key)}: {jsonb(value[key])}" for key in keys) + "}"
        case list():
            return "[" + ", ".join(map(jsonb, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def read_json(line: str | bytes) -> Any:
    """A JSON document with its numbers as they were written. Raises ValueError."""
    return json.loads(line, parse_int=Number, parse_float=Number)


def entry_bytes(entry: Mapping[str, Any]) -> bytes:
    """The bytes of an entry of an export, as `read_json` read it. Raises KeyError, ValueError for what is none."""
    at = (datetime.fromisoformat(entry["at"]) - _EPOCH) // timedelta(microseconds=1)
    parts = [entry["program_id"], entry["id"], str(at), entry["actor"], entry["action"], entry["subject_id"]]
    return jsonb([*parts, entry["detail"]]).encode()


def next_hash(before: bytes, entry: bytes) -> bytes:
    """The hash of an entry's seal, from the hash before it."""
    return hashlib.sha256(before + entry).digest()


@dataclass(frozen=True, slots=True)
class Checked:
    """What an export turned out to be: where it starts and ends, and the first fault, None if it holds."""

    program_id: str
    start: Head
    head: Head
    fault: Fault | None


def check_export(lines: Iterable[str | bytes], against: Head | None = None) -> Checked:
    """Check an export line by line: that it is whole, that each hash follows, that a head noted earlier is in it.

    Raises NotATrail for a file that is no export.
    """
    rows = (_object(line, at) for at, line in enumerate(lines, 1))
    first = next(rows, {})
    if first.get("format") != FORMAT:
        raise NotATrail(f"This is no export of a trail: its first line must say {FORMAT}.")
    try:
        program_id = str(first["program_id"])
        start = here = Head.parse(first["after"])
        for row in rows:
            if "end" in row:
                end = Head.parse(row["end"])
                fault = None if end == here else Fault(here.number + 1, None, f"it ends before its end, {end}")
                if fault is None and against is not None:
                    fault = _absent(against, start, here)
                if next(rows, None) is not None:
                    fault = Fault(here.number + 1, None, "something follows the end")
                return Checked(program_id, start, here, fault)
            head = Head(int(row["number"]), bytes.fromhex(row["hash"]))
            fault = _link(here, head, row["entry"], program_id, against)
            if fault is not None:
                return Checked(program_id, start, here, fault)
            here = head
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise NotATrail(f"This is no export of a trail: {error!r}.") from error
    return Checked(program_id, start, here, Fault(here.number + 1, None, "the file is cut off: it has no last line"))


def _object(line: str | bytes, at: int) -> dict[str, Any]:
    try:
        row = read_json(line)
    except ValueError as error:
        raise NotATrail(f"Line {at} is not JSON, so it was changed or cut off: {error}.") from error
    if not isinstance(row, dict):
        raise NotATrail(f"Line {at} is not a JSON object.")
    return row


def _link(before: Head, head: Head, entry: Mapping[str, Any], program_id: str, against: Head | None) -> Fault | None:
    id = int(entry["id"])
    if head.number != before.number + 1:
        return Fault(before.number + 1, id, f"gap: number {head.number} follows {before.number}")
    if entry["program_id"] != program_id:
        return Fault(head.number, id, "an entry of another program")
    if next_hash(before.hash, entry_bytes(entry)) != head.hash:
        return Fault(head.number, id, "changed: the entry, or its hash, is not what was sealed")
    if against is not None and against.number == head.number and against.hash != head.hash:
        return Fault(head.number, id, "not the hash that was noted: the chain was written anew")
    return None


def _absent(against: Head, start: Head, end: Head) -> Fault | None:
    if against.number > end.number:
        return Fault(end.number + 1, None, f"cut off: the noted head {against.number} is beyond the end")
    if against.number < start.number or (against.number == start.number and against.hash != start.hash):
        return Fault(against.number, None, f"the noted head is not in this export, which starts after {start.number}")
    return None
