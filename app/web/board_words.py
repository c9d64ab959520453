"""What the board says of openings: which needs come first, what a no means for whoever goes, why a claim failed."""

from collections.abc import Mapping

from app.market.decide import Reason
from app.market.vocabulary import Category
from app.web.languages import N_

_ANYWHERE = ("id_not_required", "step_free", "no_payment_needed", "criminal_record_accepted", "peer_staff")

LEADING: Mapping[str, tuple[str, ...]] = {
    Category.HOUSING: (
        "id_not_required", "sobriety_not_required", "pets", "couples", "step_free", "belongings",
        "criminal_record_accepted", "no_curfew",
    ),
    Category.TREATMENT: (
        "moud_buprenorphine", "moud_methadone", "medicaid", "no_payment_needed", "id_not_required", "gender_affirming",
    ),
    Category.VOCATIONAL: ("criminal_record_accepted", "felony_accepted", "id_not_required", "no_payment_needed"),
    Category.OUTREACH: ("peer_staff", "gender_affirming", "sobriety_not_required"),
}  # fmt: skip
"""The needs that are asked for most with each category, most often first. The others are behind *more*."""


def leading(category: str) -> tuple[str, ...]:
    """The needs that a category's board begins with."""
    return LEADING.get(category, _ANYWHERE)


BEFORE_GOING: Mapping[str, str] = {
    "sobriety_not_required": N_("Must be sober"),
    "id_not_required": N_("ID needed"),
    "income_not_required": N_("Income needed"),
    "criminal_record_accepted": N_("No criminal record"),
    "felony_accepted": N_("No felony"),
    "registry_accepted": N_("Nobody on a registry"),
    "no_curfew": N_("There is a curfew"),
    "open_24_hours": N_("Not open day and night"),
    "couples": N_("No couples"),
    "pets": N_("No pets"),
    "service_animals": N_("No service animals"),
    "belongings": N_("No room for belongings"),
    "adults_without_children": N_("Not for adults alone"),
    "households_with_children": N_("No children"),
    "single_men": N_("Not for single men"),
    "single_women": N_("Not for single women"),
    "step_free": N_("There are steps"),
    "moud_methadone": N_("No methadone"),
    "moud_buprenorphine": N_("No buprenorphine"),
    "moud_naltrexone": N_("No naltrexone"),
    "medicaid": N_("Does not take Medicaid"),
    "no_payment_needed": N_("Costs money"),
}
"""What somebody must know before they go, where a provider answered no."""

WHY_NOT: Mapping[str, str] = {
    Reason.FULL: N_("Somebody was first. Nothing is held here."),
    Reason.STALE: N_("Its provider has not attested it in time, so it is off the board."),
    Reason.WITHDRAWN: N_("Its provider has taken it off the board."),
    Reason.ENDED: N_("It is over."),
    Reason.TOO_FAR_AHEAD: N_("It starts later than your program allows."),
    Reason.UNSUITABLE: N_("It no longer meets what is needed."),
    Reason.NOTHING_OPEN: N_("Nothing that is open fits."),
    Reason.IN_USE_BY_BUNDLE: N_("Each is open, but not all of them together."),
}
"""Why something could not be held."""

GIVEN_UP: Mapping[str, str] = {
    "within_km": N_("Further away than asked"),
    "lasts_until": N_("May end earlier"),
    "starts_by": N_("May start later"),
    "unit": N_("Another kind of place"),
    "units": N_("Fewer places than asked"),
    "language": N_("May not speak the language"),
}
"""What is given up for a place that is near to what was asked. A need that is not confirmed is named itself."""
