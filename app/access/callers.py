"""The caller: a person or a system, bound to one program and one organization, and what the table lets them do."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_

from app.access.permissions import grants, in_scope
from app.access.roles import Action, Role
from app.core.problems import Forbidden


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling. `scopes`: what a key was narrowed to, None for all that its role may do.

    `session_id`: the session of a person who has signed in, None for a key.
    """

    id: UUID
    program_id: UUID
    organization_id: UUID
    role: Role
    scopes: frozenset[str] | None = None
    session_id: UUID | None = None

    def may(self, action: Action, thing: Any = None) -> bool:
        """Whether the permission table lets this caller do `action`: at all, or with `thing` if one is given."""
        if not in_scope(action, self.scopes):
            return False
        whose = grants(self.role, action)
        return bool(whose) if thing is None else any(each.holds(self, thing) for each in whose)

    def require(self, action: Action) -> None:
        """Raises Forbidden when the caller may not do `action` at all."""
        if not grants(self.role, action):
            raise Forbidden(f"The role {self.role} may not {action}.")
        if not in_scope(action, self.scopes):
            held = ", ".join(sorted(self.scopes or ())) or "none"
            raise Forbidden(f"This key may not {action}: its scopes are {held}.")

    def where(self, action: Action, model: Any) -> ColumnElement[bool]:
        """Which rows of `model` the caller may do `action` with: what `may` says of one thing, for a query."""
        whose = grants(self.role, action) if in_scope(action, self.scopes) else ()
        return or_(False, *(each.clause(self, model) for each in whose))
