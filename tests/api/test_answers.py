"""What goes with every answer: what a browser may do with it, and a line in the log for who was turned away."""

import logging
import re
from base64 import b64encode
from hashlib import sha256
from uuid import uuid4

import pytest
from httpx import ASGITransport, AsyncClient

from app.access.roles import Role
from app.core.settings import Settings
from app.main import create_app
from tests.support import Program

PLAIN = "http://127.0.0.1:8000"


async def test_every_answer_tells_browsers_to_keep_and_run_nothing(program: Program) -> None:
    opening = await program.opening()
    asked = [
        await program.claim({"opening_id": opening["id"], "units": 1}),
        await program.claim({"opening_id": opening["id"], "units": 1}),
        await program.call("GET", "/v1/me"),
        await program.call("GET", "/v1/claims", role=Role.OFFICER),
        await program.call("GET", "/v1/nowhere"),
        await program.call("POST", "/v1/openings", json={}),
        await program.house.http.get("/v1/me"),
        await program.house.http.get("/livez"),
        await program.house.http.get("/openapi.json"),
        await program.house.http.get("/v1/sign-in/choices", params={"program": "nobodys"}),
    ]
    assert [answer.status_code for answer in asked] == [201, 409, 200, 403, 404, 422, 401, 200, 200, 200]
    for answer in asked:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        policy = answer.headers["content-security-policy"].split("; ")
        assert {"default-src 'none'", "base-uri 'none'", "object-src 'none'", "frame-ancestors 'none'", "sandbox"} <= {
            *policy
        }
        assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"


@pytest.mark.parametrize("path", ["/v1/me/", "/v1/claims/", "/livez/"])
async def test_nobody_is_sent_on_to_another_spelling_over_plain_http(program: Program, path: str) -> None:
    for method in ("GET", "POST"):
        answer = await program.call(method, path, headers={"Host": "elsewhere.example"})
        assert answer.status_code == 404
        assert "location" not in answer.headers


async def test_a_fault_of_ours_goes_with_them_too(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(code: str) -> None:
        raise RuntimeError("a fault")

    app = create_app(Settings(database_url="postgresql://", public_url=PLAIN), loops=False)
    app.add_api_route("/fails/{code}", fails)
    transport = ASGITransport(app, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://house") as http:
        answer = await http.get("/fails/K7M4-Q2XP")
    assert answer.status_code == 500
    assert "GET /fails/{code} failed" in caplog.text
    assert "K7M4" not in caplog.text
    assert "a fault" not in answer.text
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
    assert answer.headers.get_list("cache-control") == ["no-store"]


@pytest.mark.parametrize(
    ("settings", "served"),
    [
        ({"public_url": PLAIN}, True),
        ({"public_url": "https://house.example"}, False),
        ({"public_url": "https://house.example", "api_docs": True}, True),
        ({"public_url": PLAIN, "api_docs": False}, False),
    ],
)
async def test_the_page_of_the_api_is_served_where_it_may_be_under_a_policy_of_its_own(
    settings: dict[str, str | bool], served: bool
) -> None:
    app = create_app(Settings.model_validate({"database_url": "postgresql://"} | settings), loops=False)
    async with AsyncClient(transport=ASGITransport(app), base_url="http://house") as http:
        page = await http.get("/docs")
        assert (await http.get("/redoc")).status_code == 404
    assert page.status_code == (200 if served else 404)
    (policy,) = page.headers.get_list("content-security-policy")
    assert ("strict-transport-security" in page.headers) == (settings["public_url"] != PLAIN)
    if served:
        script = re.search(r"<script>(.*?)</script>", page.text, re.DOTALL)
        assert script is not None
        assert f"'sha256-{b64encode(sha256(script[1].encode()).digest()).decode()}'" in policy
        loaded = re.findall(r'(?:src|href)="(https?://[^"]*)', page.text)
        assert loaded
        assert all(each.startswith("https://cdn.jsdelivr.net/npm/swagger-ui-dist@5/") for each in loaded)
        assert "frame-ancestors 'none'" in policy


async def test_whoever_is_turned_away_is_in_the_log_without_what_they_sent(
    program: Program, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app")
    stray = f"openberth_{uuid4().hex}"
    me = (await program.call("GET", "/v1/me", role=Role.OFFICER)).json()
    assert (await program.house.http.get(f"/v1/participants/{stray}")).status_code == 401
    assert (await program.call("GET", "/v1/participants/K7M4-Q2XP", role=Role.OFFICER)).status_code == 403
    assert (await program.claim({"opening_id": str(uuid4())}, role=Role.OFFICER, participant="K7M4-Q2XP")).is_error
    form = {"grant_type": "client_credentials", "client_id": str(uuid4()), "client_secret": stray}
    assert (await program.house.http.post("/v1/oauth/token", data=form)).status_code == 401
    provider = {"name": "A provider", "issuer": "https://127.0.0.1", "client_id": "openberth"}
    other = Settings(database_url=program.house.owner.engine.url.render_as_string(hide_password=False))
    app = create_app(other, loops=False)
    async with (
        app.router.lifespan_context(app),
        AsyncClient(transport=ASGITransport(app), base_url="http://house") as http,
    ):
        headers = {"Authorization": f"Bearer {program.keys[Role.PROGRAM_MANAGER]}"}
        assert (await http.put("/v1/sign-in/providers/inside", json=provider, headers=headers)).status_code == 502
    manager = (await program.call("GET", "/v1/me")).json()
    lines = [each.getMessage() for each in caplog.records if each.getMessage().startswith("refused")]
    address = "address 127.0.0.1"
    assert lines == [
        f"refused GET /v1/participants/{{named}}: 401 unauthorized, caller unknown, {address}",
        f"refused GET /v1/participants/{{named}}: 403 forbidden, caller {me['id']}, {address}",
        f"refused POST /v1/claims: 403 forbidden, caller {me['id']}, {address}",
        f"refused POST /v1/oauth/token: 401 invalid_client, caller unknown, {address}",
        f"refused PUT /v1/sign-in/providers/{{provider}}: 502 identity-provider, caller {manager['id']}, {address}",
    ]
    assert stray not in caplog.text
    assert "K7M4" not in caplog.text
    counted = (await program.house.http.get("/metrics")).text
    assert re.search(r'openberth_refused_total\{status="403"\} [1-9]', counted)


async def test_a_quota_that_is_spent_is_counted_and_not_logged(
    program: Program, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app")
    address = program.house.owner.engine.url.render_as_string(hide_password=False)
    app = create_app(Settings(database_url=address, rate_limit="1/hour"), loops=False)
    async with (
        app.router.lifespan_context(app),
        AsyncClient(transport=ASGITransport(app), base_url="http://house") as http,
    ):
        headers = {"Authorization": f"Bearer {program.keys[Role.EVALUATOR]}"}
        statuses = [(await http.get("/v1/me", headers=headers)).status_code for _ in range(3)]
        counted = (await http.get("/metrics")).text
    assert statuses == [200, 429, 429]
    assert "refused" not in caplog.text
    assert re.search(r'openberth_refused_total\{status="429"\} [1-9]', counted)
