"""What someone needs: the filters of a search, of a find-and-claim, and of an unmet need."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from app.core.problems import Sentence
from app.market.attributes import ATTRIBUTES, HOUSEHOLDS, unknown_names
from app.market.vocabulary import Category, Unit

MAX_UNITS = 1000


def _sane(when: datetime) -> datetime:
    if not 2000 <= when.year <= 2200:
        raise ValueError(Sentence("give a time between the years 2000 and 2200"))
    return when.astimezone(UTC)


When = Annotated[AwareDatetime, AfterValidator(_sane)]
"""A time with its offset (RFC 3339), kept in UTC; far from the ends of what PostgreSQL and Python can hold."""


class Point(NamedTuple):
    """A place on earth, in degrees (WGS 84)."""

    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]

    def coarse(self) -> "Point":
        """The same to about a kilometre: enough to plan by, too little to find a person."""
        return Point(round(self.latitude, 2), round(self.longitude, 2))


def _point(value: Any) -> Any:
    if isinstance(value, str):
        parts = value.split(",")
        if len(parts) != 2:
            raise ValueError(Sentence("give a place as LAT,LON in degrees, such as 47.6062,-122.3321"))
        return parts
    return value


Near = Annotated[
    Point,
    BeforeValidator(
        _point,
        json_schema_input_type=Annotated[str, Field(examples=["47.6062,-122.3321"])] | tuple[float, float],
    ),
]

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def check_languages(tags: list[str]) -> list[str]:
    """The tags, if each is a BCP 47 language tag. Raises ValueError that names those which aren't."""
    wrong = [tag for tag in tags if len(tag) > 35 or not _LANGUAGE.fullmatch(tag)]
    if wrong:
        raise ValueError(
            Sentence(
                "%(wrong)s: give languages as BCP 47 tags, such as en, es or zh-Hant", wrong=", ".join(map(repr, wrong))
            )
        )
    return tags


def check_attributes(names: list[str]) -> list[str]:
    """The names, if each is an attribute. Raises ValueError that names those which aren't, and all that are."""
    wrong = unknown_names(names)
    if wrong:
        raise ValueError(f"{', '.join(map(repr, wrong))}: the attributes are {', '.join(ATTRIBUTES)}")
    return names


class Need(BaseModel):
    """A need. What is left out does not matter; what is given must be met, except what is preferred."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    category: Category | None = None
    unit: Unit | None = None
    units: Annotated[int, Field(ge=1, le=MAX_UNITS, strict=True, description="How many, in one opening.")] = 1
    near: Near | None = None
    within_km: Annotated[float | None, Field(gt=0, le=20_000, strict=True)] = None
    needs: Annotated[list[str], Field(max_length=40, description="Attributes that must be answered yes.")] = []
    prefers: Annotated[list[str], Field(max_length=40, description="Attributes that rank, but don't rule out.")] = []
    age: Annotated[int | None, Field(ge=0, le=130, strict=True)] = None
    household: Annotated[
        str | None,
        Field(description=f"One of {', '.join(HOUSEHOLDS)}.", json_schema_extra={"enum": [*HOUSEHOLDS, None]}),
    ] = None
    language: Annotated[str | None, Field(description="A BCP 47 tag: staff speak it.", max_length=35)] = None
    starts_by: Annotated[When | None, Field(description="It can be taken up by then.")] = None
    lasts_until: Annotated[When | None, Field(description="It doesn't end before then.")] = None

    @field_validator("needs", "prefers")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        return check_attributes(names)

    @field_validator("household")
    @classmethod
    def _household(cls, household: str | None) -> str | None:
        if household is not None and household not in HOUSEHOLDS:
            raise ValueError(f"the households are {', '.join(HOUSEHOLDS)}")
        return household

    @field_validator("language")
    @classmethod
    def _language(cls, language: str | None) -> str | None:
        return None if language is None else check_languages([language])[0]

    @model_validator(mode="after")
    def _distance(self) -> "Need":
        if self.within_km is not None and self.near is None:
            raise ValueError(Sentence("within_km needs near: the place to measure from, as LAT,LON"))
        return self

    @property
    def required(self) -> tuple[str, ...]:
        """Every attribute that must be yes: the needs, and the household's own."""
        household = (HOUSEHOLDS[self.household],) if self.household else ()
        return tuple(sorted({*self.needs, *household}))

    def coarse(self) -> dict[str, Any]:
        """The filters as an unmet need keeps them: the place coarse, so that no person can be found by it."""
        need = self.model_copy(update={"near": self.near.coarse()}) if self.near else self
        return need.model_dump(mode="json", exclude_defaults=True)


def fits_terms(
    need: Need,
    *,
    attributes: dict[str, str],
    minimum_age: int | None,
    maximum_age: int | None,
    languages: list[str],
    starts_at: datetime | None,
    ends_at: datetime | None,
) -> bool:
    """Whether the terms of an opening meet a need: attributes, age, language and time.

    Unknown never satisfies: an attribute not answered yes doesn't, nor does a language not listed.
    """
    return (
        all(attributes.get(name) == "yes" for name in need.required)
        and (need.age is None or minimum_age is None or need.age >= minimum_age)
        and (need.age is None or maximum_age is None or need.age <= maximum_age)
        and (need.language is None or need.language in languages)
        and (need.starts_by is None or starts_at is None or starts_at <= need.starts_by)
        and (need.lasts_until is None or ends_at is None or ends_at >= need.lasts_until)
    )
