"""What the app role may not do, whatever statement a request would send: other programs, counts, the trail."""

from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest
from asyncpg import InsufficientPrivilegeError

from app.core.ids import new_id
from tests.ledger import Ledger, as_app, open_ledger

TENANTS = (
    "programs",
    "organizations",
    "locations",
    "services",
    "openings",
    "participants",
    "bundles",
    "claims",
    "unmet_needs",
    "board_samples",
    "events",
    "log_pages",
    "watches",
    "webhooks",
    "webhook_deliveries",
    "webhook_tries",
    "audit",
    "idempotency",
    "audit_seals",
    "audit_chains",
    "keys",
    "key_secrets",
    "data_keys",
    "consents",
    "disclosures",
    "referrals",
    "people",
    "invitations",
    "sessions",
    "devices",
    "challenges",
    "sign_in_failures",
    "passwords",
    "totp",
    "recovery_codes",
    "passkeys",
    "identity_providers",
    "openid_subjects",
    "notice_choices",
    "push_subscriptions",
    "push_keys",
    "notices",
)
SEALED = ("identities", "identity_marks", "demographics")
"""Tables that the app role reaches through functions alone."""


@pytest.fixture
async def ledger(shared_database: str) -> AsyncIterator[Ledger]:
    connection = await asyncpg.connect(shared_database)
    yield await _furnished(connection)
    await connection.close()


async def _furnished(connection: "asyncpg.Connection[asyncpg.Record]") -> Ledger:
    """A program with a row in every table."""
    ledger = await open_ledger(connection)
    claim = await ledger.claim(await ledger.opening(3))
    await _disclosed(ledger, claim)
    await ledger.run(
        "INSERT INTO locations (program_id, id, organization_id, location_type) VALUES ($1, $2, $3, 'virtual')",
        new_id(),
        ledger.organization_id,
    )
    await ledger.run(
        "INSERT INTO unmet_needs (program_id, id, at, category, units, reason, filters)"
        " VALUES ($1, $2, clock_timestamp(), 'housing', 1, 'full', '{}')",
        new_id(),
    )
    await ledger.run(
        "INSERT INTO keys (program_id, id, organization_id, role, hash)"
        " VALUES ($1, $2, $3, 'provider', sha256(uuid_send($2)))",
        key_id := new_id(),
        ledger.organization_id,
    )
    await ledger.run(
        "INSERT INTO key_secrets (program_id, id, key_id, kind, hash, expires_at)"
        " VALUES ($1, $2, $2, 'token', sha256(uuid_send($2)), clock_timestamp() + interval '1 h')",
        key_id,
    )
    await ledger.run(
        "INSERT INTO idempotency (program_id, caller_id, key, fingerprint, status, body)"
        " VALUES ($1, $2, 'k', '', 201, '')",
        new_id(),
    )
    async with connection.transaction():
        await connection.execute("SELECT set_config('openberth.program_id', $1, true)", str(ledger.program_id))
        await ledger.run("SELECT seal_trail($1, 1000)")
    await ledger.run(
        "INSERT INTO referrals (program_id, id, kind, referred_by, referrer_role, organization_id, person)"
        " VALUES ($1, $2, 'diversion', $2, 'officer', $3, 'sealed')",
        new_id(),
        ledger.organization_id,
    )
    person_id = new_id()
    await ledger.run(
        "INSERT INTO people (program_id, id, organization_id, role, email, name)"
        " VALUES ($1, $2, $3, 'case_manager', 'a@example.org', 'A')",
        person_id,
        ledger.organization_id,
    )
    for table, columns in OF_PERSON.items():
        names, values = ", ".join(columns), ", ".join(columns.values())
        await ledger.run(f"INSERT INTO {table} (program_id, person_id, {names}) VALUES ($1, $2, {values})", person_id)
    await ledger.run("INSERT INTO push_keys (program_id, public_key, private_key) VALUES ($1, '', '')")
    await ledger.run("INSERT INTO sign_in_failures VALUES ($1, '', 1, now(), now())")
    await ledger.run(
        "INSERT INTO identity_providers (program_id, slug, name, issuer, client_id) VALUES ($1, 'a', 'A', 'a', 'a')"
    )
    await ledger.run(
        "INSERT INTO watches (program_id, id, caller_id, organization_id, need, until)"
        " VALUES ($1, $2, $2, $3, '{}', now() + interval '1 h')",
        new_id(),
        ledger.organization_id,
    )
    await ledger.run(
        "INSERT INTO webhooks (program_id, id, caller_id, organization_id, name, url, filter, secret, after_number)"
        " VALUES ($1, $2, $2, $3, 'w', 'https://w.example', '{}', '', 0)",
        webhook_id := new_id(),
        ledger.organization_id,
    )
    await ledger.run(
        "INSERT INTO webhook_deliveries (program_id, id, webhook_id, lane, type, body)"
        " VALUES ($1, $2, $2, $2, 't', '{}')",
        webhook_id,
    )
    await ledger.run(
        "INSERT INTO webhook_tries (program_id, delivery_id, nr, at, url) VALUES ($1, $2, 1, now(), 'w')", webhook_id
    )
    async with as_app(ledger.connection, ledger.program_id) as app:
        await app.fetch("SELECT * FROM number_events(1000, false)")
        await app.fetch("SELECT sample_board()")
    return ledger


CONSENT = """
INSERT INTO consents (program_id, id, participant_id, organization_id, recorded_by, text_version, kinds, disclosers,
                      recipients, treating_providers, expiry, signed_on, sealed)
SELECT $1, $2, participant_id, $3, $1, 'x', ARRAY['name'], ARRAY[$3::uuid], ARRAY[$3::uuid], false, 'event',
       current_date, '' FROM bundles WHERE program_id = $1
"""
DISCLOSURE = """
INSERT INTO disclosures (program_id, id, participant_id, organization_id, caller_id, claim_id, consent_id, kinds,
                         statement)
SELECT $1, $2, participant_id, $3, $1, $4, $5, $6, 'x' FROM bundles WHERE program_id = $1
"""


async def _disclosed(ledger: Ledger, claim: UUID) -> UUID:
    """What casework keeps: someone's identity, what they say of themselves, and a disclosure; the consent's id."""
    await ledger.move(claim, "confirmed")
    consent = new_id()
    await ledger.run(CONSENT, consent, ledger.organization_id)
    await ledger.run(DISCLOSURE, new_id(), ledger.organization_id, claim, consent, ["name"])
    await ledger.run("INSERT INTO data_keys (program_id, id, master_id, wrapped) VALUES ($1, $2, 'm', '')", new_id())
    await ledger.run(
        "INSERT INTO identities (program_id, participant_id, sealed) SELECT $1, participant_id, 'sealed' FROM bundles"
        " WHERE program_id = $1"
    )
    await ledger.run(
        "INSERT INTO identity_marks (program_id, participant_id, mark) SELECT $1, participant_id, 'mark' FROM bundles"
        " WHERE program_id = $1"
    )
    await ledger.run("INSERT INTO demographics (program_id, subject, language) VALUES ($1, $2, 'en')", new_id())
    return consent


_RANDOM = "uuid_send(gen_random_uuid())"
OF_PERSON = {
    "invitations": {"hash": _RANDOM, "expires_at": "now()"},
    "sessions": {
        "id": "gen_random_uuid()", "hash": _RANDOM, "device": "''", "idle_until": "now()", "expires_at": "now()",
    },
    "devices": {"hash": _RANDOM, "expires_at": "now()"},
    "challenges": {
        "id": "gen_random_uuid()", "hash": _RANDOM, "kind": "'passkey'", "data": "'{}'", "expires_at": "now()",
    },
    "passwords": {"hash": "''"},
    "totp": {"secret": "''"},
    "recovery_codes": {"hashes": "'{}'"},
    "passkeys": {
        "id": "gen_random_uuid()", "credential_id": _RANDOM, "public_key": "''", "sign_count": "0", "name": "''",
    },
    "openid_subjects": {"issuer": "'a'", "subject": "gen_random_uuid()::text"},
    "notice_choices": {"language": "'en'"},
    "push_subscriptions": {
        "id": "gen_random_uuid()", "endpoint_hash": _RANDOM, "sealed": "''", "device": "''",
    },
    "notices": {
        "id": "gen_random_uuid()", "kind": "'test'", "subject_id": "gen_random_uuid()", "moment": "now()",
        "channel": "'email'", "destination": "gen_random_uuid()", "useful_until": "now()",
    },
}  # fmt: skip
"""What is a person's: its columns besides whose it is, each as an SQL expression."""


async def test_every_table_is_under_row_level_security(ledger: Ledger) -> None:
    rows = await ledger.connection.fetch(
        "SELECT relname, relrowsecurity FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        " AND relname <> 'alembic_version'"
    )
    assert {row["relname"] for row in rows} >= {*TENANTS, *SEALED, "rate_counts"}
    assert [row["relname"] for row in rows if not row["relrowsecurity"]] == []


@pytest.mark.parametrize("table", TENANTS)
async def test_only_the_rows_of_ones_own_program_are_seen(ledger: Ledger, table: str) -> None:
    other = await _furnished(ledger.connection)
    async with as_app(ledger.connection, ledger.program_id) as app:
        seen = {row[0] for row in await app.fetch(f"SELECT DISTINCT program_id FROM {table}")}
    assert seen == {ledger.program_id}
    assert other.program_id != ledger.program_id


@pytest.mark.parametrize("table", TENANTS)
async def test_without_a_program_nothing_is_seen(ledger: Ledger, table: str) -> None:
    async with as_app(ledger.connection, None) as app:
        assert await app.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_nothing_can_be_written_into_another_program(ledger: Ledger) -> None:
    other = await _furnished(ledger.connection)
    opening = await other.opening(5)
    for program_id in (ledger.program_id, None):
        with pytest.raises(InsufficientPrivilegeError, match="row-level security"):
            async with as_app(ledger.connection, program_id):
                await other.claim(opening)
        with pytest.raises(InsufficientPrivilegeError, match="row-level security"):
            async with as_app(ledger.connection, program_id):
                await other.opening(1)
        async with as_app(ledger.connection, program_id):
            changed = await other.run("UPDATE openings SET units_total = 0, version = 9 WHERE program_id = $1")
            freed = await other.run("UPDATE claims SET state = 'released' WHERE program_id = $1")
        assert (changed, freed) == ("UPDATE 0", "UPDATE 0")
    assert await other.taken(opening) == 0


async def test_a_claim_can_not_point_into_another_program(ledger: Ledger) -> None:
    other = await _furnished(ledger.connection)
    opening = await other.opening(5)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await ledger.claim(opening)


REFUSED = {
    "its count": "UPDATE openings SET units_taken = 0 WHERE program_id = $1",
    "its next lapse": "UPDATE openings SET next_lapse_at = NULL WHERE program_id = $1",
    "promises kept": "UPDATE organizations SET promises_kept = 99 WHERE program_id = $1",
    "promises broken": "UPDATE organizations SET promises_broken = 0 WHERE program_id = $1",
    "whom an organization serves": "UPDATE organizations SET serves_survivors = true WHERE program_id = $1",
    "an organization's beginning": "UPDATE organizations SET created_at = now() WHERE program_id = $1",
    "an organization away": "DELETE FROM organizations WHERE program_id = $1",
    "a location's owner": "UPDATE locations SET organization_id = organization_id WHERE program_id = $1",
    "a location away": "DELETE FROM locations WHERE program_id = $1",
    "a service's owner": "UPDATE services SET organization_id = organization_id WHERE program_id = $1",
    "a service's category": "UPDATE services SET category = 'food' WHERE program_id = $1",
    "whom a service serves": "UPDATE services SET serves_survivors = true WHERE program_id = $1",
    "a service's source": "UPDATE services SET source_key = 'mine' WHERE program_id = $1",
    "a service away": "DELETE FROM services WHERE program_id = $1",
    "an opening's owner": "UPDATE openings SET organization_id = organization_id WHERE program_id = $1",
    "a claim's units": "UPDATE claims SET units = 1 WHERE program_id = $1",
    "a claim's worker": "UPDATE claims SET claimed_by = claimed_by WHERE program_id = $1",
    "claims away": "DELETE FROM claims WHERE program_id = $1",
    "openings away": "DELETE FROM openings WHERE program_id = $1",
    "an event": "INSERT INTO events (program_id, type, subject_id, data) VALUES ($1, 'x', $1, '{}')",
    "events away": "DELETE FROM events WHERE program_id = $1",
    "the trail": "INSERT INTO audit (program_id, actor, action, subject_id, detail) VALUES ($1, 'x', 'x', $1, '{}')",
    "the trail's past": "UPDATE audit SET actor = 'nobody' WHERE program_id = $1",
    "the trail away": "DELETE FROM audit WHERE program_id = $1",
    "a seal": "INSERT INTO audit_seals (program_id, number, entry_id, hash) VALUES ($1, 99, 99, '')",
    "a seal's hash": "UPDATE audit_seals SET hash = '' WHERE program_id = $1",
    "the seals away": "DELETE FROM audit_seals WHERE program_id = $1",
    "the chain's end": "UPDATE audit_chains SET number = 0 WHERE program_id = $1",
    "the chain away": "DELETE FROM audit_chains WHERE program_id = $1",
    "an answer away": "DELETE FROM idempotency WHERE program_id = $1",
    "a key's hash": "SELECT hash FROM keys WHERE program_id = $1",
    "a key": "UPDATE keys SET revoked_at = NULL WHERE program_id = $1",
    "a key's role": "UPDATE keys SET role = 'program_manager' WHERE program_id = $1",
    "a key's scopes": "UPDATE keys SET scopes = NULL WHERE program_id = $1",
    "a key away": "DELETE FROM keys WHERE program_id = $1",
    "a token's hash": "SELECT hash FROM key_secrets WHERE program_id = $1",
    "a token's end": "UPDATE key_secrets SET expires_at = 'infinity' WHERE program_id = $1",
    "a count of requests": "DELETE FROM rate_counts WHERE $1::uuid IS NOT NULL",
    "counts of requests": "SELECT count(*) FROM rate_counts WHERE $1::uuid IS NOT NULL",
    "who is known": "SELECT sealed FROM identities WHERE program_id = $1",
    "by what they are known": "SELECT mark FROM identity_marks WHERE program_id = $1",
    "who someone is": "UPDATE identities SET sealed = '' WHERE program_id = $1",
    "an identity": "INSERT INTO identities (program_id, participant_id, sealed) VALUES ($1, $1, '')",
    "an identity away": "DELETE FROM identities WHERE program_id = $1",
    "a mark": "INSERT INTO identity_marks (program_id, mark, participant_id) VALUES ($1, '', $1)",
    "what someone says of themselves": "SELECT language FROM demographics WHERE program_id = $1",
    "what is said of someone": "UPDATE demographics SET language = 'en' WHERE program_id = $1",
    "a data key over": "UPDATE data_keys SET wrapped = '' WHERE program_id = $1",
    "a data key away": "DELETE FROM data_keys WHERE program_id = $1",
    "what was signed": "UPDATE consents SET sealed = '' WHERE program_id = $1",
    "whom a consent names": "UPDATE consents SET recipients = recipients WHERE program_id = $1",
    "when a consent was given": "UPDATE consents SET given_at = now() WHERE program_id = $1",
    "a consent away": "DELETE FROM consents WHERE program_id = $1",
    "a disclosure": "UPDATE disclosures SET kinds = kinds WHERE program_id = $1",
    "a disclosure away": "DELETE FROM disclosures WHERE program_id = $1",
    "a session's end": "UPDATE sessions SET expires_at = now() + interval '1 year' WHERE program_id = $1",
    "whose session it is": "UPDATE sessions SET person_id = person_id WHERE program_id = $1",
    "a person's address": "UPDATE people SET email = 'b@example.org' WHERE program_id = $1",
    "people away": "DELETE FROM people WHERE program_id = $1",
    "whose passkey it is": "UPDATE passkeys SET public_key = '' WHERE program_id = $1",
    "whose identity it is": "UPDATE openid_subjects SET person_id = person_id WHERE program_id = $1",
    "whose notice it is": "UPDATE notices SET person_id = person_id WHERE program_id = $1",
    "what a notice is about": "UPDATE notices SET subject_id = subject_id WHERE program_id = $1",
    "a notice away": "DELETE FROM notices WHERE program_id = $1",
    "whose choices they are": "UPDATE notice_choices SET person_id = person_id WHERE program_id = $1",
    "which browser it is": "UPDATE push_subscriptions SET endpoint_hash = '' WHERE program_id = $1",
    "a key of notices away": "DELETE FROM push_keys WHERE program_id = $1",
    "as whom a webhook acts": "UPDATE webhooks SET caller_id = caller_id WHERE program_id = $1",
    "what a webhook may hear": "UPDATE webhooks SET scopes = NULL WHERE program_id = $1",
    "what was delivered": "UPDATE webhook_deliveries SET body = '{}' WHERE program_id = $1",
    "which event was delivered": "UPDATE webhook_deliveries SET number = 1 WHERE program_id = $1",
    "a delivery away": "DELETE FROM webhook_deliveries WHERE program_id = $1",
    "where a try went": "UPDATE webhook_tries SET url = 'x' WHERE program_id = $1",
    "a try away": "DELETE FROM webhook_tries WHERE program_id = $1",
    "a program": "UPDATE programs SET slug = 'mine' WHERE program_id = $1",
}


@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED)
async def test_the_app_role_can_not_write(ledger: Ledger, statement: str) -> None:
    with pytest.raises(InsufficientPrivilegeError, match="permission denied"):
        async with as_app(ledger.connection, ledger.program_id):
            await ledger.run(statement)


async def test_the_app_role_can_not_publish_an_opening_that_is_taken(ledger: Ledger) -> None:
    for column in ({"units_taken": "0"}, {"next_lapse_at": "NULL"}):
        with pytest.raises(InsufficientPrivilegeError, match="permission denied"):
            async with as_app(ledger.connection, ledger.program_id):
                await ledger.opening(1, **column)


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE claims",
        "TRUNCATE audit",
        "ALTER TABLE audit DISABLE TRIGGER ALL",
        "CREATE TABLE mine ()",
        "ALTER TABLE claims DISABLE TRIGGER ALL",
        "ALTER TABLE claims DISABLE ROW LEVEL SECURITY",
        "DROP TRIGGER claims_guard ON claims",
        "SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    ],
)
async def test_the_app_role_can_not_switch_the_guards_off(ledger: Ledger, statement: str) -> None:
    with pytest.raises(InsufficientPrivilegeError):
        async with as_app(ledger.connection, ledger.program_id) as app:
            await app.execute(statement)


async def test_the_app_role_makes_no_operator(ledger: Ledger) -> None:
    for statement in (
        "UPDATE people SET role = 'operator' WHERE program_id = $1",
        "INSERT INTO people (program_id, id, organization_id, role, email, name)"
        " SELECT program_id, gen_random_uuid(), organization_id, 'operator', 'op@example.org', 'Op' FROM people"
        " WHERE program_id = $1",
    ):
        with pytest.raises(InsufficientPrivilegeError, match="command line alone"):
            async with as_app(ledger.connection, ledger.program_id):
                await ledger.run(statement)
    # The owner of the schema does, and an operator's name is theirs to change.
    await ledger.run("UPDATE people SET role = 'operator' WHERE program_id = $1")
    async with as_app(ledger.connection, ledger.program_id):
        assert await ledger.run("UPDATE people SET role = 'operator', name = 'B' WHERE program_id = $1") == "UPDATE 1"


async def test_the_app_role_has_no_rights_above_its_own(ledger: Ledger) -> None:
    role = await ledger.connection.fetchrow(
        "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin FROM pg_roles"
        " WHERE rolname = 'openberth_app'"
    )
    assert role is not None
    assert not any(role.values())


async def test_requests_can_make_no_key_for_an_operator(ledger: Ledger) -> None:
    made = (
        "INSERT INTO keys (program_id, id, organization_id, role, hash) VALUES ($1, $2, $3, $4, sha256(uuid_send($2)))"
    )
    async with as_app(ledger.connection, ledger.program_id):
        await ledger.run(made, new_id(), ledger.organization_id, "program_manager")
    with pytest.raises(InsufficientPrivilegeError, match="row-level security"):
        async with as_app(ledger.connection, ledger.program_id):
            await ledger.run(made, new_id(), ledger.organization_id, "operator")


async def test_keys_of_another_program_can_not_be_rotated_revoked_or_marked(ledger: Ledger) -> None:
    other = await _furnished(ledger.connection)
    key_id = await other.value("SELECT id FROM keys WHERE program_id = $1")
    before = await ledger.connection.fetchrow("SELECT * FROM keys WHERE id = $1", key_id)
    for program_id in (ledger.program_id, None):
        async with as_app(ledger.connection, program_id) as app:
            assert await app.fetchval("SELECT rotate_key($1, 'mine', 'mine', '1 h')", key_id) is None
            await app.execute("SELECT revoke_key($1)", key_id)
            await app.execute("SELECT keys_used(ARRAY[$1::uuid])", key_id)
    assert await ledger.connection.fetchrow("SELECT * FROM keys WHERE id = $1", key_id) == before


async def test_a_revoked_key_stays_revoked_and_its_owner_its_owner(ledger: Ledger) -> None:
    await ledger.run("UPDATE keys SET revoked_at = clock_timestamp() WHERE program_id = $1")
    with pytest.raises(asyncpg.CheckViolationError, match="stays revoked"):
        await ledger.run("UPDATE keys SET revoked_at = NULL WHERE program_id = $1")
    with pytest.raises(asyncpg.CheckViolationError, match="whose it is"):
        await ledger.run("UPDATE keys SET organization_id = $2 WHERE program_id = $1", new_id())
    key_id = await ledger.value("SELECT id FROM keys WHERE program_id = $1")
    assert await ledger.trace(key_id) == (["key.created", "key.revoked"], ["key.created", "key.revoked"])


async def test_holds_of_another_program_can_not_be_expired(ledger: Ledger) -> None:
    other = await _furnished(ledger.connection)
    for program_id in (ledger.program_id, None):
        with pytest.raises(InsufficientPrivilegeError, match="not for program"):
            async with as_app(ledger.connection, program_id) as app:
                await app.fetchval("SELECT expire_lapsed($1, '{}')", other.program_id)


async def test_the_app_role_calls_only_the_functions_that_are_its_own(ledger: Ledger) -> None:
    async with as_app(ledger.connection, ledger.program_id) as app:
        callable_ = await app.fetch(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
            " AND has_function_privilege(oid, 'EXECUTE')"
        )
    assert {row["proname"] for row in callable_} == {
        "expire_lapsed",
        "find_key",
        "every_program",
        "note",
        "seal_trail",
        "retire_trail",
        "retire_events",
        "retire_answers",
        "retire_needs",
        "retire_unmet_needs",
        "retire_board",
        "sample_board",
        "board_now",
        "find_secret",
        "rotate_key",
        "revoke_key",
        "keys_used",
        "count_together",
        "write_identity",
        "read_identity",
        "erase_identity",
        "seek_identities",
        "write_demographics",
        "count_demographics",
        "find_session",
        "find_caller",
        "find_people",
        "find_person",
        "program_of",
        "number_events",
        "programs_behind",
        "tell_watchers",
        "programs_owing",
        "programs_unsealed",
        "programs_lapsed",
        "programs_reached",
        "retire_notices",
        "webhooks_due",
        "retire_webhook_deliveries",
    }


async def test_a_claim_of_the_app_role_moves_the_count_all_the_same(ledger: Ledger) -> None:
    opening = await ledger.opening(2)
    async with as_app(ledger.connection, ledger.program_id):
        claim = await ledger.claim(opening, 2)
    assert await ledger.taken(opening) == 2
    with pytest.raises(asyncpg.CheckViolationError, match="never_oversold"):
        async with as_app(ledger.connection, ledger.program_id):
            await ledger.claim(opening)
    assert await ledger.trace(claim) == (["claim.held"], ["claim.held"])


async def test_identities_are_reached_within_ones_own_program_alone(ledger: Ledger) -> None:
    other = await _furnished(ledger.connection)
    participant = await other.value("SELECT participant_id FROM bundles WHERE program_id = $1")
    async with as_app(ledger.connection, ledger.program_id) as app:
        assert await app.fetchval("SELECT read_identity($1, NULL)", participant) is None
        assert await app.fetchval("SELECT erase_identity($1)", participant) is False
        found = await app.fetch("SELECT participant_id FROM seek_identities(ARRAY['mark'::bytea])")
    assert participant not in {row[0] for row in found}
    assert await other.value("SELECT sealed FROM identities WHERE program_id = $1") == b"sealed"
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with as_app(ledger.connection, ledger.program_id) as app:
            await app.fetch("SELECT * FROM write_identity($1, '', '{}', '{}')", participant)
    for statement in ("read_identity($1, NULL)", "erase_identity($1)", "write_identity($1, '', '{}', '{}')"):
        with pytest.raises(InsufficientPrivilegeError, match="for no program"):
            async with as_app(ledger.connection, None) as app:
                await app.fetch(f"SELECT {statement}", participant)


async def test_nobody_looks_at_an_identity_without_an_entry_in_the_trail(ledger: Ledger) -> None:
    participant = await ledger.value("SELECT participant_id FROM bundles WHERE program_id = $1")
    async with as_app(ledger.connection, ledger.program_id) as app:
        assert await app.fetchval("SELECT read_identity($1, NULL)", participant) == b"sealed"
        await app.fetch("SELECT * FROM seek_identities(ARRAY['mark'::bytea])")
        await app.fetchval("SELECT erase_identity($1)", participant)
        assert await app.fetchval("SELECT read_identity($1, NULL)", participant) is None
    told, kept = await ledger.trace(participant)
    assert kept[-2:] == ["identity.read", "identity.erased"]
    assert not [each for each in told if each.startswith("identity")]
    assert (await ledger.trace(ledger.program_id))[1][-1] == "identity.sought"


async def test_what_was_signed_never_changes_and_what_ended_stays_so(ledger: Ledger) -> None:
    revoke = "UPDATE consents SET revoked_at = {}, revoked_by = {}, revoked_how = {} WHERE program_id = $1"
    async with as_app(ledger.connection, ledger.program_id):
        await ledger.run(revoke.format("now()", "program_id", "'spoken'"))
    for again in (revoke.format("NULL", "NULL", "NULL"), revoke.format("now()", "id", "'in_writing'")):
        with pytest.raises(asyncpg.CheckViolationError, match="never changes"):
            async with as_app(ledger.connection, ledger.program_id):
                await ledger.run(again)
    # Not even the owner changes it.
    with pytest.raises(asyncpg.CheckViolationError, match="never changes"):
        await ledger.run("UPDATE consents SET kinds = ARRAY['contacts'] WHERE program_id = $1")
    kept = await ledger.value("SELECT count(*) FROM audit WHERE program_id = $1 AND action = 'consent.revoked'")
    assert kept == 1


NOT_COVERED = {
    "revoked": "UPDATE consents SET revoked_at = now(), revoked_by = id, revoked_how = 'spoken' WHERE program_id = $1",
    "ended": "UPDATE consents SET ended_at = now(), ended_by = id, ended_words = '' WHERE program_id = $1",
    "over": "UPDATE claims SET state = 'released' WHERE program_id = $1",
}


@pytest.mark.parametrize("change", NOT_COVERED.values(), ids=NOT_COVERED)
async def test_the_database_takes_no_disclosure_that_no_consent_covers(ledger: Ledger, change: str) -> None:
    claim = await ledger.value("SELECT id FROM claims WHERE program_id = $1")
    consent = await ledger.value("SELECT id FROM consents WHERE program_id = $1")
    disclosure = (ledger.organization_id, claim, consent)
    async with as_app(ledger.connection, ledger.program_id):
        await ledger.run(DISCLOSURE, new_id(), *disclosure, ["name"])
    with pytest.raises(asyncpg.CheckViolationError, match="no consent that stands"):
        async with as_app(ledger.connection, ledger.program_id):
            await ledger.run(DISCLOSURE, new_id(), *disclosure, ["name", "contacts"])
    await ledger.run(change)
    with pytest.raises(asyncpg.CheckViolationError, match="no consent that stands"):
        async with as_app(ledger.connection, ledger.program_id):
            await ledger.run(DISCLOSURE, new_id(), *disclosure, ["name"])


async def test_the_database_takes_no_consent_that_names_a_shelter_of_survivors(ledger: Ledger) -> None:
    shelter = new_id()
    await ledger.run(
        "INSERT INTO organizations (program_id, id, name, serves_survivors) VALUES ($1, $2, 'A shelter', true)", shelter
    )
    with pytest.raises(asyncpg.CheckViolationError, match="survivors"):
        async with as_app(ledger.connection, ledger.program_id):
            await ledger.run(CONSENT, new_id(), shelter)
