"""A test, for whoever wants to see that they would be told."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.core.problems import Conflict
from app.delivery.notices import browsers, rows
from app.delivery.notices.kinds import HALF_HOUR, Channel, NoticeKind


async def owe_test(
    session: AsyncSession, caller: Caller, channel: Channel, *, sends_mail: bool
) -> Sequence[rows.Notice]:
    """Have a test sent to a person, one a minute by each channel: its notices. Raises Conflict if none can arrive."""
    to = [caller.id]
    if channel is Channel.PUSH:
        to = [each.id for each in await browsers.list_browsers(session, caller.program_id, caller.id)]
        if not to:
            raise Conflict("You are told in no browser yet. Add one first: `POST /v1/me/push-subscriptions`.")
    elif not sends_mail:
        raise Conflict("This installation sends no e-mail. Its operator sets OPENBERTH_SMTP_URL.")
    moment = (await session.execute(select(func.date_trunc("minute", func.now())))).scalar_one()
    owed = rows.Owed(caller.id, NoticeKind.TEST, caller.id, moment, moment + HALF_HOUR)
    await rows.owe(session, caller.program_id, [(owed, channel, to)])
    return await rows.of_fact(session, caller.program_id, owed, channel)
