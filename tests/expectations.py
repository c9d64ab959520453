"""Who reaches which route of the API, and with whose things: written by hand, and from no other table.

Every route of the OpenAPI document has its line here. Read `of(PROVIDER, own=RECEIVERS, others=MANAGER)` as: with what
is a provider's, receivers of that very organization reach it, and from another organization of the program a manager
alone. From another program nobody ever does, and what is about a person nobody reaches from a shelter for survivors,
whatever their role. tests/api/test_every_route.py calls every route as everybody and compares.
"""

from app.access.roles import Role
from tests.lines import (
    AGENCY,
    NOBODY,
    POLICE,
    PROVIDER,
    Line,
    Roles,
    Rows,
    Secret,
    account,
    anywhere,
    claim,
    listed,
    mine,
    of,
    participant,
    public,
)

# Roles.

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
SUBSCRIBERS = PARTNER | MANAGER
READERS = MARKET | EVALUATOR | BOARD | OPERATOR
"""All but those who only refer."""
REFERRERS = CLAIMERS | JUSTICE | NEIGHBOUR


# The table.

_HOUSED = {"organization_id": "{organization_id}"}
_SIGNED = {"kind": "phone", "value": "(206) 555-0142"}
_NEW_PASSWORD = {"password": "quiet rivers keep no secrets"}
_SENSELESS_TOKEN = {"token": "senseless"}
_SENSELESS_CREDENTIAL = {"credential": {"id": "c2Vuc2VsZXNz"}}
_BROWSER = {
    "endpoint": "https://push.example.net/senseless",
    "keys": {
        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    },
}

STREAMS = {"GET /v1/live"}
"""Answers that never end: tests/live/test_stream.py and test_events.py ask for them."""

EXPECTED: dict[str, Line] = {
    # Oneself and the program.
    "GET /v1/me": anywhere(EVERYBODY),
    "GET /v1/program": anywhere(EVERYBODY).under("directory:read"),
    "PATCH /v1/program": anywhere(MANAGER, body={"name": "Another name"}),
    # The directory.
    "GET /v1/organizations": listed("organizations", all=READERS).under("directory:read"),
    "POST /v1/organizations": anywhere(MANAGER, body={"name": "One more"}),
    "GET /v1/organizations/{organization_id}": anywhere(READERS, PROVIDER).under("directory:read"),
    "PATCH /v1/organizations/{organization_id}": of(
        PROVIDER, own=RECEIVERS, others=MANAGER, body={"description": "Open all night"}
    ).under("directory:write"),
    "GET /v1/locations": listed("locations", all=READERS).telling_own(Secret.PLACE).under("directory:read"),
    "POST /v1/locations": of(PROVIDER, own=RECEIVERS, others=MANAGER, body=_HOUSED).under("directory:write"),
    "GET /v1/locations/{location_id}": anywhere(READERS, PROVIDER).telling_own(Secret.PLACE).under("directory:read"),
    "PATCH /v1/locations/{location_id}": of(PROVIDER, own=RECEIVERS, others=frozenset(), body={"city": "Another city"})
    .telling_own(Secret.PLACE)
    .under("directory:write"),
    "GET /v1/services": listed("services", all=READERS).under("directory:read"),
    "POST /v1/services": of(
        PROVIDER, own=RECEIVERS, others=MANAGER, body=_HOUSED | {"name": "Beds", "category": "housing"}
    ).under("directory:write"),
    "GET /v1/services/{service_id}": anywhere(READERS, PROVIDER).under("directory:read"),
    "PATCH /v1/services/{service_id}": of(
        PROVIDER, own=RECEIVERS, others=MANAGER, body={"description": "Open all night"}
    ).under("directory:write"),
    # Openings.
    "GET /v1/openings": anywhere(MARKET).under("openings:read"),
    "GET /v1/openings/{opening_id}": anywhere(MARKET, PROVIDER).under("openings:read"),
    # An organization's own desk: for others it is empty, but for managers.
    "GET /v1/organizations/{organization_id}/openings": anywhere(
        RECEIVERS, PROVIDER, rows=Rows("openings", MANAGER, {"organization_id": RECEIVERS})
    ).under("openings:write"),
    "POST /v1/openings": of(
        PROVIDER,
        own=RECEIVERS,
        others=MANAGER,
        body={"service_id": "{service_id}", "unit": "bed", "units_total": 2},
    ).under("openings:write"),
    "PATCH /v1/openings/{opening_id}": of(PROVIDER, own=RECEIVERS, others=MANAGER, body={"units_total": 7}).under(
        "openings:write"
    ),
    "POST /v1/openings/{opening_id}/adjust": of(PROVIDER, own=RECEIVERS, others=MANAGER, body={"by": 1}).under(
        "openings:write"
    ),
    "POST /v1/openings/{opening_id}/attest": of(PROVIDER, own=RECEIVERS, others=MANAGER).under("openings:write"),
    "POST /v1/openings/{opening_id}/withdraw": of(PROVIDER, own=RECEIVERS, others=MANAGER).under("openings:write"),
    # Claims.
    "GET /v1/claims": listed("claims", all=MANAGER, worker_organization_id=CLAIMERS, organization_id=RECEIVERS).under(
        "claims:read"
    ),
    "POST /v1/claims": anywhere(
        CLAIMERS, body={"participant": "{named}", "items": [{"opening_id": "{opening_id}", "units": 1}]}
    )
    .but_a_shelter(nameless=CLAIMERS)
    .under("claims:write"),
    "GET /v1/claims/{claim_id}": claim(worker=CLAIMERS, provider=RECEIVERS, others=MANAGER).under("claims:read"),
    "GET /v1/decline-reasons": anywhere(MARKET).under("claims:read"),
    "POST /v1/claims/{claim_id}/extend": claim(worker=CLAIMERS, provider=MANAGER, others=MANAGER).under("claims:write"),
    "POST /v1/claims/{claim_id}/confirm": claim(worker=CLAIMERS, provider=MANAGER, others=MANAGER).under(
        "claims:write"
    ),
    "POST /v1/claims/{claim_id}/release": claim(worker=CLAIMERS, provider=MANAGER, others=MANAGER).under(
        "claims:write"
    ),
    "POST /v1/claims/{claim_id}/decline": claim(
        worker=MANAGER, provider=RECEIVERS, others=MANAGER, body={"reason": "place_no_longer_available"}
    ).under("claims:write"),
    "POST /v1/claims/{claim_id}/arrive": claim(
        worker=MANAGER, provider=RECEIVERS, others=MANAGER, claim="confirmed"
    ).under("claims:write"),
    "POST /v1/claims/{claim_id}/no-show": claim(
        worker=MANAGER, provider=RECEIVERS, others=MANAGER, claim="confirmed"
    ).under("claims:write"),
    "POST /v1/claims/{claim_id}/complete": claim(
        worker=MANAGER, provider=RECEIVERS, others=MANAGER, claim="arrived"
    ).under("claims:write"),
    # Whoever may ask is told who comes if the consent names where they stand: here the provider.
    "GET /v1/claims/{claim_id}/participant": claim(
        worker=MANAGER, provider=RECEIVERS, others=MANAGER, claim="confirmed"
    )
    .telling_own(Secret.IDENTITY, Secret.CONSENT)
    .under("participants:meet"),
    # Participants: who they are, what they say of themselves, what they consented to, to whom they were disclosed.
    "GET /v1/participants": listed("participants", all=MANAGER, organization_id=CLAIMERS)
    .but_a_shelter()
    .telling_own(Secret.REFERENCE)
    .under("participants:read"),
    "POST /v1/participants": anywhere(CLAIMERS, body={}).but_a_shelter().under("participants:write"),
    "GET /v1/participants/{named}": participant(own=CLAIMERS, others=MANAGER)
    .telling_own(Secret.REFERENCE)
    .under("participants:read"),
    "POST /v1/participants/find": anywhere(CLAIMERS, body={"identifiers": [{"kind": "hmis_id", "value": "{hmis_id}"}]})
    .but_a_shelter()
    .under("participants:read"),
    "GET /v1/participants/{participant_id}/identity": participant(own=CLAIMERS, others=MANAGER)
    .telling(Secret.IDENTITY)
    .under("participants:read"),
    "PUT /v1/participants/{participant_id}/identity": participant(
        own=CLAIMERS, others=MANAGER, body={"name": "Somebody Else", "contacts": [_SIGNED]}
    ).under("participants:write"),
    "DELETE /v1/participants/{participant_id}/identity": participant(own=CLAIMERS, others=MANAGER).under(
        "participants:write"
    ),
    "PUT /v1/participants/{participant_id}/demographics": participant(
        own=CLAIMERS, others=MANAGER, body={"gender": ["woman"]}
    ).under("participants:write"),
    "GET /v1/demographics": anywhere(EVALUATOR | MANAGER),
    "GET /v1/overview": anywhere(EVALUATOR | BOARD | MANAGER).under("figures:read"),
    "GET /v1/consent-text": anywhere(CLAIMERS).but_a_shelter().under("participants:write"),
    "GET /v1/participants/{participant_id}/consents": participant(own=CLAIMERS, others=MANAGER).under(
        "participants:write"
    ),
    "POST /v1/participants/{participant_id}/consents": participant(own=CLAIMERS, others=MANAGER, body="{terms}").under(
        "participants:write"
    ),
    "GET /v1/consents/{consent_id}": participant(own=CLAIMERS, others=MANAGER).under("participants:write"),
    "GET /v1/consents/{consent_id}/copy": participant(own=CLAIMERS, others=MANAGER)
    .telling(Secret.CONSENT)
    .under("participants:write"),
    "POST /v1/consents/{consent_id}/revoke": participant(own=CLAIMERS, others=MANAGER, body={"how": "spoken"}).under(
        "participants:write"
    ),
    "POST /v1/consents/{consent_id}/end": participant(
        own=CLAIMERS, others=MANAGER, body={"what_happened": "Left."}
    ).under("participants:write"),
    "GET /v1/participants/{participant_id}/disclosures": participant(own=CLAIMERS, others=MANAGER).under(
        "participants:read"
    ),
    "GET /v1/participants/{participant_id}/accounting": participant(own=CLAIMERS, others=MANAGER).under(
        "participants:read"
    ),
    # Referrals.
    "POST /v1/referrals": anywhere(REFERRERS, body={"kind": "community", "person": {"name": "A neighbour"}})
    .but_a_shelter()
    .under("referrals:write"),
    "GET /v1/events": anywhere(MARKET).under("events:read"),
    "GET /v1/watches": anywhere(CLAIMERS).under("watches:write"),
    "POST /v1/watches": anywhere(CLAIMERS, body={"need": {}}).under("watches:write"),
    "DELETE /v1/watches/{watch_id}": mine(CLAIMERS, AGENCY).under("watches:write"),
    # Webhooks: of whoever made them, and of managers.
    "GET /v1/webhooks": listed("webhooks", all=MANAGER, caller_id=PARTNER).under("webhooks:write"),
    "POST /v1/webhooks": anywhere(SUBSCRIBERS, body={"url": "https://partner.example.org/"}).under("webhooks:write"),
    "GET /v1/webhooks/{webhook_id}": mine(SUBSCRIBERS, AGENCY, others=MANAGER).under("webhooks:write"),
    "PATCH /v1/webhooks/{webhook_id}": mine(SUBSCRIBERS, AGENCY, others=MANAGER, body={"name": "Another"}).under(
        "webhooks:write"
    ),
    "DELETE /v1/webhooks/{webhook_id}": mine(SUBSCRIBERS, AGENCY, others=MANAGER).under("webhooks:write"),
    "POST /v1/webhooks/{webhook_id}/rotate-secret": mine(
        SUBSCRIBERS, AGENCY, others=MANAGER, body={"overlap_minutes": 5}
    ).under("webhooks:write"),
    "POST /v1/webhooks/{webhook_id}/test": mine(SUBSCRIBERS, AGENCY, others=MANAGER).under("webhooks:write"),
    "POST /v1/webhooks/{webhook_id}/pause": mine(SUBSCRIBERS, AGENCY, others=MANAGER).under("webhooks:write"),
    "POST /v1/webhooks/{webhook_id}/resume": mine(
        SUBSCRIBERS, AGENCY, others=MANAGER, body={"from": "where_it_was"}
    ).under("webhooks:write"),
    "POST /v1/webhooks/{webhook_id}/replay": mine(SUBSCRIBERS, AGENCY, others=MANAGER, body={"after": 0}).under(
        "webhooks:write"
    ),
    "GET /v1/webhooks/{webhook_id}/deliveries": mine(SUBSCRIBERS, AGENCY, others=MANAGER).under("webhooks:write"),
    "GET /v1/referrals/mine": listed("referrals", all=NOBODY, referred_by=JUSTICE | MANAGER).telling(Secret.FOLLOWED),
    "GET /v1/referrals/mine/{referral_id}": mine(JUSTICE | MANAGER).telling(Secret.FOLLOWED),
    "GET /v1/referrals": listed("referrals", all=CLAIMERS).but_a_shelter().under("referrals:write"),
    "GET /v1/referrals/{referral_id}": anywhere(CLAIMERS, POLICE)
    .but_a_shelter()
    .telling(Secret.REFERRED)
    .under("referrals:write"),
    "POST /v1/referrals/{referral_id}/contact": anywhere(CLAIMERS, POLICE).but_a_shelter().under("referrals:write"),
    "POST /v1/referrals/{referral_id}/intake": anywhere(CLAIMERS, POLICE, body={"participant": "{named}"})
    .but_a_shelter()
    .under("referrals:write"),
    "POST /v1/referrals/{referral_id}/close": anywhere(CLAIMERS, POLICE, body={"reason": "declined"})
    .but_a_shelter()
    .under("referrals:write"),
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
    "GET /v1/trail": anywhere(MANAGER).under("trail:read"),
    "GET /v1/trail/export": anywhere(MANAGER).under("trail:read"),
    "GET /v1/trail/head": anywhere(MANAGER | OPERATOR).under("trail:read"),
    "GET /v1/trail/check": anywhere(MANAGER | OPERATOR).under("trail:read"),
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
    "GET /v1/me/notices": account(),
    "PATCH /v1/me/notices": account(body={"language": "es"}),
    # This installation sends no mail, and a browser must be there first.
    "POST /v1/me/notices/test": account(body={"channel": "email"}, answers=409),
    "GET /v1/me/push-key": account(),
    "GET /v1/me/push-subscriptions": account(),
    "POST /v1/me/push-subscriptions": account(body=_BROWSER, answers=201),
    "DELETE /v1/me/push-subscriptions/{subscription_id}": account(),
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
