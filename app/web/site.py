"""All pages of the site. Their routes come after those of the API, in nobody's way."""

from app.web import (
    account,
    authenticator,
    consent,
    consent_keeping,
    desk,
    desk_claims,
    desk_publish,
    desk_services,
    home,
    invitation,
    my_claims,
    my_claims_one,
    my_claims_person,
    offline,
    passkeys,
    password,
    preferences,
    sign_in,
)

PAGES = (
    home,
    preferences,
    sign_in,
    invitation,
    account,
    password,
    passkeys,
    authenticator,
    desk,
    desk_claims,
    desk_publish,
    desk_services,
    # Before one claim: `/claims/past` is no claim's id.
    my_claims,
    my_claims_person,
    my_claims_one,
    consent,
    consent_keeping,
    offline,
)
