"""The forms of the directory, to add to it and to change it: what they hold, and what is said of it."""

from collections.abc import Mapping, Set
from itertools import count, takewhile
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, EmailStr, Field, HttpUrl, StringConstraints, model_validator

from app.core.problems import Sentence
from app.market.attributes import ATTRIBUTES, Answer
from app.market.directory import (
    MOST_LINES,
    MOST_PHONES,
    PHONE_EXTENSION,
    PHONE_NUMBER,
    STATUSES,
    Location,
    Organization,
    Service,
)
from app.market.vocabulary import Category
from app.web.inputs import Languages, Line, Maybe, MaybeAge, MaybeId, MaybeLine, Prose


class OrganizationForm(BaseModel):
    """What an organization says of itself."""

    name: Line
    description: Prose = ""
    website: Annotated[Annotated[HttpUrl, Field(max_length=500)] | None, Maybe] = None
    email: Annotated[Annotated[EmailStr, Field(max_length=254)] | None, Maybe] = None

    def changed(self, mine: Set[str]) -> dict[str, Any]:
        """The facts in those fields."""
        return self.model_dump(mode="json", include=set(mine))


class NewOrganizationForm(OrganizationForm):
    """An organization to add."""

    serves_survivors: bool = False


class PlaceForm(BaseModel):
    """Where something is."""

    address_1: MaybeLine = None
    city: MaybeLine = None
    state_province: MaybeLine = None
    postal_code: MaybeLine = None
    latitude: Annotated[Annotated[float, Field(ge=-90, le=90)] | None, Maybe] = None
    longitude: Annotated[Annotated[float, Field(ge=-180, le=180)] | None, Maybe] = None

    @model_validator(mode="after")
    def _whole_point(self) -> "PlaceForm":
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError(Sentence("give latitude and longitude together, or neither"))
        return self


class LocationForm(PlaceForm):
    """A location."""

    name: MaybeLine = None
    address_2: MaybeLine = None
    masked: Annotated[bool, BeforeValidator(bool)] = False

    def changed(self, mine: Set[str]) -> dict[str, Any]:
        """The facts in those fields."""
        return self.model_dump(include=set(mine))


class _ServiceForm(BaseModel):
    """What forms of a service share."""

    name: Line
    location_id: MaybeId = None
    description: Prose = ""
    minimum_age: MaybeAge = None
    maximum_age: MaybeAge = None
    languages: Languages = []

    @model_validator(mode="after")
    def _sensible(self) -> "_ServiceForm":
        if self.minimum_age is not None and self.maximum_age is not None and self.minimum_age > self.maximum_age:
            raise ValueError(Sentence("the youngest age is above the oldest"))
        return self


class NewServiceForm(_ServiceForm):
    """A service to add to an organization. What is ticked is answered yes, and all else is not known."""

    category: Category
    serves_survivors: bool = False
    attributes: list[Annotated[str, Field(max_length=60)]] = []

    def facts(self) -> dict[str, Any]:
        """The service as the directory takes it."""
        return self.model_dump() | {"attributes": {name: "yes" for name in self.attributes if name in ATTRIBUTES}}


class PhoneForm(BaseModel):
    """A number to call."""

    number: Annotated[str, StringConstraints(strip_whitespace=True, pattern=PHONE_NUMBER)]
    extension: Annotated[Annotated[str, StringConstraints(pattern=PHONE_EXTENSION)] | None, Maybe] = None
    description: MaybeLine = None


def _lines(value: Any) -> Any:
    return [line for line in value.splitlines() if line.strip()] if isinstance(value, str) else value


Lines = Annotated[list[Line], Field(max_length=MOST_LINES), BeforeValidator(_lines)]
"""A text with one of them on each line."""

_PHONE = ("number", "extension", "description")


class ServiceForm(_ServiceForm):
    """All that a service says of itself and may change."""

    status: Literal[*STATUSES]  # type: ignore[valid-type]
    eligibility_description: Annotated[Prose | None, Maybe] = None
    attributes: dict[str, Answer] = {}
    phones: Annotated[list[PhoneForm], Field(max_length=MOST_PHONES)] = []
    schedules: Lines = []
    required_documents: Lines = []

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, sent: Mapping[str, Any]) -> dict[str, Any]:
        answers = {name: sent[f"is_{name}"] for name in ATTRIBUTES if f"is_{name}" in sent}
        numbered = takewhile(lambda nr: f"phone_{nr}_number" in sent, count())
        phones = [{part: sent.get(f"phone_{nr}_{part}", "") for part in _PHONE} for nr in numbered]
        # A row that was emptied is a phone that is gone.
        return {**sent, "attributes": answers, "phones": [phone for phone in phones if any(phone.values())]}

    def changed(self, mine: Set[str]) -> dict[str, Any]:
        """The facts in those fields: of the answers those that changed, and the phones all or none."""
        facts = self.model_dump(include=set(mine))
        facts["attributes"] = {name: answer for name, answer in self.attributes.items() if f"is_{name}" in mine}
        if any(name.startswith("phone_") for name in mine):
            facts["phones"] = [phone.model_dump() for phone in self.phones]
        for name, part in (("schedules", "description"), ("required_documents", "document")):
            if name in facts:
                facts[name] = [{part: line} for line in facts[name]]
        return facts


def _typed(value: object) -> str:
    return "" if value is None else str(value)


def organization_fields(organization: Organization) -> dict[str, str]:
    """The fields of a form that shows this organization."""
    return {name: _typed(getattr(organization, name)) for name in OrganizationForm.model_fields}


def location_fields(location: Location) -> dict[str, str]:
    """The fields of a form that shows this location."""
    return {name: _typed(getattr(location, name)) for name in LocationForm.model_fields} | {
        "masked": "true" if location.masked else ""
    }


def service_fields(service: Service) -> dict[str, str]:
    """The fields of a form that shows this service, with room for one more phone."""
    plain = ("name", "status", "location_id", "description", "eligibility_description", "minimum_age", "maximum_age")
    rows = [*service.phones, {}][:MOST_PHONES]
    return (
        {name: _typed(getattr(service, name)) for name in plain}
        | {
            "languages": ", ".join(service.languages),
            "schedules": "\n".join(each["description"] for each in service.schedules),
            "required_documents": "\n".join(each["document"] for each in service.required_documents),
        }
        | {f"phone_{nr}_{part}": _typed(row.get(part)) for nr, row in enumerate(rows) for part in _PHONE}
        | {f"is_{name}": service.attributes.get(name, "unknown") for name in ATTRIBUTES}
    )
