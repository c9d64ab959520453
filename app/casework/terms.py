"""What a written consent must say: the elements of 42 CFR 2.31(a) as amended in 2024, and the text around them."""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, field_validator

from app.casework.identity import KINDS, Kind
from app.casework.words import Given, Words
from app.core.problems import Invalid
from app.market.needs import When

# What follows has been compared with published excerpts of 42 CFR part 2 in two places only: the opening of
# §2.32(a)(1), and §2.31(a)(1) to (4). The rest of STATEMENT, and of ELEMENTS and STATEMENTS what is of §2.31(a)(5) to
# (10) or of §2.12(d), was written from memory: counsel must read it against the regulation before anybody signs it.

TEXT_VERSION = "2026-11"
"""The version of the text below. Change a word of it and give it a new one: what was signed keeps its own."""

STATEMENTS = (
    "I may revoke this consent at any time, except to the extent that someone who may disclose under it has already"
    " acted in reliance on it. How I do that is written here.",
    "I don't have to sign. If I don't, I can still be given a place, at once and under a code. What is described here"
    " is then not shared, and I may be asked for it again where I arrive.",
    "What is disclosed may be redisclosed by whoever receives it, and is then perhaps no longer protected by 42 CFR"
    " part 2. A recipient that HIPAA binds may redisclose it as the HIPAA regulations permit, except for uses and"
    " disclosures for civil, criminal, administrative and legislative proceedings against me.",
    "Nothing disclosed under this consent may be used against me in any such proceeding without another consent of"
    " mine, for that alone, or a court's order.",
)
"""What every consent says besides its elements: §2.31(a)(6), (a)(10)(ii), (a)(10)(i) with (a)(4)(iii), and §2.12(d)."""

STATEMENT_VERSION = "2.32(a)(1)/2024"
STATEMENT = (
    "This record which has been disclosed to you is protected by Federal confidentiality rules (42 CFR part 2). These"
    " rules prohibit you from using or disclosing this record, or testimony that describes the information contained"
    " in this record, in any civil, criminal, administrative, or legislative proceedings by any Federal, State, or"
    " local authority, against the patient, unless authorized by the consent of the patient, except as provided at 42"
    " CFR 2.12(c)(5) or as authorized by a court in accordance with 42 CFR 2.64 or 2.65. In addition, the Federal"
    " rules prohibit you from making any other use or disclosure of this record unless at least one of the following"
    " applies: (i) Further use or disclosure is expressly permitted by the written consent of the individual whose"
    " information is being disclosed in this record or as otherwise permitted by 42 CFR part 2. (ii) You are a covered"
    " entity or business associate and have received the record for treatment, payment, or health care operations, or"
    " (iii) You have received the record from a covered entity or business associate as permitted by 45 CFR part 164,"
    " subparts A and E. A general authorization for the release of medical or other information is NOT sufficient to"
    " meet the required elements of written consent to further use or redisclose the record (see 42 CFR 2.31)."
)
"""The notice that accompanies every disclosure, §2.32(a)(1)."""


@dataclass(frozen=True, slots=True)
class Element:
    """An element that a consent must have: the field that carries it, its paragraph, and what is missing without."""

    field: str
    paragraph: str
    words: str

    def error(self) -> dict[str, str]:
        """How its absence is named."""
        return {"field": self.field, "message": f"A consent must give {self.words} (42 CFR {self.paragraph})."}


ELEMENTS = (
    Element("patient", "2.31(a)(1)", "the name of the patient"),
    Element("disclosers", "2.31(a)(2)", "who may disclose, each by name"),
    Element("information.kinds", "2.31(a)(3)", "which kinds of information may be disclosed"),
    Element("information.words", "2.31(a)(3)", "the information described so that the patient knows what it is"),
    Element("recipients", "2.31(a)(4)(i)", "to whom it may be disclosed: recipients by name, or an intermediary"),
    Element(
        "intermediary.members",
        "2.31(a)(4)(ii)",
        "the intermediary's member participants by name, or those of them with a treating provider relationship",
    ),
    Element("purpose", "2.31(a)(5)", "each purpose of the disclosure"),
    Element("revocation", "2.31(a)(6)", "how the patient may revoke it"),
    Element("expiry", "2.31(a)(7)", "when it expires: a date, an event or a condition"),
    Element("signature", "2.31(a)(8)", "the patient's signature: a name typed or a signature drawn"),
    Element("signature.authority", "2.31(a)(8)", "by what authority, and who, signs in the patient's place"),
    Element("signed_on", "2.31(a)(9)", "the date on which it was signed"),
    Element("text_version", "2.31(a)(10)", "the version of the statements that were shown to the patient"),
)
"""Every element, with its paragraph. What is missing is refused by these names, all at once."""

_PATH = re.compile(r"[MmLlHhVvCcSsQqTtAaZz0-9eE+\-., ]+")
_PNG = b"\x89PNG\r\n\x1a\n"
MAX_DRAWING = 60_000


class Information(Given):
    """What may be disclosed: kinds that this house keeps, and words that say it to the patient."""

    kinds: Annotated[tuple[Kind, ...], Field(max_length=len(Kind))] = ()
    words: Words = ""


class Intermediary(Given):
    """One that passes on what it receives to members: those named, or those of them who treat the patient."""

    organization_id: UUID
    members: Annotated[tuple[UUID, ...], Field(max_length=50)] = ()
    treating_providers: bool = False


class Expiry(Given):
    """When the consent ends by itself (`on`), or what must happen for it to end. Exactly one."""

    on: When | None = None
    event: Words = ""
    condition: Words = ""

    def kind(self) -> Literal["date", "event", "condition"] | None:
        """Which one it is, None for none or several."""
        given = {"date": self.on is not None, "event": bool(self.event), "condition": bool(self.condition)}
        if sum(given.values()) != 1:
            return None
        return "date" if given["date"] else "event" if given["event"] else "condition"


class Signature(Given):
    """A signature. Who signs in the patient's place gives their name and by what authority they do (§2.14, §2.15)."""

    by: Literal["patient", "representative"] = "patient"
    name: Words = ""
    drawing: Annotated[
        str, Field(max_length=MAX_DRAWING, description="An SVG path's data, or a PNG as a data: URL in base64.")
    ] = ""
    authority: Words = ""

    @field_validator("drawing")
    @classmethod
    def _drawn(cls, drawing: str) -> str:
        head, _, encoded = drawing.partition("data:image/png;base64,")
        try:
            png = not head and base64.b64decode(encoded, validate=True).startswith(_PNG)
        except (binascii.Error, ValueError):
            png = False
        if drawing and not png and not (_PATH.fullmatch(drawing) and drawing.lstrip()[0] in "Mm"):
            raise ValueError("give an SVG path's data, such as M 0 0 L 10 10, or a PNG as data:image/png;base64,...")
        return drawing


class Terms(Given):
    """A consent as it is signed. Every field may be left out here, so that its absence is refused by its paragraph."""

    patient: Words = ""
    disclosers: Annotated[tuple[UUID, ...], Field(max_length=20)] = ()
    information: Information = Information()
    recipients: Annotated[tuple[UUID, ...], Field(max_length=50)] = ()
    intermediary: Intermediary | None = None
    purpose: Words = ""
    revocation: Words = ""
    expiry: Expiry = Expiry()
    signature: Signature = Signature()
    signed_on: date | None = None
    text_version: Annotated[str, Field(max_length=40)] = ""

    def lacking(self) -> list[Element]:
        """Every element that it lacks."""
        signature, intermediary = self.signature, self.intermediary
        by_patient = signature.by == "patient"
        there = {
            "patient": self.patient,
            "disclosers": self.disclosers,
            "information.kinds": self.information.kinds,
            "information.words": self.information.words,
            "recipients": self.recipients or intermediary,
            "intermediary.members": intermediary is None or intermediary.members or intermediary.treating_providers,
            "purpose": self.purpose,
            "revocation": self.revocation,
            "expiry": self.expiry.kind(),
            "signature": signature.name or signature.drawing,
            "signature.authority": by_patient or (signature.name and signature.authority),
            "signed_on": self.signed_on,
            "text_version": self.text_version,
        }
        return [element for element in ELEMENTS if not there[element.field]]

    def require_complete(self) -> None:
        """Raises Invalid that names all that is missing. There is no draft: a consent is whole or is none."""
        if lacking := self.lacking():
            words = "; ".join(f"{each.words} ({each.paragraph})" for each in lacking)
            raise Invalid(f"This is not a whole consent. It lacks {words}.", errors=[each.error() for each in lacking])
        if self.text_version != TEXT_VERSION:
            raise Invalid.at(
                "text_version", f"The text is now of version {TEXT_VERSION}: show the patient that one, and sign again."
            )

    def parties(self) -> frozenset[UUID]:
        """Every organization that it names."""
        return frozenset({*self.disclosers, *self.covered()})

    def covered(self) -> frozenset[UUID]:
        """Every organization that it names as one who may receive."""
        through = self.intermediary
        return frozenset({*self.recipients, *((through.organization_id, *through.members) if through else ())})


def copy_of(document: dict[str, Any], *, names_the_patient: bool = True) -> str:
    """A consent's copy in plain text, from what was stored when it was signed.

    Without the patient's name it is the clear explanation of the scope that §2.32(a) takes in place of the copy.
    """
    terms, names = Terms.model_validate(document["terms"]), document["names"]
    through, signature, expiry = terms.intermediary, terms.signature, terms.expiry

    def named(ids: tuple[UUID, ...]) -> str:
        return ", ".join(names[str(id)] for id in ids)

    to = [named(terms.recipients)] if terms.recipients else []
    if through is not None:
        members = [named(through.members)] if through.members else []
        members += ["its members with a treating provider relationship with me"] if through.treating_providers else []
        to.append(f"{names[str(through.organization_id)]}, an intermediary, and through it: {'; '.join(members)}")
    ends = f"on {expiry.on:%Y-%m-%d %H:%M} UTC" if expiry.on else f"when this happens: {expiry.event}"
    ends = f"when this no longer holds: {expiry.condition}" if expiry.condition else ends
    signed = signature.name or "signature drawn"
    if signature.by == "representative":
        signed += f", for the patient, as {signature.authority}"
    lines = [
        "CONSENT TO DISCLOSE (42 CFR 2.31)",
        "",
        f"Patient: {terms.patient if names_the_patient else 'the person with this code'}",
        f"Who may disclose: {named(terms.disclosers)}",
        f"What: {', '.join(KINDS[kind][0] for kind in terms.information.kinds)}. {terms.information.words}",
        f"To whom: {'; '.join(to)}",
        f"For what purpose: {terms.purpose}",
        f"How I may revoke it: {terms.revocation}",
        f"It ends {ends}",
        "",
        *document["statements"],
        "",
        f"Signed: {signed if names_the_patient else 'yes'}, on {terms.signed_on}",
        f"Recorded {document['given_at']} as consent {document['id']}, text of version {terms.text_version}",
    ]
    return "\n".join(lines) + "\n"
