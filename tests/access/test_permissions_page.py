"""docs/permissions.md: it says what the table says, all of it, in sentences."""

import re

import pytest

from app.access.permissions import ANYONES, OWN, PERMISSIONS, SCOPES, grants
from app.access.roles import Action, Role
from app.cli.permissions import name_of, page, sentence


def section(role: Role) -> str:
    """What the page says of a role."""
    heading = name_of(role).partition(" ")[2].capitalize()
    found = re.search(rf"^## {heading}\n(.*?)(?=^## )", page(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("role", Role)
def test_a_role_is_told_all_that_it_may_do_and_nothing_else(role: Role) -> None:
    said = section(role)
    lines = {line.removeprefix("- ").rstrip(";.") for line in said.splitlines() if line.startswith("- ")}
    assert lines == {sentence(role, action) for action in PERMISSIONS[role]}
    assert len(lines) == len(PERMISSIONS[role])
    assert said.rstrip().endswith(".")


def test_the_matrix_marks_what_the_table_grants() -> None:
    rows = {
        cells[1].strip(): [cell.strip() for cell in cells[2:-1]]
        for line in page().splitlines()
        if len(cells := line.split("|")) == len(Role) + 3
    }
    for action in Action:
        for role, mark in zip(Role, rows[action], strict=True):
            granted = grants(role, action)
            assert mark == ("" if not granted else "●" if ANYONES in granted else "○"), (role, action)


def test_every_scope_is_there_with_what_it_reaches() -> None:
    for scope, actions in SCOPES.items():
        row = next(line for line in page().splitlines() if line.startswith(f"| `{scope}` |"))
        assert set(row.split("|")[2].strip().split("; ")) == {str(action) for action in actions}


def test_it_reads_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "A case manager may\n" in page()
    assert "- confirm, extend or release claims that workers of one's own organization made;" in page()
    assert "An officer may\n" in page()
    monkeypatch.setitem(PERMISSIONS[Role.EVALUATOR], Action.PUBLISH, OWN)
    assert "- publish, change, attest and withdraw openings within one's own organization;" in section(Role.EVALUATOR)
