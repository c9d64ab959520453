-- Everything that a batch holds, in one statement: bundles, their claims, and the answers kept by key. The
-- triggers on claims move the counts and write events and trail. Answers go in by key order, so that two
-- processes with the same keys wait for each other instead of deadlocking; a key that is taken by now fails the
-- batch, and its requests are then tried one by one.
WITH bundled AS (
  INSERT INTO bundles (program_id, id, participant_id, claimed_by, created_at)
  SELECT $1, b.id, b.participant_id, b.claimed_by, $2
    FROM unnest($3::uuid[], $4::uuid[], $5::uuid[]) AS b (id, participant_id, claimed_by)
), claimed AS (
  INSERT INTO claims (program_id, id, bundle_id, opening_id, organization_id, claimed_by, worker_organization_id,
                      units, state, need, held_at, hold_until)
  SELECT $1, c.id, c.bundle_id, c.opening_id, c.organization_id, c.claimed_by, c.worker_organization_id,
         c.units, 'held', c.need::jsonb, $2, c.hold_until
    FROM unnest($6::uuid[], $7::uuid[], $8::uuid[], $9::uuid[], $10::uuid[], $11::uuid[], $12::int[], $13::text[],
                $14::timestamptz[])
         AS c (id, bundle_id, opening_id, organization_id, claimed_by, worker_organization_id, units, need, hold_until)
)
INSERT INTO idempotency (program_id, caller_id, key, fingerprint, status, body)
SELECT $1, a.caller_id, a.key, a.fingerprint, 201, a.body
  FROM unnest($15::uuid[], $16::text[], $17::bytea[], $18::bytea[]) AS a (caller_id, key, fingerprint, body)
 ORDER BY a.caller_id, a.key
