"""The program's rules for its market, and how long it keeps what."""

from typing import Annotated, Any

from fastapi import Request
from fastapi.responses import Response
from pydantic import TypeAdapter, ValidationError

from app.access.retention import KINDS, RetentionPolicy
from app.access.roles import Action
from app.dependencies import Session
from app.market.policy import MarketPolicy
from app.market.vocabulary import Category
from app.program.rules import change_program, get_program
from app.web.looker import Looker, looking
from app.web.manage import managed
from app.web.manage_forms import DaysKept, RulesForm, filled_in, policy_of, sent
from app.web.problems import wrong
from app.web.routing import go, pages

router = pages("manage")

Manager = Annotated[Looker, looking(Action.SET_POLICY)]

_DAYS: TypeAdapter[int | None] = TypeAdapter(DaysKept)


@router.get("/manage/rules")
async def show_rules(request: Request, looker: Manager, session: Session) -> Response:
    """The rules in force, in a form."""
    program = await get_program(session, looker.caller.program_id)
    policy = MarketPolicy.model_validate(program.policy).complete()
    fields = {"name": program.name, "time_zone": program.time_zone} | filled_in(policy)
    return _rules(request, fields=fields)


def _rules(request: Request, **shown: Any) -> Response:
    errors = shown.get("errors") or {}

    def wrong_in(category: str) -> bool:
        return any(field.startswith(f"{category}.") for field in errors)

    return managed(request, "rules", categories=list(Category), wrong_in=wrong_in, **shown)


@router.post("/manage/rules")
async def set_rules(request: Request, looker: Manager, session: Session) -> Response:
    """Set the rules. They hold for claims from the next second on."""
    fields = await sent(request)
    try:
        form = RulesForm.model_validate(fields)
    except ValidationError as error:
        return _rules(request, fields=fields, errors=wrong(request, error))
    policy, faults = policy_of(fields, form)
    if faults:
        return _rules(request, fields=fields, errors=wrong(request, faults))
    await change_program(session, looker.caller.program_id, name=form.name, time_zone=form.time_zone, policy=policy)
    return go(request, "/manage/rules?done=changed")


@router.get("/manage/keeping")
async def show_keeping(request: Request, looker: Manager, session: Session) -> Response:
    """How long what is kept, in a form."""
    program = await get_program(session, looker.caller.program_id)
    policy = RetentionPolicy.model_validate(program.retention).complete()
    fields = {name: "" if days is None else str(days) for name, days in policy.days.items()}
    return _keeping(request, fields=fields | ({"legal_hold": "true"} if policy.legal_hold else {}))


def _keeping(request: Request, **shown: Any) -> Response:
    return managed(request, "keeping", kinds=KINDS, **shown)


@router.post("/manage/keeping")
async def set_keeping(request: Request, looker: Manager, session: Session) -> Response:
    """Set how long what is kept. Taking away begins with the next day's round."""
    fields = await sent(request)
    days: dict[str, int | None] = {}
    faults: dict[str, Any] = {}
    for name, kind in KINDS.items():
        try:
            typed = _DAYS.validate_python(fields.get(name, ""))
        except ValidationError as error:
            faults[name] = error.errors(include_url=False)[0]
            continue
        if typed is not None and typed < kind.at_least:
            faults[name] = {"type": "greater_than_equal", "msg": "", "ctx": {"ge": kind.at_least}}
        elif typed != kind.days:
            days[name] = typed
    if faults:
        return _keeping(request, fields=fields, errors=wrong(request, faults))
    given: dict[str, Any] = ({"days": days} if days else {}) | ({"legal_hold": True} if "legal_hold" in fields else {})
    await change_program(session, looker.caller.program_id, retention=RetentionPolicy(**given))
    return go(request, "/manage/keeping?done=changed")
