"""Hostile and malformed bodies: each gets a 4xx problem document that names the field, and never a stack trace."""

from uuid import uuid4

import pytest
from httpx import Response

from tests.hostile import BEYOND_64_BITS, HUGE, ID, refused
from tests.support import Program


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
    "units in words": (
        "/v1/claims",
        raw(participant='"P"', items=f'[{{"opening_id": "{ID}", "units": "2"}}]'),
        ["items.0.units"],
    ),
    "units that are true": (
        "/v1/claims",
        raw(participant='"P"', items=f'[{{"opening_id": "{ID}", "units": true}}]'),
        ["items.0.units"],
    ),
    "an age in words": (
        "/v1/claims",
        raw(participant='"P"', items='[{"find": {"category": "housing", "age": "40", "within_km": "5"}}]'),
        ["items.0.find.age", "items.0.find.within_km"],
    ),
    "a total in words": ("/v1/openings", raw(service_id=f'"{ID}"', unit='"bed"', units_total='"5"'), ["units_total"]),
    "a latitude in words": (
        "/v1/locations",
        raw(organization_id=f'"{ID}"', latitude='"47.6"', longitude='"-122.3"'),
        ["latitude", "longitude"],
    ),
    "yes for true": ("/v1/organizations", raw(name='"a"', serves_survivors='"yes"'), ["serves_survivors"]),
    "1 for true": ("/v1/organizations", raw(name='"a"', serves_survivors="1"), ["serves_survivors"]),
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
