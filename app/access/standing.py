"""Who a caller is now, for what acts in their name while they are not calling."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.access.roles import Role


async def standing(session: AsyncSession, program_id: UUID, id: UUID, scopes: Sequence[str] | None) -> Caller | None:
    """The key or person of this id, narrowed to what `scopes` are left of those it has; None when the key is revoked
    or has expired, or the person's access has ended."""
    found = await session.execute(
        text("SELECT * FROM standing_caller(:program_id, :id)"), {"program_id": program_id, "id": id}
    )
    row = found.one_or_none()
    if row is None:
        return None
    has = None if row.scopes is None else frozenset(row.scopes)
    asked = None if scopes is None else frozenset(scopes)
    narrowed = (has & asked) if has is not None and asked is not None else (asked if has is None else has)
    return Caller(id, program_id, row.organization_id, Role(row.role), narrowed, serves_survivors=row.serves_survivors)
