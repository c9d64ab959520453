"""A client of the live stream that keeps its picture as docs/live.md says, and fails on any gap or doubling."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from app.access.roles import Role
from app.delivery.messages import check
from tests.support import Program

PATIENCE = 20.0


def address(program: Program) -> str:
    """Where the program's server takes sockets."""
    return str(program.house.http.base_url).replace("http", "ws", 1).rstrip("/") + "/v1/live"


def header(program: Program, role: Role) -> dict[str, str]:
    """The role's key."""
    return {"Authorization": f"Bearer {program.keys[role]}"}


def dial(program: Program, role: Role = Role.CASE_MANAGER, **options: Any) -> connect:
    """A socket as this role, which has said nothing yet."""
    return connect(
        address(program), additional_headers=header(program, role), max_size=None, compression=None, **options
    )


async def heard(socket: ClientConnection, seconds: float = PATIENCE) -> dict[str, Any]:
    """The next message, which must be one that is documented."""
    message: dict[str, Any] = orjson.loads(await asyncio.wait_for(socket.recv(), seconds))
    check(message)
    return message


async def listening(socket: ClientConnection, **wanted: Any) -> dict[str, Any]:
    """Say what is wanted; the first message."""
    await socket.send(orjson.dumps(wanted).decode())
    return await heard(socket)


@dataclass(slots=True)
class Board:
    """One client: what it shows, the number it is at, and how often it had to start from a snapshot."""

    program: Program
    role: Role
    wanted: dict[str, Any]
    openings: dict[str, dict[str, Any]] = field(default_factory=dict)
    claims: dict[str, dict[str, Any]] = field(default_factory=dict)
    matched: list[dict[str, Any]] = field(default_factory=list)
    number: int | None = None
    taken: set[int] = field(default_factory=set)
    snapshots: int = 0
    connections: int = 0
    ends: list[dict[str, Any]] = field(default_factory=list)
    socket: ClientConnection | None = None
    _told: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Listen for ever, connecting again whenever the connection is lost."""
        while True:
            try:
                async with dial(self.program, self.role) as socket:
                    self.socket = socket
                    self.connections += 1
                    resume = {} if self.number is None else {"resume_after": self.number}
                    self.take(await listening(socket, **self.wanted, **resume))
                    while True:
                        self.take(await heard(socket, 60))
            except (ConnectionClosed, InvalidHandshake, OSError, EOFError):
                self.socket = None
                await asyncio.sleep(0.05)

    def move(self, program: Program) -> None:
        """Connect to another process from now on."""
        self.program = program

    async def cut(self) -> None:
        """Lose the connection as a network does."""
        if self.socket is not None:
            self.socket.transport.abort()

    def take(self, message: dict[str, Any]) -> None:
        """Bring the picture up to date."""
        match message["type"]:
            case "snapshot":
                self.snapshots += 1
                self.taken.clear()
                self.openings = {each["opening_id"]: each for each in message["openings"]}
                self.claims = {each["claim_id"]: each for each in message["claims"]}
            case "changes" | "heartbeat":
                assert message["after"] == self.number, (message["after"], self.number)
                for item in message.get("items", []):
                    self._change(item, message)
            case "end":
                self.ends.append(message)
                return
        self.number = message["number"]
        self._told.set()

    def _change(self, item: dict[str, Any], message: dict[str, Any]) -> None:
        assert message["after"] < item["number"] <= message["number"], item
        assert item["number"] not in self.taken, f"{item['number']} came twice"
        self.taken.add(item["number"])
        if "fits" in item:
            if item["fits"]:
                self.openings[item["opening_id"]] = item["opening"]
            else:
                self.openings.pop(item["opening_id"], None)
        elif "claim" in item:
            claim = item["claim"]
            if claim["state"] in {"held", "confirmed", "arrived"}:
                self.claims[claim["claim_id"]] = claim
            else:
                self.claims.pop(claim["claim_id"], None)
        elif item["type"] == "watch.matched":
            self.matched.append(item["watch"])

    async def reaches(self, number: int) -> None:
        """Wait until it has been told up to a number."""
        async with asyncio.timeout(PATIENCE):
            while self.number is None or self.number < number:
                self._told.clear()
                await self._told.wait()

    def shows(self) -> dict[str, int]:
        """How many units it shows as open, by opening."""
        return {id: each["units_open"] for id, each in self.openings.items()}


async def latest(program: Program) -> int:
    """The newest number, once there is no event without one."""
    async with asyncio.timeout(PATIENCE):
        while True:
            async with program.house.owner.transaction(program.id, "tests", reads=True) as session:
                connection = await session.connection()
                behind = await connection.exec_driver_sql(
                    "SELECT CASE WHEN NOT EXISTS (SELECT FROM programs_behind() WHERE program_id = $1) THEN"
                    " (SELECT max(last_number) FROM log_pages WHERE program_id = $1) END",
                    (program.id,),
                )
                number: int | None = behind.scalar_one()
            if number is not None:
                return number
            await asyncio.sleep(0.02)


async def open_now(program: Program, **filters: str) -> dict[str, int]:
    """What the search says is open, by opening."""
    found: dict[str, int] = {}
    cursor = None
    while True:
        query = filters | {"limit": "200"} | ({"cursor": cursor} if cursor else {})
        page = (await program.call("GET", "/v1/openings", params=query)).json()
        found |= {each["id"]: each["units_open"] for each in page["items"]}
        cursor = page["next"]
        if cursor is None:
            return found


def at(program: Program, server: Any) -> Program:
    """The same program through another process."""
    return replace(program, house=server)
