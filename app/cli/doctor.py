"""The doctor: is the installation sound, does every count equal its claims, do trail and log hold and keep up?"""

from dataclasses import dataclass

import asyncpg

from app import schema
from app.access.canon import Head
from app.cli import trail
from app.core.database import APP_ROLE, plain_url
from app.core.keyring import MasterKeys
from app.home import Home, NotReady, revision

OLDEST = 150000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    good: bool
    words: str


async def examine(home: Home, noted: dict[str, Head], masters: MasterKeys | None) -> list[Finding]:
    """Look at everything; where the database can't be reached, that is the only finding.

    `noted` are heads of trails noted earlier, by program: they must still be in their chains.
    """
    try:
        found = await revision(home.owner_url)
    except NotReady as error:
        return [Finding("Database", False, str(error))]
    connection = await asyncpg.connect(plain_url(home.owner_url))
    try:
        findings = [await _version(connection), await _role(connection)]
        head = schema.head()
        words = f"at {found}" if found == head else f"at {found or 'nothing'}, needs {head}: run `openberth migrate`"
        findings.append(Finding("Schema", found == head, words))
        if found == head:
            findings += [
                await _row_security(connection),
                await _counts(connection),
                await _keys(connection, masters),
                await _durable(connection),
                await _log(connection),
                await _webhooks(connection),
            ]
            findings += [Finding("Trail", good, words) for good, words in await trail.findings(home, noted)]
        return findings
    finally:
        await connection.close()


async def _version(connection: asyncpg.Connection) -> Finding:
    number = int(await connection.fetchval("SHOW server_version_num"))
    words = f"PostgreSQL {number // 10000}" + ("" if number >= OLDEST else "; Openberth needs 15 or later")
    return Finding("Database", number >= OLDEST, words)


async def _role(connection: asyncpg.Connection) -> Finding:
    role = await connection.fetchrow(
        "SELECT rolsuper OR rolbypassrls AS above FROM pg_roles WHERE rolname = $1", APP_ROLE
    )
    if role is None:
        return Finding("Roles", False, f"no role {APP_ROLE}: run `openberth migrate`")
    if role["above"]:
        return Finding(
            "Roles",
            False,
            f"{APP_ROLE} can bypass row-level security: ALTER ROLE {APP_ROLE} NOSUPERUSER NOBYPASSRLS",
        )
    try:
        async with connection.transaction(readonly=True):
            await connection.execute(f"SET LOCAL ROLE {APP_ROLE}")
    except asyncpg.InsufficientPrivilegeError:
        return Finding("Roles", False, f"requests can't run as {APP_ROLE}: GRANT {APP_ROLE} TO the login role")
    return Finding("Roles", True, f"requests run as {APP_ROLE}, which row-level security binds")


async def _row_security(connection: asyncpg.Connection) -> Finding:
    bare = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        " AND relname <> 'alembic_version' AND NOT relrowsecurity ORDER BY relname"
    )
    words = f"without it: {', '.join(row['relname'] for row in bare)}" if bare else "on every table"
    return Finding("Row-level security", not bare, words)


async def _counts(connection: asyncpg.Connection) -> Finding:
    wrong = await connection.fetch(
        "SELECT o.program_id, o.id, o.units_taken, coalesce(sum(c.units), 0) AS claimed FROM openings o"
        " LEFT JOIN claims c ON c.program_id = o.program_id AND c.opening_id = o.id"
        " AND c.state IN ('held', 'confirmed', 'arrived')"
        " GROUP BY o.program_id, o.id HAVING o.units_taken <> coalesce(sum(c.units), 0) ORDER BY o.id"
    )
    if not wrong:
        openings = await connection.fetchval("SELECT count(*) FROM openings")
        return Finding("Counts", True, f"all {openings} openings count what is claimed on them")
    first = wrong[0]
    return Finding(
        "Counts",
        False,
        f"{len(wrong)} openings are wrong; {first['id']} counts {first['units_taken']} and has {first['claimed']}",
    )


async def _keys(connection: asyncpg.Connection, masters: MasterKeys | None) -> Finding:
    used = {row["master_id"] for row in await connection.fetch("SELECT DISTINCT master_id FROM data_keys")}
    missing = sorted(used if masters is None else {id for id in used if id not in masters})
    if missing:
        return Finding("Master keys", False, f"{', '.join(missing)} lacking: what they keep can't be read")
    if masters is None:
        return Finding("Master keys", True, "none, so who participants are can't be stored; set OPENBERTH_MASTER_KEYS")
    return Finding("Master keys", True, "every program's data key can be unwrapped")


async def _durable(connection: asyncpg.Connection) -> Finding:
    off = [name for name in ("fsync", "full_page_writes") if await connection.fetchval(f"SHOW {name}") == "off"]
    commit = await connection.fetchval("SHOW synchronous_commit")
    if commit == "off":
        off.append("synchronous_commit")
    words = f"{', '.join(off)} off: a 201 can be lost" if off else "commits reach the disk before they are answered"
    return Finding("Durability", not off, words)


async def _log(connection: asyncpg.Connection) -> Finding:
    row = await connection.fetchrow(
        "SELECT count(*) AS events, min(e.at) AS oldest, max(e.at) AS newest FROM programs_behind() b"
        " LEFT JOIN LATERAL (SELECT l.at FROM log_pages l WHERE l.program_id = b.program_id"
        " ORDER BY l.last_number DESC LIMIT 1) page ON true"
        " JOIN events e ON e.program_id = b.program_id AND e.at > coalesce(page.at, '-infinity')"
    )
    assert row is not None, "an aggregate has a row"
    if not row["events"]:
        return Finding("Log", True, "every event has its number")
    words = f"{row['events']} events without a number, the oldest of {row['oldest']:%Y-%m-%d %H:%M} UTC"
    # Not by the clock, as with the trail: what was stopped in the middle of work left some, and nothing is wrong.
    late = row["newest"] - row["oldest"] > trail.TOO_OLD
    if late:
        words += "; nothing numbers: run `openberth serve` or `openberth work`"
    return Finding("Log", not late, words)


async def _webhooks(connection: asyncpg.Connection) -> Finding:
    """Never bad: whose endpoint fails must mend it, and is told."""
    row = await connection.fetchrow(
        "SELECT count(*) FILTER (WHERE state = 'on') AS running, count(*) FILTER (WHERE state = 'paused') AS paused,"
        " count(*) FILTER (WHERE state = 'off') AS off, min(failing_since) FILTER (WHERE state = 'on') AS since,"
        " count(failing_since) FILTER (WHERE state = 'on') AS failing FROM webhooks"
    )
    assert row is not None, "an aggregate has a row"
    words = f"{row['running']} on, {row['paused']} paused, {row['off']} switched off"
    if row["failing"]:
        words += f"; {row['failing']} of those on fail, the first since {row['since']:%Y-%m-%d %H:%M} UTC"
    return Finding("Webhooks", True, words)
