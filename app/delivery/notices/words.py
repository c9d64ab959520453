"""The words of a notice: made from facts that name no person and no hidden place, in the reader's language."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import ModuleType
from zoneinfo import ZoneInfo

from app.delivery.notices import english, spanish
from app.delivery.notices.kinds import NoticeKind
from app.market.vocabulary import Unit

LANGUAGES: Mapping[str, ModuleType] = {"en": english, "es": spanish}
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Thing:
    """What a claim is of: so many units, at whose. A confidential one has no `unit` and no `where`."""

    units: int
    unit: Unit | None
    where: str | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """All that a notice may tell: its kind, how many or of what, until when, and which page shows the rest.

    There is nowhere to put a participant, their code, a reason, or a location.
    """

    kind: NoticeKind
    path: str
    thing: Thing | None = None
    count: int = 0
    until: datetime | None = None
    instead: Thing | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """A notice as it is read."""

    title: str
    body: str
    url: str
    footer: str


def said(fact: Fact, *, language: str, zone: ZoneInfo, now: datetime, origin: str) -> Words:
    """The notice of a fact. Times are those of the program's clock."""
    texts = LANGUAGES[language]
    title, body = _template(fact, texts)
    values = {
        "time": _time(fact.until, zone, now, texts) if fact.until else "",
        "what": _what(fact, texts),
        "declined": _thing(fact.thing, texts) if fact.thing else "",
    }
    return Words(
        title.format(**values),
        body.format(**values),
        f"{origin}{fact.path}",
        texts.FOOTER.format(settings=f"{origin}/account"),
    )


def _template(fact: Fact, texts: ModuleType) -> tuple[str, str]:
    if fact.instead is None:
        template: tuple[str, str] = texts.TEXTS[fact.kind]
    else:
        template = texts.REPLACED if fact.until else texts.REPLACED_AND_MOVED_ON
    return template


def _what(fact: Fact, texts: ModuleType) -> str:
    if fact.count:
        return _counted(fact.count, texts.OPENINGS)
    thing = fact.instead or fact.thing
    return _thing(thing, texts) if thing else ""


def _thing(thing: Thing, texts: ModuleType) -> str:
    what = _counted(thing.units, texts.UNITS[thing.unit] if thing.unit else texts.PLACES)
    if thing.where is None:
        return what
    # One line, and never so long that a message would not fit.
    name = " ".join(thing.where.split())
    where = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    at: str = texts.AT.format(what=what, where=where)
    return at


def _counted(count: int, forms: tuple[str, str]) -> str:
    return forms[0] if count == 1 else forms[1].format(n=count)


def _time(moment: datetime, zone: ZoneInfo, now: datetime, texts: ModuleType) -> str:
    """The time of day; with its day, where that is another than today."""
    local, today = moment.astimezone(zone), now.astimezone(zone).date()
    form: str = texts.TIME_AT_ONE if local.hour == 1 else texts.TIME
    time = form.format(time=f"{local:%H:%M}")
    if local.date() == today:
        return time
    on_day: str = texts.ON_DAY.format(day=texts.DAYS[local.weekday()], time=time)
    return on_day
