"""Who comes on a claim, written down on the phone: reached from the claim, and never by anything in an address."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import Form, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.callers import Caller
from app.access.roles import Action
from app.casework.consents import list_consents
from app.casework.identity import Contact, Identity, Match, Sought, find, read_identity, write_identity
from app.casework.participants import Participant, get_participant
from app.core.keyring import Keyring
from app.core.problems import Invalid, NoMasterKey, NotFound, Shredded
from app.dependencies import Ring, Session
from app.market.own_claims import participant_of
from app.web.languages import N_
from app.web.looker import Looker, looking
from app.web.pages import language_of, page
from app.web.routing import go, pages

router = pages("my claims")

Editor = Annotated[Looker, looking(Action.EDIT_PARTICIPANT)]
REACHED_BY = ("phone", "email", "messages_via")
MOST_CONSENTS = 50

WRONG = {
    "phone": N_("A phone number has 5 to 20 digits."),
    "email": N_("This is not an e-mail address."),
    "birth_date": N_("Give a real day after 1900."),
}
_CANT_BE_KEPT = N_("This is too long, or has signs in it that can't be kept.")
DONE = {
    "identity": N_("Written down."),
    "consent": N_("The consent is recorded. It counts from now on."),
    "revoked": N_("Revoked. Nothing more is told under this consent."),
    "ended": N_("Ended. Nothing more is told under this consent."),
}


class PersonForm(BaseModel):
    """Who someone is, as far as it is asked for on a phone. All of it may be left out."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    name: str = ""
    preferred_name: str = ""
    pronouns: str = ""
    birth_date: str = ""
    phone: str = ""
    email: str = ""
    messages_via: str = ""

    @classmethod
    def of(cls, known: Identity) -> "PersonForm":
        """What is written down, to be changed."""
        reached = {kind: next((c.value for c in known.contacts if c.kind == kind), "") for kind in REACHED_BY}
        born = known.birth_date.isoformat() if known.birth_date else ""
        names = {field: getattr(known, field) or "" for field in ("name", "preferred_name", "pronouns")}
        return cls(**names, birth_date=born, **reached)


async def person_behind(session: AsyncSession, caller: Caller, claim_id: UUID) -> Participant:
    """The participant of a claim. Raises NotFound for a claim that names nobody, or nobody of the caller's."""
    participant_id = await participant_of(session, caller, claim_id)
    if participant_id is None:
        raise NotFound("This claim is by a one-time code: nothing says whose it is.")
    return await get_participant(session, caller, Action.EDIT_PARTICIPANT, participant_id)


async def known_of(session: AsyncSession, ring: Keyring, caller: Caller, participant_id: UUID) -> Identity:
    """What is written down of them, nothing if there is nothing. Raises NoMasterKey, Shredded."""
    try:
        return (await read_identity(session, ring, caller, participant_id))[1]
    except NotFound:
        return Identity()


def _contacts(form: PersonForm, before: Identity, errors: dict[str, str]) -> tuple[Contact, ...]:
    """The ways to reach them: of each kind the form's in place of the first, whatever else is known kept."""
    kept = list(before.contacts)
    for kind in REACHED_BY:
        given = getattr(form, kind)
        first = next((each for each in kept if each.kind == kind), None)
        if first and first.value == given:
            continue
        new = None
        if given:
            try:
                new = Contact.model_validate({"kind": kind, "value": given})
            except ValidationError:
                errors[kind] = WRONG.get(kind, _CANT_BE_KEPT)
        if first:
            kept.remove(first)
        if new:
            kept.insert(0, new)
    return tuple(kept)


def _read(form: PersonForm, before: Identity) -> tuple[Identity, dict[str, str]]:
    """The identity that the form says, and what can't be kept of it by its field."""
    errors: dict[str, str] = {}
    facts: dict[str, Any] = {"contacts": _contacts(form, before, errors)}
    for field in ("name", "preferred_name", "pronouns"):
        facts[field] = getattr(form, field) or None
    facts["birth_date"] = _day(form.birth_date, errors)
    try:
        return Identity.model_validate(before.model_dump() | facts), errors
    except ValidationError as error:
        for each in error.errors():
            field = str(each["loc"][0]) if each["loc"] else "name"
            errors.setdefault(field, WRONG.get(field, _CANT_BE_KEPT))
        return before, errors


def _day(given: str, errors: dict[str, str]) -> date | None:
    try:
        return date.fromisoformat(given) if given else None
    except ValueError:
        errors["birth_date"] = WRONG["birth_date"]
        return None


async def _page(
    request: Request,
    session: AsyncSession,
    looker: Looker,
    claim_id: UUID,
    who: Participant,
    form: PersonForm | None,
    *,
    errors: dict[str, str] | None = None,
    others: list[Match] | None = None,
    done: str = "",
) -> Response:
    speak = language_of(request).gettext
    consents = await list_consents(session, looker.caller, who.id, before=None, limit=MOST_CONSENTS)
    return page(
        request,
        "claims/person.html",
        422 if errors else 200,
        claim_id=claim_id,
        code=who.code,
        form=form,
        errors={field: speak(words) for field, words in (errors or {}).items()},
        others=others or [],
        consents=consents,
        done=speak(DONE[done]) if done in DONE else "",
    )


@router.get("/claims/who")
async def ask_who(
    request: Request, looker: Annotated[Looker, looking(Action.FIND_PARTICIPANT)], session: Session
) -> Response:
    """Is someone known already?"""
    return page(request, "claims/who.html", form=PersonForm(), errors={}, found=None)


@router.post("/claims/who")
async def find_who(
    request: Request,
    looker: Annotated[Looker, looking(Action.FIND_PARTICIPANT)],
    session: Session,
    ring: Ring,
    form: Annotated[PersonForm, Form()],
) -> Response:
    """Who is known by this, as a code."""
    identity, errors = _read(form, Identity())
    found = None
    if not errors:
        sought = Sought(name=identity.name, birth_date=identity.birth_date, contacts=identity.contacts)
        try:
            found = await find(session, ring, looker.caller, sought)
        except Invalid:
            errors["name"] = N_("Give a name with a birth date, a phone number, or an e-mail address.")
    speak = language_of(request).gettext
    said = {field: speak(words) for field, words in errors.items()}
    return page(request, "claims/who.html", 422 if errors else 200, form=form, errors=said, found=found)


@router.get("/claims/{claim_id}/person")
async def person(
    request: Request,
    looker: Editor,
    session: Session,
    ring: Ring,
    claim_id: UUID,
    done: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Who they are, and what they let be told. That one looked is in the trail."""
    who = await person_behind(session, looker.caller, claim_id)
    try:
        form = PersonForm.of(await known_of(session, ring, looker.caller, who.id))
    except (NoMasterKey, Shredded):
        form = None
    return await _page(request, session, looker, claim_id, who, form, done=done)


@router.post("/claims/{claim_id}/person")
async def write_person(
    request: Request,
    looker: Editor,
    session: Session,
    ring: Ring,
    claim_id: UUID,
    form: Annotated[PersonForm, Form()],
) -> Response:
    """Write down who they are. Who else is known by the same is shown at once."""
    who = await person_behind(session, looker.caller, claim_id)
    try:
        before = await known_of(session, ring, looker.caller, who.id)
    except Shredded:
        before = Identity()
    identity, errors = _read(form, before)
    if errors:
        return await _page(request, session, looker, claim_id, who, form, errors=errors)
    others = await write_identity(session, ring, looker.caller, who.id, identity)
    if others:
        return await _page(request, session, looker, claim_id, who, form, others=others, done="identity")
    return go(request, f"/claims/{claim_id}/person?done=identity")
