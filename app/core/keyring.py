"""The key ring: what is sealed for a program opens by that program's data key, which a master key unwraps.

Envelope encryption with AES-256-GCM throughout. A sealed text is `version (1) | data key's id (16) | nonce (12) |
ciphertext and tag`. Program, purpose and data key are its associated data, so that it opens in the row it was written
for and nowhere else.
"""

import base64
import binascii
import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import ColumnElement, ForeignKeyConstraint, Index, LargeBinary, func, select, text
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.core.ids import new_id
from app.core.problems import NoMasterKey, Shredded
from app.core.settings import Settings

VERSION = b"\x01"
ID_BYTES = 16
NONCE_BYTES = 12
KEY_BYTES = 32
_MASTER_ID = re.compile(r"[A-Za-z0-9._-]{1,40}")


class BadMasterKeys(ValueError):
    """The master keys as configured can't be used; the text says which and why, never what they are."""


class CanNotOpen(Exception):
    """A sealed text that was not sealed for this program and purpose, or has been changed."""


class DataKey(Base):
    """A program's data key, wrapped by the master key `master_id`. One is current; retired ones still open."""

    __tablename__ = "data_keys"

    program_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    master_id: Mapped[str]
    wrapped: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    retired_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(["program_id"], ["programs.program_id"]),
        Index("ix_data_keys_current", "program_id", unique=True, postgresql_where=text("retired_at IS NULL")),
    )


class MasterKeys:
    """The ring's master keys by their ids; the first is the one that wraps."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = dict(keys)
        self.current = next(iter(self._keys))

    @classmethod
    def parse(cls, words: str) -> "MasterKeys":
        """From `id:base64`, separated by commas or lines. Raises BadMasterKeys."""
        keys: dict[str, bytes] = {}
        for number, word in enumerate((word.strip() for word in re.split(r"[,\n]", words) if word.strip()), 1):
            id, _, encoded = word.partition(":")
            try:
                key = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError):
                key = b""
            if not _MASTER_ID.fullmatch(id) or len(key) != KEY_BYTES or id in keys:
                raise BadMasterKeys(
                    f"Master key {number} is not `id:base64` of {KEY_BYTES} bytes under an id of its own."
                    " `openberth keyring new` prints a good one."
                )
            keys[id] = key
        if not keys:
            raise BadMasterKeys("There is no master key in what was given. `openberth keyring new` prints one.")
        return cls(keys)

    @classmethod
    def read(cls, file: Path) -> "MasterKeys":
        """From a file, one key a line. Raises BadMasterKeys, also where others may read it."""
        try:
            if file.stat().st_mode & 0o077:
                raise BadMasterKeys(f"{file} may be read by others than its owner: chmod 600 {file}")
            return cls.parse(file.read_text(encoding="ascii"))
        except (OSError, UnicodeDecodeError) as error:
            raise BadMasterKeys(f"{file} can't be read: {error}") from error

    @classmethod
    def of(cls, settings: Settings) -> "MasterKeys | None":
        """The ring that the settings name, None without one. Raises BadMasterKeys."""
        # An empty one is none: so compose files pass on what nobody has set.
        if settings.master_keys:
            return cls.parse(settings.master_keys.get_secret_value())
        return None if settings.master_keys_file is None else cls.read(settings.master_keys_file)

    def __contains__(self, id: object) -> bool:
        return id in self._keys

    def wrap(self, data_key: bytes, program_id: UUID, key_id: UUID) -> bytes:
        """A data key, wrapped by the current master key for this one row."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(self._keys[self.current]).encrypt(nonce, data_key, _row(program_id, key_id))

    def unwrap(self, master_id: str, wrapped: bytes, program_id: UUID, key_id: UUID) -> bytes:
        """The data key again. Raises NoMasterKey when its master key is not in the ring, CanNotOpen."""
        if master_id not in self._keys:
            raise NoMasterKey(
                f"What is asked for was sealed under the master key {master_id!r}, which this server does not have."
                " Its operator must add it to the ring. Codes and claims work without."
            )
        try:
            return AESGCM(self._keys[master_id]).decrypt(
                wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], _row(program_id, key_id)
            )
        except InvalidTag:
            raise CanNotOpen(f"data key {key_id} does not unwrap by the master key {master_id!r}") from None


def new_master_key() -> str:
    """A new master key as `id:base64`."""
    return f"{secrets.token_hex(4)}:{base64.b64encode(os.urandom(KEY_BYTES)).decode()}"


def ensure_file(file: Path) -> None:
    """See that the file is there, with a first master key, readable by its owner alone.

    Two processes that start at once agree: the key is written aside and linked into place, which only one can.
    """
    if file.exists():
        return
    aside = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as made:
            made.write(new_master_key() + "\n")
            made.flush()
            os.fsync(made.fileno())
        try:
            os.link(aside, file)
        except FileExistsError:
            return
    finally:
        aside.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Unwrapped:
    id: UUID
    key: bytes


class Keyring:
    """Seals and opens. Without master keys it raises NoMasterKey, and everything else of the house goes on.

    No unwrapped key is kept between calls: a program that was shredded can't be read a moment later, anywhere.
    """

    def __init__(self, masters: MasterKeys | None) -> None:
        self._masters = masters

    @property
    def has_masters(self) -> bool:
        """Whether anything can be sealed here."""
        return self._masters is not None

    @property
    def masters(self) -> MasterKeys:
        """The master keys. Raises NoMasterKey."""
        if self._masters is None:
            raise NoMasterKey(
                "This server has no master key, so nothing that names a person can be stored or read. Codes and claims"
                " work without. Its operator sets OPENBERTH_MASTER_KEYS or OPENBERTH_MASTER_KEYS_FILE."
            )
        return self._masters

    async def seal(self, session: AsyncSession, program_id: UUID, purpose: str, plaintext: bytes) -> bytes:
        """The text sealed. `purpose` names the row and column it is for, as `identity:<participant's id>` does."""
        data_key = await self._current(session, program_id)
        nonce = os.urandom(NONCE_BYTES)
        header = VERSION + data_key.id.bytes
        sealed = AESGCM(data_key.key).encrypt(nonce, plaintext, _about(program_id, purpose, header))
        return header + nonce + sealed

    async def open(self, session: AsyncSession, program_id: UUID, purpose: str, sealed: bytes) -> bytes:
        """What was sealed. Raises CanNotOpen, Shredded when its data key was destroyed, NoMasterKey."""
        key_id = key_id_of(sealed)
        found = await self._every(session, program_id, key_id)
        if not found:
            raise Shredded("The key that this was sealed with has been destroyed. Nobody can read it any more.")
        header, rest = sealed[: 1 + ID_BYTES], sealed[1 + ID_BYTES :]
        try:
            return AESGCM(found[0].key).decrypt(
                rest[:NONCE_BYTES], rest[NONCE_BYTES:], _about(program_id, purpose, header)
            )
        except InvalidTag:
            raise CanNotOpen(f"this is not what was sealed for {purpose}") from None

    async def derived(self, session: AsyncSession, program_id: UUID, info: str) -> list[bytes]:
        """A key for another use (a blind index, a pseudonym), derived by HKDF from each data key, the current first.

        More than one only while a rotation is under way: write with the first, look with all.
        """
        current = await self._current(session, program_id)
        others = [key for key in await self._every(session, program_id) if key.id != current.id]
        return [derive(each.key, program_id, info) for each in (current, *others)]

    async def _every(self, session: AsyncSession, program_id: UUID, id: UUID | None = None) -> list[_Unwrapped]:
        where = select(DataKey.id, DataKey.master_id, DataKey.wrapped).where(DataKey.program_id == program_id)
        if id is not None:
            where = where.where(DataKey.id == id)
        masters = self.masters
        return [
            _Unwrapped(row.id, masters.unwrap(row.master_id, row.wrapped, program_id, row.id))
            for row in await session.execute(where)
        ]

    async def _current(self, session: AsyncSession, program_id: UUID) -> _Unwrapped:
        """The program's data key, made if there is none, and not retired before this transaction is over."""
        masters = self.masters
        await session.execute(select(func.pg_advisory_xact_lock_shared(turn(program_id))))
        current = select(DataKey.id, DataKey.master_id, DataKey.wrapped).where(
            DataKey.program_id == program_id, DataKey.retired_at.is_(None)
        )
        row = (await session.execute(current)).one_or_none()
        if row is None:
            await session.execute(new_data_key(masters, program_id).on_conflict_do_nothing())
            row = (await session.execute(current)).one()
        return _Unwrapped(row.id, masters.unwrap(row.master_id, row.wrapped, program_id, row.id))


def new_data_key(masters: MasterKeys, program_id: UUID) -> Insert:
    """The statement that adds a new data key."""
    id = new_id()
    wrapped = masters.wrap(AESGCM.generate_key(KEY_BYTES * 8), program_id, id)
    return insert(DataKey).values(program_id=program_id, id=id, master_id=masters.current, wrapped=wrapped)


def purpose_of(table: str, column: str) -> Callable[[object], str]:
    """What the texts of a column are sealed for, from their rows' ids: for columns that several floors must name."""
    return lambda id: f"{table}.{column}:{id}"


def turn(program_id: UUID) -> ColumnElement[int]:
    """The advisory lock on a program's data keys: shared by whoever seals, exclusive to whoever replaces the key."""
    return func.hashtextextended(f"data keys of {program_id}", 0)


def key_id_of(sealed: bytes) -> UUID:
    """Which data key something was sealed with. Raises CanNotOpen for what was never sealed."""
    if len(sealed) < 1 + ID_BYTES + NONCE_BYTES or sealed[:1] != VERSION:
        raise CanNotOpen("this was never sealed")
    return UUID(bytes=sealed[1 : 1 + ID_BYTES])


def derive(data_key: bytes, program_id: UUID, info: str) -> bytes:
    """A key for the use that `info` names."""
    return HKDF(SHA256(), KEY_BYTES, salt=program_id.bytes, info=f"openberth {info}".encode()).derive(data_key)


def _row(program_id: UUID, key_id: UUID) -> bytes:
    return b"openberth data key" + program_id.bytes + key_id.bytes


def _about(program_id: UUID, purpose: str, header: bytes) -> bytes:
    return b"openberth sealed" + header + program_id.bytes + purpose.encode()
