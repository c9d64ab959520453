"""Roles, actions, and the one table that says which role may do which."""

from enum import StrEnum


class Role(StrEnum):
    """What a caller is to the program. A caller is bound to one program and one organization."""

    PROVIDER = "provider"
    CASE_MANAGER = "case_manager"
    OUTREACH_WORKER = "outreach_worker"
    OFFICER = "officer"
    PROSECUTOR = "prosecutor"
    COMMUNITY_MEMBER = "community_member"
    PROGRAM_MANAGER = "program_manager"
    EVALUATOR = "evaluator"
    ADVISORY_BOARD = "advisory_board"
    PARTNER_SYSTEM = "partner_system"

    @classmethod
    def parse(cls, word: str) -> "Role":
        """The role named by `word`, hyphens and capitals forgiven. Raises ValueError that lists the roles."""
        try:
            return cls(word.strip().lower().replace("-", "_").replace(" ", "_"))
        except ValueError:
            raise ValueError(f"{word!r} is not a role; the roles are {', '.join(cls)}") from None


class Action(StrEnum):
    """What a route lets a caller do."""

    READ_PROGRAM = "read the program's policy"
    SET_POLICY = "change the program's policy"
    READ_DIRECTORY = "read organizations, locations and services"
    ADD_ORGANIZATION = "add an organization"
    EDIT_DIRECTORY = "add locations and services of one's own organization"
    SEARCH = "search what is open"
    PUBLISH = "publish, change, attest and withdraw openings of one's own organization"
    ADD_PARTICIPANT = "give a participant a code"
    CLAIM = "claim for a participant"
    READ_CLAIMS = "read claims: one's own, or those on one's own organization's openings"
    STEER_CLAIM = "confirm, extend or release a claim of one's own organization's workers"
    RECEIVE_CLAIM = "record arrival, no-show, completion or decline on one's own organization's openings"


_READ = {Action.READ_PROGRAM, Action.READ_DIRECTORY}
_WORKER = _READ | {
    Action.SEARCH,
    Action.ADD_PARTICIPANT,
    Action.CLAIM,
    Action.READ_CLAIMS,
    Action.STEER_CLAIM,
}
_PROVIDER = _READ | {
    Action.SEARCH,
    Action.EDIT_DIRECTORY,
    Action.PUBLISH,
    Action.READ_CLAIMS,
    Action.RECEIVE_CLAIM,
}

PERMISSIONS: dict[Role, frozenset[Action]] = {
    Role.PROVIDER: frozenset(_PROVIDER),
    Role.CASE_MANAGER: frozenset(_WORKER),
    Role.OUTREACH_WORKER: frozenset(_WORKER),
    Role.PARTNER_SYSTEM: frozenset(_WORKER),
    Role.PROGRAM_MANAGER: frozenset(Action),
    Role.EVALUATOR: frozenset(_READ),
    Role.ADVISORY_BOARD: frozenset(_READ),
    # The golden rule: police and prosecutors learn nothing of services, and a neighbour only refers.
    Role.OFFICER: frozenset({Action.READ_PROGRAM}),
    Role.PROSECUTOR: frozenset({Action.READ_PROGRAM}),
    Role.COMMUNITY_MEMBER: frozenset({Action.READ_PROGRAM}),
}

ACROSS_ORGANIZATIONS = frozenset({Role.PROGRAM_MANAGER})
"""Roles for which "one's own organization" means every organization of the program."""
