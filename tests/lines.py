"""What a line of tests/expectations.py says: whose thing a route is called with, and who reaches it from where."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from app.access.roles import Role

Roles = frozenset[Role]

NOBODY: Roles = frozenset()

# Places to stand, and what is told there.


class Org(StrEnum):
    """An organization of the world that is called."""

    AGENCY = "agency"
    OTHER_AGENCY = "other agency"
    PROVIDER = "provider"
    OTHER_PROVIDER = "other provider"
    POLICE = "police"
    PROSECUTION = "prosecution"
    SHELTER = "shelter for survivors"


AGENCY, PROVIDER, POLICE, SHELTER = Org.AGENCY, Org.PROVIDER, Org.POLICE, Org.SHELTER
ANOTHER = {AGENCY: Org.OTHER_AGENCY, PROVIDER: Org.OTHER_PROVIDER, POLICE: Org.PROSECUTION}


class Secret(StrEnum):
    """What is told by some routes to some, and by no other route to anybody."""

    IDENTITY = "who a participant is"
    CONSENT = "what a consent says"
    REFERENCE = "an agency's own number for a participant"
    REFERRED = "who is referred"
    FOLLOWED = "a referrer's own number for a referral"
    PLACE = "a masked place"
    STAFF = "a person's name or address"


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose thing is in the path or the body, where the caller stands, and which roles reach it there.

    `by_caller`: the thing was made by the caller themself. `nameless`: the body names no participant.
    """

    whose: Org
    standing: Org
    roles: Roles
    by_caller: bool = False
    nameless: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """Which rows of a table a list holds: for `all` every one, for others those where a column is theirs."""

    table: str
    all: Roles
    columns: Mapping[str, Roles] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """What is expected of one route.

    `body` and `params` hold things by name, such as "{service_id}". `claim` is the state that the claim in the path is
    in. `tells`: what whoever reaches it is told, `tells_own`: what those who stand in the thing's organization are told
    besides. `rows`: what a list holds. `answers`: the answer where it isn't success. `names`: what is in the path is a
    name that the caller's own program gives. `scope`: the one that a narrowed key must have; None: no such key reaches
    it. `first`: what a person does before. `account`: it is a person's own. `public`: it is open to whoever asks.
    """

    reach: tuple[Reach, ...] = ()
    body: Any = None
    form: Mapping[str, str] | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    claim: str = "held"
    tells: frozenset[Secret] = frozenset()
    tells_own: frozenset[Secret] = frozenset()
    rows: Rows | None = None
    answers: frozenset[int] = frozenset({200, 201})
    names: bool = False
    scope: str | None = None
    first: str = ""
    account: bool = False
    public: bool = False

    def under(self, scope: str) -> "Line":
        """The same, and of narrowed keys one with this scope alone reaches it."""
        return replace(self, scope=scope)

    def telling(self, *secrets: Secret) -> "Line":
        """The same, and whoever reaches it is told these."""
        return replace(self, tells=frozenset(secrets))

    def telling_own(self, *secrets: Secret) -> "Line":
        """The same, and whoever reaches it from the thing's own organization is told these."""
        return replace(self, tells_own=frozenset(secrets))

    def but_a_shelter(self, *, nameless: Roles = NOBODY) -> "Line":
        """The same about a person: from a shelter for survivors nobody reaches it, or these when they name nobody."""
        elsewhere = tuple(each for each in self.reach if each.standing is not SHELTER)
        whose = elsewhere[0].whose
        shelter = (Reach(whose, SHELTER, NOBODY), Reach(whose, SHELTER, nameless, nameless=True))
        return replace(self, reach=elsewhere + (shelter if nameless else shelter[:1]))

    def roles(self) -> Roles:
        """Which roles reach it with anything at all."""
        return NOBODY.union(*(each.roles for each in self.reach))


def of(whose: Org, *, own: Roles, others: Roles, **more: Any) -> Line:
    """A thing of one organization: who reaches it there, and who from another organization."""
    return Line((Reach(whose, whose, own), Reach(whose, ANOTHER[whose], others)), **more)


def anywhere(roles: Roles, whose: Org = AGENCY, **more: Any) -> Line:
    """It makes no odds whose it is, nor where the caller stands."""
    return of(whose, own=roles, others=roles, **more)


def participant(*, own: Roles, others: Roles, **more: Any) -> Line:
    """A participant of the agency's, or what is theirs, consents too."""
    reach = (Reach(AGENCY, AGENCY, own), Reach(AGENCY, Org.OTHER_AGENCY, others), Reach(AGENCY, PROVIDER, others))
    return Line(reach, **more).but_a_shelter()


def claim(*, worker: Roles, provider: Roles, others: Roles, **more: Any) -> Line:
    """A claim: who reaches it where the worker is who made it, at the provider, and anywhere else."""
    reach = (
        Reach(PROVIDER, PROVIDER, provider),
        Reach(PROVIDER, AGENCY, worker),
        Reach(PROVIDER, Org.OTHER_AGENCY, others),
        Reach(PROVIDER, Org.OTHER_PROVIDER, others),
    )
    return Line(reach, **more)


def mine(roles: Roles, whose: Org = POLICE, *, others: Roles = NOBODY, **more: Any) -> Line:
    """What the caller made: a colleague's is not theirs, nor anybody else's, but for the `others` who reach all."""
    reach = (
        Reach(whose, whose, roles, by_caller=True),
        Reach(whose, whose, others),
        Reach(whose, ANOTHER[whose], others),
    )
    return Line(reach, **more)


def listed(table: str, *, all: Roles, **columns: Roles) -> Line:
    """A list: whoever sees any of it may ask, and is shown their part of it."""
    asking = NOBODY.union(all, *columns.values())
    standing = (AGENCY, Org.OTHER_AGENCY, PROVIDER, POLICE, SHELTER)
    return Line(tuple(Reach(AGENCY, each, asking) for each in standing), rows=Rows(table, all, columns))


def account(*, first: str = "", body: Any = None, answers: int = 200) -> Line:
    """A person's own: of whoever has signed in, whatever their role. A key has no account, which is a true 404."""
    return Line(account=True, first=first, body=body, answers=frozenset({answers}))


def public(answers: int = 200, **more: Any) -> Line:
    """Open to whoever asks. What is asked here leads nowhere, and is told so in the same words to all."""
    return Line(public=True, answers=frozenset({answers}), **more)
