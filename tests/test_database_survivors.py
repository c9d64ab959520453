"""What serves survivors, and referrals, in the database alone: no writer joins a person to the one, or undoes the
other."""

from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest
from asyncpg import CheckViolationError, InsufficientPrivilegeError

from app.casework.referrals import CloseReason, ReferralKind
from app.core.ids import new_code, new_id, new_one_time_code
from tests.ledger import Ledger, as_app, open_ledger

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
