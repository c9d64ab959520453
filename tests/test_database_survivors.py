"""What serves survivors, and referrals, in the database alone: no writer joins a person to the one, or undoes the
other."""

from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest
from asyncpg import CheckViolationError, InsufficientPrivilegeError

from app.casework.referrals import CloseReason, ReferralKind
from app.core.ids import new_code, new_id, new_one_time_code
from tests.ledger import CLAIM, Ledger, as_app, open_ledger

REFERRAL = (
    "INSERT INTO referrals (program_id, id, kind, referred_by, referrer_role, organization_id, person)"
    " VALUES ($1, $2, $3, $2, 'officer', $4, 'sealed')"
)


@pytest.fixture
async def ledger(shared_database: str) -> AsyncIterator[Ledger]:
    """A program of this test's own, spoken to as the owner."""
    connection = await asyncpg.connect(shared_database)
    try:
        yield await open_ledger(connection)
    finally:
        await connection.close()


async def become_shelter(ledger: Ledger) -> None:
    """Publish for a service of survivors from now on, and claim under an anonymous bundle."""
    ledger.organization_id, ledger.service_id = new_id(), new_id()
    await ledger.run(
        "INSERT INTO organizations (program_id, id, name, serves_survivors) VALUES ($1, $2, 'A refuge', true)",
        ledger.organization_id,
    )
    await ledger.run(
        "INSERT INTO services (program_id, id, organization_id, name, category) VALUES ($1, $2, $3, 'A', 'housing')",
        ledger.service_id,
        ledger.organization_id,
    )


async def anonymous(ledger: Ledger, code: str | None = None) -> UUID:
    """An anonymous bundle."""
    id = new_id()
    await ledger.run(
        "INSERT INTO bundles (program_id, id, one_time_code, claimed_by, created_at)"
        " VALUES ($1, $2, $3, $2, clock_timestamp())",
        id,
        code or new_one_time_code(),
    )
    return id


async def test_no_writer_claims_for_a_participant_what_is_confidential(ledger: Ledger) -> None:
    named = ledger.bundle_id
    await become_shelter(ledger)
    opening = await ledger.opening(5)
    with pytest.raises(CheckViolationError, match="bundle names a participant") as refused:
        await ledger.claim(opening)
    assert refused.value.as_dict()["constraint_name"] == "claims_by_one_time_code"
    with pytest.raises(CheckViolationError, match="bundle names a participant"):
        async with as_app(ledger.connection, ledger.program_id):
            await ledger.claim(opening)
    ledger.bundle_id = await anonymous(ledger)
    async with as_app(ledger.connection, ledger.program_id):
        await ledger.claim(opening)
    assert await ledger.taken(opening) == 1
    # One that names somebody is found among many that don't.
    with pytest.raises(CheckViolationError, match="bundle names a participant"):
        await ledger.run(
            "INSERT INTO claims (program_id, id, bundle_id, opening_id, organization_id, claimed_by,"
            " worker_organization_id, units, state, held_at, hold_until)"
            " SELECT $1, gen_random_uuid(), b, $2, $3, $3, $3, 1, 'held', clock_timestamp(), clock_timestamp() + '1 h'"
            " FROM unnest($4::uuid[]) b",
            opening,
            ledger.organization_id,
            [ledger.bundle_id, named],
        )
    assert await ledger.taken(opening) == 1


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ("UPDATE bundles SET one_time_code = NULL, participant_id = $2 WHERE program_id = $1", "one-time code never"),
        ("UPDATE bundles SET participant_id = $2 WHERE program_id = $1", "no participant takes its place"),
        ("UPDATE openings SET confidential = false WHERE program_id = $1 AND $2::uuid IS NOT NULL", "never change"),
        ("UPDATE openings SET latitude = 47, longitude = -122 WHERE program_id = $1 AND $2::uuid IS NOT NULL", "place"),
        ("UPDATE organizations SET serves_survivors = false WHERE program_id = $1 AND $2::uuid IS NOT NULL", "never"),
        ("UPDATE services SET serves_survivors = true WHERE program_id = $1 AND $2::uuid IS NOT NULL", "never changes"),
    ],
)
async def test_what_keeps_them_apart_can_not_be_undone(ledger: Ledger, change: str, match: str) -> None:
    await become_shelter(ledger)
    ledger.bundle_id = await anonymous(ledger)
    await ledger.claim(await ledger.opening(5))
    participant_id = await ledger.value("SELECT id FROM participants WHERE program_id = $1")
    with pytest.raises(CheckViolationError, match=match):
        await ledger.run(change, participant_id)


async def test_a_bundle_is_for_a_participant_or_anonymous_and_never_both(ledger: Ledger) -> None:
    for participant, code in (
        ("(SELECT id FROM participants WHERE program_id = $1)", f"'{new_one_time_code()}'"),
        ("NULL", "NULL"),
    ):
        with pytest.raises(CheckViolationError, match="ck_bundles_for_one"):
            await ledger.run(
                "INSERT INTO bundles (program_id, id, participant_id, one_time_code, claimed_by, created_at)"
                f" VALUES ($1, $2, {participant}, {code}, $2, clock_timestamp())",
                new_id(),
            )


async def test_a_participants_code_does_not_pass_for_a_one_time_code(ledger: Ledger) -> None:
    with pytest.raises(CheckViolationError, match="one_time_code_shape"):
        await anonymous(ledger, new_code())


async def test_a_one_time_code_is_given_once(ledger: Ledger) -> None:
    code = new_one_time_code()
    await anonymous(ledger, code)
    with pytest.raises(asyncpg.UniqueViolationError, match="ix_bundles_one_time"):
        await anonymous(ledger, code)


async def test_whether_an_opening_is_confidential_is_copied_and_never_said(ledger: Ledger) -> None:
    said = await ledger.opening(1, confidential="true")
    await become_shelter(ledger)
    denied = await ledger.opening(1, confidential="false")
    ask = "SELECT confidential FROM openings WHERE program_id = $1 AND id = $2"
    assert [await ledger.value(ask, each) for each in (said, denied)] == [False, True]
    with pytest.raises(InsufficientPrivilegeError, match="permission denied"):
        async with as_app(ledger.connection, ledger.program_id):
            await ledger.opening(1, confidential="false")
    with pytest.raises(CheckViolationError, match="confidential_has_no_place"):
        await ledger.opening(1, latitude="47", longitude="-122")


async def test_a_location_of_survivors_is_masked_whoever_writes_it(ledger: Ledger) -> None:
    await become_shelter(ledger)
    await ledger.run(
        "INSERT INTO locations (program_id, id, organization_id, location_type) VALUES ($1, $2, $3, 'physical')",
        new_id(),
        ledger.organization_id,
    )
    for _ in range(2):
        assert await ledger.value("SELECT masked FROM locations WHERE program_id = $1")
        await ledger.run("UPDATE locations SET masked = false WHERE program_id = $1")


# What the staff of such an organization write down.


async def refuge_of(ledger: Ledger) -> UUID:
    """An organization that serves survivors, beside the ledger's own."""
    id = new_id()
    await ledger.run(
        "INSERT INTO organizations (program_id, id, name, serves_survivors) VALUES ($1, $2, 'A refuge', true)", id
    )
    return id


async def staff_of(ledger: Ledger, organization_id: UUID, kind: str) -> UUID:
    """A key or a person of this organization."""
    id = new_id()
    statement = {
        "key": "INSERT INTO keys (program_id, id, organization_id, role, hash)"
        " VALUES ($1, $2, $3, 'case_manager', uuid_send($2))",
        "person": "INSERT INTO people (program_id, id, organization_id, role, email, name)"
        " VALUES ($1, $2, $3, 'case_manager', gen_random_uuid()::text, 'A')",
    }
    await ledger.run(statement[kind], id, organization_id)
    return id


WORKED = CLAIM.replace("$6, $5, $7", "$6, $10, $7")


async def claim_by(ledger: Ledger, opening_id: UUID, worker_organization_id: UUID) -> None:
    """A claim of this organization's worker, under the ledger's bundle."""
    provider, worker = ledger.organization_id, worker_organization_id
    await ledger.run(WORKED, new_id(), ledger.bundle_id, opening_id, provider, new_id(), 1, "held", 3600.0, worker)


async def test_no_writer_claims_for_a_participant_as_a_worker_of_a_shelter(ledger: Ledger) -> None:
    refuge, opening = await refuge_of(ledger), await ledger.opening(9)
    for _ in range(2):
        with pytest.raises(CheckViolationError, match="bundle names a participant") as refused:
            async with as_app(ledger.connection, ledger.program_id):
                await claim_by(ledger, opening, refuge)
        assert refused.value.as_dict()["constraint_name"] == "claims_by_one_time_code"
        await claim_by(ledger, opening, ledger.organization_id)
    named, ledger.bundle_id = ledger.bundle_id, await anonymous(ledger)
    async with as_app(ledger.connection, ledger.program_id):
        await claim_by(ledger, opening, refuge)
    assert await ledger.taken(opening) == 3
    # One of them is found among many others.
    with pytest.raises(CheckViolationError, match="bundle names a participant"):
        await ledger.run(
            "INSERT INTO claims (program_id, id, bundle_id, opening_id, organization_id, claimed_by,"
            " worker_organization_id, units, state, held_at, hold_until)"
            " SELECT $1, gen_random_uuid(), b, $2, $3, $3, w, 1, 'held', clock_timestamp(), clock_timestamp() + '1 h'"
            " FROM unnest($4::uuid[], $5::uuid[]) AS n (b, w)",
            opening,
            ledger.organization_id,
            [named, ledger.bundle_id, named],
            [ledger.organization_id, refuge, refuge],
        )
    assert await ledger.taken(opening) == 3


async def test_a_claim_that_is_over_before_it_began_is_told_so_of_a_shelters_worker_too(ledger: Ledger) -> None:
    refuge, opening = await refuge_of(ledger), await ledger.opening(1, fresh_until="NULL")
    ledger.bundle_id = await anonymous(ledger)
    with pytest.raises(CheckViolationError) as refused:
        await claim_by(ledger, opening, refuge)
    assert refused.value.as_dict()["constraint_name"] == "claims_on_live_opening"


WRITTEN = {
    "participants": "INSERT INTO participants (program_id, id, code, organization_id)"
    " VALUES ($1, gen_random_uuid(), 'AAAA-BBBB', {whose})",
    "identities": "INSERT INTO identities (program_id, participant_id, sealed) VALUES ($1, {someone}, '')",
    "consents": "INSERT INTO consents (program_id, id, participant_id, organization_id, recorded_by, text_version,"
    " kinds, disclosers, recipients, treating_providers, expiry, signed_on, sealed) VALUES ($1, gen_random_uuid(),"
    " {someone}, {whose}, $1, 'x', ARRAY['name'], ARRAY[{other}], ARRAY[{other}], false, 'event', current_date, '')",
    "referrals": "INSERT INTO referrals (program_id, id, kind, referred_by, referrer_role, organization_id, person)"
    " VALUES ($1, gen_random_uuid(), 'community', $1, 'case_manager', {whose}, '')",
}
"""What says who somebody is, or that they are a participant, by table."""


def written(ledger: Ledger, table: str, whose: UUID) -> str:
    """The statement that writes it for this organization."""
    someone = "(SELECT id FROM participants WHERE program_id = $1 LIMIT 1)"
    return WRITTEN[table].format(whose=f"'{whose}'::uuid", someone=someone, other=f"'{ledger.organization_id}'::uuid")


async def refused_of(ledger: Ledger, statement: str, table: str) -> None:
    """Fail unless the statement is refused, and by the rule that it should be."""
    with pytest.raises(CheckViolationError, match="joined to nobody") as refused:
        await ledger.run(statement)
    assert refused.value.as_dict()["constraint_name"] == f"{table}_names_nobody"


@pytest.mark.parametrize("table", ["participants", "consents", "referrals"])
async def test_nothing_of_a_person_is_written_down_for_a_shelter(ledger: Ledger, table: str) -> None:
    refuge = await refuge_of(ledger)
    await refused_of(ledger, written(ledger, table, refuge), table)
    with pytest.raises(CheckViolationError, match="joined to nobody"):
        async with as_app(ledger.connection, ledger.program_id):
            await ledger.run(written(ledger, table, refuge))
    async with as_app(ledger.connection, ledger.program_id):
        await ledger.run(written(ledger, table, ledger.organization_id))


async def test_nobody_is_made_a_shelters_participant_afterwards(ledger: Ledger) -> None:
    moved = f"UPDATE participants SET organization_id = '{await refuge_of(ledger)}' WHERE program_id = $1"
    await refused_of(ledger, moved, "participants")


@pytest.mark.parametrize("table", WRITTEN)
@pytest.mark.parametrize("kind", ["key", "person"])
async def test_nor_by_a_shelters_staff_for_anybody(ledger: Ledger, table: str, kind: str) -> None:
    refuge = await refuge_of(ledger)
    theirs, ours = [await staff_of(ledger, each, kind) for each in (refuge, ledger.organization_id)]
    statement = written(ledger, table, ledger.organization_id)
    await ledger.connection.execute("SELECT set_config('openberth.actor', $1, false)", str(theirs))
    await refused_of(ledger, statement, table)
    await ledger.connection.execute("SELECT set_config('openberth.actor', $1, false)", str(ours))
    await ledger.run(statement)


async def test_who_was_once_a_shelters_is_neither_written_down_nor_taken_in(ledger: Ledger) -> None:
    refuge, referral = await refuge_of(ledger), await refer(ledger)
    async with ledger.connection.transaction():
        await ledger.connection.execute("ALTER TABLE participants DISABLE TRIGGER USER")
        await ledger.run("UPDATE participants SET organization_id = $2 WHERE program_id = $1", refuge)
        await ledger.connection.execute("ALTER TABLE participants ENABLE TRIGGER USER")
    for table in ("identities", "consents"):
        await refused_of(ledger, written(ledger, table, ledger.organization_id), table)
    someone = await ledger.value("SELECT id FROM participants WHERE program_id = $1")
    now = "clock_timestamp()"
    with pytest.raises(CheckViolationError, match="joined to nobody"):
        await ledger.run(
            STEP.format(f"contacted_at = {now}, taken_in_at = {now}, participant_id = '{someone}'"), referral
        )


async def test_a_shelters_staff_take_nobody_in(ledger: Ledger) -> None:
    refuge, referral = await refuge_of(ledger), await refer(ledger)
    theirs = await staff_of(ledger, refuge, "key")
    now, someone = "clock_timestamp()", "(SELECT id FROM participants WHERE program_id = $1)"
    taken_in = STEP.format(f"contacted_at = {now}, taken_in_at = {now}, participant_id = {someone}")
    await ledger.connection.execute("SELECT set_config('openberth.actor', $1, false)", str(theirs))
    with pytest.raises(CheckViolationError, match="joined to nobody"):
        await ledger.run(taken_in, referral)
    await ledger.connection.execute("SELECT set_config('openberth.actor', '', false)")
    await ledger.run(taken_in, referral)


# Referrals.


async def refer(ledger: Ledger) -> UUID:
    """A referral."""
    id = new_id()
    await ledger.run(REFERRAL, id, ReferralKind.DIVERSION, ledger.organization_id)
    return id


STEP = "UPDATE referrals SET {} WHERE program_id = $1 AND id = $2"


async def test_each_step_of_a_referral_leaves_its_event_and_its_entry_with_nothing_in_them(ledger: Ledger) -> None:
    taken, closed = await refer(ledger), await refer(ledger)
    someone = "(SELECT id FROM participants WHERE program_id = $1)"
    now = "clock_timestamp()"
    await ledger.run(STEP.format(f"contacted_at = {now}, taken_in_at = {now}, participant_id = {someone}"), taken)
    await ledger.run(STEP.format(f"closed_at = {now}, close_reason = 'declined'"), closed)
    made = ["referral.made"]
    assert await ledger.trace(taken) == ([*made, "referral.contacted", "referral.taken_in"],) * 2
    assert await ledger.trace(closed) == ([*made, "referral.closed"],) * 2
    for table, column in (("events", "data"), ("audit", "detail")):
        told = f"SELECT count(*) FROM {table} WHERE program_id = $1 AND subject_id = ANY ($2) AND {column} <> '{{}}'"
        assert await ledger.value(told, [taken, closed]) == 0


@pytest.mark.parametrize(
    "change",
    [
        "contacted_at = clock_timestamp() + '1 s'",
        "contacted_at = NULL",
        "closed_at = NULL, close_reason = NULL",
        "close_reason = 'died'",
        "referred_by = gen_random_uuid()",
        "referred_at = clock_timestamp() - interval '1 day'",
    ],
)
async def test_what_became_of_a_referral_and_who_made_it_stays(ledger: Ledger, change: str) -> None:
    referral = await refer(ledger)
    await ledger.run(STEP.format("contacted_at = clock_timestamp()"), referral)
    await ledger.run(STEP.format("closed_at = clock_timestamp(), close_reason = 'declined'"), referral)
    with pytest.raises(CheckViolationError, match="never change"):
        await ledger.run(STEP.format(change), referral)


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("taken_in_at = clock_timestamp(), participant_id = {someone}", "taken_in_after_contact"),
        ("contacted_at = clock_timestamp(), taken_in_at = clock_timestamp()", "taken_in_as_someone"),
        ("participant_id = {someone}", "taken_in_as_someone"),
        ("closed_at = clock_timestamp()", "closed_with_reason"),
        ("closed_at = clock_timestamp(), close_reason = 'arrested'", "close_reason_known"),
    ],
)
async def test_a_referral_is_never_half_of_anything(ledger: Ledger, change: str, constraint: str) -> None:
    someone = "(SELECT id FROM participants WHERE program_id = $1)"
    with pytest.raises(CheckViolationError, match=constraint):
        await ledger.run(STEP.format(change.format(someone=someone)), await refer(ledger))


async def test_every_kind_and_reason_can_be_stored(ledger: Ledger) -> None:
    for kind in ReferralKind:
        await ledger.run(REFERRAL, new_id(), kind, ledger.organization_id)
    for reason in CloseReason:
        referral = await refer(ledger)
        await ledger.run(STEP.format(f"closed_at = clock_timestamp(), close_reason = '{reason}'"), referral)


@pytest.mark.parametrize("column", ["person", "referred_by", "referred_at", "kind", "reference"])
async def test_the_app_role_can_not_rewrite_a_referral(ledger: Ledger, column: str) -> None:
    with pytest.raises(InsufficientPrivilegeError, match="permission denied"):
        async with as_app(ledger.connection, ledger.program_id):
            await ledger.run(f"UPDATE referrals SET {column} = {column} WHERE program_id = $1")
