-- Back to what b_keys, d_people and f_survivors say of callers and claims. What was erased stays so.
DROP TRIGGER participants_names_nobody ON participants
;;
DROP TRIGGER identities_names_nobody ON identities
;;
DROP TRIGGER consents_names_nobody ON consents
;;
DROP TRIGGER referrals_names_nobody ON referrals
;;
DROP FUNCTION names_nobody, find_secret, find_session
;;
CREATE FUNCTION find_secret(p_hash bytea)
RETURNS TABLE (program_id uuid, id uuid, organization_id uuid, role text, scopes text[], until timestamptz, token boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
  SELECT k.program_id, k.id, k.organization_id, k.role, k.scopes, k.expires_at, false FROM keys k
   WHERE k.hash = p_hash AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
  UNION ALL
  SELECT k.program_id, k.id, k.organization_id, k.role, coalesce(s.scopes, k.scopes),
         least(k.expires_at, s.expires_at), s.kind = 'token'
    FROM key_secrets s JOIN keys k ON k.program_id = s.program_id AND k.id = s.key_id
   WHERE s.hash = p_hash AND s.expires_at > clock_timestamp()
     AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
$$
;;
CREATE FUNCTION find_session(p_hash bytea, p_idle interval)
RETURNS TABLE (program_id uuid, person_id uuid, organization_id uuid, role text, session_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
  moment timestamptz := clock_timestamp();
  seen timestamptz;
BEGIN
  SELECT s.program_id, s.person_id, p.organization_id, p.role, s.id, s.seen_at
    INTO program_id, person_id, organization_id, role, session_id, seen
    FROM sessions s JOIN people p ON p.program_id = s.program_id AND p.id = s.person_id
   WHERE s.hash = p_hash AND s.idle_until > moment AND s.expires_at > moment AND p.ended_at IS NULL;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF seen < moment - interval '1 minute' THEN
    UPDATE sessions s SET seen_at = moment, idle_until = least(moment + p_idle, s.expires_at) WHERE s.hash = p_hash;
  END IF;
  RETURN NEXT;
END $$
;;
REVOKE ALL ON FUNCTION find_secret, find_session FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION find_secret, find_session TO openberth_app
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
