"""What the market's closed lists are called on pages: one table each, by the code that the API has."""

from collections.abc import Mapping

from app.web.consent_words import KIND, STATE
from app.web.languages import N_

CATEGORY: Mapping[str, str] = {
    "housing": N_("Housing"),
    "treatment": N_("Treatment"),
    "vocational": N_("Work and training"),
    "outreach": N_("Outreach"),
    "identification": N_("ID papers"),
    "food": N_("Food"),
    "transport": N_("Rides"),
    "legal": N_("Legal help"),
    "health": N_("Health care"),
}

UNIT: Mapping[str, str] = {
    "bed": N_("bed"),
    "room": N_("room"),
    "treatment_place": N_("treatment place"),
    "intake_appointment": N_("intake appointment"),
    "training_seat": N_("training seat"),
    "voucher": N_("voucher"),
    "response_team": N_("response team"),
}

UNITS: Mapping[str, str] = {
    "bed": N_("beds"),
    "room": N_("rooms"),
    "treatment_place": N_("treatment places"),
    "intake_appointment": N_("intake appointments"),
    "training_seat": N_("training seats"),
    "voucher": N_("vouchers"),
    "response_team": N_("response teams"),
}

ATTRIBUTE: Mapping[str, str] = {
    "sobriety_not_required": N_("No need to be sober"),
    "id_not_required": N_("No ID needed"),
    "income_not_required": N_("No income needed"),
    "criminal_record_accepted": N_("A record is OK"),
    "felony_accepted": N_("A felony is OK"),
    "registry_accepted": N_("On a registry is OK"),
    "no_curfew": N_("No curfew"),
    "open_24_hours": N_("Open day and night"),
    "couples": N_("Couples stay together"),
    "pets": N_("Pets welcome"),
    "service_animals": N_("Service animals welcome"),
    "belongings": N_("Room for belongings"),
    "adults_without_children": N_("Adults without children"),
    "households_with_children": N_("Families with children"),
    "only_children": N_("Young people under 18 alone"),
    "single_men": N_("Single men"),
    "single_women": N_("Single women"),
    "youth": N_("Youth and young adults"),
    "veterans": N_("Veterans"),
    "survivors": N_("Survivors of domestic violence"),
    "hiv": N_("People living with HIV"),
    "lgbtq_youth": N_("LGBTQ+ youth"),
    "step_free": N_("No steps"),
    "gender_affirming": N_("Gender-affirming"),
    "self_identified_gender": N_("Placed by own gender"),
    "trans_competent_staff": N_("Trans-competent staff"),
    "culturally_specific": N_("Culturally specific"),
    "peer_staff": N_("Peer staff"),
    "moud_methadone": N_("Methadone OK"),
    "moud_buprenorphine": N_("Buprenorphine OK"),
    "moud_naltrexone": N_("Naltrexone OK"),
    "medicaid": N_("Takes Medicaid"),
    "no_payment_needed": N_("Free"),
}

HOUSEHOLD: Mapping[str, str] = {
    "adults_without_children": N_("Adults"),
    "with_children": N_("With children"),
    "only_children": N_("Under 18, alone"),
}

CLAIM_STATE: Mapping[str, str] = {
    "held": N_("Held"),
    "confirmed": N_("Confirmed"),
    "arrived": N_("Arrived"),
    "completed": N_("Done"),
    "released": N_("Released"),
    "expired": N_("Ran out"),
    "declined": N_("Declined"),
    "no_show": N_("Did not come"),
}

OUTCOME: Mapping[str, str] = {
    "arrived": N_("Arrived"),
    "under_way": N_("Under way"),
    "expired": N_("Ran out"),
    "released": N_("Released"),
    "declined": N_("Declined"),
    "no_show": N_("Did not come"),
}

OFF_BOARD: Mapping[str, str] = {
    "withdrawn": N_("Taken off"),
    "ended": N_("Over"),
    "stale": N_("Not attested in time"),
    "full": N_("Full"),
}

DECLINE_REASON: Mapping[str, str] = {
    "place_no_longer_available": N_("The place is gone"),
    "place_entered_in_error": N_("The place was entered by mistake or already filled"),
    "criminal_history": N_("Criminal history"),
    "registry_restriction": N_("Registry restriction"),
    "needs_higher_level_of_care": N_("Needs more care than we can give"),
    "does_not_agree_to_services": N_("Does not agree to the services"),
    "unsafe": N_("Not safe for this person or others"),
    "barred": N_("Barred from here"),
    "in_hospital": N_("In hospital"),
    "incarcerated": N_("In jail"),
    "no_longer_interested": N_("No longer wants it"),
    "no_longer_eligible": N_("Can't be served here any more"),
    "could_not_be_reached": N_("Could not be reached"),
    "household_size_or_composition": N_("Size or make-up of the household"),
    "accessibility": N_("Not accessible to this person"),
}

SERVICE_STATUS: Mapping[str, str] = {
    "active": N_("It is open"),
    "inactive": N_("Not open now"),
    "temporarily closed": N_("Closed for a while"),
    "defunct": N_("Closed for good"),
}
"""What a service is, by its HSDS status."""

ROLE: Mapping[str, str] = {
    "provider": N_("Provider staff"),
    "case_manager": N_("Case manager"),
    "outreach_worker": N_("Peer outreach worker"),
    "officer": N_("Officer"),
    "prosecutor": N_("Prosecutor"),
    "community_member": N_("Community member"),
    "program_manager": N_("Program manager"),
    "evaluator": N_("Evaluator"),
    "advisory_board": N_("Advisory board"),
    "partner_system": N_("Partner system"),
    "operator": N_("Operator"),
}

SCOPE: Mapping[str, str] = {
    "directory:read": N_("Read the directory"),
    "directory:write": N_("Add to the directory"),
    "figures:read": N_("Read figures"),
    "openings:read": N_("See what is open"),
    "events:read": N_("Hear of what happens"),
    "watches:write": N_("Watch for openings"),
    "webhooks:write": N_("Keep webhooks"),
    "openings:write": N_("Publish openings"),
    "claims:read": N_("Read claims"),
    "claims:write": N_("Claim, and steer claims"),
    "participants:read": N_("Read who participants are"),
    "participants:write": N_("Write down who participants are"),
    "participants:meet": N_("Learn who is coming"),
    "referrals:write": N_("Refer, and take up referrals"),
    "trail:read": N_("Read the trail"),
}

KEPT: Mapping[str, str] = {
    "trail": N_("The trail: who did and saw what"),
    "events": N_("Events, for systems that catch up"),
    "answers": N_("Answers to systems that try again"),
    "needs": N_("What an ended claim had asked for"),
    "webhook_deliveries": N_("What was sent to webhooks"),
    "unmet_needs": N_("What was asked for and not to be had"),
    "notices": N_("Notices that were sent"),
    "board": N_("What was open every quarter of an hour"),
}

NOTICE: Mapping[str, str] = {
    "claim_lapsing": N_("A hold of yours is about to run out"),
    "claim_declined": N_("A provider declined a claim of yours"),
    "attestation_due": N_("Openings of yours are about to go off the board"),
    "watch_matched": N_("Something that you watch for is open"),
    "webhook_off": N_("A partner's system is told nothing any more"),
}

TABLES: Mapping[str, Mapping[str, str]] = {
    "category": CATEGORY,
    "unit": UNIT,
    "units": UNITS,
    "attribute": ATTRIBUTE,
    "household": HOUSEHOLD,
    "claim_state": CLAIM_STATE,
    "outcome": OUTCOME,
    "off_board": OFF_BOARD,
    "decline_reason": DECLINE_REASON,
    "service_status": SERVICE_STATUS,
    "role": ROLE,
    "consent_state": STATE,
    "kind": KIND,
    "scope": SCOPE,
    "kept": KEPT,
    "notice": NOTICE,
}
"""Every table by the name that templates use: `{{ opening.category|words("category") }}`."""
