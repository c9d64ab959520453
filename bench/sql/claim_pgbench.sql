-- One claim as a route with a transaction per claim would make it, statement by statement.
\set person random(1, :participants)
\set key random(1000000000000000000, 9000000000000000000)
BEGIN;
SELECT set_config('openberth.program_id', :program, true), set_config('openberth.actor', :worker, true);
SELECT fingerprint, status, body FROM idempotency
 WHERE program_id = :program AND caller_id = :worker AND key = :key || '-0000-4000-8000-0';
SELECT id AS participant, code FROM participants WHERE program_id = :program AND code = 'P-' || :person
\gset
SELECT id, service_id, organization_id, category, unit, units_total, units_taken, starts_at, ends_at, fresh_until,
       withdrawn_at, hold_minutes, minimum_age, maximum_age, languages, attributes::text, confidential,
       next_lapse_at, clock_timestamp() AS now
  FROM openings WHERE program_id = :program AND id = :opening FOR NO KEY UPDATE
\gset o_
INSERT INTO bundles (program_id, id, participant_id, claimed_by, created_at)
VALUES (:program, uuidv7(), :participant, :worker, :o_now) RETURNING id AS bundle
\gset
INSERT INTO claims (program_id, id, bundle_id, opening_id, organization_id, claimed_by, worker_organization_id,
                    units, state, held_at, hold_until)
VALUES (:program, uuidv7(), :bundle, :opening, :o_organization_id, :worker, :agency,
        1, 'held', :o_now, :o_now::timestamptz + interval '90 minutes');
INSERT INTO idempotency (program_id, caller_id, key, fingerprint, status, body)
VALUES (:program, :worker, :key || '-0000-4000-8000-0', :fingerprint, 201, convert_to(:body, 'UTF8'));
COMMIT;
