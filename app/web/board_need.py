"""What is asked of the board: the need and the bundle, which an address may hold; and for whom, which none does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.access.roles import Action
from app.casework.participants import get_participant
from app.core.problems import Invalid, NotFound, Sentence
from app.market.choices import Choices, choices
from app.market.needs import MAX_UNITS, Need, Point
from app.market.vocabulary import Category

FIRST = Category.HOUSING
"""What the board shows to whoever has not said what is needed."""
MOST_ITEMS = 10
"""How many things a bundle may have, as for the API."""
BELIEVED_SECONDS = 60.0
"""How long the choices of a program are believed: a new city may wait."""

_known: dict[UUID, tuple[float, Choices]] = {}


async def known_choices(session: AsyncSession, program_id: UUID) -> Choices:
    """The program's cities and languages, as they were within a minute."""
    at, found = _known.get(program_id, (0.0, None))
    if found is None or monotonic() - at > BELIEVED_SECONDS:
        found = await choices(session, program_id)
        _known[program_id] = (monotonic(), found)
    return found


@dataclass(frozen=True, slots=True)
class Item:
    """Units of an opening, as a form has them: `<opening>.<units>`."""

    opening_id: UUID
    units: int = 1

    @classmethod
    def of(cls, written: str) -> "Item":
        """Raises Invalid for any other text."""
        id, _, units = written.partition(".")
        try:
            item = cls(UUID(id), int(units or 1))
        except ValueError:
            raise Invalid.at("opening", Sentence("This names no opening.")) from None
        if not 1 <= item.units <= MAX_UNITS:
            raise Invalid.at(
                "opening", Sentence("Between 1 and %(most)s units can be claimed at once.", most=MAX_UNITS)
            )
        return item

    def __str__(self) -> str:
        return f"{self.opening_id}.{self.units}"


@dataclass(frozen=True, slots=True)
class Sought:
    """What a page of the board is about. `near` is as it was written: a city, or LAT,LON.

    `participant` is the code of whom it is for, None for someone new. It is in no address, since addresses end in
    histories and logs, and in no cookie, since a device may be shared: only in the forms of the page that shows it.
    """

    need: Need
    near: str
    bundle: tuple[Item, ...] = ()
    participant: str | None = None
    unknown: str | None = None
    """A code that was given and is nobody's."""

    @property
    def query(self) -> str:
        """The need as an address has it."""
        return query_of(self.need, self.near)

    @property
    def address(self) -> str:
        """The whole page's, to share or to come back to."""
        bundle = urlencode([("with", str(item)) for item in self.bundle])
        return f"/board?{self.query}{'&' if bundle else ''}{bundle}"


def written(near: Point | None) -> str:
    """A place as LAT,LON; empty without one."""
    return "" if near is None else f"{near.latitude:g},{near.longitude:g}"


def query_of(need: Need, near: str) -> str:
    """A need as an address has it. What says nothing is left out."""
    assert need.category is not None, "the board's need has a category"
    fields: list[tuple[str, Any]] = [("category", need.category.value)]
    fields += [("needs", name) for name in need.needs]
    single = {
        "unit": need.unit and need.unit.value,
        "units": need.units if need.units > 1 else None,
        "near": near if need.near else None,
        "within_km": None if need.within_km is None else f"{need.within_km:g}",
        "age": need.age,
        "household": need.household,
        "language": need.language,
    }
    fields += [(name, value) for name, value in single.items() if value is not None]
    return urlencode(fields)


async def asked_of(request: Request, session: AsyncSession, caller: Caller) -> Sought:
    """What a request for the board asks. Raises RequestValidationError, Invalid."""
    query = request.query_params
    form = await request.form() if request.method == "POST" else None
    sent = [query] if form is None else [query, form]
    given: dict[str, list[str]] = {}
    for fields in sent:
        # What a form says of a field stands, whatever its address says.
        given |= {name: [str(value) for value in fields.getlist(name) if value != ""] for name in fields}
    need, near = _need(given, await known_choices(session, caller.program_id))
    asked = Sought(need, near, _bundle(given))
    if form is None or caller.serves_survivors:
        return asked
    return await _for_whom(session, caller, asked, {name: str(value) for name, value in form.items()})


def _need(given: Mapping[str, Sequence[str]], known: Choices) -> tuple[Need, str]:
    single = {name: values[-1] for name, values in given.items() if values}
    near = single.get("near", "").strip()[:60]
    place = known.place(near)
    values: dict[str, Any] = {
        "category": single.get("category", FIRST),
        "unit": single.get("unit"),
        "units": _number(single.get("units", "1"), int),
        "near": place or near or None,
        "within_km": _number(single.get("within_km"), float) if near else None,
        "needs": list(dict.fromkeys(name for text in given.get("needs", ()) for name in text.split(",") if name)),
        "age": _number(single.get("age"), int),
        "household": single.get("household"),
        "language": single.get("language"),
    }
    try:
        need = Need.model_validate(values)
    except ValidationError as error:
        if near and any(each["loc"][:1] == ("near",) for each in error.errors()):
            raise Invalid.at(
                "near", Sentence("This is none of the cities here. Give one of them, or LAT,LON.")
            ) from None
        raise RequestValidationError([{**each, "loc": ("query", *each["loc"])} for each in error.errors()]) from None
    if place is None and need.near is not None:
        # Where a person stands is nobody's business to the metre.
        need = need.model_copy(update={"near": need.near.coarse()})
        near = written(need.near)
    return need, near


def _number(text: str | None, kind: type[int] | type[float]) -> Any:
    """A number as a form sends it; what is none is left for the need to refuse."""
    try:
        return None if text is None else kind(text)
    except ValueError:
        return text


def _bundle(given: Mapping[str, Sequence[str]]) -> tuple[Item, ...]:
    found = {item.opening_id: item for item in map(Item.of, [*given.get("with", ()), *given.get("add", ())])}
    for written in given.get("drop", ()):
        found.pop(Item.of(written).opening_id, None)
    return tuple(found.values())[:MOST_ITEMS]


async def _for_whom(session: AsyncSession, caller: Caller, asked: Sought, form: Mapping[str, str]) -> Sought:
    """The same, for the participant that a form names: by a button, or by a code that was typed."""
    code = form["participant"] if "participant" in form else form.get("code", "")
    code = code.strip().upper()[:40]
    if not code or not caller.may(Action.FIND_PARTICIPANT):
        return asked
    try:
        found = await get_participant(session, caller, Action.FIND_PARTICIPANT, code)
    except NotFound:
        return replace(asked, unknown=code)
    return replace(asked, participant=found.code)
