-- The promises about counts, expiry, freshness and the trail, held by the database for every writer:
-- the server, a connector, a person in psql. Statements are separated by lines of two semicolons.

-- Whose work this transaction is: set by the application, the role's name for a person in psql.
CREATE FUNCTION current_actor() RETURNS text LANGUAGE sql STABLE AS $$
  SELECT coalesce(nullif(current_setting('openberth.actor', true), ''), 'database:' || session_user)
$$
;;
-- What an event says of an opening: what a board needs to show it, and nothing of who is coming.
CREATE FUNCTION opening_facts(o openings) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object(
    'opening_id', o.id, 'service_id', o.service_id, 'organization_id', o.organization_id,
    'category', o.category, 'unit', o.unit, 'units_total', o.units_total, 'units_taken', o.units_taken,
    'fresh_until', o.fresh_until, 'starts_at', o.starts_at, 'ends_at', o.ends_at,
    'withdrawn_at', o.withdrawn_at, 'version', o.version)
$$
;;
-- Claims are born held, on an opening that is attested and on the board. Two updates of one row at a time:
-- the counts of all the openings concerned, then the trail.
CREATE FUNCTION claims_inserted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
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
;;
CREATE TRIGGER claims_inserted AFTER INSERT ON claims
  REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION claims_inserted()
;;
-- Which state may follow which (app/market/vocabulary.py, NEXT), and what of a claim never changes.
-- A lapsed hold can be expired and nothing else, by the clock read after the row was locked.
CREATE FUNCTION claims_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.program_id, NEW.id, NEW.bundle_id, NEW.opening_id, NEW.organization_id, NEW.claimed_by,
      NEW.worker_organization_id, NEW.units, NEW.held_at)
     IS DISTINCT FROM
     (OLD.program_id, OLD.id, OLD.bundle_id, OLD.opening_id, OLD.organization_id, OLD.claimed_by,
      OLD.worker_organization_id, OLD.units, OLD.held_at) THEN
    RAISE EXCEPTION 'claim %: its opening, units, bundle and worker never change', OLD.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'claims_immutable', TABLE = 'claims';
  END IF;
  IF NEW.state <> OLD.state AND NOT (CASE OLD.state
       WHEN 'held' THEN NEW.state IN ('confirmed', 'released', 'expired', 'declined')
       WHEN 'confirmed' THEN NEW.state IN ('arrived', 'released', 'declined', 'no_show')
       WHEN 'arrived' THEN NEW.state = 'completed'
       ELSE false END) THEN
    RAISE EXCEPTION 'claim %: % can''t follow %', OLD.id, NEW.state, OLD.state
      USING ERRCODE = 'check_violation', CONSTRAINT = 'claims_next_state', TABLE = 'claims';
  END IF;
  IF OLD.state = 'held' AND (OLD.hold_until <= clock_timestamp()) <> (NEW.state = 'expired') THEN
    RAISE EXCEPTION 'claim %: its hold lapses at %, and then it can only be expired', OLD.id, OLD.hold_until
      USING ERRCODE = 'check_violation', CONSTRAINT = 'claims_no_lag', TABLE = 'claims';
  END IF;
  RETURN NEW;
END $$
;;
CREATE TRIGGER claims_guard BEFORE UPDATE ON claims FOR EACH ROW EXECUTE FUNCTION claims_guard()
;;
CREATE FUNCTION claims_updated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  -- Also where a hold was shortened: a lapse earlier than the opening expects would go unseen.
  UPDATE openings o
     SET units_taken = o.units_taken - moved.units,
         next_lapse_at = least(o.next_lapse_at, moved.lapse_at)
    FROM (SELECT n.program_id, n.opening_id,
                 sum(CASE WHEN n.state IN ('held', 'confirmed', 'arrived') THEN 0 ELSE n.units END) AS units,
                 min(n.hold_until) FILTER (WHERE n.state = 'held') AS lapse_at
            FROM updated n JOIN before b ON b.program_id = n.program_id AND b.id = n.id
           WHERE b.state IN ('held', 'confirmed', 'arrived') AND n.state NOT IN ('held', 'confirmed', 'arrived')
              OR n.state = 'held' AND n.hold_until < b.hold_until
           GROUP BY n.program_id, n.opening_id) moved
   WHERE o.program_id = moved.program_id AND o.id = moved.opening_id;

  UPDATE organizations o
     SET promises_kept = o.promises_kept + k.kept, promises_broken = o.promises_broken + k.broken
    FROM (SELECT n.program_id, n.organization_id,
                 count(*) FILTER (WHERE n.state = 'arrived') AS kept,
                 count(*) FILTER (WHERE n.reason IN ('place_no_longer_available', 'place_entered_in_error')) AS broken
            FROM updated n JOIN before b ON b.program_id = n.program_id AND b.id = n.id
           WHERE n.state <> b.state AND n.state IN ('arrived', 'declined')
           GROUP BY n.program_id, n.organization_id) k
   WHERE o.program_id = k.program_id AND o.id = k.organization_id AND k.kept + k.broken > 0;

  WITH fact AS (
    SELECT n.program_id, n.id,
           CASE WHEN n.state <> b.state THEN 'claim.' || n.state ELSE 'claim.extended' END AS type,
           CASE WHEN n.state = 'expired' THEN 'clock' ELSE current_actor() END AS actor,
           jsonb_build_object(
             'claim_id', n.id, 'bundle_id', n.bundle_id, 'opening_id', n.opening_id,
             'organization_id', n.organization_id, 'units', n.units, 'state', n.state, 'hold_until', n.hold_until,
             'reason', n.reason) AS data
      FROM updated n JOIN before b ON b.program_id = n.program_id AND b.id = n.id
     WHERE n.state <> b.state OR n.hold_until <> b.hold_until
  ), told AS (
    INSERT INTO events (program_id, type, subject_id, data) SELECT program_id, type, id, data FROM fact)
  INSERT INTO audit (program_id, actor, action, subject_id, detail)
  SELECT program_id, actor, type, id, jsonb_strip_nulls(jsonb_build_object('reason', data -> 'reason')) FROM fact;
  RETURN NULL;
END $$
;;
CREATE TRIGGER claims_updated AFTER UPDATE ON claims
  REFERENCING OLD TABLE AS before NEW TABLE AS updated FOR EACH STATEMENT EXECUTE FUNCTION claims_updated()
;;
CREATE FUNCTION claims_deleted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  UPDATE openings o SET units_taken = o.units_taken - d.units
    FROM (SELECT program_id, opening_id, sum(units) AS units FROM deleted
           WHERE state IN ('held', 'confirmed', 'arrived') GROUP BY program_id, opening_id) d
   WHERE o.program_id = d.program_id AND o.id = d.opening_id;
  INSERT INTO audit (program_id, actor, action, subject_id, detail)
  SELECT program_id, current_actor(), 'claim.deleted', id, '{}' FROM deleted;
  RETURN NULL;
END $$
;;
CREATE TRIGGER claims_deleted AFTER DELETE ON claims
  REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION claims_deleted()
;;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME;
END $$
;;
CREATE TRIGGER claims_truncated BEFORE TRUNCATE ON claims
  FOR EACH STATEMENT EXECUTE FUNCTION refuse('claims can''t be truncated: the counts of their openings would be wrong')
;;
-- Nobody writes the count but the triggers above, not even the owner.
CREATE TRIGGER openings_count_kept BEFORE UPDATE OF units_taken ON openings FOR EACH ROW
  WHEN (NEW.units_taken <> OLD.units_taken AND pg_trigger_depth() = 0)
  EXECUTE FUNCTION refuse('units_taken is kept by the database from the claims: change the claims')
;;
CREATE TRIGGER openings_born_empty BEFORE INSERT ON openings FOR EACH ROW
  WHEN (NEW.units_taken <> 0 OR NEW.next_lapse_at IS NOT NULL)
  EXECUTE FUNCTION refuse('a new opening has no claims: units_taken starts at 0')
;;
CREATE FUNCTION openings_inserted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  WITH told AS (
    INSERT INTO events (program_id, type, subject_id, data)
    SELECT program_id, 'opening.published', id, opening_facts(inserted) FROM inserted)
  INSERT INTO audit (program_id, actor, action, subject_id, detail)
  SELECT program_id, current_actor(), 'opening.published', id, jsonb_build_object('units_total', units_total) FROM inserted;
  RETURN NULL;
END $$
;;
CREATE TRIGGER openings_inserted AFTER INSERT ON openings
  REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION openings_inserted()
;;
-- What to call a change of an opening; null where nothing changed that anyone is told of.
CREATE FUNCTION opening_change(before openings, after openings) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
    WHEN after.withdrawn_at IS NOT NULL AND before.withdrawn_at IS NULL THEN 'opening.withdrawn'
    WHEN after.version <> before.version OR after.units_taken <> before.units_taken THEN 'opening.changed'
    WHEN after.fresh_until IS DISTINCT FROM before.fresh_until THEN 'opening.attested' END
$$
;;
-- A change of the count is told as an event; a change of what the provider published is in the trail too.
CREATE FUNCTION openings_updated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO events (program_id, type, subject_id, data)
  SELECT n.program_id, opening_change(b, n), n.id, opening_facts(n)
    FROM updated n JOIN before b ON b.program_id = n.program_id AND b.id = n.id
   WHERE opening_change(b, n) IS NOT NULL;
  -- One level down, it is a claim that moved the count, and the claim's own entry stands in the trail.
  IF pg_trigger_depth() = 1 THEN
    INSERT INTO audit (program_id, actor, action, subject_id, detail)
    SELECT n.program_id, current_actor(), opening_change(b, n), n.id,
           (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(n) - 'on_earth')
             WHERE value IS DISTINCT FROM to_jsonb(b) -> key)
      FROM updated n JOIN before b ON b.program_id = n.program_id AND b.id = n.id
     WHERE opening_change(b, n) IS NOT NULL;
  END IF;
  RETURN NULL;
END $$
;;
CREATE TRIGGER openings_updated AFTER UPDATE ON openings
  REFERENCING OLD TABLE AS before NEW TABLE AS updated FOR EACH STATEMENT EXECUTE FUNCTION openings_updated()
;;
-- The rules of the market are facts too: the trail says what was set, and by whom.
CREATE FUNCTION programs_updated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  WITH changed AS (
    SELECT n.program_id, (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(n))
                           WHERE value IS DISTINCT FROM to_jsonb(b) -> key) AS detail
      FROM updated n JOIN before b ON b.program_id = n.program_id
  ), told AS (
    INSERT INTO events (program_id, type, subject_id, data)
    SELECT program_id, 'program.changed', program_id, '{}' FROM changed WHERE detail IS NOT NULL)
  INSERT INTO audit (program_id, actor, action, subject_id, detail)
  SELECT program_id, current_actor(), 'program.changed', program_id, detail FROM changed WHERE detail IS NOT NULL;
  RETURN NULL;
END $$
;;
CREATE TRIGGER programs_updated AFTER UPDATE ON programs
  REFERENCING OLD TABLE AS before NEW TABLE AS updated FOR EACH STATEMENT EXECUTE FUNCTION programs_updated()
;;
-- What is only ever added leaves its trace the same way: the argument names the event.
CREATE FUNCTION leave_trace() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  WITH told AS (
    INSERT INTO events (program_id, type, subject_id, data)
    SELECT program_id, TG_ARGV[0], id, '{}' FROM inserted)
  INSERT INTO audit (program_id, actor, action, subject_id, detail)
  SELECT program_id, current_actor(), TG_ARGV[0], id, '{}' FROM inserted;
  RETURN NULL;
END $$
;;
CREATE TRIGGER organizations_inserted AFTER INSERT ON organizations
  REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION leave_trace('organization.added')
;;
CREATE TRIGGER locations_inserted AFTER INSERT ON locations
  REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION leave_trace('location.added')
;;
CREATE TRIGGER services_inserted AFTER INSERT ON services
  REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION leave_trace('service.added')
;;
CREATE TRIGGER participants_inserted AFTER INSERT ON participants
  REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION leave_trace('participant.added')
;;
CREATE TRIGGER keys_inserted AFTER INSERT ON keys
  REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION leave_trace('key.created')
;;
CREATE TRIGGER unmet_needs_inserted AFTER INSERT ON unmet_needs
  REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION leave_trace('need.unmet')
;;
-- Lapse what has lapsed on these openings, in id order, and find when the next hold will. The one way in which
-- a hold expires: the desk, the sweeper and every other writer call it after locking the openings, so a hold
-- that has lapsed by the clock never stands in anyone's way. Answers how many claims it expired.
CREATE FUNCTION expire_lapsed(p_program_id uuid, p_opening_ids uuid[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  moment timestamptz;
  expired bigint;
BEGIN
  IF p_program_id IS DISTINCT FROM nullif(current_setting('openberth.program_id', true), '')::uuid THEN
    RAISE EXCEPTION 'this transaction is not for program %', p_program_id USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM FROM openings WHERE program_id = p_program_id AND id = ANY (p_opening_ids) ORDER BY id FOR NO KEY UPDATE;
  moment := clock_timestamp();
  UPDATE claims SET state = 'expired', ended_at = hold_until
   WHERE program_id = p_program_id AND opening_id = ANY (p_opening_ids) AND state = 'held' AND hold_until <= moment;
  GET DIAGNOSTICS expired = ROW_COUNT;
  UPDATE openings o
     SET next_lapse_at = (SELECT min(c.hold_until) FROM claims c
                           WHERE c.program_id = o.program_id AND c.opening_id = o.id AND c.state = 'held')
   WHERE o.program_id = p_program_id AND o.id = ANY (p_opening_ids) AND o.next_lapse_at <= moment;
  RETURN expired;
END $$
;;
-- The two questions that must be asked before it is known which program a transaction is for.
CREATE FUNCTION find_key(p_hash bytea)
RETURNS TABLE (program_id uuid, id uuid, organization_id uuid, role text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
  SELECT k.program_id, k.id, k.organization_id, k.role FROM keys k
   WHERE k.hash = p_hash AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
$$
;;
CREATE FUNCTION every_program() RETURNS TABLE (program_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
  SELECT p.program_id FROM programs p ORDER BY p.program_id
$$
