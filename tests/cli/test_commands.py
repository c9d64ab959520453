"""The commands that set up a program: migrate, demo, program, key, doctor, spec; and their errors."""

import json
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import asyncpg

from app.access.roles import Role
from tests.cli.terminal import openberth
from tests.conftest import Server


async def test_demo_prints_a_key_for_each_role_and_can_be_repeated(own_database: str) -> None:
    first = await openberth("demo", OPENBERTH_DATABASE_URL=own_database)
    again = await openberth("demo", OPENBERTH_DATABASE_URL=own_database)
    assert (first.status, again.status) == (0, 0), first.err + again.err
    for role in Role:
        assert role in first.out
    connection = await asyncpg.connect(own_database)
    openings = await connection.fetch("SELECT fresh_until > now() AS fresh FROM openings")
    await connection.close()
    assert len(openings) == 8
    assert all(row["fresh"] for row in openings)


async def test_demo_attests_again_what_has_gone_stale(own_database: str) -> None:
    await openberth("demo", OPENBERTH_DATABASE_URL=own_database)
    connection = await asyncpg.connect(own_database)
    await connection.execute("UPDATE openings SET fresh_until = now() - interval '1 day'")
    await openberth("demo", OPENBERTH_DATABASE_URL=own_database)
    stale = await connection.fetchval("SELECT count(*) FROM openings WHERE fresh_until < now()")
    await connection.close()
    assert stale == 0


async def test_a_key_is_printed_as_exactly_what_was_promised(own_database: str) -> None:
    await openberth("demo", OPENBERTH_DATABASE_URL=own_database)
    create = ("key", "create", "--program", "demo", "--role")
    provider = await openberth(*create, "provider", "--json", OPENBERTH_DATABASE_URL=own_database)
    manager = await openberth(*create, "Case-Manager", "--json", OPENBERTH_DATABASE_URL=own_database)
    named = await openberth(
        *create, "provider", "--json", "--organization", "cedar-recovery", OPENBERTH_DATABASE_URL=own_database
    )
    documents = [json.loads(done.out) for done in (provider, manager, named)]
    assert all(list(each) == ["id", "key", "role", "program_id", "organization_id"] for each in documents)
    assert [each["role"] for each in documents] == ["provider", "case_manager", "provider"]
    assert len({each["organization_id"] for each in documents}) == 3
    assert all(UUID(each["id"]) for each in documents)


async def test_keys_are_narrowed_listed_and_revoked(own_database: str) -> None:
    url = {"OPENBERTH_DATABASE_URL": own_database}
    await openberth("demo", **url)
    create = ("key", "create", "--program", "demo", "--role", "partner_system", "--json")
    narrow = ("--scope", "openings:read", "--scope", "claims:read", "--name", "Shelter net", "--expires-days", "90")
    made = await openberth(*create, *narrow, **url)
    key = json.loads(made.out)
    assert list(key) == ["id", "key", "role", "program_id", "organization_id"]
    before = await openberth("key", "list", "--program", "demo", **url)
    row = next(line for line in before.out.splitlines() if key["id"] in line)
    for words in (key["key"].rpartition("_")[0][:18], "Shelter net", "claims:read openings:read", "opens until"):
        assert words in row
    assert key["key"] not in before.out
    revoked = await openberth("key", "revoke", key["id"], **url)
    again = await openberth("key", "revoke", key["id"], **url)
    assert (revoked.status, again.status) == (0, 0)
    after = await openberth("key", "list", "--program", "demo", **url)
    assert "revoked" in next(line for line in after.out.splitlines() if key["id"] in line)
    connection = await asyncpg.connect(own_database)
    rows = await connection.fetch("SELECT action, actor FROM audit WHERE subject_id = $1 ORDER BY id", UUID(key["id"]))
    days = await connection.fetchval("SELECT expires_at - created_at FROM keys WHERE id = $1", UUID(key["id"]))
    await connection.close()
    assert [tuple(row) for row in rows] == [("key.created", "operator"), ("key.revoked", "operator")]
    assert timedelta(days=89) < days <= timedelta(days=90)


async def test_what_makes_or_ends_no_key_is_explained(own_database: str) -> None:
    url = {"OPENBERTH_DATABASE_URL": own_database}
    await openberth("demo", **url)
    create = ("key", "create", "--program", "demo", "--role", "provider")
    scope = await openberth(*create, "--scope", "everything", **url)
    nobody = await openberth("key", "revoke", str(UUID(int=7)), **url)
    nowhere = await openberth("key", "list", "--program", "nowhere", **url)
    assert [done.status for done in (scope, nobody, nowhere)] == [1, 1, 1]
    assert "openings:read" in scope.err
    assert "openberth key list" in nobody.err
    assert "'nowhere'" in nowhere.err
    assert "Traceback" not in scope.err + nobody.err + nowhere.err


async def test_the_machine_invites_operators_and_anyone_again(own_database: str) -> None:
    url = {"OPENBERTH_DATABASE_URL": own_database, "OPENBERTH_PUBLIC_URL": "https://berths.example.org"}
    await openberth("demo", **url)
    invite = ("person", "invite", "--program", "demo", "--email", "Op@Example.org", "--role", "operator")
    first, again = await openberth(*invite, **url), await openberth(*invite, **url)
    assert (first.status, again.status) == (0, 0), first.err + again.err
    links = [done.out.strip().splitlines()[-1] for done in (first, again)]
    assert all(link.startswith("https://berths.example.org/invitation#") for link in links)
    connection = await asyncpg.connect(own_database)
    people = await connection.fetch("SELECT role, email FROM people WHERE email LIKE 'op@%'")
    hashes = await connection.fetch("SELECT hash FROM invitations")
    traced = await connection.fetch(
        "SELECT DISTINCT actor FROM audit JOIN people ON people.id = subject_id"
        " WHERE action = 'person.invited' AND email LIKE 'op@%'"
    )
    await connection.close()
    assert [tuple(row) for row in people] == [("operator", "op@example.org")]
    assert [row["hash"] for row in hashes] == [sha256(links[1].split("#")[1].encode()).digest()]
    assert [row["actor"] for row in traced] == ["operator"]
    wrong = await openberth("person", "invite", "--program", "demo", "--email", "nobody", "--role", "officer", **url)
    assert (wrong.status, "'nobody' is no e-mail address" in wrong.err) == (1, True)


async def test_wrong_names_are_explained(own_database: str) -> None:
    url = {"OPENBERTH_DATABASE_URL": own_database}
    role = await openberth("key", "create", "--program", "demo", "--role", "wizard", **url)
    program = await openberth("key", "create", "--program", "nowhere", "--role", "officer", **url)
    zone = await openberth("program", "create", "x", "--name", "X", "--time-zone", "Mars/Olympus", **url)
    format = await openberth("import", "hud-hoc", __file__, **url)
    assert [done.status for done in (role, program, zone, format)] == [1, 1, 1, 1]
    assert "case_manager" in role.err
    assert "'nowhere'" in program.err
    assert "America/Los_Angeles" in zone.err
    assert "hud-hic" in format.err
    assert "Traceback" not in role.err + program.err + zone.err + format.err


async def test_a_new_program_gets_a_managers_key_once(own_database: str) -> None:
    create = ("program", "create", "santa-fe", "--name", "Santa Fe", "--time-zone", "America/Denver")
    first = await openberth(*create, OPENBERTH_DATABASE_URL=own_database)
    again = await openberth(*create, OPENBERTH_DATABASE_URL=own_database)
    assert (first.status, again.status) == (0, 1)
    assert "program_manager" in first.out
    assert "already" in again.err


async def test_doctor_is_content_with_a_sound_database(own_database: str) -> None:
    await openberth("demo", OPENBERTH_DATABASE_URL=own_database)
    done = await openberth("doctor", OPENBERTH_DATABASE_URL=own_database)
    # The tests' own server has fsync off, which the doctor rightly minds; all else must be in order.
    wrong = [line for line in done.out.splitlines() if "✗" in line]
    assert [line for line in wrong if "Durability" not in line] == []
    assert "all 8 openings count what is claimed on them" in done.out
    assert "0 on, 0 paused, 0 switched off" in done.out


async def test_doctor_says_when_nothing_numbers_and_which_webhooks_fail(own_database: str) -> None:
    await openberth("demo", OPENBERTH_DATABASE_URL=own_database)
    superuser = await asyncpg.connect(own_database.replace("openberth_owner", "postgres", 1))
    await superuser.execute("SET session_replication_role = replica")
    await superuser.execute("UPDATE events SET at = at - interval '1 hour' WHERE id = (SELECT min(id) FROM events)")
    for state, because, since in (("on", None, "2026-11-20 10:00Z"), ("paused", None, None), ("off", "failing", None)):
        await superuser.execute(
            "INSERT INTO webhooks (program_id, id, caller_id, organization_id, name, url, filter, secret, state,"
            " off_because, failing_since, after_number) SELECT program_id, gen_random_uuid(), id, organization_id,"
            " 'One', 'https://example.org', '{}', '', $1, $2, $3::text::timestamptz, 0 FROM keys LIMIT 1",
            *(state, because, since),
        )
    await superuser.close()
    done = await openberth("doctor", OPENBERTH_DATABASE_URL=own_database)
    assert done.status == 1
    assert "nothing numbers: run `openberth serve` or `openberth work`" in done.out
    assert "1 on, 1 paused, 1 switched off; 1 of those on fail, the first since 2026-11-20 10:00 UTC" in done.out


async def test_doctor_finds_a_count_that_is_wrong(server: Server, own_database: str) -> None:
    await openberth("demo", OPENBERTH_DATABASE_URL=own_database)
    # Only a superuser can get around the triggers.
    superuser = await asyncpg.connect(own_database.replace("openberth_owner", "postgres", 1))
    await superuser.execute("SET session_replication_role = replica")
    broken = await superuser.fetchval(
        "UPDATE openings SET units_taken = 1 WHERE id = (SELECT min(id::text)::uuid FROM openings) RETURNING id"
    )
    await superuser.close()
    done = await openberth("doctor", OPENBERTH_DATABASE_URL=own_database)
    assert done.status == 1
    assert str(broken) in done.out


async def test_doctor_and_serve_say_what_an_unmigrated_database_needs(server: Server) -> None:
    await server.admin("CREATE DATABASE unmigrated OWNER openberth_owner")
    url = server.url("unmigrated")
    doctor = await openberth("doctor", OPENBERTH_DATABASE_URL=url)
    demo = await openberth("demo", OPENBERTH_DATABASE_URL=url)
    migrate = await openberth("migrate", OPENBERTH_DATABASE_URL=url)
    after = await openberth("demo", OPENBERTH_DATABASE_URL=url)
    await server.admin("DROP DATABASE unmigrated WITH (FORCE)")
    assert (doctor.status, demo.status, migrate.status, after.status) == (1, 1, 0, 0)
    assert "openberth migrate" in doctor.out
    assert "openberth migrate" in demo.err


async def test_a_database_that_is_not_there_is_explained() -> None:
    done = await openberth("doctor", OPENBERTH_DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    assert done.status == 1
    assert "can't be reached" in done.out
    assert "Traceback" not in done.err


async def test_the_generated_files_are_what_the_code_says() -> None:
    done = await openberth("spec", "--check", OPENBERTH_DATABASE_URL="postgresql://")
    assert done.status == 0, done.err
    for file in ("openapi/openapi.json", "docs/permissions.md"):
        assert (Path(__file__).parents[2] / file).exists()
        assert f"{Path(file).name} is up to date" in done.out
