"""A person's browser over the application: a cookie jar, an address, and pages that say where they are from."""

import time
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from secrets import randbelow
from typing import Any
from uuid import uuid4

import pyotp
from httpx import ASGITransport, AsyncClient, Response

from app.access.roles import Role
from tests.support import House, Program

ORIGIN = "https://house.example"
PASSWORD = "seven lanterns drift past"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0"


def new_address() -> str:
    """An address that no other test calls from: failures are counted by address, for all programs at once."""
    return str(IPv4Address(0x0B000000 + randbelow(2**24)))


class Browser:
    """One browser. Its cookies are its own; unsafe requests name its page's origin, as every browser's do."""

    def __init__(self, house: House, address: str | None = None, app: Any = None) -> None:
        self.address = address or new_address()
        transport = ASGITransport(app or house.app, raise_app_exceptions=False, client=(self.address, 50000))
        self.http = AsyncClient(transport=transport, base_url=ORIGIN, headers={"User-Agent": FIREFOX})

    async def get(self, path: str, **request: Any) -> Response:
        """Open a page's address."""
        return await self.http.get(path, **request)

    async def send(self, method: str, path: str, body: Any = None, origin: str | None = ORIGIN) -> Response:
        """An unsafe request of a page of this origin."""
        headers = {} if origin is None else {"Origin": origin}
        return await self.http.request(method, path, json=body, headers=headers)

    async def post(self, path: str, body: Any = None, origin: str | None = ORIGIN) -> Response:
        """A POST of a page of this origin."""
        return await self.send("POST", path, {} if body is None else body, origin)

    async def done(self, path: str, body: Any = None, status: int = 200) -> dict[str, Any]:
        """What a POST that must succeed answers."""
        response = await self.post(path, body)
        assert response.status_code == status, response.text
        answer: dict[str, Any] = response.json()
        return answer

    @property
    def session(self) -> str | None:
        """The session's token in the jar."""
        return self.http.cookies.get("__Host-openberth_session")

    async def signed_in(self) -> bool:
        """Whether the application takes this browser for somebody."""
        status = (await self.get("/v1/me")).status_code
        assert status in {200, 401}
        return status == 200

    async def sign_in(self, person: "Known", password: str | None = None) -> Response:
        """Give a person's password, or another."""
        body = {"program": person.slug, "email": person.email, "password": password or person.password}
        return await self.post("/v1/sign-in/password", body)


@dataclass(slots=True)
class Known:
    """A person of a program, as a test knows them."""

    program: Program
    slug: str
    id: str
    email: str
    token: str
    password: str = PASSWORD
    secret: str = ""
    codes: list[str] = field(default_factory=list)

    def code(self, steps: int = 0) -> str:
        """What their authenticator app shows, so many steps of 30 s from now."""
        return pyotp.TOTP(self.secret).at(time.time(), counter_offset=steps)


async def slug_of(program: Program) -> str:
    """The program's short name."""
    slug: str = (await program.call("GET", "/v1/program")).json()["slug"]
    return slug


async def invited(program: Program, role: Role = Role.CASE_MANAGER, **fields: Any) -> Known:
    """A person just invited."""
    email = f"person-{uuid4().hex[:10]}@example.org"
    body = {"organization_id": str(program.agency_id), "role": role, "email": email, "name": "Robin Alder"} | fields
    made = await program.made("/v1/people", body)
    return Known(program, await slug_of(program), made["person"]["id"], body["email"], made["token"])


async def joined(browser: Browser, program: Program, role: Role = Role.CASE_MANAGER) -> Known:
    """A person with a password, signed in in this browser."""
    person = await invited(program, role)
    await browser.done("/v1/invitations/accept/password", {"token": person.token, "password": person.password})
    return person


async def with_totp(browser: Browser, program: Program) -> Known:
    """A person with a password and an authenticator app, signed in in this browser.

    The app's code of the step before is the one that was used up: now's is still good.
    """
    person = await joined(browser, program)
    person.secret = (await browser.done("/v1/account/totp"))["secret"]
    answer = await browser.post("/v1/account/totp/confirm", {"code": person.code(-1)})
    if answer.status_code == 422:  # A step ended between the code and its check: what was one before is two before.
        answer = await browser.post("/v1/account/totp/confirm", {"code": person.code(-1)})
    assert answer.status_code == 200, answer.text
    person.codes = answer.json()["recovery_codes"]
    return person
