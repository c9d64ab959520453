"""Hostile input: each gets a 4xx problem document that names the field, and never a stack trace."""

from base64 import urlsafe_b64encode
from typing import Any
from uuid import uuid4

import pytest
from httpx import Response

from app.access.roles import Role
from tests.support import Program

NUL, SURROGATE = "a\x00b", "a\ud800b"
HUGE = "x" * 10_000_000
BEYOND_64_BITS = 10**30
ID = "0190b8a0-0000-7000-8000-000000000000"

LEAKS = (b"Traceback", b"sqlalchemy", b"asyncpg", b".py", b"SELECT ", b"INSERT ")


def refused(response: Response, *fields: str, status: frozenset[int] = frozenset({400, 413, 422})) -> None:
    """Check that this is such a refusal, and which fields it names."""
    assert response.status_code in status, (response.status_code, response.text[:500])
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["type"]
    assert problem["detail"]
    assert not [leak for leak in LEAKS if leak in response.content], response.text[:500]
    # What was sent is not sent back: a refusal is short, whatever it refuses.
    assert len(response.content) < 20_000
    if response.status_code == 422 and fields:
        named = {error["field"] for error in problem["errors"]}
        assert named >= set(fields), problem


async def post(program: Program, path: str, body: bytes, content_type: str = "application/json") -> Response:
    return await program.call(
        "POST",
        path,
        key=str(uuid4()) if path == "/v1/claims" else None,
        headers={"Content-Type": content_type},
        content=body,
    )


def raw(**fields: str) -> bytes:
    """A JSON object whose values are given as JSON, however malformed."""
    return ("{" + ", ".join(f'"{name}": {value}' for name, value in fields.items()) + "}").encode()


JSON_BODIES = {
    "a NUL in a name": ("/v1/organizations", raw(name=r'"a\u0000b"'), ["name"]),
    "a NUL in prose": ("/v1/organizations", raw(name='"a"', description=r'"a\u0000b"'), ["description"]),
    "a NUL in a URL": ("/v1/organizations", raw(name='"a"', website=r'"http://a\u0000b"'), ["website"]),
    "a NUL in a participant": ("/v1/claims", raw(participant=r'"\u0000"', items="[{}]"), ["participant"]),
    "a NUL in an attribute": (
        "/v1/services",
        raw(organization_id=f'"{ID}"', name='"a"', category='"housing"', attributes=r'{"\u0000": "yes"}'),
        ["attributes"],
    ),
    "a lone surrogate in a name": ("/v1/organizations", raw(name=r'"a\ud800b"'), ["name"]),
    "a lone surrogate in a reference": ("/v1/participants", raw(reference=r'"\udfff"'), ["reference"]),
    "a lone surrogate in a participant": ("/v1/claims", raw(participant=r'"\ud800"', items="[{}]"), ["participant"]),
    "a lone surrogate in a language": (
        "/v1/services",
        raw(organization_id=f'"{ID}"', name='"a"', category='"housing"', languages=r'["\ud800"]'),
        ["languages"],
    ),
    "a lone surrogate as a field's name": ("/v1/participants", rb'{"\ud800": 1}', []),
    "a lone surrogate as an attribute's name": (
        "/v1/services",
        raw(organization_id=f'"{ID}"', name='"a"', category='"housing"', attributes=r'{"\ud800": "yes"}'),
        [],
    ),
    "a NUL as a field's name": ("/v1/participants", rb'{"\u0000": 1}', ["\x00"]),
    "an unknown field": ("/v1/participants", raw(name='"Jane"'), ["name"]),
    "an unknown field in an item": (
        "/v1/claims",
        raw(participant='"P"', items=f'[{{"opening_id": "{ID}", "priority": 1}}]'),
        ["items.0.priority"],
    ),
    "an unknown field in a need": (
        "/v1/claims",
        raw(participant='"P"', items='[{"find": {"category": "housing", "wait": true}}]'),
        ["items.0.find.wait"],
    ),
    "units beyond 64 bits": (
        "/v1/claims",
        raw(participant='"P"', items=f'[{{"opening_id": "{ID}", "units": {BEYOND_64_BITS}}}]'),
        ["items.0.units"],
    ),
    "units below 1": (
        "/v1/claims",
        raw(participant='"P"', items=f'[{{"opening_id": "{ID}", "units": 0}}]'),
        ["items.0.units"],
    ),
    "half a unit": (
        "/v1/claims",
        raw(participant='"P"', items=f'[{{"opening_id": "{ID}", "units": 0.5}}]'),
        ["items.0.units"],
    ),
    "units that are not a number": (
        "/v1/claims",
        raw(participant='"P"', items=f'[{{"opening_id": "{ID}", "units": NaN}}]'),
        ["items.0.units"],
    ),
    "infinitely many units": (
        "/v1/claims",
        raw(participant='"P"', items=f'[{{"opening_id": "{ID}", "units": Infinity}}]'),
        ["items.0.units"],
    ),
    "a latitude that is not a number": (
        "/v1/locations",
        raw(organization_id=f'"{ID}"', latitude="NaN", longitude="0"),
        ["latitude"],
    ),
    "an infinite longitude": (
        "/v1/locations",
        raw(organization_id=f'"{ID}"', latitude="0", longitude="-Infinity"),
        ["longitude"],
    ),
    "a latitude beyond a double": (
        "/v1/locations",
        raw(organization_id=f'"{ID}"', latitude="1e999", longitude="0"),
        ["latitude"],
    ),
    "a distance that is not a number": (
        "/v1/claims",
        raw(participant='"P"', items='[{"find": {"category": "housing", "near": "1,1", "within_km": NaN}}]'),
        ["items.0.find.within_km"],
    ),
    "a place that is not a number": (
        "/v1/claims",
        raw(participant='"P"', items='[{"find": {"category": "housing", "near": [NaN, NaN]}}]'),
        ["items.0.find.near.0", "items.0.find.near.1"],
    ),
    "an empty language": (
        "/v1/claims",
        raw(participant='"P"', items='[{"find": {"category": "housing", "language": ""}}]'),
        ["items.0.find.language"],
    ),
    "no items": ("/v1/claims", raw(participant='"P"', items="[]"), ["items"]),
    "too many items": ("/v1/claims", raw(participant='"P"', items=f"[{', '.join(['{}'] * 1000)}]"), ["items"]),
    "an item that is both": (
        "/v1/claims",
        raw(participant='"P"', items=f'[{{"opening_id": "{ID}", "find": {{"category": "housing"}}}}]'),
        ["items.0"],
    ),
    "an item of another kind": ("/v1/claims", raw(participant='"P"', items='["a bed"]'), ["items.0"]),
    "a participant of another kind": ("/v1/claims", raw(participant="{}", items="[{}]"), ["participant"]),
    "a code longer than any": ("/v1/claims", raw(participant=f'"{"P" * 5000}"', items="[{}]"), ["participant"]),
    "an id that is none": ("/v1/openings", raw(service_id='"1"', unit='"bed"', units_total="1"), ["service_id"]),
    "a control character": ("/v1/participants", raw(reference=r'"a\u0007b"'), ["reference"]),
    "only blanks": ("/v1/organizations", raw(name='"   "'), ["name"]),
}


@pytest.mark.parametrize(("path", "body", "fields"), JSON_BODIES.values(), ids=JSON_BODIES)
async def test_a_hostile_value_is_refused_by_its_field(
    program: Program, path: str, body: bytes, fields: list[str]
) -> None:
    refused(await post(program, path, body), *fields)


MALFORMED = {
    "nothing": b"",
    "blanks": b"  ",
    "half an object": b'{"name": ',
    "no object": b"[]",
    "null": b"null",
    "a text": b'"name"',
    "a number": b"1",
    "invalid UTF-8": b'{"name": "\xff\xfe"}',
    "an overlong NUL": b'{"name": "\xc0\x80"}',
    "Latin-1": '{"name": "é"}'.encode("latin-1"),
    "a raw NUL": b'{"name": "a\x00b"}',
    "only NULs": b"\x00" * 64,
    "binary": bytes(range(256)),
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "a deep object": b'{"name":' * 50_000 + b"1" + b"}" * 50_000,
    "a deep value": b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number of many digits": b'{"name": ' + b"9" * 100_000 + b"}",
    "a text of ten megabytes": b'{"name": "' + HUGE.encode() + b'"}',
    "a field's name of ten megabytes": b'{"' + HUGE.encode() + b'": 1}',
    "many fields": b'{"name": "a", ' + b", ".join(b'"f%d": 1' % nr for nr in range(50_000)) + b"}",
}


@pytest.mark.parametrize("path", ["/v1/organizations", "/v1/claims"])
@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_body_is_refused(program: Program, path: str, body: bytes) -> None:
    refused(await post(program, path, body))


async def test_a_refusal_does_not_repeat_what_it_refuses(program: Program) -> None:
    service = {"organization_id": str(program.provider_id), "name": "a", "category": "housing"}
    for field, value in (("attributes", {HUGE[:200_000]: "yes"}), ("languages", [HUGE[:200_000]])):
        refused(await program.call("POST", "/v1/services", json=service | {field: value}))
    names = [f"attribute {number}" for number in range(39)] + [HUGE[:200_000]]
    find = {"participant": "P", "items": [{"find": {"category": "housing", "needs": names}}]}
    refused(await program.call("POST", "/v1/claims", key=str(uuid4()), json=find), "items.0.find.needs")
    refused(await program.call("POST", "/v1/participants", json={HUGE[:200_000]: 1}))
    refused(await program.call("POST", "/v1/participants", json={f"field {number}": 1 for number in range(5000)}))


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "/"],
)
async def test_a_body_of_another_type_is_refused(program: Program, content_type: str) -> None:
    for path in ("/v1/organizations", "/v1/claims"):
        refused(await post(program, path, b'{"name": "A provider"}', content_type), status=frozenset({400, 415, 422}))


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


@pytest.mark.parametrize("path", ["/v1/claims", "/v1/organizations", "/v1/locations", "/v1/services"])
async def test_a_forged_cursor_of_a_list_is_refused(program: Program, path: str) -> None:
    for text in ("", "x", "\x00", f"{ID}|", f"|{ID}", ID + "0"):
        refused(await program.call("GET", path, params={"cursor": cursor(text)}), "cursor")


@pytest.mark.parametrize("id", ["1", "%00", "..%2f..%2fetc", ID + "0", "x" * 5000, "%ff", "null", "-1"])
async def test_an_id_that_is_none_is_refused(program: Program, id: str) -> None:
    for path in ("/v1/claims/{}", "/v1/openings/{}", "/v1/services/{}"):
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


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/waitlist", "/v1/claims/x/y/z", "/%00", "/../../etc/passwd", "//"])
async def test_a_path_that_is_not_served_is_not_found(program: Program, path: str) -> None:
    refused(await program.call("GET", path), status=frozenset({404}))
