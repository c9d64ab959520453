"""The protocol between the app and a connector: what it is handed and what it hands back."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal, Protocol, TypeAlias

TriState: TypeAlias = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, slots=True)
class Opening:
    """What one row of a source offers.

    It is the source's word and nobody's promise: the app publishes it unattested, and nothing can be claimed
    before the provider attests it.
    """

    row: int
    """Number of the data row in the source, from 1; the header and blank lines are not counted."""

    organization_key: str
    """Names the organization within its source, the same in every row and every import of it."""
    organization_name: str
    serves_survivors: bool
    """Whether this project's location must be masked, because people who fled violence stay there. It speaks
    of the project, not of the whole organization."""

    service_key: str
    """Names the service within its source. Unique in one import and the same in the next, so that importing
    again updates and never doubles."""
    service_name: str
    service_description: str
    category: str
    """The category of the service: `housing`, `treatment`, `vocational`, …"""
    hud_project_type: int | None
    """HUD's project type as in the 2026 code lists (0 emergency shelter … 14 coordinated entry)."""

    unit: str
    """What is counted: `bed`, `voucher`, …"""
    units_total: int
    """How many units there are, those in use included."""
    attributes: Mapping[str, TriState]
    """Who is served, by attribute name; one that is not here is unknown."""
    minimum_age: int | None
    """Age in completed years of the person the place is for; children who come along are not meant."""
    maximum_age: int | None

    location_name: str
    city: str | None
    state_province: str | None
    country: str | None
    """ISO 3166-1 alpha-2, as in HSDS."""

    starts_on: date | None
    """First day on which the units exist; None when the source sets no limit."""
    ends_on: date | None
    """Last day on which the units exist."""
    notes: tuple[str, ...]
    """What a person should know before publishing this, in short sentences."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that offers nothing that could be published."""

    row: int
    """Numbered as in `Opening.row`."""
    reason: str
    """A sentence a person can act on; it names the column and the value wherever there is one."""


class NotThisFormat(Exception):
    """The source is not what its reader reads, so nothing in it was understood.

    An error and not a `Rejected`, because the two call for different acts: a rejected row is for the provider
    to mend, while a wrong file must leave all that was imported before as it is. Its text is a sentence for a
    person.
    """


class Fetch(Protocol):
    """Opens the source and yields its bytes, in chunks of any size.

    The caller makes it. It carries the time-outs, the size cap and the address guard; what it raises passes
    through the reader untouched.
    """

    def __call__(self) -> AsyncIterator[bytes]: ...


class Reader(Protocol):
    """Reads one format: every data row yields exactly one result, in the order of the rows.

    Raises `NotThisFormat`, before the first result, and nothing else of its own.
    """

    def __call__(self, fetch: Fetch) -> AsyncIterator[Opening | Rejected]: ...
