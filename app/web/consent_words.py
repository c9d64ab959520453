"""A consent in the looker's language: what is told, what is missing, and the statements that are signed.

What is signed and kept is the text of `app/casework/terms.py`. A test sees that nothing here is older than that.
"""

from collections.abc import Mapping

from app.casework.identity import Kind
from app.web.languages import N_

KIND: Mapping[str, str] = {
    Kind.NAME: N_("your name"),
    Kind.PREFERRED_NAME: N_("the name and pronouns you go by"),
    Kind.BIRTH_DATE: N_("your birth date"),
    Kind.CONTACTS: N_("how to reach you"),
    Kind.EMERGENCY_CONTACTS: N_("whom to call in an emergency"),
    Kind.IDENTIFIERS: N_("numbers that others know you by, such as HMIS or Medicaid"),
}

STATEMENTS = (
    N_(
        "I may revoke this consent at any time, except to the extent that someone who may disclose under it has already"
        " acted in reliance on it. How I do that is written here."
    ),
    N_(
        "I don't have to sign. If I don't, I can still be given a place, at once and under a code. What is described"
        " here is then not shared, and I may be asked for it again where I arrive."
    ),
    N_(
        "What is disclosed may be redisclosed by whoever receives it, and is then perhaps no longer protected by 42 CFR"
        " part 2. A recipient that HIPAA binds may redisclose it as the HIPAA regulations permit, except for uses and"
        " disclosures for civil, criminal, administrative and legislative proceedings against me."
    ),
    N_(
        "Nothing disclosed under this consent may be used against me in any such proceeding without another consent of"
        " mine, for that alone, or a court's order."
    ),
)

MISSING: Mapping[str, str] = {
    "patient": N_("Give the name of the person whose consent it is."),
    "disclosers": N_("Say who may tell."),
    "information.kinds": N_("Choose what may be told."),
    "information.words": N_("Say in words what may be told."),
    "recipients": N_("Say who may be told."),
    "purpose": N_("Say what it is for."),
    "revocation": N_("Say how it can be taken back."),
    "expiry": N_("Say until when it counts: one day to come, or what has to happen."),
    "signature": N_("Sign: type the name, or draw it."),
    "signature.drawing": N_("The drawing can't be kept. Draw it again, shorter, or type the name."),
    "signature.authority": N_("Whoever signs for someone else gives their own name, and why they may."),
    "signed_on": N_("Give the day it is signed, not one to come."),
    "text_version": N_("The text has changed meanwhile. Read it again, and sign again."),
}
"""What to do at a field that a consent can't be taken with, by the API's name for it."""

STATE: Mapping[str, str] = {
    "in_force": N_("Counts now"),
    "revoked": N_("Taken back"),
    "ended": N_("Ended"),
    "expired": N_("Over"),
}
