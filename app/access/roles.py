"""Roles, and the actions that routes let callers take. Who may do which is in `permissions.py`."""

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
    OPERATOR = "operator"

    @classmethod
    def parse(cls, word: str) -> "Role":
        """The role named by `word`, hyphens and capitals forgiven. Raises ValueError that lists the roles."""
        try:
            return cls(word.strip().lower().replace("-", "_").replace(" ", "_"))
        except ValueError:
            raise ValueError(f"{word!r} is not a role; the roles are {', '.join(cls)}") from None


class Action(StrEnum):
    """What a route lets a caller do, worded to follow "may"."""

    READ_SELF = "see who one is to the program"
    KEEP_ACCOUNT = "keep one's own account: password, second factors, sessions and notices"
    READ_PROGRAM = "read the program's policy"
    SET_POLICY = "change the program's policy"
    READ_FIGURES = "read the program's figures"
    READ_SMALL_FIGURES = "read figures of fewer than eleven, and of this very moment"
    READ_DIRECTORY = "read organizations, locations and services"
    ADD_ORGANIZATION = "add an organization"
    EDIT_DIRECTORY = "add locations and services, and change what the directory says"
    SEARCH = "search what is open"
    READ_EVENTS = "hear of what happens, as far as one may read it"
    WATCH = "watch for openings"
    KEEP_WEBHOOKS = "keep webhooks, which send what one may see"
    PUBLISH = "publish, change, attest and withdraw openings"
    CLAIM = "claim places"
    READ_CLAIMS = "read claims"
    STEER_CLAIM = "confirm, extend or release claims"
    RECEIVE_CLAIM = "record arrival, no-show, completion or decline"
    MEET = "learn who is coming"
    ADD_PARTICIPANT = "give a participant a code"
    READ_PARTICIPANT = "read who a participant is"
    EDIT_PARTICIPANT = "write down who a participant is"
    FIND_PARTICIPANT = "look a participant up by what is known of them"
    KEEP_CONSENT = "record, read and revoke consents"
    COUNT_PARTICIPANTS = "count participants by what they say of themselves"
    READ_DISCLOSURES = "read to whom a participant was disclosed"
    REFER = "refer a person to the program"
    FOLLOW_REFERRAL = "see whether contact was made and intake completed"
    WORK_REFERRAL = "take up referrals and record contact and intake"
    INVITE_PEOPLE = "invite people, change their roles and end their access"
    SET_SIGN_IN = "say with which identity providers people sign in"
    MAKE_KEYS = "make and rotate keys"
    REVOKE_KEYS = "see keys and people without what they hold, and revoke keys"
    READ_TRAIL = "read and export the trail"
    CHECK_TRAIL = "verify the trail"
