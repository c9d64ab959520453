"""From a stored notice to what is sent: asked again of the person, of their choices and of what is true now."""

from dataclasses import dataclass
from math import ceil
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.programs import Program
from app.core.keyring import CanNotOpen, Keyring
from app.core.problems import NoMasterKey, Shredded
from app.delivery.notices.browsers import open_target
from app.delivery.notices.choices import read_choices
from app.delivery.notices.facts import fact_of, reader
from app.delivery.notices.kinds import Channel, NoticeKind
from app.delivery.notices.mail import Mail
from app.delivery.notices.push import Push, content_of, vapid_of
from app.delivery.notices.rows import Notice, Outcome
from app.delivery.notices.words import Words, said
from app.market.policy import zone

URGENT = frozenset({NoticeKind.CLAIM_LAPSING, NoticeKind.CLAIM_DECLINED, NoticeKind.WATCH_MATCHED})
NO_ACCESS = Outcome("no_access", final=True)
NOT_WANTED = Outcome("not_wanted", final=True)
NO_LONGER_TRUE = Outcome("no_longer_true", final=True)
TOO_LATE = Outcome("too_late", final=True)
NO_BROWSER = Outcome("gone", final=True)
UNREADABLE = Outcome("unreadable", final=True)
NO_MASTER_KEY = Outcome("no_master_key")


@dataclass(frozen=True, slots=True)
class _Said:
    words: Words
    language: str
    email: str
    seconds: int


async def prepare(
    session: AsyncSession, keyring: Keyring, program_id: UUID, notice: Notice, origin: str
) -> Mail | Push | Outcome:
    """What to send, or why nothing is."""
    found = await _say(session, program_id, notice, origin)
    if isinstance(found, Outcome):
        return found
    if notice.channel == Channel.EMAIL:
        return Mail(found.email, found.words, found.language, notice.id)
    try:
        target = await open_target(session, keyring, program_id, notice.person_id, notice.destination)
        if target is None:
            return NO_BROWSER
        vapid = await vapid_of(session, keyring, program_id)
    except (Shredded, CanNotOpen):
        return UNREADABLE
    except NoMasterKey:
        return NO_MASTER_KEY
    words = found.words
    content = content_of(words.title, words.body, words.url, str(notice.id), found.language)
    return Push(target, vapid, notice.id, content, found.seconds, NoticeKind(notice.kind) in URGENT)


async def _say(session: AsyncSession, program_id: UUID, notice: Notice, origin: str) -> _Said | Outcome:
    program = (
        await session.execute(
            select(Program.time_zone, func.clock_timestamp().label("now")).where(Program.program_id == program_id)
        )
    ).one()
    if notice.useful_until <= program.now:
        return TOO_LATE
    person = await reader(session, program_id, notice.person_id)
    if person is None:
        return NO_ACCESS
    chosen = await read_choices(session, program_id, notice.person_id)
    kind = NoticeKind(notice.kind)
    if not chosen.wants(kind, Channel(notice.channel)):
        return NOT_WANTED
    clock = zone(program.time_zone)
    over = chosen.quiet.until(program.now, clock) if chosen.quiet and kind is not NoticeKind.TEST else None
    if over is not None:
        return Outcome("quiet", postpone=over)
    fact = await fact_of(session, person.caller, notice)
    if fact is None:
        return NO_LONGER_TRUE
    words = said(fact, language=chosen.language, zone=clock, now=program.now, origin=origin)
    seconds = max(1, ceil((notice.useful_until - program.now).total_seconds()))
    return _Said(words, chosen.language, person.email, seconds)
