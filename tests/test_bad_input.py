"""Hostile times, queries, cursors, headers and settings: each gets a 4xx problem document, never a stack trace."""

from base64 import urlsafe_b64encode
from typing import Any
from uuid import uuid4

import pytest

from app.access.roles import Role
from tests.hostile import BEYOND_64_BITS, ID, NUL, refused
from tests.support import Program

TIMES = [
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "1999-12-31T23:59:59Z",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-14:00",
    "2026-02-30T00:00:00Z",
    "2026-11-23T00:00:00",
    "2026-11-23",
    "2026-11-23T25:00:00Z",
    "2026-11-23T00:00:00+99:99",
    "infinity",
    "-infinity",
    "now",
    "",
    NUL,
    10**18,
    -(10**18),
    BEYOND_64_BITS,
    True,
    [],
]


@pytest.mark.parametrize("time", TIMES, ids=repr)
async def test_a_time_at_the_edge_is_refused_wherever_it_stands(program: Program, time: Any) -> None:
    opening = {"service_id": ID, "unit": "bed", "units_total": 1}
    for field in ("starts_at", "ends_at", "fresh_until"):
        refused(await program.call("POST", "/v1/openings", json=opening | {field: time}), field)
    for field in ("starts_by", "lasts_until"):
        find = {"participant": "P", "items": [{"find": {"category": "housing", field: time}}]}
        refused(await program.call("POST", "/v1/claims", key=str(uuid4()), json=find), f"items.0.find.{field}")
        if isinstance(time, str):
            refused(await program.call("GET", "/v1/openings", params={field: time}), field)


QUERIES = {
    "category": ["beds", NUL, ""],
    "unit": ["sofa", NUL],
    "units": ["0", "-1", "1.5", str(BEYOND_64_BITS), "NaN", "", "1\x00"],
    "near": ["", ",", "1", "1,2,3", "a,b", "91,0", "0,181", "NaN,0", "0,Infinity", "1e999,0", NUL, "\u0661,"],
    "within_km": ["0", "-1", "NaN", "Infinity", "1e999", "20001", ""],
    "needs": ["anything", NUL, "pets,\x00", ",".join(["pets"] * 50)],
    "prefers": ["anything", NUL],
    "age": ["-1", "131", "NaN", str(BEYOND_64_BITS)],
    "household": ["", "couple", NUL],
    "language": ["", "English", "e", "-", NUL, "x" * 36],
    "cursor": ["", "x", "=", "%00", NUL, "é", "AAAA", "x" * 201],
    "limit": ["0", "-1", "201", "1.5", str(BEYOND_64_BITS), ""],
}


@pytest.mark.parametrize("field", QUERIES)
async def test_a_hostile_query_is_refused_by_its_field(program: Program, field: str) -> None:
    for value in QUERIES[field]:
        near = {"near": "1,1"} if field == "within_km" else {}
        response = await program.call("GET", "/v1/openings", params={field: value} | near)
        refused(response)
        named = {error["field"].split(".")[0] for error in response.json()["errors"]}
        assert named == {field}, (value, response.text)


async def test_within_km_needs_near(program: Program) -> None:
    refused(await program.call("GET", "/v1/openings", params={"within_km": "5"}))


@pytest.mark.parametrize(
    "query", [b"near=%ff%fe,%00", b"language=%ff", b"cursor=%ff", b"category=%ed%a0%80", b"needs=%00", b"units=%"]
)
async def test_a_query_that_is_no_text_is_refused(program: Program, query: bytes) -> None:
    refused(await program.call("GET", f"/v1/openings?{query.decode()}"))


def cursor(text: str) -> str:
    """Text as a cursor has it, made by someone else."""
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        "a|b|c",
        f"2026-11-23T00:00:00|0.5|{ID}",
        f"0001-01-01T00:00:00+14:00|0.5|{ID}",
        f"9999-12-31T23:59:59-14:00|0.5|{ID}",
        f"2026-11-23T00:00:00+00:00|nan|{ID}",
        f"2026-11-23T00:00:00+00:00|inf|{ID}",
        f"2026-11-23T00:00:00+00:00|1e999|{ID}",
        f"2026-11-23T00:00:00+00:00|0.5|{ID}|more",
        "2026-11-23T00:00:00+00:00|0.5|\x00",
        ID,
        "||",
        "\x00",
    ],
    ids=repr,
)
async def test_a_forged_cursor_of_a_search_is_refused(program: Program, text: str) -> None:
    refused(await program.call("GET", "/v1/openings", params={"cursor": cursor(text)}), "cursor")


@pytest.mark.parametrize(
    "path", ["/v1/claims", "/v1/organizations", "/v1/locations", "/v1/services", "/v1/participants"]
)
async def test_a_forged_cursor_of_a_list_is_refused(program: Program, path: str) -> None:
    for text in ("", "x", "\x00", f"{ID}|", f"|{ID}", ID + "0"):
        refused(await program.call("GET", path, params={"cursor": cursor(text)}), "cursor")


@pytest.mark.parametrize("id", ["1", "%00", "..%2f..%2fetc", ID + "0", "x" * 5000, "%ff", "null", "-1"])
async def test_an_id_that_is_none_is_refused(program: Program, id: str) -> None:
    for path in ("/v1/claims/{}", "/v1/openings/{}", "/v1/services/{}", "/v1/participants/{}", "/v1/consents/{}/copy"):
        refused(await program.call("GET", path.format(id)), status=frozenset({404, 422}))
    for path in ("/v1/claims/{}/confirm", "/v1/openings/{}/withdraw"):
        refused(await program.call("POST", path.format(id)), status=frozenset({404, 405, 422}))


@pytest.mark.parametrize("key", [b"", b" ", b"x" * 256, b"a b", "é".encode(), b"\xff", b"a\tb", b"\x7f"])
async def test_a_hostile_idempotency_key_is_refused(program: Program, key: bytes) -> None:
    body = {"participant": await program.participant(), "items": [{"opening_id": ID}]}
    headers = {b"Idempotency-Key": key, b"Authorization": f"Bearer {program.keys[Role.PROGRAM_MANAGER]}".encode()}
    for path in ("/v1/claims", "/v1/participants"):
        response = await program.house.http.post(path, headers=headers, json=body if "claims" in path else {})
        refused(response, status=frozenset({400}))


async def test_a_claim_without_a_key_is_refused(program: Program) -> None:
    response = await program.call("POST", "/v1/claims", json={"participant": "P", "items": [{"opening_id": ID}]})
    refused(response, status=frozenset({400}))
    assert response.json()["type"].endswith("/idempotency-key-required")


@pytest.mark.parametrize(
    "tag", [b"", b"v1", b'W/"v1"', b'"v"', b'"v-1"', b'"v1', b'"v99999999999"', b'"v1", "v2"', b"\xff", b'"v\xb2"']
)
async def test_a_hostile_if_match_is_refused(program: Program, tag: bytes) -> None:
    opening = await program.opening(1)
    headers = {b"If-Match": tag, b"Authorization": f"Bearer {program.keys[Role.PROGRAM_MANAGER]}".encode()}
    response = await program.house.http.patch(f"/v1/openings/{opening['id']}", headers=headers, json={})
    refused(response, status=frozenset({400}))
    without = await program.call("PATCH", f"/v1/openings/{opening['id']}", json={})
    refused(without, status=frozenset({428}))


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer  ",
        b"Basic dXNlcjpwYXNz",
        b"Bearer wrong",
        b"Bearer \xff\xfe",
        b"Bearer " + b"x" * 50_000,
        b"Bearer ' OR 1=1 --",
        b"Bearer openberth_",
        b"\xff",
        b"Bearer a b",
    ],
    ids=lambda each: str(each)[:30],
)
async def test_a_caller_without_a_key_is_turned_away(program: Program, authorization: bytes | None) -> None:
    headers = {} if authorization is None else {b"Authorization": authorization}
    for method, path in (("GET", "/v1/openings"), ("POST", "/v1/claims"), ("PATCH", "/v1/program")):
        response = await program.house.http.request(method, path, headers=headers)
        refused(response, status=frozenset({401}))
        assert response.headers["www-authenticate"].startswith("Bearer")


POLICIES: list[tuple[Any, str]] = [
    ({"max_active_holds": 0}, "policy.max_active_holds"),
    ({"max_active_holds": BEYOND_64_BITS}, "policy.max_active_holds"),
    ({"max_extensions": -1}, "policy.max_extensions"),
    ({"waitlist": True}, "policy.waitlist"),
    ({"categories": {"beds": {}}}, "policy.categories.beds.[key]"),
    ({"categories": {"housing": {}}}, "policy.categories.housing.hold"),
    (
        {
            "categories": {
                "housing": {"immediacy_hours": 1, "fresh_minutes": 1, "hold": {"minutes": 5, "until": "20:00"}}
            }
        },
        "policy.categories.housing.hold",
    ),
    (
        {"categories": {"housing": {"immediacy_hours": 1, "fresh_minutes": 1, "hold": {"until": "20:00+05:00"}}}},
        "policy.categories.housing.hold",
    ),
    (
        {"categories": {"housing": {"immediacy_hours": 1, "fresh_minutes": 10**9, "hold": {"minutes": 1}}}},
        "policy.categories.housing.fresh_minutes",
    ),
]


@pytest.mark.parametrize(("policy", "field"), POLICIES, ids=repr)
async def test_a_hostile_policy_is_refused(program: Program, policy: Any, field: str) -> None:
    refused(await program.call("PATCH", "/v1/program", json={"policy": policy}), field)


@pytest.mark.parametrize("zone", ["", " ", "Mars/Base", "../../etc/passwd", "/etc/localtime", NUL, "x" * 1000, 5])
async def test_a_time_zone_that_is_none_is_refused(program: Program, zone: Any) -> None:
    refused(await program.call("PATCH", "/v1/program", json={"time_zone": zone}), "time_zone")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "FROB"])
async def test_a_method_that_is_not_served_is_refused(program: Program, method: str) -> None:
    response = await program.call(method, "/v1/claims")
    refused(response, status=frozenset({405}))
    assert set(response.headers["allow"].replace(" ", "").split(",")) <= {"GET", "POST"}


@pytest.mark.parametrize("path", ["/v1", "/v1/waitlist", "/v1/claims/x/y/z", "/%00", "/../../etc/passwd", "/nowhere"])
async def test_a_path_that_is_not_served_is_not_found(program: Program, path: str) -> None:
    refused(await program.call("GET", path), status=frozenset({404}))
