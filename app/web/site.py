"""All pages of the site. Their routes come after those of the API, in nobody's way."""

from app.web import (
    account,
    authenticator,
    desk,
    desk_claims,
    desk_publish,
    desk_services,
    home,
    invitation,
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
    offline,
)
