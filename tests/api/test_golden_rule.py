"""The golden rule, attacked: whoever refers learns whether contact was made and intake completed, and nothing else.

Unmistakable values are planted wherever the program keeps anything, and whole lives are led (tests/planted.py). Then an
officer, a colleague of theirs, a prosecutor and a neighbour call every route that the OpenAPI document has, with every
id there is, and every byte that they get is searched. A new route is attacked without being named here.
"""

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from httpx import Response

from app.access.roles import Role
from tests.planted import UUIDS, Life, Referrer, led
from tests.support import EVERY_ANSWER, Program, told_in_headers

NOBODY = "01900000-0000-7000-8000-000000000000"

# The attack.

SENSELESS: list[Any] = ["", "0", "-1", "null", "' OR true --", "%00", "../", "x" * 300, "*", "[]", "NaN"]
Variant = dict[str, Any]


class Document:
    """The OpenAPI document, and requests made up from it: with what there is, and with what makes no sense."""

    def __init__(self, life: Life, document: dict[str, Any]) -> None:
        self._life = life
        self._document = document
        self._ids = sorted({id for ids in life.things.values() for id in ids if UUIDS.fullmatch(id)})

    def requests(self) -> Iterator[tuple[str, str, Variant]]:
        """Every method and path, with every id there is; and with ids of its own kind in every way to ask."""
        for path, operations in self._document["paths"].items():
            if path == "/v1/live":
                # An answer without an end, for whoever may listen: tests/live/test_events.py sees who may not.
                continue
            kindred = {NOBODY, *self._life.things.get(path.removeprefix("/v1/").partition("/")[0], [])}
            for id, filled in self._paths(path):
                every = id is None or id in kindred
                for method, operation in operations.items():
                    for variant in islice(self._variants(operation), None if every else 1):
                        yield method.upper(), filled, variant
                for other in ("HEAD", "OPTIONS", "DELETE") if every else ():
                    yield other, filled, {}
        for nowhere in ("/v1/", "/v1/referrals/", "/v1/referrals/mine/", "/v1/referrals?open=true", "/v1/participant"):
            yield "GET", nowhere, {}

    def _paths(self, path: str) -> Iterator[tuple[str | None, str]]:
        if "{" not in path:
            yield None, path
            return
        for id in (*self._ids, NOBODY, "mine", "senseless"):
            yield id, re.sub(r"\{[^}]*\}", id, path)

    def _variants(self, operation: dict[str, Any]) -> Iterator[Variant]:
        queries: list[Variant] = [{}]
        parameters = [each for each in operation.get("parameters", []) if each["in"] == "query"]
        for parameter in parameters:
            sensible = self._values(parameter["name"], parameter["schema"])
            queries += [{parameter["name"]: value} for value in (*sensible, *SENSELESS[:4])]
        queries.append({parameter["name"]: SENSELESS[4] for parameter in parameters})
        # What nobody documented: filters and orders that might be there all the same.
        queries.append({"sort": "contacted_at", "order": "desc", "state": "taken_in", "contact_made": "true", "q": "a"})
        body = operation.get("requestBody")
        if body is None:
            yield from ({"params": query} for query in queries)
            return
        for media, content in body["content"].items():
            sample = self._sample("", content["schema"])
            if "json" not in media:
                yield {"content": urlencode(sample), "headers": {"Content-Type": media}}
                continue
            senseless: list[Any] = [{}, [], None, "senseless", {"no": "sense"}]
            yield from ({"json": each} for each in (sample, *senseless))
            yield {"content": b"{", "headers": {"Content-Type": "application/json"}}
            yield {"json": sample, "headers": {"If-Match": "*"}}

    def _schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in schema:
            resolved: Any = self._document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                resolved = resolved[part]
            return self._schema(resolved)
        for several in ("anyOf", "oneOf", "allOf"):
            if several in schema:
                return self._schema(schema[several][0])
        return schema

    def _values(self, name: str, schema: dict[str, Any]) -> list[Any]:
        schema = self._schema(schema)
        if "enum" in schema:
            return [value for value in schema["enum"] if value is not None]
        if schema.get("format") == "uuid":
            return self._ids
        if name == "participant":
            return self._life.things["codes"]
        known: dict[str, list[Any]] = {"integer": [1, 10_000], "number": [1, 0.5], "boolean": ["true", "false"]}
        return known.get(schema.get("type", ""), ["2026-11-24T12:00:00Z", "47.6,-122.3", "pets"])

    def _sample(self, name: str, schema: dict[str, Any]) -> Any:
        """A body that fits, as far as the schema says."""
        schema = self._schema(schema)
        if schema.get("type") == "object":
            properties = schema.get("properties", {})
            return {each: self._sample(each, part) for each, part in properties.items() if name != "find"}
        if schema.get("type") == "array":
            return [self._sample(name, schema["items"])] if "items" in schema else []
        return self._values(name, schema)[0]


def bytes_of(response: Response) -> str:
    """Every byte of an answer, in small letters: status line, headers and body."""
    headers = "\n".join(f"{name.decode('latin-1')}: {value.decode('latin-1')}" for name, value in response.headers.raw)
    body = response.content.decode("utf-8", "replace")
    return f"{response.status_code} {response.reason_phrase}\n{headers}\n{body}".lower()


def found_in(response: Response, secrets: dict[str, str]) -> set[str]:
    """The secrets in an answer that were not in the request itself."""
    answer = bytes_of(response)
    asked = f"{response.request.url} {response.request.content.decode('utf-8', 'replace')}".lower()
    return {secret for secret in secrets if secret.lower() in answer and secret.lower() not in asked}


async def attack(life: Life, key: str, secrets: dict[str, str]) -> dict[str, set[str]]:
    """Every request there is under this key: which secrets came out, and of which calls."""
    document = life.program.house.app.openapi()  # type: ignore[attr-defined]  # the house of these tests has its app
    leaked: dict[str, set[str]] = {}
    for method, path, variant in Document(life, document).requests():
        headers = {"Authorization": f"Bearer {key}"} | variant.get("headers", {})
        if method in {"POST", "PATCH"}:
            headers["Idempotency-Key"] = str(uuid4())
        request = {name: value for name, value in variant.items() if name != "headers"}
        response = await life.program.house.http.request(method, path, headers=headers, **request)
        assert response.status_code < 500, f"{method} {path} {variant}: {response.text}"
        if out := found_in(response, secrets):
            leaked.setdefault(f"{method} {path}", set()).update(out)
    return leaked


@pytest.mark.timeout(300)
async def test_nobody_who_refers_gets_a_byte_of_what_was_planted(program: Program) -> None:
    life = await led(program)
    assert len(life.words) > 60
    assert len(life.seen) > 60
    for who in life.referrers:
        leaked = await attack(life, who.key, life.secrets_from(who))
        assert leaked == {}, who.role


async def test_the_same_attack_finds_what_was_planted_for_those_who_may_see_it(program: Program) -> None:
    """Else the search above could be blind."""
    life = await led(program)
    out = set().union(*(await attack(life, program.keys[Role.CASE_MANAGER], life.secrets_from(None))).values())
    places = {where for word, where in life.words.items() if word in out}
    assert places >= {
        "an organization's name",
        "a service's description",
        "a location's city",
        "a latitude",
        "a person's name",
        "a person's contact",
        "a referral's note",
    }
    assert life.things["codes"][0] in out
    assert set(life.things["referrals"]) <= out


# What they do learn.


async def ask(life: Life, who: Referrer, path: str, **params: Any) -> Response:
    """A question under their key."""
    headers = {"Authorization": f"Bearer {who.key}"}
    return await life.program.house.http.get(path, headers=headers, params=params)


async def test_answers_about_people_with_different_histories_differ_in_two_booleans(program: Program) -> None:
    life = await led(program)
    answers = []
    for made in life.officer.referrals:
        response = await ask(life, life.officer, f"/v1/referrals/mine/{made['id']}")
        assert response.status_code == 200
        body = response.text.replace(made["id"], "ID").replace(made["reference"], "REFERENCE")
        answers.append((body, told_in_headers(response)))
    assert [body for body, _ in answers] == [
        json.dumps(
            {"id": "ID", "reference": "REFERENCE", "contact_made": contact, "intake_completed": intake},
            separators=(",", ":"),
        )
        for contact, intake in [(False, False), (True, False), (True, True), (False, False), (True, False)]
    ]
    assert all(headers == answers[0][1] for _, headers in answers)
    assert {name for name, _ in answers[0][1]} == {b"content-type", b"ratelimit-policy"} | EVERY_ANSWER


async def test_the_list_is_in_the_order_of_making_and_each_sees_their_own(program: Program) -> None:
    life = await led(program)
    for who in (life.officer, life.colleague, life.prosecutor):
        listed = (await ask(life, who, "/v1/referrals/mine")).json()
        assert [each["id"] for each in listed["items"]] == [made["id"] for made in who.referrals]
        assert all(set(each) == {"id", "reference", "contact_made", "intake_completed"} for each in listed["items"])


async def test_no_filter_and_no_order_that_is_asked_for_changes_the_list(program: Program) -> None:
    life = await led(program)
    plain = await ask(life, life.officer, "/v1/referrals/mine")
    for name in ("open", "sort", "order", "state", "kind", "contact_made", "intake_completed", "participant_id", "q"):
        for value in ("true", "closed", "-contacted_at", life.things["codes"][0]):
            assert (await ask(life, life.officer, "/v1/referrals/mine", **{name: value})).content == plain.content


async def test_somebody_elses_referral_is_refused_like_one_that_never_was(program: Program) -> None:
    life = await led(program)
    answers = set()
    for id in (life.officer.referrals[2]["id"], life.neighbour.referrals[0]["id"], life.things["claims"][0], NOBODY):
        response = await ask(life, life.colleague, f"/v1/referrals/mine/{id}")
        assert response.status_code == 404
        answers.add((response.text.replace(id, "ID"), *told_in_headers(response)))
    assert len(answers) == 1


async def test_a_neighbour_is_told_that_it_was_made_and_no_more(program: Program) -> None:
    life = await led(program)
    for path in ("/v1/referrals/mine", f"/v1/referrals/mine/{life.neighbour.referrals[0]['id']}"):
        assert (await ask(life, life.neighbour, path)).status_code == 403
