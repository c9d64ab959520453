"""No waitlist exists: nothing that the database, the code or the API can say means "wait for your turn"."""

import enum
import importlib
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import asyncpg
import pytest

import app
from app.core.settings import Settings
from app.delivery import asyncapi
from app.delivery.vocabulary import KINDS
from app.main import create_app
from app.market.decide import Reason
from app.market.vocabulary import DECLINE_REASONS, ClaimState

WAITING = {
    "applied", "apply", "awaiting", "awaits", "backlog", "backlogged", "defer", "deferred", "enqueue", "enqueued",
    "later", "line", "pending", "pends", "place_in_line", "position", "postponed", "precedence", "priority", "queue",
    "queued", "queueing", "queuing", "requested", "review", "reviewing", "scheduled", "standby", "submitted",
    "tentative", "turn", "upcoming", "wait", "waited", "waiting", "waitlist", "waitlisted", "waits", "202",
}  # fmt: skip
"""Words that a waitlist would need."""


def says_wait(name: str) -> bool:
    """Whether one of the words of a name is one of those."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    parts = set(re.split(r"[^a-z0-9]+", words))
    return bool(parts & WAITING) or "waitlist" in words or "wait_list" in words


def check(names: set[str], *known: str) -> None:
    """Fail if one of the names says wait; and if the walk that found them can't have seen all there is."""
    assert names >= set(known), set(known) - names
    assert not [name for name in sorted(names) if says_wait(name)]


@pytest.mark.parametrize(
    "name", ["pending", "claim.queued", "queue_position", "waitList", "WaitingRoom", "/v1/waitlist", "wait-list", "202"]
)
def test_the_words_of_a_waitlist_are_known(name: str) -> None:
    assert says_wait(name)


@pytest.mark.parametrize("name", ["held", "next_lapse_at", "no_show", "await_", "units_open", "deadline", "online"])
def test_other_words_are_not_taken_for_them(name: str) -> None:
    assert not says_wait(name)


async def test_no_table_column_or_permitted_value_says_wait(shared_database: str) -> None:
    connection = await asyncpg.connect(shared_database)
    try:
        columns = await connection.fetch(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        )
        checks = await connection.fetch(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE contype = 'c' AND connamespace = 'public'::regnamespace"
        )
        labels = await connection.fetch("SELECT enumlabel FROM pg_enum")
        sources = await connection.fetch("SELECT prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace")
        states = await connection.fetchval(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'ck_claims_state_known'"
        )
    finally:
        await connection.close()
    names = {name for row in columns for name in row}
    values = {value for row in checks for value in re.findall(r"'([^']*)'", row[1])}
    constraints = {row[0] for row in checks}
    events = {event for row in sources for event in re.findall(r"'([a-z_]+\.[a-z_]*)", row[0])}
    check(names, "claims", "state", "hold_until", "unmet_needs")
    check(values, "held", "confirmed", "housing", "bed", "active")
    check(constraints, "ck_claims_state_known")
    check(events, "claim.held", "opening.changed", "claim.")
    check({row[0] for row in labels})
    assert set(re.findall(r"'([^']*)'", states)) == set(ClaimState)


def modules() -> Iterator[ModuleType]:
    """Every module of the application."""
    for found in pkgutil.walk_packages(app.__path__, "app."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def test_no_enumeration_in_the_code_says_wait() -> None:
    kinds = {
        kind
        for module in modules()
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, enum.Enum) and kind.__module__.startswith("app.")
    }
    assert {ClaimState, Reason} <= kinds
    # An action is a sentence about a role, and none of them is a state.
    check({str(member.value) for kind in kinds for member in kind}, "held", "full", "nothing_open", "housing")
    check({member.name for kind in kinds for member in kind}, "HELD", "FULL")
    check({kind.__name__ for kind in kinds})


def test_no_reason_says_wait() -> None:
    check(set(DECLINE_REASONS), "place_no_longer_available")
    check({str(reason) for reason in Reason})


def test_a_claim_has_its_place_in_every_state_before_its_end() -> None:
    assert set(ClaimState) == {
        "held", "confirmed", "arrived", "completed", "released", "expired", "declined", "no_show",
    }  # fmt: skip


def document() -> dict[str, Any]:
    return create_app(Settings(database_url="postgresql://unused"), loops=False).openapi()


def walk(part: Any) -> Iterator[tuple[str, Any]]:
    """Every key of a document with its value, however deep."""
    if isinstance(part, dict):
        for key, value in part.items():
            yield key, value
            yield from walk(value)
    elif isinstance(part, list):
        for value in part:
            yield from walk(value)


def test_nothing_in_the_api_says_wait() -> None:
    api = document()
    check(set(api["paths"]), "/v1/claims", "/v1/openings")
    check(set(api["components"]["schemas"]), "ClaimOut", "NoOpeningOut")
    properties = {name for key, value in walk(api) if key == "properties" for name in value}
    check(properties, "state", "alternatives", "unmet_need_id", "hold_until")
    values = {
        str(word)
        for key, value in walk(api)
        if key in {"enum", "const"}
        for word in (value if isinstance(value, list) else [value])
    }
    check(values, "held", "housing", "bed")
    operations = [operation for path in api["paths"].values() for operation in path.values()]
    parameters = {
        (operation["operationId"], parameter["name"])
        for operation in operations
        for parameter in operation.get("parameters", [])
    }
    # How long a poll of the log may take to answer: seconds of a connection, and nobody's turn.
    [poll] = [each for each in parameters if each[1] == "wait"]
    assert poll[0].startswith("read_events")
    check({name for _, name in parameters - {poll}}, "category", "state")
    check({each["operationId"] for each in operations})


def test_nothing_that_is_sent_live_says_wait() -> None:
    live = asyncapi.document()
    check({name for key, value in walk(live) if key == "properties" for name in value}, "watch", "opening", "fits")
    check(set(live["components"]["schemas"]), "Snapshot", "WatchMatched")
    check(set(KINDS), "watch.matched", "claim.held")
    values = {str(word) for key, value in walk(live) if key == "enum" for word in value}
    check(values, "held", "housing", "too_old")


def test_no_call_is_answered_with_accepted_for_later() -> None:
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            done = {status for status in operation["responses"] if int(status) < 400}
            # To an identity provider and back, a browser is sent on at once.
            sent_on = {"303"} if path.startswith("/v1/sign-in/openid/") else set()
            assert done <= {"200", "201"} | sent_on, (method, path)


def test_a_claim_is_held_or_refused_and_there_is_no_third_answer() -> None:
    responses = document()["paths"]["/v1/claims"]["post"]["responses"]
    assert {status for status in responses if int(status) < 400} == {"201"}
    # What else there is says that the call itself was wrong, or that nothing was done and it may be made again.
    assert set(responses) - {"201", "409"} <= {"400", "401", "403", "413", "422", "429", "503"}
