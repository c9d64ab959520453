"""The forms of what a program manager keeps by hand: what they hold, and what is said beside a field that is wrong."""

from collections.abc import Mapping
from datetime import date, time
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Request
from pydantic import (
    AfterValidator,
    BaseModel,
    EmailStr,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from app.access.oidc import check_issuer
from app.access.permissions import SCOPES
from app.access.retention import LONGEST
from app.access.roles import Role
from app.core.problems import Sentence
from app.market.policy import CategoryRules, HoldRule, MarketPolicy
from app.market.vocabulary import Category
from app.program.rules import known_zone
from app.web.faults import EMPTY, Found
from app.web.inputs import Line, Maybe

Fields = Mapping[str, str | list[str]]

Printable = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300, pattern=r"^[!-~]+$")]
Slug = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
]
Email = Annotated[EmailStr, Field(max_length=320)]


class PersonForm(BaseModel):
    """Whom to invite, and as what."""

    name: Line
    email: Email
    role: Role
    organization_id: UUID


class PersonChangeForm(BaseModel):
    """What a person is called, and what they are to the program."""

    name: Line
    role: Role
    organization_id: UUID


class KeyForm(BaseModel):
    """A key to make."""

    name: Line
    organization_id: UUID
    role: Role
    scopes: list[Literal[*SCOPES]] = []  # type: ignore[valid-type]
    expires_on: Annotated[date | None, Maybe] = None

    @model_validator(mode="after")
    def _narrowed(self) -> "KeyForm":
        if self.role is Role.PARTNER_SYSTEM and not self.scopes:
            raise ValueError(Sentence("tick what the key of a partner system may do"))
        return self


class RotateForm(BaseModel):
    """For how many hours the key before goes on opening."""

    hours: Annotated[int, Field(ge=0, le=24 * 30)]


class ProviderForm(BaseModel):
    """An OpenID Connect provider, as it was registered there."""

    slug: Slug
    name: Line
    issuer: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[!-~]+$"),
        AfterValidator(check_issuer),
    ]
    client_id: Printable
    client_secret: Annotated[Annotated[str, StringConstraints(max_length=1000, pattern=r"^[!-~]+$")] | None, Maybe] = (
        None
    )


class RulesForm(BaseModel):
    """The program and the caps that hold for all categories."""

    name: Line
    time_zone: Annotated[str, Field(max_length=64), AfterValidator(known_zone)]
    max_extensions: Annotated[int, Field(ge=0, le=100)]
    max_active_holds: Annotated[Annotated[int, Field(ge=1, le=10_000)] | None, Maybe] = None


_HOURS_OF_MONTH = 24 * 31


class CategoryForm(BaseModel):
    """The rules of one category. Hours may have a fraction: an attestation of half an hour is 0.5."""

    immediacy_hours: Annotated[int, Field(ge=1, le=24 * 90)]
    fresh_hours: Annotated[float, Field(gt=0, le=_HOURS_OF_MONTH)]
    hold: Literal["minutes", "until"]
    hold_minutes: Annotated[Annotated[int, Field(ge=1, le=_HOURS_OF_MONTH * 60)] | None, Maybe] = None
    hold_until: Annotated[time | None, Maybe] = None
    late_minutes: Annotated[Annotated[int, Field(ge=1, le=_HOURS_OF_MONTH * 60)] | None, Maybe] = None

    def rules(self) -> CategoryRules:
        """The rules as the policy has them."""
        if self.hold == "until":
            late = {} if self.late_minutes is None else {"late_minutes": self.late_minutes}
            hold = HoldRule(until=self.hold_until, **late)
        else:
            hold = HoldRule(minutes=self.hold_minutes)
        minutes = max(1, round(self.fresh_hours * 60))
        return CategoryRules(immediacy_hours=self.immediacy_hours, fresh_minutes=minutes, hold=hold)


def filled_in(policy: MarketPolicy) -> dict[str, str]:
    """The fields of the rules' form that show this policy."""
    fields = {
        "max_extensions": str(policy.max_extensions),
        "max_active_holds": "" if policy.max_active_holds is None else str(policy.max_active_holds),
    }
    for category in Category:
        rules = policy.rules(category)
        hold = rules.hold
        shown = {
            "immediacy_hours": str(rules.immediacy_hours),
            "fresh_hours": f"{rules.fresh_minutes / 60:g}",
            "hold": "minutes" if hold.until is None else "until",
            "hold_minutes": "" if hold.minutes is None else str(hold.minutes),
            "hold_until": "" if hold.until is None else hold.until.strftime("%H:%M"),
            "late_minutes": str(hold.late_minutes),
        }
        fields |= {f"{category}.{name}": value for name, value in shown.items()}
    return fields


def policy_of(fields: Fields, form: RulesForm) -> tuple[MarketPolicy, dict[str, Found]]:
    """The policy that a form sent, and by field what is wrong with it. What equals the default is not stored."""
    wrong: dict[str, Found] = {}
    categories: dict[Category, CategoryRules] = {}
    usual = MarketPolicy()
    for category in Category:
        begins = f"{category}."
        sent = {name.removeprefix(begins): value for name, value in fields.items() if name.startswith(begins)}
        try:
            typed = CategoryForm.model_validate(sent)
            if typed.hold == "minutes" and typed.hold_minutes is None:
                wrong[f"{begins}hold_minutes"] = EMPTY
            elif typed.hold == "until" and typed.hold_until is None:
                wrong[f"{begins}hold_until"] = EMPTY
            elif (rules := typed.rules()) != usual.rules(category):
                categories[category] = rules
        except ValidationError as error:
            wrong |= {f"{begins}{each['loc'][0]}": each for each in error.errors(include_url=False)}
    given: dict[str, Any] = {"categories": categories} if categories else {}
    if form.max_extensions != usual.max_extensions:
        given["max_extensions"] = form.max_extensions
    if form.max_active_holds is not None:
        given["max_active_holds"] = form.max_active_holds
    return MarketPolicy(**given), wrong


DaysKept = Annotated[Annotated[int, Field(ge=1, le=LONGEST)] | None, Maybe]


async def sent(request: Request, *lists: str) -> dict[str, str | list[str]]:
    """A form's fields, those in `lists` with all that was ticked. None of ours takes a file."""
    form = await request.form()
    fields: dict[str, str | list[str]] = {name: value for name, value in form.items() if isinstance(value, str)}
    return fields | {name: [value for value in form.getlist(name) if isinstance(value, str)] for name in lists}
