"""The caller: a person or a system, bound to one program and one organization, and what the table lets them do."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_

from app.access.permissions import KNOWS_PEOPLE, Whose, grants, in_scope
from app.access.roles import Action, Role
from app.core.problems import Forbidden, NamesNobody

NAMES_NOBODY = (
    "Your organization serves survivors of domestic violence, so nothing here may join a person to it (VAWA, 34 U.S.C."
    " 12291(b)(2); FVPSA, 42 U.S.C. 10406(c)(5)): claim without a participant; the person goes by a one-time code."
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling. `scopes`: what a key was narrowed to, None for all that its role may do.

    `session_id`: the session of a person who has signed in, None for a key. `serves_survivors`: their organization
    serves survivors of domestic violence, which never changes: they know nobody by an identifier, whatever their role.
    """

    id: UUID
    program_id: UUID
    organization_id: UUID
    role: Role
    scopes: frozenset[str] | None = None
    session_id: UUID | None = None
    serves_survivors: bool = False

    def may(self, action: Action, thing: Any = None) -> bool:
        """Whether the permission table lets this caller do `action`: at all, or with `thing` if one is given."""
        whose = self._whose(action)
        return bool(whose) if thing is None else any(each.holds(self, thing) for each in whose)

    def require(self, action: Action) -> None:
        """Raises Forbidden when the caller may not do `action` at all."""
        if not grants(self.role, action):
            raise Forbidden(f"The role {self.role} may not {action}.")
        if not in_scope(action, self.scopes):
            held = ", ".join(sorted(self.scopes or ())) or "none"
            raise Forbidden(f"This key may not {action}: its scopes are {held}.")
        if self.serves_survivors and action in KNOWS_PEOPLE:
            raise NamesNobody(NAMES_NOBODY)

    def where(self, action: Action, model: Any) -> ColumnElement[bool]:
        """Which rows of `model` the caller may do `action` with: what `may` says of one thing, for a query."""
        return or_(False, *(each.clause(self, model) for each in self._whose(action)))

    def _whose(self, action: Action) -> tuple[Whose, ...]:
        barred = self.serves_survivors and action in KNOWS_PEOPLE
        return grants(self.role, action) if in_scope(action, self.scopes) and not barred else ()
