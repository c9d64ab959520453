"""The desk's forms: what they hold, what is sent with them, and what has to be put right."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Request
from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    ValidationInfo,
    model_validator,
)

from app.core.problems import Sentence
from app.market.attributes import ATTRIBUTES, Answer
from app.market.needs import When
from app.market.openings import MAX_UNITS_TOTAL
from app.market.tables import Opening
from app.market.vocabulary import Category, Unit
from app.web.inputs import Languages, Maybe, MaybeAge, filled

LOCAL = "%Y-%m-%dT%H:%M"
"""How a form says a time: as the wall clock of the program's place has it."""

USUAL_UNIT: Mapping[str, Unit] = {
    Category.HOUSING: Unit.BED,
    Category.TREATMENT: Unit.TREATMENT_PLACE,
    Category.VOCATIONAL: Unit.TRAINING_SEAT,
    Category.OUTREACH: Unit.RESPONSE_TEAM,
    Category.FOOD: Unit.VOUCHER,
    Category.TRANSPORT: Unit.VOUCHER,
}
"""What a first opening of a category most likely counts; of any other, appointments."""


def _moment(value: Any, info: ValidationInfo) -> Any:
    """A form's time in the program's zone."""
    if filled(value) is None:
        return None
    try:
        return datetime.fromisoformat(value).replace(tzinfo=info.context)
    except ValueError:
        raise ValueError(Sentence("Give a day and a time.")) from None


LocalTime = Annotated[When | None, BeforeValidator(_moment)]


class TermsForm(BaseModel):
    """An opening's terms as a form sends them. Validated with the program's zone as context."""

    unit: Unit
    units_total: Annotated[int, Field(ge=0, le=MAX_UNITS_TOTAL)]
    starts_at: LocalTime = None
    ends_at: LocalTime = None
    hold_minutes: Annotated[Annotated[int, Field(ge=1, le=44_640)] | None, Maybe] = None
    minimum_age: MaybeAge = None
    maximum_age: MaybeAge = None
    languages: Languages = []
    attributes: dict[str, Answer] = {}

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, sent: Mapping[str, Any]) -> dict[str, Any]:
        answers = {name: sent[f"is_{name}"] for name in ATTRIBUTES if f"is_{name}" in sent}
        return {**sent, "attributes": answers}


async def sent(request: Request) -> dict[str, str]:
    """A form's fields. None of ours takes a file."""
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


def terms_of(fields: Mapping[str, str], zone: ZoneInfo) -> dict[str, Any]:
    """The terms that a form sent. Raises ValidationError."""
    return TermsForm.model_validate(dict(fields), context=zone).model_dump(mode="python")


def filled_in(opening: Opening | Any, zone: ZoneInfo) -> dict[str, str]:
    """The fields of a form that shows these terms."""

    def local(moment: datetime | None) -> str:
        return moment.astimezone(zone).strftime(LOCAL) if moment else ""

    def typed(value: object) -> str:
        return "" if value is None else str(value)

    return {
        "unit": opening.unit,
        "units_total": typed(opening.units_total),
        "starts_at": local(opening.starts_at),
        "ends_at": local(opening.ends_at),
        "hold_minutes": typed(opening.hold_minutes),
        "minimum_age": typed(opening.minimum_age),
        "maximum_age": typed(opening.maximum_age),
        "languages": ", ".join(opening.languages),
    } | {f"is_{name}": opening.attributes.get(name, "unknown") for name in ATTRIBUTES}
