"""The market's closed lists: categories, units, claim states, and the reasons for declining a claim."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Category(StrEnum):
    """What kind of need a service meets."""

    HOUSING = "housing"
    TREATMENT = "treatment"
    VOCATIONAL = "vocational"
    OUTREACH = "outreach"
    IDENTIFICATION = "identification"
    FOOD = "food"
    TRANSPORT = "transport"
    LEGAL = "legal"
    HEALTH = "health"


class Unit(StrEnum):
    """What an opening counts (HSDS `unit`)."""

    BED = "bed"
    ROOM = "room"
    TREATMENT_PLACE = "treatment_place"
    INTAKE_APPOINTMENT = "intake_appointment"
    TRAINING_SEAT = "training_seat"
    VOUCHER = "voucher"
    RESPONSE_TEAM = "response_team"


class ClaimState(StrEnum):
    """Where a claim is in its life. There is no state before `held`: a claim has its place or does not exist."""

    HELD = "held"
    CONFIRMED = "confirmed"
    ARRIVED = "arrived"
    COMPLETED = "completed"
    RELEASED = "released"
    EXPIRED = "expired"
    DECLINED = "declined"
    NO_SHOW = "no_show"


OCCUPYING = (ClaimState.HELD, ClaimState.CONFIRMED, ClaimState.ARRIVED)
"""The states in which a claim takes up its units."""

NEXT: dict[ClaimState, frozenset[ClaimState]] = {
    ClaimState.HELD: frozenset({ClaimState.CONFIRMED, ClaimState.RELEASED, ClaimState.EXPIRED, ClaimState.DECLINED}),
    ClaimState.CONFIRMED: frozenset({ClaimState.ARRIVED, ClaimState.RELEASED, ClaimState.DECLINED, ClaimState.NO_SHOW}),
    ClaimState.ARRIVED: frozenset({ClaimState.COMPLETED}),
    ClaimState.COMPLETED: frozenset(),
    ClaimState.RELEASED: frozenset(),
    ClaimState.EXPIRED: frozenset(),
    ClaimState.DECLINED: frozenset(),
    ClaimState.NO_SHOW: frozenset(),
}
"""Which state may follow which. The trigger `claims_guard` says the same in the database."""

ReferralResult = Literal[1, 2, 3]
"""HUD's coordinated-entry referral result: 1 accepted, 2 client rejected, 3 provider rejected."""


@dataclass(frozen=True, slots=True)
class DeclineReason:
    """Why a provider declines. `place_gone`: the place did not exist, so the count is corrected downward."""

    code: str
    words: str
    referral_result: ReferralResult
    place_gone: bool = False
    bars_organization: bool = False


DECLINE_REASONS_VERSION = "2026-11"
DECLINE_REASONS: dict[str, DeclineReason] = {
    reason.code: reason
    for reason in (
        DeclineReason("place_no_longer_available", "The place is no longer available", 3, place_gone=True),
        DeclineReason("place_entered_in_error", "The place was entered in error or already filled", 3, place_gone=True),
        DeclineReason("criminal_history", "Criminal history", 3, bars_organization=True),
        DeclineReason("registry_restriction", "Registry restriction", 3, bars_organization=True),
        DeclineReason("needs_higher_level_of_care", "Needs a higher level of care", 3, bars_organization=True),
        DeclineReason("does_not_agree_to_services", "Does not agree to the services", 2, bars_organization=True),
        DeclineReason("unsafe", "Unsafe for this person or others", 3, bars_organization=True),
        DeclineReason("barred", "Barred from this provider", 3, bars_organization=True),
        DeclineReason("in_hospital", "In hospital", 2),
        DeclineReason("incarcerated", "Incarcerated", 2),
        DeclineReason("no_longer_interested", "No longer interested", 2),
        DeclineReason("no_longer_eligible", "No longer eligible", 3, bars_organization=True),
        DeclineReason("could_not_be_reached", "Could not be reached", 2),
        DeclineReason("household_size_or_composition", "Household size or composition", 3),
        DeclineReason("accessibility", "The place is not accessible to this person", 3),
    )
}
"""The reasons in use where HUD publishes none, each with the HUD referral result it is reported as."""

REFERRAL_RESULT: dict[ClaimState, ReferralResult] = {
    ClaimState.ARRIVED: 1,
    ClaimState.COMPLETED: 1,
    ClaimState.RELEASED: 2,
    ClaimState.NO_SHOW: 2,
    ClaimState.EXPIRED: 2,
}
"""HUD's referral result of a claim that was not declined, once it has one."""
