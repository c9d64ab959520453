"""Who an opening serves and on what terms: one table of attributes, each answered yes, no or unknown."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Answer = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One question about a place. `standard` is the term of HUD, HSDS or ASAM that it comes from."""

    name: str
    words: str
    standard: str


ATTRIBUTES: dict[str, Attribute] = {
    a.name: a
    for a in (
        # Low barrier (HUD Housing First Standards Assessment Tool).
        Attribute("sobriety_not_required", "sobriety is not required", "HUD Housing First: access"),
        Attribute("id_not_required", "no identity document is required", "HUD Housing First: access"),
        Attribute("income_not_required", "no income is required", "HUD Housing First: access"),
        Attribute("criminal_record_accepted", "a criminal record is accepted", "HUD Housing First: access"),
        Attribute("felony_accepted", "a felony conviction is accepted", "HUD Housing First: access"),
        Attribute("registry_accepted", "people on a registry are accepted", "HUD Housing First: access"),
        Attribute("no_curfew", "there is no curfew", "HUD Housing First: services"),
        Attribute("open_24_hours", "open day and night", "HSDS schedule"),
        # Who comes along.
        Attribute("couples", "couples stay together", "HUD HIC 2014: CO"),
        Attribute("pets", "pets are welcome", "HSDS attribute"),
        Attribute("service_animals", "service animals are welcome", "ADA Title III"),
        Attribute("belongings", "belongings are stored", "HSDS attribute"),
        # Households (HUD household types 1, 3 and 4) and populations (HIC target populations A and B).
        Attribute("adults_without_children", "adults without children", "HUD household type 1"),
        Attribute("households_with_children", "households with children", "HUD household type 3"),
        Attribute("only_children", "unaccompanied children", "HUD household type 4"),
        Attribute("single_men", "single men", "HUD HIC 2014: SM"),
        Attribute("single_women", "single women", "HUD HIC 2014: SF"),
        Attribute("youth", "youth and young adults", "HUD HIC 2014: YM, YF, YMF"),
        Attribute("veterans", "veterans", "HUD HIC: veteran beds"),
        Attribute("survivors", "survivors of domestic violence", "HUD HIC: DV"),
        Attribute("hiv", "people living with HIV", "HUD HIC: HIV"),
        Attribute("lgbtq_youth", "LGBTQ+ youth", "HSDS attribute"),
        # Access and culture.
        Attribute("step_free", "step-free access", "ADA Title III"),
        Attribute("gender_affirming", "gender-affirming", "HUD Equal Access Rule"),
        Attribute("self_identified_gender", "placement by self-identified gender", "HUD Equal Access Rule"),
        Attribute("trans_competent_staff", "trans-competent staff", "HSDS attribute"),
        Attribute("culturally_specific", "culturally specific services", "HSDS attribute"),
        Attribute("peer_staff", "peer staff", "SAMHSA core competencies: peer workers"),
        # Treatment.
        Attribute("moud_methadone", "methadone is accepted", "ASAM: MOUD"),
        Attribute("moud_buprenorphine", "buprenorphine is accepted", "ASAM: MOUD"),
        Attribute("moud_naltrexone", "naltrexone is accepted", "ASAM: MOUD"),
        Attribute("medicaid", "Medicaid is accepted", "HSDS cost_option"),
        Attribute("no_payment_needed", "no payment is needed", "HSDS cost_option"),
    )
}

HOUSEHOLDS: dict[str, str] = {
    "adults_without_children": "adults_without_children",
    "with_children": "households_with_children",
    "only_children": "only_children",
}
"""A household (HUD household types 1, 3, 4) and the attribute that must be yes for it."""


def unknown_names(names: Iterable[str]) -> list[str]:
    """The names that are no attribute of ours."""
    return sorted(name for name in names if name not in ATTRIBUTES)
