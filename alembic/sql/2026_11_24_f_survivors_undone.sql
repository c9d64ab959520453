-- Back to what 2026_11_23_guards.sql says of claims, with nothing of survivors.
DROP TRIGGER openings_confidential ON openings
;;
DROP TRIGGER openings_confidential_kept ON openings
;;
DROP TRIGGER locations_masked ON locations
;;
DROP TRIGGER services_survivors_kept ON services
;;
DROP TRIGGER organizations_survivors_kept ON organizations
;;
DROP TRIGGER bundles_anonymous_kept ON bundles
;;
DROP FUNCTION openings_confidential, locations_masked, referrals_guard, referrals_updated
;;
CREATE OR REPLACE FUNCTION claims_inserted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  refused record;
BEGIN
  UPDATE openings o
     SET units_taken = o.units_taken + n.units,
         next_lapse_at = least(o.next_lapse_at, n.lapse_at)
    FROM (SELECT program_id, opening_id, sum(units) AS units, min(hold_until) AS lapse_at
            FROM inserted GROUP BY program_id, opening_id) n
   WHERE o.program_id = n.program_id AND o.id = n.opening_id;

  -- After the update, so that the row is locked and this clock is read under the lock.
  SELECT n.id, n.state, o.withdrawn_at, o.fresh_until, o.ends_at INTO refused
    FROM inserted n JOIN openings o ON o.program_id = n.program_id AND o.id = n.opening_id
   WHERE n.state <> 'held'
      OR n.hold_until <= clock_timestamp()
      OR o.withdrawn_at IS NOT NULL
      OR o.fresh_until IS NULL OR o.fresh_until <= clock_timestamp()
      OR o.ends_at <= clock_timestamp()
   LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'claim % can''t be made: a claim starts as held, on an opening that is attested, not withdrawn and not over', refused.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'claims_on_live_opening', TABLE = 'claims';
  END IF;

  WITH told AS (
    INSERT INTO events (program_id, type, subject_id, data)
    SELECT program_id, 'claim.held', id, jsonb_build_object(
             'claim_id', id, 'bundle_id', bundle_id, 'opening_id', opening_id, 'organization_id', organization_id,
             'units', units, 'state', state, 'hold_until', hold_until)
      FROM inserted)
  INSERT INTO audit (program_id, actor, action, subject_id, detail)
  SELECT program_id, CASE current_actor() WHEN 'desk' THEN claimed_by::text ELSE current_actor() END,
         'claim.held', id, '{}' FROM inserted;
  RETURN NULL;
END $$
