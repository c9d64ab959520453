-- Events of openings as they were before the log.
CREATE OR REPLACE FUNCTION openings_updated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
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
CREATE OR REPLACE FUNCTION retire_events(p_days integer, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  cut_off timestamptz := retention_cut_off(p_days, 7);
  program uuid := nullif(current_setting('openberth.program_id', true), '')::uuid;
  gone bigint;
BEGIN
  -- Ids rise with time, near enough: what is passed over today is among the oldest tomorrow.
  DELETE FROM events WHERE program_id = program AND id IN (
    SELECT id FROM (SELECT id, at FROM events WHERE program_id = program ORDER BY id LIMIT p_limit) oldest
     WHERE at < cut_off);
  GET DIAGNOSTICS gone = ROW_COUNT;
  PERFORM retention_ran('events', gone, cut_off);
  RETURN gone;
END $$
