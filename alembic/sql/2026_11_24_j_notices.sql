-- Notices to people: what the app role may do, the trace of what people choose, and who is forgotten when.

-- The programs that owe a notice by this channel now: so a sender need not ask each of them.
CREATE FUNCTION programs_owing(p_channel text) RETURNS TABLE (program_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT SET enable_seqscan = off AS $$
  SELECT p.program_id FROM programs p
   WHERE EXISTS (SELECT FROM notices n WHERE n.program_id = p.program_id AND n.channel = p_channel
                    AND n.state = 'due' AND n.next_at <= clock_timestamp())
$$
;;
-- Whoever is invited again may have lost the browser with the rest, and who has left is told nothing: their browsers
-- are forgotten, whatever did it.
CREATE FUNCTION forget_browsers() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  DELETE FROM push_subscriptions s
   WHERE s.program_id = NEW.program_id
     AND s.person_id = CASE TG_TABLE_NAME WHEN 'people' THEN (to_jsonb(NEW) ->> 'id')::uuid
                                          ELSE (to_jsonb(NEW) ->> 'person_id')::uuid END;
  RETURN NULL;
END $$
;;
CREATE TRIGGER invitations_forget_browsers AFTER INSERT OR UPDATE ON invitations
  FOR EACH ROW EXECUTE FUNCTION forget_browsers()
;;
CREATE TRIGGER people_forget_browsers AFTER UPDATE OF ended_at ON people
  FOR EACH ROW WHEN (NEW.ended_at IS NOT NULL) EXECUTE FUNCTION forget_browsers()
;;
CREATE TRIGGER notice_choices_noted AFTER INSERT OR UPDATE ON notice_choices
  FOR EACH ROW EXECUTE FUNCTION note_factor('notice_choices')
;;
CREATE TRIGGER push_subscriptions_noted AFTER INSERT OR DELETE OR UPDATE OF person_id ON push_subscriptions
  FOR EACH ROW EXECUTE FUNCTION note_factor('push_subscription')
;;
-- Sent or not: after so many days no notice is of any use.
CREATE FUNCTION retire_notices(p_days integer, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  cut_off timestamptz := retention_cut_off(p_days, 2);
  program uuid := nullif(current_setting('openberth.program_id', true), '')::uuid;
  gone bigint;
BEGIN
  DELETE FROM notices WHERE program_id = program AND id IN (
    SELECT id FROM notices WHERE program_id = program AND created_at < cut_off ORDER BY created_at LIMIT p_limit);
  GET DIAGNOSTICS gone = ROW_COUNT;
  PERFORM retention_ran('notices', gone, cut_off);
  RETURN gone;
END $$
;;
REVOKE ALL ON FUNCTION programs_owing, forget_browsers, retire_notices FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION programs_owing, retire_notices TO openberth_app
;;
GRANT SELECT, INSERT, UPDATE (language, lapse_minutes, attest_minutes, quiet_from, quiet_until, choices)
  ON notice_choices TO openberth_app
;;
GRANT SELECT, INSERT (program_id, id, person_id, endpoint_hash, sealed, device), DELETE,
  UPDATE (person_id, sealed, device) ON push_subscriptions TO openberth_app
;;
GRANT SELECT, INSERT, UPDATE (public_key, private_key) ON push_keys TO openberth_app
;;
GRANT SELECT, INSERT (program_id, id, person_id, kind, subject_id, moment, channel, destination, useful_until),
  UPDATE (state, attempts, next_at, error, sent_at) ON notices TO openberth_app
