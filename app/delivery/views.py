"""Views: what a listener asked for, and what of each change it is shown. Listeners with the same view share it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from app.access.callers import Caller
from app.core.rendering import to_json
from app.delivery.frames import Frame, Item
from app.delivery.log import Entry
from app.delivery.terms import State, Terms
from app.market.needs import Need

MAX_NUMBER = 2**62


class Wanted(Need):
    """What to listen for: openings that fit a need, or one's own organization's; and one's own claims."""

    own_organization: Annotated[
        bool, Field(description="Instead: every opening of your own organization, stale and full ones too.")
    ] = False
    own_claims: Annotated[
        bool, Field(description="Also: claims that your organization made, or that are on its openings.")
    ] = False
    resume_after: Annotated[
        int | None, Field(ge=0, le=MAX_NUMBER, description="The last number you were told: go on from there.")
    ] = None

    @property
    def filters(self) -> str:
        """The same text for all who ask the same."""
        return self.model_dump_json(exclude={"resume_after"}, exclude_defaults=True)


@dataclass(frozen=True, slots=True)
class Change:
    """An opening's newest state in a batch, with its terms now and before the batch; None: those are not known."""

    entry: Entry
    state: State
    terms: Terms
    before: Terms | None


def newest(entries: Iterable[Entry]) -> dict[UUID, tuple[Entry, State, int]]:
    """The newest state of each opening in a batch, and which version its terms had before."""
    found: dict[UUID, tuple[Entry, State, int]] = {}
    for entry in entries:
        if entry.type.startswith("opening."):
            state = State.of(entry.data)
            before = entry.data.get("version_before", state.version)
            if entry.subject_id in found:
                before = min(before, found[entry.subject_id][2])
            found[entry.subject_id] = (entry, state, before)
    return found


def changes(
    found: Mapping[UUID, tuple[Entry, State, int]], now: Mapping[UUID, Terms], known: Mapping[UUID, Terms]
) -> list[Change]:
    """The changes of a batch, from the terms as they are now, and as they were known to be before."""
    made = []
    for id, (entry, state, version) in found.items():
        if id not in now:
            continue
        # What was read may be younger than the event: then only terms of just that version say what was shown.
        before = next((each for each in (now[id], known.get(id)) if each and each.version == version), None)
        made.append(Change(entry, state, now[id], before))
    return made


@dataclass(eq=False)
class View:
    """What callers of one reach who want the same are shown. `told`: the number that all were told up to."""

    caller: Caller
    wanted: Wanted
    told: int
    listeners: set[Any] = field(default_factory=set)

    @staticmethod
    def key(caller: Caller, wanted: Wanted) -> tuple[Any, ...]:
        """What two listeners must have in common to share a view."""
        return (caller.role, caller.organization_id, caller.scopes, wanted.filters)

    def frame(self, number: int, now: str, items: list[Item]) -> Frame:
        """The next frame for everyone who is up to date."""
        frame = Frame(self.told, number, now, items)
        self.told = number
        return frame

    def items(self, changes: Iterable[Change], claims: Iterable[Entry], moment: datetime) -> list[Item]:
        """What this view is shown of a batch, in order."""
        shown = [item for change in changes if (item := self._opening(change, moment))]
        if self.wanted.own_claims:
            shown += [claim_item(entry) for entry in claims if self._own(entry)]
        shown.sort(key=lambda item: item.number)
        return shown

    def _own(self, entry: Entry) -> bool:
        ours = self.caller.organization_id
        return ours in (entry.organization_id, entry.worker_organization_id) and entry.seen_by(self.caller)

    def _opening(self, change: Change, moment: datetime) -> Item | None:
        if not change.entry.seen_by(self.caller):
            return None
        if self.wanted.own_organization:
            fits = not change.state.withdrawn
            concerned = change.state.organization_id == self.caller.organization_id
        else:
            served = change.terms.fit(self.wanted)
            fits = served and change.state.claimable(self.wanted, moment, change.terms.immediacy)
            # What its terms were before decides whether it may be on someone's screen. Unknown: it may be.
            concerned = served or change.before is None or change.before.fit(self.wanted)
        if not concerned:
            return None
        entry = change.entry
        head = {"number": entry.number, "at": entry.at, "type": entry.type, "fits": fits, "opening_id": change.state.id}
        if fits:
            head["opening"] = shown(entry.data, change.terms, self.wanted)
        return Item(f"opening {change.state.id}", entry.number, to_json(head).decode())


def shown(facts: dict[str, Any], terms: Terms, wanted: Wanted) -> dict[str, Any]:
    """An opening as snapshot and changes show it."""
    distance = terms.distance_km(wanted.near)
    facts = {name: value for name, value in facts.items() if not name.endswith("_before")}
    return (
        facts
        | {"units_open": facts["units_total"] - facts["units_taken"]}
        | terms.shown
        | {"distance_km": None if distance is None else round(distance, 3)}
    )


def claim_item(entry: Entry) -> Item:
    """A claim's change."""
    head = {"number": entry.number, "at": entry.at, "type": entry.type, "claim": entry.data}
    return Item(f"claim {entry.subject_id}", entry.number, to_json(head).decode())


def watch_item(entry: Entry) -> Item:
    """A change of a watch, or its match. None stands for another: what was found is what each of them names."""
    head = {"number": entry.number, "at": entry.at, "type": entry.type, "watch": entry.data}
    return Item(f"watch {entry.subject_id} {entry.number}", entry.number, to_json(head).decode())


def owners(entries: Iterable[Entry]) -> dict[UUID, list[Item]]:
    """The items about watches, by who watches."""
    found: dict[UUID, list[Item]] = {}
    for entry in entries:
        if entry.caller_id is not None:
            found.setdefault(entry.caller_id, []).append(watch_item(entry))
    return found
