"""What the OpenAPI document says is what the server does, for data that fits it and for data that doesn't."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CheckFunction
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.access.roles import Role
from app.core.database import Database
from app.core.settings import Settings
from app.main import create_app
from tests.conftest import Clone
from tests.serving import served
from tests.support import Program, new_program

CHECKS: list[CheckFunction] = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

# The document needs no database: the address is only used once the application starts.
DOCUMENT = create_app(Settings(database_url="postgresql://unused"), loops=False).openapi()
# A stream never ends, so there is no answer to compare.
thorough = schemathesis.openapi.from_dict(DOCUMENT).exclude(path="/v1/live")
brief = schemathesis.openapi.from_dict(DOCUMENT).exclude(path="/v1/live")
# Boundary values of every field are sent once; whose key is on them makes no difference to how they are read.
brief.config.phases.coverage.enabled = False


@dataclass(frozen=True, slots=True)
class Contract:
    """A server, a program on it, and what exists there under the names that the document's parameters have."""

    address: str
    program: Program
    known: dict[str, str]
    session: requests.Session


@pytest.fixture(scope="module")
async def contract(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Contract]:
    async with clone() as url:
        owner = Database(url, pool_size=2, as_owner=True)
        log = tmp_path_factory.mktemp("contract") / "server.log"
        # All of it comes from one address.
        async with served(url, log, owner=owner, rate_limit_address="off") as server:
            program = await new_program(server)
            opening = await program.opening(100_000)
            claim = await program.held(opening)
            location = await program.made("/v1/locations", {"organization_id": str(program.provider_id)})
            known = {
                "organization_id": str(program.provider_id),
                "location_id": location["id"],
                "service_id": opening["service_id"],
                "opening_id": opening["id"],
                "claim_id": claim["id"],
                "bundle_id": claim["bundle_id"],
                "participant": claim["participant"],
            }
            with requests.Session() as session:
                yield Contract(str(server.http.base_url), program, known, session)
        await owner.close()


def ground(value: Any, known: dict[str, str]) -> Any:
    """The same data, but with names of things that exist: made-up ones never get past the first look-up."""
    if isinstance(value, dict):
        return {
            name: known[name] if name in known and isinstance(part, str) else ground(part, known)
            for name, part in value.items()
        }
    if isinstance(value, list):
        return [ground(part, known) for part in value]
    return value


def fits(case: schemathesis.Case[Any]) -> bool:
    """Whether the case is meant to be data that the document allows."""
    return case.meta is not None and case.meta.generation.mode.is_positive


def examine(case: schemathesis.Case[Any], contract: Contract, role: Role) -> None:
    if fits(case):
        case.path_parameters = ground(case.path_parameters, contract.known)
        case.body = ground(case.body, contract.known)
    # As a page of ours, for what is open to nobody else's.
    headers = {"Authorization": f"Bearer {contract.program.keys[role]}", "Origin": "http://127.0.0.1:8000"}
    case.call_and_validate(
        base_url=contract.address, session=contract.session, headers=headers, checks=CHECKS, timeout=30
    )


bounded = settings(
    max_examples=10,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@thorough.parametrize()
@bounded
def test_a_program_manager_meets_what_is_documented(case: schemathesis.Case[Any], contract: Contract) -> None:
    examine(case, contract, Role.PROGRAM_MANAGER)


@brief.parametrize()
@bounded
def test_a_case_manager_meets_what_is_documented(case: schemathesis.Case[Any], contract: Contract) -> None:
    examine(case, contract, Role.CASE_MANAGER)
