-- Everything that a batch holds, in one statement: bundles, their claims, and the answers kept by key. The
-- triggers on claims move the counts and write events and trail. Answers go in by key order, so that two
-- processes with the same keys wait for each other instead of deadlocking; a key that is taken by now fails the
-- batch, and its requests are then tried one by one.
WITH call AS MATERIALIZED (
  SELECT * FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::uuid[], $7::uuid[], $8::text[], $9::bytea[],
                       $10::bytea[])
       WITH ORDINALITY
       AS c (bundle_id, participant_id, one_time_code, caller_id, worker_organization_id, key, fingerprint, body, nr)
), bundled AS (
  INSERT INTO bundles (program_id, id, participant_id, one_time_code, claimed_by, created_at)
  SELECT $1, bundle_id, participant_id, one_time_code, caller_id, $2 FROM call
), claimed AS (
  INSERT INTO claims (program_id, id, bundle_id, opening_id, organization_id, claimed_by, worker_organization_id,
                      units, state, need, held_at, hold_until)
  SELECT $1, i.id, call.bundle_id, i.opening_id, i.organization_id, call.caller_id, call.worker_organization_id,
         i.units, 'held', i.need::jsonb, $2, i.hold_until
    FROM unnest($11::int[], $12::uuid[], $13::uuid[], $14::uuid[], $15::int[], $16::text[], $17::timestamptz[])
         AS i (nr, id, opening_id, organization_id, units, need, hold_until)
    JOIN call ON call.nr = i.nr
)
INSERT INTO idempotency (program_id, caller_id, key, fingerprint, status, body)
SELECT $1, caller_id, key, fingerprint, 201, body FROM call ORDER BY caller_id, key
