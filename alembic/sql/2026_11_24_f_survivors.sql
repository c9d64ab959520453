-- Survivors and referrals: what the database itself holds about them, for every writer.

-- An opening is confidential if its organization or its service serves survivors. It is never said, only copied, and
-- no more is the masking of such an organization's locations.
CREATE FUNCTION openings_confidential() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  SELECT s.serves_survivors OR EXISTS (SELECT FROM organizations g
           WHERE g.program_id = s.program_id AND g.id IN (s.organization_id, NEW.organization_id) AND g.serves_survivors)
    INTO NEW.confidential
    FROM services s WHERE s.program_id = NEW.program_id AND s.id = NEW.service_id;
  -- Without its service it is refused by its foreign key.
  NEW.confidential := coalesce(NEW.confidential, true);
  RETURN NEW;
END $$
;;
CREATE TRIGGER openings_confidential BEFORE INSERT ON openings FOR EACH ROW EXECUTE FUNCTION openings_confidential()
;;
CREATE FUNCTION locations_masked() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  NEW.masked := NEW.masked OR EXISTS (SELECT FROM organizations g
    WHERE g.program_id = NEW.program_id AND g.id = NEW.organization_id AND g.serves_survivors);
  RETURN NEW;
END $$
;;
CREATE TRIGGER locations_masked BEFORE INSERT OR UPDATE ON locations FOR EACH ROW EXECUTE FUNCTION locations_masked()
;;
CREATE TRIGGER openings_confidential_kept BEFORE UPDATE OF confidential, service_id, organization_id ON openings
  FOR EACH ROW WHEN ((NEW.confidential, NEW.service_id, NEW.organization_id)
                     IS DISTINCT FROM (OLD.confidential, OLD.service_id, OLD.organization_id))
  EXECUTE FUNCTION refuse('whose opening it is and whether it is confidential never change: publish another')
;;
CREATE TRIGGER services_survivors_kept BEFORE UPDATE OF serves_survivors, organization_id ON services FOR EACH ROW
  WHEN ((NEW.serves_survivors, NEW.organization_id) IS DISTINCT FROM (OLD.serves_survivors, OLD.organization_id))
  EXECUTE FUNCTION refuse('whether a service serves survivors never changes, since its openings have it from here: add another')
;;
CREATE TRIGGER organizations_survivors_kept BEFORE UPDATE OF serves_survivors ON organizations FOR EACH ROW
  WHEN (NEW.serves_survivors <> OLD.serves_survivors)
  EXECUTE FUNCTION refuse('whether an organization serves survivors never changes, since its openings have it from here: add another')
;;
-- An anonymous bundle stays so, and no other becomes one: nothing is left to join a person to it by.
CREATE TRIGGER bundles_anonymous_kept BEFORE UPDATE OF participant_id, one_time_code ON bundles FOR EACH ROW
  WHEN (NEW.one_time_code IS DISTINCT FROM OLD.one_time_code
        OR OLD.one_time_code IS NOT NULL AND NEW.participant_id IS NOT NULL)
  EXECUTE FUNCTION refuse('a bundle''s one-time code never changes, and no participant takes its place')
;;
-- As in 2026_11_23_guards.sql, and besides: no claim on a confidential opening is a named person's.
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
;;
CREATE TRIGGER referrals_inserted AFTER INSERT ON referrals
  REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION leave_trace('referral.made')
;;
-- What has happened to a referral stays, and so does all that was said when it was made.
CREATE FUNCTION referrals_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.program_id, NEW.id, NEW.kind, NEW.referred_by, NEW.referrer_role, NEW.organization_id, NEW.referred_at)
     IS DISTINCT FROM
     (OLD.program_id, OLD.id, OLD.kind, OLD.referred_by, OLD.referrer_role, OLD.organization_id, OLD.referred_at)
     OR OLD.contacted_at IS NOT NULL AND NEW.contacted_at IS DISTINCT FROM OLD.contacted_at
     OR OLD.taken_in_at IS NOT NULL AND (NEW.taken_in_at, NEW.participant_id)
                       IS DISTINCT FROM (OLD.taken_in_at, OLD.participant_id)
     OR OLD.closed_at IS NOT NULL AND (NEW.closed_at, NEW.close_reason, NEW.contacted_at)
                       IS DISTINCT FROM (OLD.closed_at, OLD.close_reason, OLD.contacted_at) THEN
    RAISE EXCEPTION 'referral %: who made it and what became of it never change', OLD.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'referrals_immutable', TABLE = 'referrals';
  END IF;
  RETURN NEW;
END $$
;;
CREATE TRIGGER referrals_guard BEFORE UPDATE ON referrals FOR EACH ROW EXECUTE FUNCTION referrals_guard()
;;
-- Only that it happened: neither which participant it became nor why it was closed leaves the table.
CREATE FUNCTION referrals_updated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  WITH fact AS (
    SELECT n.program_id, n.id, step.type
      FROM updated n JOIN before b ON b.program_id = n.program_id AND b.id = n.id
     CROSS JOIN LATERAL (VALUES
       (1, 'referral.contacted', b.contacted_at IS NULL AND n.contacted_at IS NOT NULL),
       (2, 'referral.taken_in', b.taken_in_at IS NULL AND n.taken_in_at IS NOT NULL),
       (3, 'referral.closed', b.closed_at IS NULL AND n.closed_at IS NOT NULL)) step (nr, type, taken)
     WHERE step.taken ORDER BY n.id, step.nr
  ), told AS (
    INSERT INTO events (program_id, type, subject_id, data) SELECT program_id, type, id, '{}' FROM fact)
  INSERT INTO audit (program_id, actor, action, subject_id, detail)
  SELECT program_id, current_actor(), type, id, '{}' FROM fact;
  RETURN NULL;
END $$
;;
CREATE TRIGGER referrals_updated AFTER UPDATE ON referrals
  REFERENCING OLD TABLE AS before NEW TABLE AS updated FOR EACH STATEMENT EXECUTE FUNCTION referrals_updated()
;;
REVOKE ALL ON FUNCTION openings_confidential, locations_masked, referrals_updated FROM PUBLIC
;;
GRANT SELECT, INSERT (program_id, id, kind, referred_by, referrer_role, organization_id, reference, person),
  UPDATE (contacted_at, taken_in_at, participant_id, closed_at, close_reason) ON referrals TO openberth_app
