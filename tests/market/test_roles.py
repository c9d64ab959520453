"""The permission table, read aloud: who may do what, and above all who may not."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from app.access.callers import Caller
from app.access.permissions import KNOWS_PEOPLE, PERMISSIONS, SCOPES, grants
from app.access.roles import Action, Role
from app.casework.participants import Participant
from app.core.ids import new_id
from app.core.problems import Forbidden, NamesNobody

WORKERS = {Role.CASE_MANAGER, Role.OUTREACH_WORKER, Role.PARTNER_SYSTEM}
RECEIVERS = {Role.PROVIDER, Role.PARTNER_SYSTEM}
JUSTICE = {Role.OFFICER, Role.PROSECUTOR}
MANAGER = {Role.PROGRAM_MANAGER}
ANYBODY = {Action.READ_SELF, Action.KEEP_ACCOUNT, Action.READ_PROGRAM}


def who_may(action: Action) -> set[Role]:
    """The roles that an action is for."""
    return {role for role in Role if grants(role, action)}


def caller_of(role: Role, scopes: frozenset[str] | None = None) -> Caller:
    """A caller of this role."""
    return Caller(new_id(), new_id(), new_id(), role, scopes)


def test_every_role_is_in_the_table() -> None:
    assert set(PERMISSIONS) == set(Role)


@pytest.mark.parametrize("role", sorted(JUSTICE))
def test_police_and_prosecutors_refer_and_learn_of_it_what_the_golden_rule_allows(role: Role) -> None:
    assert set(PERMISSIONS[role]) == ANYBODY | {Action.REFER, Action.FOLLOW_REFERRAL}


def test_a_neighbour_refers_and_learns_nothing_of_it() -> None:
    assert set(PERMISSIONS[Role.COMMUNITY_MEMBER]) == ANYBODY | {Action.REFER}


def test_evaluators_and_the_board_see_no_openings_and_no_claims() -> None:
    figures = {Action.READ_DIRECTORY, Action.READ_FIGURES}
    assert set(PERMISSIONS[Role.ADVISORY_BOARD]) == ANYBODY | figures
    assert set(PERMISSIONS[Role.EVALUATOR]) == ANYBODY | figures | {Action.COUNT_PARTICIPANTS}


def test_whoever_runs_the_installation_sees_nobody() -> None:
    allowed = ANYBODY | {Action.READ_DIRECTORY, Action.REVOKE_KEYS, Action.CHECK_TRAIL}
    assert set(PERMISSIONS[Role.OPERATOR]) == allowed


def test_workers_claim_and_steer_and_providers_publish_and_receive() -> None:
    for action in (Action.CLAIM, Action.WATCH, Action.STEER_CLAIM, Action.ADD_PARTICIPANT, Action.READ_PARTICIPANT):
        assert who_may(action) == WORKERS | MANAGER
    for action in (Action.PUBLISH, Action.RECEIVE_CLAIM, Action.EDIT_DIRECTORY, Action.MEET):
        assert who_may(action) == RECEIVERS | MANAGER
    for action in (Action.SEARCH, Action.READ_CLAIMS, Action.READ_EVENTS):
        assert who_may(action) == WORKERS | RECEIVERS | MANAGER


def test_only_the_program_manager_sets_rules_adds_organizations_and_lets_people_in() -> None:
    assert set(PERMISSIONS[Role.PROGRAM_MANAGER]) == set(Action)
    for action in (
        *(Action.SET_POLICY, Action.ADD_ORGANIZATION),
        *(Action.MAKE_KEYS, Action.INVITE_PEOPLE, Action.SET_SIGN_IN),
    ):
        assert who_may(action) == MANAGER


@pytest.mark.parametrize("role", Role)
def test_a_caller_is_held_to_the_table_and_told_so(role: Role) -> None:
    caller = caller_of(role)
    for action in Action:
        assert caller.may(action) == (role in who_may(action))
        if caller.may(action):
            caller.require(action)
        else:
            with pytest.raises(Forbidden, match=f"The role {role} may not {action}"):
                caller.require(action)


@pytest.mark.parametrize("role", Role)
def test_a_claim_is_on_two_sides_of_the_counter(role: Role) -> None:
    caller = caller_of(role)
    ours, theirs = caller.organization_id, new_id()
    claimed = SimpleNamespace(worker_organization_id=ours, organization_id=theirs)
    received = SimpleNamespace(worker_organization_id=theirs, organization_id=ours)
    neither = SimpleNamespace(worker_organization_id=theirs, organization_id=theirs)
    assert caller.may(Action.STEER_CLAIM, claimed) == (role in WORKERS | MANAGER)
    assert caller.may(Action.RECEIVE_CLAIM, received) == (role in RECEIVERS | MANAGER)
    for action in (Action.READ_CLAIMS, Action.STEER_CLAIM, Action.RECEIVE_CLAIM):
        assert caller.may(action, neither) == (role in MANAGER)
    assert caller.may(Action.STEER_CLAIM, received) == caller.may(Action.RECEIVE_CLAIM, claimed) == (role in MANAGER)


def test_scopes_narrow_what_a_key_reaches_and_never_widen_it() -> None:
    for scope, within in SCOPES.items():
        for role in Role:
            narrowed, whole = caller_of(role, frozenset({scope})), caller_of(role)
            for action in Action:
                expected = whole.may(action) and (action in within or action is Action.READ_SELF)
                assert narrowed.may(action) == expected
    with pytest.raises(Forbidden, match="its scopes are openings:read"):
        caller_of(Role.CASE_MANAGER, frozenset({"openings:read"})).require(Action.CLAIM)


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


@pytest.mark.parametrize("role", list(Role))
def test_whoever_serves_survivors_knows_nobody_and_does_all_else_that_their_role_may(role: Role) -> None:
    caller = caller_of(role)
    sheltered = replace(caller, serves_survivors=True)
    whose = SimpleNamespace(organization_id=caller.organization_id, worker_organization_id=caller.organization_id)
    for action in Action:
        if action not in KNOWS_PEOPLE:
            assert sheltered.may(action) == caller.may(action)
            continue
        assert not sheltered.may(action)
        assert not sheltered.may(action, whose)
        assert str(sheltered.where(action, Participant)) == "false"
        if caller.may(action):
            with pytest.raises(NamesNobody, match="one-time code"):
                sheltered.require(action)
