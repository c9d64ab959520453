"""A form that changes what is there: what it showed, what was typed over it, and what somebody else did meanwhile."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter

from app.core.problems import BadRequest

_WAS = TypeAdapter(dict[str, str])


@dataclass(frozen=True, slots=True)
class Edit:
    """What a form sent. `fields`: how things are now, with what was typed over them; `mine`: the names of what was
    typed. `both`: when somebody else changed something since the form was filled in, each field that either of the two
    changed: its name, how it is now, and how it would be; nothing may be written then."""

    fields: dict[str, str]
    mine: frozenset[str]
    version: int
    both: list[tuple[str, str, str]]


def edited(sent: Mapping[str, str], now: Mapping[str, str], version: int) -> Edit:
    """What a form changes of what is at `version` now. It says in `was` and `version` what it was filled in for, and
    what it leaves as it was stays as anybody else left it. Raises BadRequest."""
    try:
        was, shown = _WAS.validate_json(sent.get("was", "")), int(sent.get("version", ""))
    except ValueError:
        raise BadRequest("The form does not say what it was filled in for. Open it again.") from None
    # A text of several lines comes with the line ends of the wire.
    typed = {name: sent[name].replace("\r\n", "\n") for name in now if name in sent}
    mine = {name: value for name, value in typed.items() if value.strip() != was.get(name, "").strip()}
    fields = {**now, **mine}
    both = []
    if mine and shown != version:
        theirs = {name for name in now if now[name] != was.get(name)}
        both = [(name, now[name], fields[name]) for name in now if name in mine or name in theirs]
    return Edit(fields, frozenset(mine), shown, both)
