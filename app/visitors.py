"""Cookies: what a browser brings to sign in with, and what it is given."""

from typing import Annotated

from fastapi import Depends, Request, Response

from app.access import challenges, devices
from app.access.sign_in import Entered, Visitor
from app.access.site import Site
from app.dependencies import state_of


def _visitor(request: Request) -> Visitor:
    site = state_of(request).site
    return Visitor(
        address=request.client.host if request.client else "",
        user_agent=request.headers.get("user-agent", "")[:1000],
        session=request.cookies.get(site.session_cookie),
        challenge=request.cookies.get(site.challenge_cookie),
        device=request.cookies.get(site.device_cookie),
    )


VisitorOf = Annotated[Visitor, Depends(_visitor)]


def _set(response: Response, site: Site, name: str, value: str, seconds: int | None = None) -> None:
    response.set_cookie(name, value, max_age=seconds, path="/", secure=site.secure, httponly=True, samesite="lax")


def _unset(response: Response, site: Site, name: str) -> None:
    response.delete_cookie(name, path="/", secure=site.secure, httponly=True, samesite="lax")


def let_in(request: Request, response: Response, entered: Entered) -> None:
    """Give the browser its session."""
    site = state_of(request).site
    carry_on(request, response, entered.session)
    _set(response, site, site.device_cookie, entered.device, int(devices.KNOWN.total_seconds()))
    _unset(response, site, site.challenge_cookie)


def carry_on(request: Request, response: Response, token: str) -> None:
    """Give the browser the new token of its session. It ends with the browser, or when the server says so."""
    site = state_of(request).site
    _set(response, site, site.session_cookie, token)


def challenge(request: Request, response: Response, token: str) -> None:
    """Give the browser the challenge that its next step answers."""
    site = state_of(request).site
    _set(response, site, site.challenge_cookie, token, int(challenges.VALID.total_seconds()))


def let_out(request: Request, response: Response) -> None:
    """Take the session's cookie away, and what pages have kept in the browser."""
    site = state_of(request).site
    _unset(response, site, site.session_cookie)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
