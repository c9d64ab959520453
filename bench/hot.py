"""(a) Claims on one opening: the desk's batches, beside pgbench running a transaction for each claim."""

from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figure, at_least
from bench.load import Run, held
from bench.plan import Plan
from bench.raw import Raw, pgbench
from bench.servers import openberth
from bench.stage import PARTICIPANTS, SQL, Stage, staged

CLIENTS = 32
CROWD = 128


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of it saw, in claims per second, claims per transaction, and milliseconds."""

    raw: float
    folded: float
    few: Run
    few_batch: float
    many: Run
    many_batch: float
    lone_raw: float
    lone: float


class Hot:
    """Claims on one opening: a fresh one for each load, since an opening has no more than 100,000 units."""

    def __init__(self, stage: Stage, address: str, seconds: int) -> None:
        self._stage = stage
        self._address = address
        self._seconds = seconds

    def round(self) -> Round:
        """Each load once, ours and the reference in turn."""
        raw = self.raw(CLIENTS).per_second
        few, few_batch = self.ours(CLIENTS)
        folded = self.raw(CLIENTS, "claim_folded_pgbench").per_second
        many, many_batch = self.ours(CROWD)
        return Round(raw, folded, few, few_batch, many, many_batch, self.raw(1).median, self.ours(1)[0].median)

    def ours(self, connections: int) -> tuple[Run, float]:
        """Claims through the server, and how many of them went into a transaction."""
        [opening] = self._stage.publish(1)
        run = held(self._address, self._stage, [opening], connections=connections, seconds=self._seconds)
        # Every row says which transaction wrote it: no need to ask the server.
        [batch] = self._stage.psql(
            "SELECT count(*)::float / count(DISTINCT xmin::text) FROM claims WHERE opening_id = :'opening'",
            opening=opening,
        )
        return run, float(batch)

    def raw(self, clients: int, script: str = "claim_pgbench") -> Raw:
        """Claims through pgbench: valid rows, through every trigger, with an answer as long as the server's."""
        [opening] = self._stage.publish(1)
        [body] = self._stage.psql("SELECT convert_from(body, 'UTF8') FROM idempotency LIMIT 1")
        return pgbench(
            self._stage,
            (SQL / f"{script}.sql").read_text(encoding="utf-8"),
            clients=clients,
            seconds=self._seconds,
            program=self._stage.program_id,
            worker=self._stage.worker_id,
            agency=self._stage.agency_id,
            opening=opening,
            participants=PARTICIPANTS,
            fingerprint=f"\\x{'5b' * 32}",
            body=body,
        )


def measure(plan: Plan, folder: Path) -> list[Figure]:
    """The figures of a hot opening, and of a lone claim."""
    rounds = []
    with (
        staged(folder, "hot") as stage,
        openberth(folder / "hot.log", database_url=stage.url) as address,
    ):
        hot = Hot(stage, address, plan.seconds)
        hot.ours(CLIENTS)
        stage.settle()
        for nr in range(plan.rounds):
            plan.say(f"a: one opening, round {nr + 1} of {plan.rounds}")
            rounds.append(hot.round())
    return _figures(rounds)


def _figures(rounds: list[Round]) -> list[Figure]:
    few = [each.few.per_second for each in rounds]
    many = [each.many.per_second for each in rounds]
    raw = [each.raw for each in rounds]
    folded = [each.folded for each in rounds]
    ones = [1.0 for _ in rounds]
    lone, lone_raw = [each.lone for each in rounds], [each.lone_raw for each in rounds]
    return [
        Figure(f"a · claims/s, one opening, {CLIENTS} connections / pgbench", few, raw, at_least(1.5)),
        Figure(f"a · claims/s, one opening, {CROWD} connections / pgbench", many, raw, at_least(1.5)),
        Figure(f"a · claims/s, one opening, {CLIENTS} connections / pgbench, folded", few, folded, at_least(1.5)),
        Figure(f"a · claims/s, one opening, {CROWD} connections / pgbench, folded", many, folded, at_least(1.5)),
        Figure(f"a · claims in a transaction, {CLIENTS} connections", [each.few_batch for each in rounds], ones),
        Figure(f"a · claims in a transaction, {CROWD} connections", [each.many_batch for each in rounds], ones),
        Figure("a · a lone claim, median ms / pgbench", lone, lone_raw),
    ]
