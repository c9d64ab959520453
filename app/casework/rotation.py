"""New keys for old: master keys replaced by wrapping again, a program's data key by sealing again, and shredding.

All of it is the schema's owner's work, from the command line: the app role can't write what it concerns.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Table, delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.access import providers, totp
from app.access.audit import note
from app.casework import consents, demographics, identity, marks, referrals
from app.casework.identity import Identity, IdentityMark, SealedIdentity
from app.casework.participants import Participant
from app.core.database import Base, Database
from app.core.keyring import DataKey, Keyring, MasterKeys, new_data_key, purpose_of, turn

BATCH = 200
"""Rows in one transaction: a rotation never holds many rows for long, and may be stopped and run again."""
ACTOR = "operator"


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column in which something sealed stands; `purpose` is what it was sealed for, from its row's id.

    Whoever seals something of their own adds it to `SEALED`, or a rotation would leave it behind and be refused.
    """

    table: str
    id: str
    column: str
    purpose: Callable[[Any], str]

    @property
    def of(self) -> Table:
        """The table, by its name: what stands on a floor above this one is rotated too."""
        return Base.metadata.tables[self.table]


IDENTITIES = SealedIdentity.__tablename__
SEALED = (
    SealedColumn(IDENTITIES, "participant_id", "sealed", identity.purpose),
    SealedColumn("consents", "id", "sealed", consents.purpose),
    SealedColumn("consents", "id", "ended_words", consents.end_purpose),
    SealedColumn("totp", "person_id", "secret", totp.purpose),
    SealedColumn("identity_providers", "slug", "client_secret", providers.purpose),
    SealedColumn("referrals", "id", "person", referrals.purpose),
    SealedColumn("referrals", "id", "reference", referrals.reference_purpose),
    # Of the floor above this one.
    SealedColumn("push_subscriptions", "id", "sealed", purpose_of("push_subscriptions", "sealed")),
    SealedColumn("push_keys", "program_id", "private_key", purpose_of("push_keys", "private_key")),
    SealedColumn("webhooks", "id", "secret", purpose_of("webhooks", "secret")),
    SealedColumn("webhooks", "id", "previous_secret", purpose_of("webhooks", "previous_secret")),
)


async def rewrap(database: Database, masters: MasterKeys) -> int:
    """Wrap every program's data keys by the current master key. Answers how many were not; safe to repeat."""
    async with database.transaction(None, ACTOR) as session:
        old = await session.execute(
            select(DataKey.program_id, DataKey.id, DataKey.master_id, DataKey.wrapped)
            .where(DataKey.master_id != masters.current)
            .with_for_update()
        )
        rows = old.all()
        for row in rows:
            data_key = masters.unwrap(row.master_id, row.wrapped, row.program_id, row.id)
            await session.execute(
                update(DataKey)
                .filter_by(program_id=row.program_id, id=row.id)
                .values(master_id=masters.current, wrapped=masters.wrap(data_key, row.program_id, row.id))
            )
    return len(rows)


async def reseal(database: Database, keyring: Keyring, program_id: UUID) -> int:
    """Give a program a new data key, seal all that is sealed with it, and destroy the old. Answers how many texts.

    In bounded steps: between them everything can be read and written, and one that was stopped goes on when run again.
    """
    async with database.transaction(program_id, ACTOR) as session:
        retired = await session.scalar(
            select(func.count())
            .select_from(DataKey)
            .where(DataKey.program_id == program_id, DataKey.retired_at.is_not(None))
        )
        # A retired key means that a rotation was stopped: it is finished first, or there would be no end to them.
        if not retired:
            await _replace_key(session, keyring, program_id)
    done = 0
    while step := await _step(database, keyring, program_id):
        done += step
    await _move_pseudonyms(database, keyring, program_id)
    async with database.transaction(program_id, ACTOR) as session:
        await session.execute(select(func.pg_advisory_xact_lock(turn(program_id))))
        for column in SEALED:
            if await _left(session, program_id, column, 1):
                raise RuntimeError(f"{column.table}.{column.column} still has what the old key sealed")
        await session.execute(delete(DataKey).where(DataKey.program_id == program_id, DataKey.retired_at.is_not(None)))
    return done


async def _replace_key(session: AsyncSession, keyring: Keyring, program_id: UUID) -> None:
    # Whoever seals holds this lock shared: nobody is still about to use the old key when the new one is there.
    await session.execute(select(func.pg_advisory_xact_lock(turn(program_id))))
    await session.execute(
        update(DataKey)
        .where(DataKey.program_id == program_id, DataKey.retired_at.is_(None))
        .values(retired_at=func.clock_timestamp())
    )
    await session.execute(new_data_key(keyring.masters, program_id))


async def _left(session: AsyncSession, program_id: UUID, column: SealedColumn, limit: int) -> list[tuple[UUID, bytes]]:
    """Rows whose text another key than the current one sealed, locked."""
    id, sealed = column.of.c[column.id], column.of.c[column.column]
    current = select(func.uuid_send(DataKey.id)).where(DataKey.program_id == program_id, DataKey.retired_at.is_(None))
    rows = await session.execute(
        select(id, sealed)
        .where(column.of.c.program_id == program_id)
        # The key's id is in the text itself: bytes 2 to 17.
        .where(func.substring(sealed, 2, 16) != current.scalar_subquery())
        .order_by(id)
        .limit(limit)
        .with_for_update()
    )
    return [(row[0], row[1]) for row in rows]


async def _step(database: Database, keyring: Keyring, program_id: UUID) -> int:
    """Seal a batch of each column again. Answers how many texts."""
    done = 0
    for column in SEALED:
        async with database.transaction(program_id, ACTOR) as session:
            left = await _left(session, program_id, column, BATCH)
            for id, sealed in left:
                plaintext = await keyring.open(session, program_id, column.purpose(id), sealed)
                again = await keyring.seal(session, program_id, column.purpose(id), plaintext)
                await session.execute(
                    update(column.of)
                    .where(column.of.c.program_id == program_id, column.of.c[column.id] == id)
                    .values({column.column: again})
                )
                if column.table == IDENTITIES:
                    await _mark(session, keyring, program_id, id, Identity.model_validate_json(plaintext))
            done += len(left)
    return done


async def _mark(session: AsyncSession, keyring: Keyring, program_id: UUID, participant_id: UUID, of: Identity) -> None:
    """The marks of an identity under the current key, in place of those under the old."""
    key = (await keyring.derived(session, program_id, marks.PREFIX))[0]
    await session.execute(delete(IdentityMark).filter_by(program_id=program_id, participant_id=participant_id))
    for mark in of.marks():
        session.add(IdentityMark(program_id=program_id, mark=mark.under(key), participant_id=participant_id))
    await session.flush()


async def _move_pseudonyms(database: Database, keyring: Keyring, program_id: UUID) -> None:
    """What people say of themselves goes under their pseudonym by the current key."""
    after = UUID(int=0)
    while True:
        async with database.transaction(program_id, ACTOR) as session:
            current, *old = await keyring.derived(session, program_id, demographics.PREFIX)
            ids = list(
                await session.scalars(
                    select(Participant.id)
                    .where(Participant.program_id == program_id, Participant.id > after)
                    .order_by(Participant.id)
                    .limit(BATCH)
                )
            )
            if not ids or not old:
                return
            moves = [(demographics.subject(key, id), demographics.subject(current, id)) for id in ids for key in old]
            # Who has said something anew meanwhile has it under the new pseudonym, and the old row is gone already.
            await session.execute(
                text(
                    "UPDATE demographics d SET subject = m.after FROM unnest(CAST(:before AS uuid[]),"
                    " CAST(:after AS uuid[])) AS m (before, after)"
                    " WHERE d.program_id = :program AND d.subject = m.before"
                ),
                {"before": [each[0] for each in moves], "after": [each[1] for each in moves], "program": program_id},
            )
            after = ids[-1]


async def shred(database: Database, program_id: UUID) -> int:
    """Destroy a program's data keys, so that nothing sealed with them is ever read again. Answers how many."""
    async with database.transaction(program_id, ACTOR) as session:
        await session.execute(select(func.pg_advisory_xact_lock(turn(program_id))))
        destroyed = await session.scalars(delete(DataKey).where(DataKey.program_id == program_id).returning(DataKey.id))
        count = len(destroyed.all())
        await note(session, "program.shredded", program_id, data_keys=count)
    return count
