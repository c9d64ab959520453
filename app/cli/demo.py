"""The demonstration program: a made-up city's providers, around Seattle's real geography."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.access.roles import Role


@dataclass(frozen=True, slots=True)
class DemoProgram:
    """The program itself, and which organization a role's key belongs to."""

    slug: str
    name: str
    time_zone: str
    provider: str
    agency: str
    justice: str

    def organization_of(self, role: Role) -> str:
        """The name of the organization that a demonstration key of this role belongs to."""
        if role is Role.PROVIDER:
            return self.provider
        return self.justice if role in {Role.OFFICER, Role.PROSECUTOR} else self.agency


PROGRAM = DemoProgram(
    slug="demo",
    name="Demonstration Diversion Program",
    time_zone="America/Los_Angeles",
    provider="Harbor Night Shelter",
    agency="Demonstration Case Management",
    justice="Demonstration Police and Prosecution",
)


@dataclass(frozen=True, slots=True)
class DemoService:
    """One service at one location, and what it has open."""

    name: str
    category: str
    latitude: float
    longitude: float
    openings: tuple[tuple[str, int], ...]
    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()
    languages: tuple[str, ...] = ("en",)
    more: dict[str, Any] = field(default_factory=dict)

    def place(self, organization_id: UUID) -> dict[str, Any]:
        """Its location."""
        return {
            "organization_id": organization_id,
            "name": self.name,
            "location_type": "physical",
            "latitude": self.latitude,
            "longitude": self.longitude,
            "city": "Seattle",
            "state_province": "WA",
            "country": "US",
            "masked": False,
        }

    def facts(self, organization_id: UUID, location_id: UUID) -> dict[str, Any]:
        """The service."""
        attributes = dict.fromkeys(self.yes, "yes") | dict.fromkeys(self.no, "no")
        return {
            "organization_id": organization_id,
            "location_id": location_id,
            "name": self.name,
            "category": self.category,
            "languages": list(self.languages),
            "attributes": attributes,
        } | self.more


@dataclass(frozen=True, slots=True)
class DemoOrganization:
    """One organization and its services."""

    name: str
    description: str
    services: tuple[DemoService, ...] = ()
    serves_survivors: bool = False

    def facts(self) -> dict[str, Any]:
        """The organization."""
        return {"name": self.name, "description": self.description, "serves_survivors": self.serves_survivors}


_LOW_BARRIER = ("sobriety_not_required", "id_not_required", "income_not_required", "criminal_record_accepted")

ORGANIZATIONS = (
    DemoOrganization(PROGRAM.agency, "Case managers and peer outreach workers of the program."),
    DemoOrganization(PROGRAM.justice, "Officers and prosecutors who refer people to the program."),
    DemoOrganization(
        PROGRAM.provider,
        "A low-barrier night shelter near the waterfront.",
        (
            DemoService(
                "Harbor night shelter",
                "housing",
                47.6045,
                -122.3355,
                (("bed", 12), ("room", 2)),
                (*_LOW_BARRIER, "adults_without_children", "pets", "belongings", "step_free", "couples"),
                ("households_with_children",),
                ("en", "es"),
                {
                    "hud_project_type": 1,
                    "minimum_age": 18,
                    # 555-0100 to 0199 are nobody's.
                    "phones": [{"number": "+1 206 555 0118", "description": "The desk, day and night"}],
                    "schedules": [{"description": "Doors open at 18:00. Come until midnight."}],
                    "required_documents": [{"document": "Nothing. A lock for the locker, if you have one."}],
                },
            ),
        ),
    ),
    DemoOrganization(
        "Rainier Family House",
        "Rooms for families, with help to move on.",
        (
            DemoService(
                "Family rooms",
                "housing",
                47.5480,
                -122.2840,
                (("room", 4),),
                ("households_with_children", "id_not_required", "step_free", "culturally_specific"),
                ("adults_without_children",),
                ("en", "so", "vi"),
                {"hud_project_type": 2},
            ),
        ),
    ),
    DemoOrganization(
        "Safe Passage",
        "For survivors of domestic violence. Its location is shown to nobody.",
        (
            DemoService(
                "Confidential shelter",
                "housing",
                47.6500,
                -122.3500,
                (("room", 3),),
                ("survivors", "households_with_children", "id_not_required", "pets"),
                (),
                ("en", "es"),
                {"hud_project_type": 0},
            ),
        ),
        serves_survivors=True,
    ),
    DemoOrganization(
        "Cedar Recovery",
        "Withdrawal management and medication for opioid use disorder.",
        (
            DemoService(
                "Detox (ASAM 3.7)",
                "treatment",
                47.6090,
                -122.3230,
                (("treatment_place", 5),),
                (
                    "moud_buprenorphine",
                    "moud_methadone",
                    "medicaid",
                    "no_payment_needed",
                    "trans_competent_staff",
                ),
                ("pets",),
                ("en",),
                {"minimum_age": 18},
            ),
            DemoService(
                "Same-day intake",
                "treatment",
                47.6150,
                -122.3200,
                (("intake_appointment", 8),),
                ("moud_buprenorphine", "moud_naltrexone", "medicaid", "peer_staff", "gender_affirming"),
                (),
                ("en", "es"),
            ),
        ),
    ),
    DemoOrganization(
        "Sound Skills",
        "Training that takes people with a record.",
        (
            DemoService(
                "Kitchen training",
                "vocational",
                47.6010,
                -122.3200,
                (("training_seat", 6),),
                ("criminal_record_accepted", "felony_accepted", "id_not_required"),
                (),
                ("en", "es"),
                {"minimum_age": 18},
            ),
        ),
    ),
    DemoOrganization(
        "Street Team North",
        "Peers who come to where somebody is.",
        (
            DemoService(
                "Outreach team",
                "outreach",
                47.6610,
                -122.3130,
                (("response_team", 2),),
                ("peer_staff", "sobriety_not_required", "gender_affirming"),
                (),
                ("en",),
                {"hud_project_type": 4},
            ),
        ),
    ),
)
"""Invented organizations; none of them exists."""
