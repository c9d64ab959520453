"""docs/permissions.md, written from the permission table."""

from app.access.permissions import ANYONES, KNOWS_PEOPLE, SCOPES, grants
from app.access.roles import Action, Role

_HEAD = """\
# Who may do what

Written by `make spec` from the one table in `app/access/permissions.py`; `make check` finds it out of date.

Whatever is not said here may not be done. Where nothing narrower is said, it reaches the whole program, and nothing
reaches beyond: every caller belongs to one program.
"""


def page() -> str:
    """The whole page."""
    roles = "\n".join(_section(role) for role in Role)
    return f"{_HEAD}\n{roles}\n{_matrix()}\n{_for_survivors()}\n{_scopes()}"


def name_of(role: Role) -> str:
    """The role in words, with its article."""
    words = role.replace("_", " ")
    words = {Role.ADVISORY_BOARD: "advisory-board member"}.get(role, words)
    return f"{'an' if words[0] in 'aeio' else 'a'} {words}"


def sentence(role: Role, action: Action) -> str | None:
    """What the table lets the role do, worded to follow "may"; None when it may not."""
    granted = grants(role, action)
    if not granted:
        return None
    if ANYONES in granted:
        return str(action)
    return f"{action} {', or '.join(whose.words for whose in granted)}"


def _section(role: Role) -> str:
    said = [sentence(role, action) for action in Action]
    lines = [f"- {each};" for each in said if each is not None]
    lines[-1] = lines[-1].removesuffix(";") + "."
    name = name_of(role)
    heading = name.partition(" ")[2].capitalize()
    return "\n".join([f"## {heading}", "", f"{name.capitalize()} may", "", *lines, ""])


def _matrix() -> str:
    """Actions by roles."""
    heads = [name_of(role).partition(" ")[2] for role in Role]
    lines = [
        "## At a glance",
        "",
        "● throughout the program · ○ only some of it, as said above",
        "",
        f"| may | {' | '.join(heads)} |",
        f"| --- |{' :-: |' * len(heads)}",
    ]
    for action in Action:
        marks = ["" if not (g := grants(role, action)) else "●" if ANYONES in g else "○" for role in Role]
        lines.append(f"| {action} | {' | '.join(marks)} |")
    return "\n".join([*lines, ""])


def _for_survivors() -> str:
    """What an organization that serves survivors takes from every role."""
    lines = [
        "## In an organization that serves survivors",
        "",
        "Nothing may join a person to an organization that serves survivors of domestic violence (see"
        " [golden-rule.md](golden-rule.md)).",
        "So whatever their role, its callers claim without a participant, and may not",
        "",
        *(f"- {action};" for action in Action if action in KNOWS_PEOPLE),
    ]
    lines[-1] = lines[-1].removesuffix(";") + "."
    return "\n".join([*lines, ""])


def _scopes() -> str:
    """What a key may be narrowed to."""
    lines = [
        "## Scopes",
        "",
        "A key with scopes may do what its role may and one of its scopes reaches, and see who it is. No scope reaches"
        " what is",
        "not listed here.",
        "",
        "| scope | reaches |",
        "| --- | --- |",
    ]
    for scope, actions in SCOPES.items():
        reached = [str(action) for action in Action if action in actions]
        lines.append(f"| `{scope}` | {'; '.join(reached)} |")
    return "\n".join([*lines, ""])
