"""Consent taken on the phone: the elements of 42 CFR 2.31 on one page, each refused at its own field."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Form, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.idempotency import Kept, begin, fingerprint, keep
from app.access.roles import Action
from app.casework import consents
from app.casework.participants import Participant
from app.casework.terms import STATEMENTS as SIGNED
from app.casework.terms import TEXT_VERSION, Terms
from app.core.ids import new_id
from app.core.problems import Invalid
from app.dependencies import Ring, Session
from app.market.directory import Organization, get_entry
from app.web.consent_words import KIND, MISSING, STATEMENTS
from app.web.languages import DEFAULT, N_
from app.web.looker import Looker, looking
from app.web.my_claims_person import known_of, person_behind
from app.web.my_claims_shown import one
from app.web.pages import language_of, page
from app.web.routing import go, pages

router = pages("consent")

Keeper = Annotated[Looker, looking(Action.KEEP_CONSENT)]


class ConsentForm(BaseModel):
    """A consent as its page sends it. What is missing or wrong in it is told by `Terms`, element by element."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    patient: str = ""
    disclosers: list[str] = []
    kinds: list[str] = []
    words: str = ""
    recipients: list[str] = []
    purpose: str = ""
    revocation: str = ""
    ends: Literal["", "event", "date"] = ""
    event: str = ""
    day: str = ""
    by: Literal["patient", "representative"] = "patient"
    name: str = ""
    drawing: str = ""
    authority: str = ""
    signed_on: str = ""
    text_version: str = ""
    key: UUID

    def terms(self, looker: Looker) -> Terms:
        """The consent. Raises ValidationError."""
        signature = {"by": self.by, "name": self.name, "drawing": self.drawing}
        if self.by == "representative":
            signature["authority"] = self.authority
        return Terms.model_validate(
            {
                "patient": self.patient,
                "disclosers": self.disclosers,
                "information": {"kinds": self.kinds, "words": self.words},
                "recipients": self.recipients,
                "purpose": self.purpose,
                "revocation": self.revocation,
                "expiry": self._expiry(looker),
                "signature": signature,
                "signed_on": self.signed_on or None,
                "text_version": self.text_version,
            }
        )

    def _expiry(self, looker: Looker) -> dict[str, Any]:
        """When it ends: with the chosen day, in the program's time zone, or with what happens."""
        if self.ends == "event":
            return {"event": self.event}
        try:
            day = date.fromisoformat(self.day) if self.ends == "date" else None
            return {"on": datetime.combine(day + timedelta(days=1), time(), looker.zone)} if day else {}
        except (ValueError, OverflowError):
            return {}


def _errors(raised: ValidationError | Invalid) -> list[str]:
    """The fields of the form that something is wrong with, in the order of the page."""
    if isinstance(raised, Invalid):
        named = {str(each["field"]) for each in raised.errors}
    else:
        named = {".".join(str(part) for part in each["loc"]) for each in raised.errors()}
    # Of a list's member the list is wrong, and of a signature's name the signature.
    return [
        field
        for field in MISSING
        if any(name == field or (name.startswith(field + ".") and name not in MISSING) for name in named)
    ]


async def _parties(session: AsyncSession, looker: Looker, claim_id: UUID, who: Participant) -> dict[str, Any]:
    """Who may tell, and whom: the organization that gave the code, and those that the person's claims lead to."""
    it, others = await one(session, looker.caller, claim_id)
    keeper = await get_entry(session, looker.caller, Organization, who.organization_id)
    going = {each.place.organization.id: each.place.organization for each in (it, *others)}
    recipients = [each for each in going.values() if not each.serves_survivors and each.id != keeper.id]
    return {"it": it, "keeper": keeper, "recipients": recipients}


def _page(
    request: Request, looker: Looker, claim_id: UUID, form: ConsentForm, parties: dict[str, Any], wrong: list[str]
) -> Response:
    language = language_of(request)
    speak = language.gettext
    return page(
        request,
        "consent/consent.html",
        422 if wrong else 200,
        claim_id=claim_id,
        form=form,
        errors={field: speak(MISSING[field]) for field in wrong},
        kinds={kind: speak(words) for kind, words in KIND.items()},
        statements=[speak(words) for words in STATEMENTS],
        signed=None if language.tag == DEFAULT else SIGNED,
        **parties,
    )


@router.get("/claims/{claim_id}/consent")
async def ask(request: Request, looker: Keeper, session: Session, ring: Ring, claim_id: UUID) -> Response:
    """A consent to tell the claim's place who comes, filled in as far as that can be known."""
    who = await person_behind(session, looker.caller, claim_id)
    known = await known_of(session, ring, looker.caller, who.id)
    parties = await _parties(session, looker, claim_id, who)
    speak = language_of(request).gettext
    place = parties["it"].place.organization.name
    form = ConsentForm(
        patient=known.name or "",
        disclosers=[str(parties["keeper"].id)],
        words=speak(N_("Who I am, so that they know me when I come")),
        recipients=[str(each.id) for each in parties["recipients"] if each.name == place],
        purpose=speak(N_("So that I am let in and looked after")),
        revocation=speak(N_("I tell anyone who works at %(organization)s, or write to them"))
        % {"organization": parties["keeper"].name},
        ends="event",
        event=speak(N_("I have left %(place)s, or will not go there")) % {"place": place},
        signed_on=datetime.now(UTC).astimezone(looker.zone).date().isoformat(),
        text_version=TEXT_VERSION,
        key=new_id(),
    )
    return _page(request, looker, claim_id, form, parties, [])


@router.post("/claims/{claim_id}/consent")
async def give(
    request: Request,
    looker: Keeper,
    session: Session,
    ring: Ring,
    claim_id: UUID,
    form: Annotated[ConsentForm, Form()],
) -> Response:
    """Record a signed consent, once for however many taps."""
    caller = looker.caller
    who = await person_behind(session, caller, claim_id)
    try:
        terms = form.terms(looker)
        # Nothing of what was sent is in the fingerprint: a name could be guessed from its hash.
        asked = fingerprint("POST", request.url.path, b"")
        async with session.begin_nested():
            if await begin(session, caller, str(form.key), asked) is None:
                await consents.give(session, ring, caller, who.id, terms)
                await keep(session, caller, str(form.key), Kept(303, b""))
    except (ValidationError, Invalid) as raised:
        wrong = _errors(raised) or ["recipients"]
        return _page(request, looker, claim_id, form, await _parties(session, looker, claim_id, who), wrong)
    return go(request, f"/claims/{claim_id}/person?done=consent")
