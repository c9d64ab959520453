-- Back to what 2026_11_24_f_survivors.sql says of claims. What was erased stays so.
DROP TRIGGER participants_names_nobody ON participants
;;
DROP TRIGGER identities_names_nobody ON identities
;;
DROP TRIGGER consents_names_nobody ON consents
;;
DROP TRIGGER referrals_names_nobody ON referrals
;;
DROP FUNCTION names_nobody, find_caller, find_person
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

  -- After the update, so that the row is locked and this clock is read under the lock. Hardly a claim gets past the
  -- first question, so only the second, which has the precise answer, looks into the bundles.
  PERFORM FROM inserted n JOIN openings o ON o.program_id = n.program_id AND o.id = n.opening_id
   WHERE o.confidential
      OR n.state <> 'held'
      OR n.hold_until <= clock_timestamp()
      OR o.withdrawn_at IS NOT NULL
      OR o.fresh_until IS NULL OR o.fresh_until <= clock_timestamp()
      OR o.ends_at <= clock_timestamp()
   LIMIT 1;
  IF FOUND THEN
    SELECT n.id, o.confidential AND b.participant_id IS NOT NULL AS named INTO refused
      FROM inserted n
      JOIN openings o ON o.program_id = n.program_id AND o.id = n.opening_id
      JOIN bundles b ON b.program_id = n.program_id AND b.id = n.bundle_id
     WHERE o.confidential AND b.participant_id IS NOT NULL
        OR n.state <> 'held'
        OR n.hold_until <= clock_timestamp()
        OR o.withdrawn_at IS NOT NULL
        OR o.fresh_until IS NULL OR o.fresh_until <= clock_timestamp()
        OR o.ends_at <= clock_timestamp()
     LIMIT 1;
    IF FOUND AND refused.named THEN
      RAISE EXCEPTION 'claim % can''t be made: its opening is confidential, and its bundle names a participant', refused.id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'claims_by_one_time_code', TABLE = 'claims';
    ELSIF FOUND THEN
      RAISE EXCEPTION 'claim % can''t be made: a claim starts as held, on an opening that is attested, not withdrawn and not over', refused.id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'claims_on_live_opening', TABLE = 'claims';
    END IF;
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
