"""Text as casework takes it: bounded, and without the control characters that have no place in it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
]
Words = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=2000, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")
]


class Given(BaseModel):
    """The base of what people are asked for: a field we don't know is an error, never silently dropped."""

    model_config = ConfigDict(extra="forbid", frozen=True)
