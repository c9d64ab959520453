-- An organization that serves survivors of domestic violence has no participants, for any writer: no row joins a person
-- to it. Its people claim by one-time codes.

-- A caller is known with whether their organization serves survivors, so that nobody has to ask again. `find_secret` and
-- `find_session` alone stay for servers that still run while this is migrated.
CREATE FUNCTION find_caller(p_hash bytea)
RETURNS TABLE (program_id uuid, id uuid, organization_id uuid, role text, scopes text[], until timestamptz,
               token boolean, serves_survivors boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
  SELECT f.*, g.serves_survivors
    FROM find_secret(p_hash) f JOIN organizations g ON g.program_id = f.program_id AND g.id = f.organization_id
$$
;;
CREATE FUNCTION find_person(p_hash bytea, p_idle interval)
RETURNS TABLE (program_id uuid, person_id uuid, organization_id uuid, role text, session_id uuid,
               serves_survivors boolean)
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
  SELECT f.*, g.serves_survivors
    FROM find_session(p_hash, p_idle) f JOIN organizations g ON g.program_id = f.program_id AND g.id = f.organization_id
$$
;;
REVOKE ALL ON FUNCTION find_caller, find_person FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION find_caller, find_person TO openberth_app
;;
-- Nothing of a person is written down for an organization that serves survivors: whose the row is, whose the person in
-- it is, or who is writing it. The last is known by the transaction's actor, a key or a person of the program.
CREATE FUNCTION names_nobody() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  given jsonb := to_jsonb(NEW);
  actor uuid := CASE WHEN current_actor() ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN current_actor()::uuid END;
BEGIN
  PERFORM FROM organizations g
    WHERE g.program_id = NEW.program_id AND g.serves_survivors AND (
          g.id = (given ->> 'organization_id')::uuid
       OR g.id = (SELECT p.organization_id FROM participants p
                   WHERE p.program_id = NEW.program_id AND p.id = (given ->> 'participant_id')::uuid)
       OR g.id = (SELECT k.organization_id FROM keys k WHERE k.program_id = NEW.program_id AND k.id = actor)
       OR g.id = (SELECT p.organization_id FROM people p WHERE p.program_id = NEW.program_id AND p.id = actor))
    LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'an organization that serves survivors of domestic violence is joined to nobody: it claims by one-time codes'
      USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_names_nobody', TABLE = TG_TABLE_NAME;
  END IF;
  RETURN NEW;
END $$
;;
REVOKE ALL ON FUNCTION names_nobody FROM PUBLIC
;;
-- After their foreign keys have been looked at, which lock the organization's row: none is overlooked because it is
-- only just being added. Whose a consent or a referral is never changes.
CREATE TRIGGER participants_names_nobody AFTER INSERT OR UPDATE OF organization_id ON participants
  FOR EACH ROW EXECUTE FUNCTION names_nobody()
;;
-- Before, since an insert that finds the row there already is no insert any more afterwards.
CREATE TRIGGER identities_names_nobody BEFORE INSERT OR UPDATE OF participant_id ON identities
  FOR EACH ROW EXECUTE FUNCTION names_nobody()
;;
CREATE TRIGGER consents_names_nobody AFTER INSERT ON consents
  FOR EACH ROW EXECUTE FUNCTION names_nobody()
;;
-- Made by such an organization it would say who somebody is, and taken in by one whom they became.
CREATE TRIGGER referrals_names_nobody AFTER INSERT OR UPDATE OF participant_id ON referrals
  FOR EACH ROW EXECUTE FUNCTION names_nobody()
;;
-- As in 2026_11_24_f_survivors.sql, and besides: no claim by a worker of an organization that serves survivors is a
-- named person's.
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
      -- Read once a statement, whatever the plan: there are few of them, and an index of their own.
      OR n.worker_organization_id = ANY (ARRAY(
           SELECT g.id FROM organizations g
            WHERE g.serves_survivors AND g.program_id IN (SELECT program_id FROM inserted)))
   LIMIT 1;
  IF FOUND THEN
    SELECT n.id, b.participant_id IS NOT NULL AND (o.confidential OR w.serves_survivors) AS named INTO refused
      FROM inserted n
      JOIN openings o ON o.program_id = n.program_id AND o.id = n.opening_id
      JOIN bundles b ON b.program_id = n.program_id AND b.id = n.bundle_id
      LEFT JOIN organizations w ON w.program_id = n.program_id AND w.id = n.worker_organization_id
     WHERE b.participant_id IS NOT NULL AND (o.confidential OR w.serves_survivors)
        OR n.state <> 'held'
        OR n.hold_until <= clock_timestamp()
        OR o.withdrawn_at IS NOT NULL
        OR o.fresh_until IS NULL OR o.fresh_until <= clock_timestamp()
        OR o.ends_at <= clock_timestamp()
     LIMIT 1;
    IF FOUND AND refused.named THEN
      RAISE EXCEPTION 'claim % can''t be made: its opening is confidential, or its worker''s organization serves survivors, and its bundle names a participant', refused.id
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
