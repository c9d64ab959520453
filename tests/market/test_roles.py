"""The permission table, read aloud: who may do what, and above all who may not."""

import pytest

from app.access.keys import Caller
from app.access.roles import ACROSS_ORGANIZATIONS, PERMISSIONS, Action, Role
from app.core.ids import new_id
from app.core.problems import Forbidden

WORKERS = {Role.CASE_MANAGER, Role.OUTREACH_WORKER, Role.PARTNER_SYSTEM}
WATCHERS = {Role.EVALUATOR, Role.ADVISORY_BOARD}
OUTSIDERS = {Role.OFFICER, Role.PROSECUTOR, Role.COMMUNITY_MEMBER}


def who_may(action: Action) -> set[Role]:
    """The roles that an action is for."""
    return {role for role in Role if action in PERMISSIONS[role]}


def test_every_role_is_in_the_table() -> None:
    assert set(PERMISSIONS) == set(Role)
    assert {Role.PROVIDER, Role.PROGRAM_MANAGER} | WORKERS | WATCHERS | OUTSIDERS == set(Role)


@pytest.mark.parametrize("role", sorted(OUTSIDERS))
def test_police_prosecutors_and_neighbours_read_the_programs_rules_and_nothing_else(role: Role) -> None:
    assert PERMISSIONS[role] == {Action.READ_PROGRAM}


@pytest.mark.parametrize("role", sorted(WATCHERS))
def test_evaluators_and_the_board_see_no_openings_and_no_claims(role: Role) -> None:
    assert PERMISSIONS[role] == {Action.READ_PROGRAM, Action.READ_DIRECTORY}


def test_workers_claim_and_steer_and_providers_publish_and_receive() -> None:
    for action in (Action.CLAIM, Action.STEER_CLAIM, Action.ADD_PARTICIPANT):
        assert who_may(action) == WORKERS | {Role.PROGRAM_MANAGER}
    for action in (Action.PUBLISH, Action.RECEIVE_CLAIM, Action.EDIT_DIRECTORY):
        assert who_may(action) == {Role.PROVIDER, Role.PROGRAM_MANAGER}
    for action in (Action.SEARCH, Action.READ_CLAIMS):
        assert who_may(action) == WORKERS | {Role.PROVIDER, Role.PROGRAM_MANAGER}


def test_only_the_program_manager_sets_rules_adds_organizations_and_acts_for_all() -> None:
    assert PERMISSIONS[Role.PROGRAM_MANAGER] == set(Action)
    assert who_may(Action.SET_POLICY) == who_may(Action.ADD_ORGANIZATION) == {Role.PROGRAM_MANAGER}
    assert {Role.PROGRAM_MANAGER} == ACROSS_ORGANIZATIONS


@pytest.mark.parametrize("role", Role)
def test_a_caller_is_held_to_the_table_and_told_so(role: Role) -> None:
    caller = Caller(new_id(), new_id(), new_id(), role)
    for action in Action:
        assert caller.may(action) == (role in who_may(action))
        if caller.may(action):
            caller.require(action)
        else:
            with pytest.raises(Forbidden, match=f"The role {role} may not {action}"):
                caller.require(action)


@pytest.mark.parametrize("role", Role)
def test_ones_own_is_ones_own_organization(role: Role) -> None:
    caller = Caller(new_id(), new_id(), new_id(), role)
    assert caller.acts_for(caller.organization_id)
    assert caller.acts_for(new_id()) == (role is Role.PROGRAM_MANAGER)


@pytest.mark.parametrize(
    ("word", "role"),
    [
        ("case_manager", Role.CASE_MANAGER),
        ("Case-Manager", Role.CASE_MANAGER),
        (" case manager ", Role.CASE_MANAGER),
        ("PROVIDER", Role.PROVIDER),
    ],
)
def test_a_role_is_read_with_hyphens_and_capitals_forgiven(word: str, role: Role) -> None:
    assert Role.parse(word) is role


def test_a_word_that_is_no_role_is_answered_with_all_that_are() -> None:
    with pytest.raises(ValueError, match="'sheriff' is not a role") as refused:
        Role.parse("sheriff")
    assert all(role in str(refused.value) for role in Role)
