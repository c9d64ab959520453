"""Who reaches which route of the API, and with whose things: written by hand, and from no other table.

Every route of the OpenAPI document has its line here. Read `of(PROVIDER, own=RECEIVERS, others=MANAGER)` as: with what
is a provider's, receivers of that very organization reach it, and from another organization of the program a manager
alone. From another program nobody ever does. tests/api/test_every_route.py calls every route as everybody and compares.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from app.access.roles import Role

# Roles.

Roles = frozenset[Role]

NOBODY: Roles = frozenset()
EVERYBODY: Roles = frozenset(Role)
WORKERS: Roles = frozenset({Role.CASE_MANAGER, Role.OUTREACH_WORKER})
PROVIDERS: Roles = frozenset({Role.PROVIDER})
MANAGER: Roles = frozenset({Role.PROGRAM_MANAGER})
PARTNER: Roles = frozenset({Role.PARTNER_SYSTEM})
OPERATOR: Roles = frozenset({Role.OPERATOR})
EVALUATOR: Roles = frozenset({Role.EVALUATOR})
JUSTICE: Roles = frozenset({Role.OFFICER, Role.PROSECUTOR})
NEIGHBOUR: Roles = frozenset({Role.COMMUNITY_MEMBER})
BOARD: Roles = frozenset({Role.ADVISORY_BOARD})

CLAIMERS = WORKERS | PARTNER | MANAGER
"""One side of the counter: who works with people."""
RECEIVERS = PROVIDERS | PARTNER | MANAGER
"""The other side: who has places."""
MARKET = CLAIMERS | RECEIVERS
READERS = MARKET | EVALUATOR | BOARD | OPERATOR
"""All but those who only refer."""
REFERRERS = CLAIMERS | JUSTICE | NEIGHBOUR


# Places to stand, and what is told there.


class Org(StrEnum):
    """An organization of the world that is called."""

    AGENCY = "agency"
    OTHER_AGENCY = "other agency"
    PROVIDER = "provider"
    OTHER_PROVIDER = "other provider"
    POLICE = "police"
    PROSECUTION = "prosecution"
    SHELTER = "shelter for survivors"


AGENCY, PROVIDER, POLICE, SHELTER = Org.AGENCY, Org.PROVIDER, Org.POLICE, Org.SHELTER
ANOTHER = {AGENCY: Org.OTHER_AGENCY, PROVIDER: Org.OTHER_PROVIDER, POLICE: Org.PROSECUTION}


class Secret(StrEnum):
    """What is told by some routes to some, and by no other route to anybody."""

    IDENTITY = "who a participant is"
    CONSENT = "what a consent says"
    REFERENCE = "an agency's own number for a participant"
    REFERRED = "who is referred"
    FOLLOWED = "a referrer's own number for a referral"
    PLACE = "a masked place"
    STAFF = "a person's name or address"


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose thing is in the path or the body, where the caller stands, and which roles reach it there.

    `by_caller`: the thing was made by the caller themself.
    """

    whose: Org
    standing: Org
    roles: Roles
    by_caller: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """Which rows of a table a list holds: for `all` every one, for others those where a column is theirs."""

    table: str
    all: Roles
    columns: Mapping[str, Roles] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """What is expected of one route.

    `body` and `params` hold things by name, such as "{service_id}". `claim` is the state that the claim in the path is
    in. `tells`: what whoever reaches it is told, `tells_own`: what those who stand in the thing's organization are told
    besides. `answers`: the answer where it isn't success. `names`: what is in the path
    is a name that the caller's own program gives. `first`: what a person does before. `public`: open to whoever asks.
    """

    reach: tuple[Reach, ...] = ()
    body: Any = None
    form: Mapping[str, str] | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    claim: str = "held"
    tells: frozenset[Secret] = frozenset()
    tells_own: frozenset[Secret] = frozenset()
    rows: Rows | None = None
    answers: frozenset[int] = frozenset({200, 201})
    names: bool = False
    first: str = ""
    account: bool = False
    public: bool = False

    def telling(self, *secrets: Secret) -> "Line":
        """The same, and whoever reaches it is told these."""
        return replace(self, tells=frozenset(secrets))

    def telling_own(self, *secrets: Secret) -> "Line":
        """The same, and whoever reaches it from the thing's own organization is told these."""
        return replace(self, tells_own=frozenset(secrets))

    def roles(self) -> Roles:
        """Which roles reach it with anything at all."""
        return NOBODY.union(*(each.roles for each in self.reach))


def of(whose: Org, *, own: Roles, others: Roles, **more: Any) -> Line:
    """A thing of one organization: who reaches it there, and who from another organization."""
    return Line((Reach(whose, whose, own), Reach(whose, ANOTHER[whose], others)), **more)


def anywhere(roles: Roles, whose: Org = AGENCY, **more: Any) -> Line:
    """It makes no odds whose it is, nor where the caller stands."""
    return of(whose, own=roles, others=roles, **more)


def participant(*, own: Roles, others: Roles, **more: Any) -> Line:
    """A participant, or what is theirs. Whom a shelter for survivors serves, nobody elsewhere reaches at all."""
    reach = (
        Reach(AGENCY, AGENCY, own),
        Reach(AGENCY, Org.OTHER_AGENCY, others),
        Reach(AGENCY, PROVIDER, others),
        Reach(SHELTER, SHELTER, own),
        Reach(SHELTER, AGENCY, NOBODY),
    )
    return Line(reach, **more)


def consent(*, own: Roles, others: Roles, **more: Any) -> Line:
    """A consent to disclose somebody of the agency's. A shelter for survivors has none."""
    reach = (
        Reach(AGENCY, AGENCY, own),
        *(Reach(AGENCY, each, others) for each in (Org.OTHER_AGENCY, PROVIDER, SHELTER)),
    )
    return Line(reach, **more)


def claim(*, worker: Roles, provider: Roles, others: Roles, **more: Any) -> Line:
    """A claim: who reaches it where the worker is who made it, at the provider, and anywhere else."""
    reach = (
        Reach(PROVIDER, PROVIDER, provider),
        Reach(PROVIDER, AGENCY, worker),
        Reach(PROVIDER, Org.OTHER_AGENCY, others),
        Reach(PROVIDER, Org.OTHER_PROVIDER, others),
    )
    return Line(reach, **more)


def mine(roles: Roles, **more: Any) -> Line:
    """What the caller made: a colleague's is not theirs, nor anybody else's."""
    reach = (
        Reach(POLICE, POLICE, roles, by_caller=True),
        Reach(POLICE, POLICE, NOBODY),
        Reach(POLICE, Org.PROSECUTION, NOBODY),
    )
    return Line(reach, **more)


def listed(table: str, *, all: Roles, **columns: Roles) -> Line:
    """A list: whoever sees any of it may ask, and is shown their part of it."""
    asking = NOBODY.union(all, *columns.values())
    standing = (AGENCY, Org.OTHER_AGENCY, PROVIDER, POLICE, SHELTER)
    return Line(tuple(Reach(AGENCY, each, asking) for each in standing), rows=Rows(table, all, columns))


def account(*, first: str = "", body: Any = None, answers: int = 200) -> Line:
    """A person's own: of whoever has signed in, whatever their role. A key has no account, which is a true 404."""
    return Line(account=True, first=first, body=body, answers=frozenset({answers}))


def public(answers: int = 200, **more: Any) -> Line:
    """Open to whoever asks. What is asked here leads nowhere, and is told so in the same words to all."""
    return Line(public=True, answers=frozenset({answers}), **more)


# The table.

_HOUSED = {"organization_id": "{organization_id}"}
_SIGNED = {"kind": "phone", "value": "(206) 555-0142"}
_NEW_PASSWORD = {"password": "quiet rivers keep no secrets"}
_SENSELESS_TOKEN = {"token": "senseless"}
_SENSELESS_CREDENTIAL = {"credential": {"id": "c2Vuc2VsZXNz"}}

EXPECTED: dict[str, Line] = {
    # Oneself and the program.
    "GET /v1/me": anywhere(EVERYBODY),
    "GET /v1/program": anywhere(EVERYBODY),
    "PATCH /v1/program": anywhere(MANAGER, body={"name": "Another name"}),
    # The directory.
    "GET /v1/organizations": listed("organizations", all=READERS),
    "POST /v1/organizations": anywhere(MANAGER, body={"name": "One more"}),
    "GET /v1/organizations/{organization_id}": anywhere(READERS),
    "GET /v1/locations": listed("locations", all=READERS).telling_own(Secret.PLACE),
    "POST /v1/locations": of(PROVIDER, own=RECEIVERS, others=MANAGER, body=_HOUSED),
    "GET /v1/locations/{location_id}": anywhere(READERS, PROVIDER).telling_own(Secret.PLACE),
    "GET /v1/services": listed("services", all=READERS),
    "POST /v1/services": of(
        PROVIDER, own=RECEIVERS, others=MANAGER, body=_HOUSED | {"name": "Beds", "category": "housing"}
    ),
    "GET /v1/services/{service_id}": anywhere(READERS, PROVIDER),
    # Openings.
    "GET /v1/openings": anywhere(MARKET),
    "GET /v1/openings/{opening_id}": anywhere(MARKET, PROVIDER),
    # An organization's own desk: for others it is empty, but for managers.
    "GET /v1/organizations/{organization_id}/openings": anywhere(
        RECEIVERS, PROVIDER, rows=Rows("openings", MANAGER, {"organization_id": RECEIVERS})
    ),
    "POST /v1/openings": of(
        PROVIDER,
        own=RECEIVERS,
        others=MANAGER,
        body={"service_id": "{service_id}", "unit": "bed", "units_total": 2},
    ),
    "PATCH /v1/openings/{opening_id}": of(PROVIDER, own=RECEIVERS, others=MANAGER, body={"units_total": 7}),
    "POST /v1/openings/{opening_id}/adjust": of(PROVIDER, own=RECEIVERS, others=MANAGER, body={"by": 1}),
    "POST /v1/openings/{opening_id}/attest": of(PROVIDER, own=RECEIVERS, others=MANAGER),
    "POST /v1/openings/{opening_id}/withdraw": of(PROVIDER, own=RECEIVERS, others=MANAGER),
    # Claims.
    "GET /v1/claims": listed("claims", all=MANAGER, worker_organization_id=CLAIMERS, organization_id=RECEIVERS),
    "POST /v1/claims": anywhere(
        CLAIMERS, body={"participant": "{named}", "items": [{"opening_id": "{opening_id}", "units": 1}]}
    ),
    "GET /v1/claims/{claim_id}": claim(worker=CLAIMERS, provider=RECEIVERS, others=MANAGER),
    "GET /v1/decline-reasons": anywhere(MARKET),
    "POST /v1/claims/{claim_id}/extend": claim(worker=CLAIMERS, provider=MANAGER, others=MANAGER),
    "POST /v1/claims/{claim_id}/confirm": claim(worker=CLAIMERS, provider=MANAGER, others=MANAGER),
    "POST /v1/claims/{claim_id}/release": claim(worker=CLAIMERS, provider=MANAGER, others=MANAGER),
    "POST /v1/claims/{claim_id}/decline": claim(
        worker=MANAGER, provider=RECEIVERS, others=MANAGER, body={"reason": "place_no_longer_available"}
    ),
    "POST /v1/claims/{claim_id}/arrive": claim(worker=MANAGER, provider=RECEIVERS, others=MANAGER, claim="confirmed"),
    "POST /v1/claims/{claim_id}/no-show": claim(worker=MANAGER, provider=RECEIVERS, others=MANAGER, claim="confirmed"),
    "POST /v1/claims/{claim_id}/complete": claim(worker=MANAGER, provider=RECEIVERS, others=MANAGER, claim="arrived"),
    # Whoever may ask is told who comes if the consent names where they stand: here the provider.
    "GET /v1/claims/{claim_id}/participant": claim(
        worker=MANAGER, provider=RECEIVERS, others=MANAGER, claim="confirmed"
    ).telling_own(Secret.IDENTITY, Secret.CONSENT),
    # Participants: who they are, what they say of themselves, what they consented to, to whom they were disclosed.
    "GET /v1/participants": listed("participants", all=MANAGER, organization_id=CLAIMERS).telling_own(Secret.REFERENCE),
    "POST /v1/participants": anywhere(CLAIMERS, body={}),
    "GET /v1/participants/{named}": participant(own=CLAIMERS, others=MANAGER).telling_own(Secret.REFERENCE),
    "POST /v1/participants/find": anywhere(CLAIMERS, body={"identifiers": [{"kind": "hmis_id", "value": "{hmis_id}"}]}),
    "GET /v1/participants/{participant_id}/identity": participant(own=CLAIMERS, others=MANAGER).telling(
        Secret.IDENTITY
    ),
    "PUT /v1/participants/{participant_id}/identity": participant(
        own=CLAIMERS, others=MANAGER, body={"name": "Somebody Else", "contacts": [_SIGNED]}
    ),
    "DELETE /v1/participants/{participant_id}/identity": participant(own=CLAIMERS, others=MANAGER),
    "PUT /v1/participants/{participant_id}/demographics": participant(
        own=CLAIMERS, others=MANAGER, body={"gender": ["woman"]}
    ),
    "GET /v1/demographics": anywhere(EVALUATOR | MANAGER),
    "GET /v1/consent-text": anywhere(CLAIMERS),
    "GET /v1/participants/{participant_id}/consents": participant(own=CLAIMERS, others=MANAGER),
    "POST /v1/participants/{participant_id}/consents": consent(own=CLAIMERS, others=MANAGER, body="{terms}"),
    "GET /v1/consents/{consent_id}": consent(own=CLAIMERS, others=MANAGER),
    "GET /v1/consents/{consent_id}/copy": consent(own=CLAIMERS, others=MANAGER).telling(Secret.CONSENT),
    "POST /v1/consents/{consent_id}/revoke": consent(own=CLAIMERS, others=MANAGER, body={"how": "spoken"}),
    "POST /v1/consents/{consent_id}/end": consent(own=CLAIMERS, others=MANAGER, body={"what_happened": "Left."}),
    "GET /v1/participants/{participant_id}/disclosures": participant(own=CLAIMERS, others=MANAGER),
    "GET /v1/participants/{participant_id}/accounting": participant(own=CLAIMERS, others=MANAGER),
    # Referrals.
    "POST /v1/referrals": anywhere(REFERRERS, body={"kind": "community", "person": {"name": "A neighbour"}}),
    "GET /v1/referrals/mine": listed("referrals", all=NOBODY, referred_by=JUSTICE | MANAGER).telling(Secret.FOLLOWED),
    "GET /v1/referrals/mine/{referral_id}": mine(JUSTICE | MANAGER).telling(Secret.FOLLOWED),
    "GET /v1/referrals": listed("referrals", all=CLAIMERS),
    "GET /v1/referrals/{referral_id}": anywhere(CLAIMERS, POLICE).telling(Secret.REFERRED),
    "POST /v1/referrals/{referral_id}/contact": anywhere(CLAIMERS, POLICE),
    "POST /v1/referrals/{referral_id}/intake": anywhere(CLAIMERS, POLICE, body={"participant": "{named}"}),
    "POST /v1/referrals/{referral_id}/close": anywhere(CLAIMERS, POLICE, body={"reason": "declined"}),
    # Keys.
    "GET /v1/keys": listed("keys", all=MANAGER | OPERATOR),
    "POST /v1/keys": anywhere(MANAGER, body=_HOUSED | {"name": "Beds", "role": "provider"}),
    "GET /v1/keys/{key_id}": anywhere(MANAGER | OPERATOR),
    "POST /v1/keys/{key_id}/rotate": anywhere(MANAGER, body={"overlap_minutes": 5}),
    "POST /v1/keys/{key_id}/revoke": anywhere(MANAGER | OPERATOR),
    # People, and with what they sign in.
    "GET /v1/people": listed("people", all=MANAGER).telling(Secret.STAFF),
    "POST /v1/people": anywhere(
        MANAGER, body=_HOUSED | {"role": "provider", "email": "{new_email}", "name": "A person"}
    ),
    "GET /v1/people/{person_id}": anywhere(MANAGER).telling(Secret.STAFF),
    "PATCH /v1/people/{person_id}": anywhere(MANAGER, body={"role": "evaluator"}).telling(Secret.STAFF),
    "POST /v1/people/{person_id}/end": anywhere(MANAGER).telling(Secret.STAFF),
    "POST /v1/people/{person_id}/invite": anywhere(MANAGER).telling(Secret.STAFF),
    "GET /v1/sign-in/providers": anywhere(MANAGER),
    "PUT /v1/sign-in/providers/{provider}": anywhere(
        MANAGER, names=True, body={"name": "Sign in", "issuer": "{issuer}", "client_id": "openberth"}
    ),
    "DELETE /v1/sign-in/providers/{provider}": anywhere(MANAGER),
    # The trail.
    "GET /v1/trail": anywhere(MANAGER),
    "GET /v1/trail/export": anywhere(MANAGER),
    "GET /v1/trail/head": anywhere(MANAGER | OPERATOR),
    "GET /v1/trail/check": anywhere(MANAGER | OPERATOR),
    # One's own account.
    "GET /v1/account": account(),
    "POST /v1/account/password": account(body=_NEW_PASSWORD),
    "POST /v1/account/totp": account(),
    "POST /v1/account/totp/confirm": account(first="begin totp", body={"code": "000000"}, answers=422),
    "DELETE /v1/account/totp": account(first="have totp"),
    "POST /v1/account/recovery-codes": account(first="have totp"),
    "GET /v1/account/passkeys": account(),
    "POST /v1/account/passkeys/options": account(),
    "POST /v1/account/passkeys": account(
        first="begin passkey", body=_SENSELESS_CREDENTIAL | {"name": "Mine"}, answers=422
    ),
    "DELETE /v1/account/passkeys/{passkey_id}": account(),
    "GET /v1/account/sessions": account(),
    "POST /v1/account/sessions/{session_id}/end": account(),
    "POST /v1/sign-out": account(),
    "POST /v1/sign-out/everywhere": account(),
    # Open to those who aren't signed in yet; tests/api/test_sign_in.py and its neighbours say how far they get.
    "GET /.well-known/oauth-authorization-server": public(),
    "POST /v1/oauth/token": public(401, form={"grant_type": "client_credentials", "client_id": "x"}),
    "GET /v1/sign-in/choices": public(params={"program": "{program}"}),
    "POST /v1/sign-in/password": public(
        401, body={"program": "{program}", "email": "{new_email}", "password": "wrong"}
    ),
    "POST /v1/sign-in/totp": public(401, body={"code": "000000"}),
    "POST /v1/sign-in/recovery-code": public(401, body={"code": "senseless"}),
    "POST /v1/sign-in/passkey/options": public(body={"program": "{program}"}),
    "POST /v1/sign-in/passkey": public(401, body=_SENSELESS_CREDENTIAL),
    "GET /v1/sign-in/openid/{program}/{provider}": public(303),
    "GET /v1/sign-in/openid/callback": public(401, params={"state": "senseless"}),
    "POST /v1/invitations/read": public(401, body=_SENSELESS_TOKEN),
    "POST /v1/invitations/accept/password": public(401, body=_SENSELESS_TOKEN | _NEW_PASSWORD),
    "POST /v1/invitations/accept/passkey/options": public(401, body=_SENSELESS_TOKEN),
    "POST /v1/invitations/accept/passkey": public(401, body=_SENSELESS_TOKEN | _SENSELESS_CREDENTIAL),
    # For whoever runs it.
    "GET /livez": public(),
    "GET /readyz": public(),
    "GET /metrics": public(),
}
