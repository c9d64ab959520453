-- An anonymous bundle has no participant. Whoever reads bundles comes with this change.
-- squawk-ignore ban-drop-not-null
ALTER TABLE bundles ALTER COLUMN participant_id DROP NOT NULL
;;
-- What was published for survivors before there were one-time codes: its openings become confidential, and the calls
-- that claimed them anonymous, with every kept answer that shows whom they were for.
UPDATE locations l SET masked = true
  FROM organizations g
 WHERE g.program_id = l.program_id AND g.id = l.organization_id AND g.serves_survivors AND NOT l.masked
;;
UPDATE openings o SET confidential = true, latitude = NULL, longitude = NULL
  FROM organizations g
 WHERE g.program_id = o.program_id AND g.id = o.organization_id AND g.serves_survivors
;;
DO $$
DECLARE
  bundle record;
BEGIN
  FOR bundle IN
    SELECT DISTINCT c.program_id, c.bundle_id
      FROM claims c JOIN openings o ON o.program_id = c.program_id AND o.id = c.opening_id
     WHERE o.confidential
  LOOP
    UPDATE bundles SET participant_id = NULL,
           -- Sixteen of the letters of a code's alphabet; what is made from now on has them all.
           one_time_code = (SELECT concat_ws('-', left(d, 4), substr(d, 5, 4), substr(d, 9, 4))
                              FROM upper(md5(gen_random_uuid()::text)) d)
     WHERE program_id = bundle.program_id AND id = bundle.bundle_id;
    DELETE FROM idempotency
     WHERE program_id = bundle.program_id AND position(convert_to(bundle.bundle_id::text, 'UTF8') IN body) > 0;
  END LOOP;
END $$
