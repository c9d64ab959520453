-- The openings of a batch, locked in id order so that batches that cross can't deadlock. The outer select reads
-- the clock after the lock of its row, and the caller takes the latest: no hold has lapsed unseen.
WITH locked AS MATERIALIZED (
  SELECT id, service_id, organization_id, category, unit, units_total, units_taken, starts_at, ends_at,
         fresh_until, withdrawn_at, hold_minutes, minimum_age, maximum_age, languages, attributes::text,
         confidential, next_lapse_at
    FROM openings
   WHERE program_id = $1 AND id = ANY ($2::uuid[])
   ORDER BY id
     FOR NO KEY UPDATE
)
SELECT locked.*, clock_timestamp() AS now FROM locked
