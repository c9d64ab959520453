"""The one table of who may do what, and with whose: it reads aloud, and docs/permissions.md is written from it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, true

from app.access.roles import Action, Role


@dataclass(frozen=True, slots=True)
class Whose:
    """A named predicate: which things of the program an action reaches.

    It holds where the thing's attribute `theirs` equals the caller's attribute `ours`, in Python and in SQL alike;
    without `theirs` it holds for everything of the program.
    """

    words: str
    theirs: str | None = None
    ours: str = "organization_id"

    def holds(self, caller: Any, thing: Any) -> bool:
        """Whether `thing` is one of them."""
        return self.theirs is None or getattr(thing, self.theirs) == getattr(caller, self.ours)

    def clause(self, caller: Any, model: Any) -> ColumnElement[bool]:
        """The same as a condition on the rows of `model`."""
        if self.theirs is None:
            return true()
        clause: ColumnElement[bool] = getattr(model, self.theirs) == getattr(caller, self.ours)
        return clause


ANYONES = Whose("of the whole program")
OWN = Whose("within one's own organization", "organization_id")
CLAIMED = Whose("that workers of one's own organization made", "worker_organization_id")
RECEIVED = Whose("on openings of one's own organization", "organization_id")
MINE = Whose("of one's own", "caller_id", "id")
REFERRED = Whose("for referrals that one made oneself", "referred_by", "id")

Grants = dict[Action, Whose | tuple[Whose, ...]]

_EVERYONE: Grants = {Action.READ_SELF: ANYONES, Action.KEEP_ACCOUNT: ANYONES, Action.READ_PROGRAM: ANYONES}
_READER: Grants = _EVERYONE | {Action.READ_DIRECTORY: ANYONES}
_WORKER: Grants = _READER | {
    Action.SEARCH: ANYONES,
    Action.READ_EVENTS: ANYONES,
    Action.WATCH: MINE,
    Action.CLAIM: ANYONES,
    Action.READ_CLAIMS: CLAIMED,
    Action.STEER_CLAIM: CLAIMED,
    Action.ADD_PARTICIPANT: OWN,
    Action.READ_PARTICIPANT: OWN,
    Action.EDIT_PARTICIPANT: OWN,
    Action.FIND_PARTICIPANT: ANYONES,
    Action.KEEP_CONSENT: OWN,
    Action.READ_DISCLOSURES: OWN,
    Action.REFER: ANYONES,
    Action.WORK_REFERRAL: ANYONES,
}
_PROVIDER: Grants = _READER | {
    Action.SEARCH: ANYONES,
    Action.READ_EVENTS: ANYONES,
    Action.EDIT_DIRECTORY: OWN,
    Action.PUBLISH: OWN,
    Action.READ_CLAIMS: RECEIVED,
    Action.RECEIVE_CLAIM: RECEIVED,
    Action.MEET: RECEIVED,
}
# The golden rule: police and prosecutors learn nothing of services, and of the people they referred only whether
# contact was made and intake completed.
_JUSTICE: Grants = _EVERYONE | {Action.REFER: ANYONES, Action.FOLLOW_REFERRAL: REFERRED}

PERMISSIONS: dict[Role, Grants] = {
    Role.PROVIDER: _PROVIDER,
    Role.CASE_MANAGER: _WORKER,
    Role.OUTREACH_WORKER: _WORKER,
    Role.OFFICER: _JUSTICE,
    Role.PROSECUTOR: _JUSTICE,
    # A neighbour refers, and that is all.
    Role.COMMUNITY_MEMBER: _EVERYONE | {Action.REFER: ANYONES},
    # What a manager follows is what they referred themselves, like anyone; as a worker they see all referrals anyway.
    # Nor is a watch anybody's but its own watcher's.
    Role.PROGRAM_MANAGER: {
        **dict.fromkeys(Action, ANYONES),
        Action.FOLLOW_REFERRAL: REFERRED,
        Action.WATCH: MINE,
    },
    Role.EVALUATOR: _READER | {Action.COUNT_PARTICIPANTS: ANYONES, Action.READ_FIGURES: ANYONES},
    Role.ADVISORY_BOARD: _READER | {Action.READ_FIGURES: ANYONES},
    # A shelter's own system or an agency's: on either side of the counter, within the scopes of its key.
    Role.PARTNER_SYSTEM: _WORKER | _PROVIDER | {Action.READ_CLAIMS: (CLAIMED, RECEIVED), Action.KEEP_WEBHOOKS: MINE},
    # Runs the installation, and sees no participant data at all.
    Role.OPERATOR: _READER | {Action.REVOKE_KEYS: ANYONES, Action.CHECK_TRAIL: ANYONES},
}
"""Which role may do what, and with whose. What is not here may not be done."""

KNOWS_PEOPLE: frozenset[Action] = frozenset(
    {
        Action.ADD_PARTICIPANT,
        Action.READ_PARTICIPANT,
        Action.EDIT_PARTICIPANT,
        Action.FIND_PARTICIPANT,
        Action.KEEP_CONSENT,
        Action.READ_DISCLOSURES,
        # A referral says who somebody is beside the organization that made it, and the trail says who took it up.
        Action.REFER,
        Action.WORK_REFERRAL,
    }
)
"""What is about a person who can be told from another. An organization that serves survivors of domestic violence does
none of it, whatever the caller's role: it would join them to that organization."""

SCOPES: dict[str, frozenset[Action]] = {
    "directory:read": frozenset({Action.READ_PROGRAM, Action.READ_DIRECTORY}),
    "directory:write": frozenset({Action.EDIT_DIRECTORY}),
    "figures:read": frozenset({Action.READ_FIGURES, Action.READ_SMALL_FIGURES}),
    "openings:read": frozenset({Action.SEARCH}),
    "events:read": frozenset({Action.READ_EVENTS}),
    "watches:write": frozenset({Action.WATCH}),
    "webhooks:write": frozenset({Action.KEEP_WEBHOOKS}),
    "openings:write": frozenset({Action.PUBLISH}),
    "claims:read": frozenset({Action.READ_CLAIMS}),
    "claims:write": frozenset({Action.CLAIM, Action.STEER_CLAIM, Action.RECEIVE_CLAIM}),
    "participants:read": frozenset({Action.READ_PARTICIPANT, Action.FIND_PARTICIPANT, Action.READ_DISCLOSURES}),
    "participants:write": frozenset({Action.ADD_PARTICIPANT, Action.EDIT_PARTICIPANT, Action.KEEP_CONSENT}),
    "participants:meet": frozenset({Action.MEET}),
    "referrals:write": frozenset({Action.REFER, Action.WORK_REFERRAL}),
    "trail:read": frozenset({Action.READ_TRAIL, Action.CHECK_TRAIL}),
}
"""What a key may be narrowed to. Whoever holds a key may see who it is, whatever its scopes."""


def grants(role: Role, action: Action) -> tuple[Whose, ...]:
    """With whose things this role may do `action`; nothing: it may not."""
    granted = PERMISSIONS[role].get(action, ())
    return granted if isinstance(granted, tuple) else (granted,)


def in_scope(action: Action, scopes: frozenset[str] | None) -> bool:
    """Whether a key with these scopes reaches `action`; None is a key that was not narrowed."""
    return scopes is None or action is Action.READ_SELF or any(action in SCOPES[scope] for scope in scopes)
