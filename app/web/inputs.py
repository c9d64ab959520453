"""What a form's fields bring: text within bounds, fields left empty, lists typed with commas."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from app.market.needs import check_languages


def filled(value: Any) -> Any:
    """What was typed, None for a field that was left empty."""
    return value.strip() or None if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    return [tag.strip() for tag in value.split(",") if tag.strip()] if isinstance(value, str) else value


# No control characters: they have no place in a name, and PostgreSQL can't store NUL.
Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
]
Prose = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=4000, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")
]
Maybe = BeforeValidator(filled)
"""A field that may be left empty: None then."""
MaybeLine = Annotated[Line | None, Maybe]
MaybeId = Annotated[UUID | None, Maybe]
MaybeAge = Annotated[Annotated[int, Field(ge=0, le=130)] | None, Maybe]
Languages = Annotated[list[str], Field(max_length=40), BeforeValidator(_listed), AfterValidator(check_languages)]
"""BCP 47 tags, typed with commas between them."""
