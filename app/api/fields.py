"""Fields that many requests share: bounded text, times and pages; and the base of all models."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)

from app.core.problems import Invalid
from app.market.attributes import Answer
from app.market.needs import check_attributes, check_languages


class In(BaseModel):
    """The base of request bodies: a field we don't know is an error, never silently dropped."""

    model_config = ConfigDict(extra="forbid")


class Out(BaseModel):
    """The base of answers, read from plain objects."""

    model_config = ConfigDict(from_attributes=True)


Moment = Annotated[
    datetime,
    PlainSerializer(lambda when: when.astimezone(UTC).isoformat().replace("+00:00", "Z"), return_type=str),
    Field(json_schema_extra={"format": "date-time"}),
]
"""A time in an answer: RFC 3339, in UTC."""

# No control characters: they have no place in a name, and PostgreSQL can't store NUL.
_LINE = r"^[^\x00-\x1f\x7f]*$"
_LINES = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_LINE)]
Prose = Annotated[str, StringConstraints(strip_whitespace=True, max_length=4000, pattern=_LINES)]


def _attributes(given: dict[str, Answer]) -> dict[str, Answer]:
    check_attributes(list(given))
    # What is unknown needs no entry: whoever asks for yes gets the same answer.
    return given


Attributes = Annotated[dict[str, Answer], Field(max_length=60), AfterValidator(_attributes)]
Languages = Annotated[list[str], Field(max_length=40), AfterValidator(check_languages)]
Age = Annotated[int, Field(ge=0, le=130, strict=True)]
Yes = Annotated[bool, Field(strict=True)]
"""True or false in a body: not 1, not "yes". Numbers in bodies are strict likewise, so that a wrong type is told."""


def id_or_code(name: str) -> UUID | str:
    """What a participant is named by: an id, or else a code as it is said aloud."""
    if len(name) < 32:  # Fewer characters than an id has digits: nearly every claim's, and an exception is dear.
        return name
    try:
        return UUID(name)
    except ValueError:
        return name


Limit = Annotated[int, Query(ge=1, le=200, description="How many items a page holds.")]
Cursor = Annotated[
    str | None,
    Query(max_length=200, description="The `next` of the page before; leave it out for the first."),
]

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """A page of a list. `next` is the cursor of the page after it, null on the last."""

    items: list[Item]
    next: str | None


def to_cursor(*parts: object) -> str:
    """An opaque cursor of these parts."""
    return urlsafe_b64encode("|".join(map(str, parts)).encode()).decode().rstrip("=")


def from_cursor(cursor: str, parts: int) -> list[str]:
    """The parts of a cursor that `to_cursor` made. Raises Invalid for any other text."""
    try:
        found = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split("|")
    except ValueError:
        found = []
    if len(found) != parts:
        raise bad_cursor()
    return found


def id_from_cursor(cursor: str | None) -> UUID | None:
    """The id in a cursor, None without one. Raises Invalid."""
    if cursor is None:
        return None
    try:
        return UUID(from_cursor(cursor, 1)[0])
    except ValueError:
        raise bad_cursor() from None


def bad_cursor() -> Invalid:
    """The refusal of a cursor that is none of ours."""
    return Invalid.at("cursor", "This is no cursor of this list. Use the `next` of the page before, as it was.")
