"""What a listener is sent: frames of changes, rendered once for all who see the same."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode

from app.core.rendering import to_json


@dataclass(frozen=True, slots=True)
class Item:
    """One change, ready to be sent. A newer one with the same key says all that an older one did."""

    key: str
    number: int
    text: str


@dataclass(eq=False)
class Frame:
    """Everything that concerns a listener of the numbers after `after`, up to `number`. Without items it says only
    that nothing did: a heartbeat."""

    after: int
    number: int
    now: str
    items: Sequence[Item]
    folded: int = 0

    @cached_property
    def text(self) -> str:
        """As a WebSocket message. Made once, and shared by all who get it."""
        if not self.items:
            return f'{{"type":"heartbeat","after":{self.after},"number":{self.number},"now":"{self.now}"}}'
        items = ",".join(item.text for item in self.items)
        folded = f',"folded":{self.folded}' if self.folded else ""
        return (
            f'{{"type":"changes","after":{self.after},"number":{self.number},"now":"{self.now}"{folded},'
            f'"items":[{items}]}}'
        )

    @cached_property
    def wire(self) -> bytes:
        """The same as a server's socket carries it, shared like the text. It is not compressed, which a socket that
        has agreed to compression takes as well (RFC 7692, 6)."""
        return WebSocketFrame(Opcode.TEXT, self.text.encode()).serialize(mask=False)

    @cached_property
    def size(self) -> int:
        """Roughly its length."""
        return 100 + sum(len(item.text) for item in self.items)

    def since(self, told: int) -> "Frame":
        """The same for someone who was told up to a number that lies inside, or does not reach it."""
        if told == self.after:
            return self
        return Frame(told, self.number, self.now, [item for item in self.items if item.number > told], self.folded)

    def along_with(self, more: Iterable[Item]) -> "Frame":
        """The same with further items, in order."""
        items = sorted([*self.items, *more], key=lambda item: item.number)
        return Frame(self.after, self.number, self.now, items, self.folded)

    def then(self, later: "Frame") -> "Frame":
        """Both in one: of each thing only the newest."""
        newest = {item.key: item for item in (*self.items, *later.items)}
        items = sorted(newest.values(), key=lambda item: item.number)
        folded = self.folded + later.folded + len(self.items) + len(later.items) - len(items)
        return Frame(self.after, later.number, later.now, items, folded)


def written(moment: datetime) -> str:
    """A time as frames have it."""
    return moment.isoformat().replace("+00:00", "Z")


def message(document: dict[str, Any]) -> str:
    """Any other message: a snapshot, or a farewell."""
    return to_json(document).decode()
