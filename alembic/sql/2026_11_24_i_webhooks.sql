-- Webhooks: who they act as, which of them have something to do, what they leave in the trail, and for how long what
-- was delivered is kept.

-- The caller of this id as the program knows them now: a key that opens, or a person whose access has not ended.
CREATE FUNCTION standing_caller(p_program_id uuid, p_id uuid)
RETURNS TABLE (organization_id uuid, role text, scopes text[], serves_survivors boolean)
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
  SELECT k.organization_id, k.role, k.scopes, g.serves_survivors
    FROM keys k JOIN organizations g ON g.program_id = k.program_id AND g.id = k.organization_id
   WHERE k.program_id = p_program_id AND k.id = p_id
     AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
  UNION ALL
  SELECT p.organization_id, p.role, NULL, g.serves_survivors
    FROM people p JOIN organizations g ON g.program_id = p.program_id AND g.id = p.organization_id
   WHERE p.program_id = p_program_id AND p.id = p_id AND p.ended_at IS NULL
$$
;;
-- The webhooks of all programs that have something to do: their log has grown, a try is due, or their caller is none
-- any more.
CREATE FUNCTION webhooks_due() RETURNS TABLE (program_id uuid, id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
  SELECT w.program_id, w.id FROM webhooks w
   WHERE w.due_at <= clock_timestamp()
      OR w.state = 'on' AND (
           w.after_number < (SELECT l.last_number FROM log_pages l
                              WHERE l.program_id = w.program_id ORDER BY l.last_number DESC LIMIT 1)
        OR NOT EXISTS (SELECT FROM standing_caller(w.program_id, w.caller_id)))
   ORDER BY w.due_at NULLS LAST
$$
;;
-- What was done to a webhook. A secret that is sealed again by another key has not changed: a rotation says until when
-- the one before is good.
CREATE FUNCTION webhooks_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  w webhooks := coalesce(NEW, OLD);
  fact text := CASE
    WHEN TG_OP = 'INSERT' THEN 'webhook.created'
    WHEN TG_OP = 'DELETE' THEN 'webhook.deleted'
    WHEN NEW.state <> OLD.state THEN
      CASE NEW.state WHEN 'on' THEN 'webhook.resumed' WHEN 'paused' THEN 'webhook.paused' ELSE 'webhook.disabled' END
    WHEN NEW.previous_until IS DISTINCT FROM OLD.previous_until THEN 'webhook.rotated'
    WHEN (NEW.name, NEW.url, NEW.types, NEW.filter) IS DISTINCT FROM (OLD.name, OLD.url, OLD.types, OLD.filter)
      THEN 'webhook.changed' END;
  because jsonb := CASE fact WHEN 'webhook.disabled' THEN jsonb_build_object('because', w.off_because) ELSE '{}' END;
BEGIN
  IF fact IS NOT NULL THEN
    INSERT INTO events (program_id, type, subject_id, data)
    VALUES (w.program_id, fact, w.id, jsonb_build_object('webhook_id', w.id, 'caller_id', w.caller_id) || because);
    INSERT INTO audit (program_id, actor, action, subject_id, detail)
    VALUES (w.program_id, current_actor(), fact, w.id, because);
  END IF;
  RETURN NULL;
END $$
;;
CREATE TRIGGER webhooks_changed AFTER INSERT OR DELETE ON webhooks FOR EACH ROW EXECUTE FUNCTION webhooks_changed()
;;
-- Not of the columns that change with every delivery.
CREATE TRIGGER webhooks_updated AFTER UPDATE OF state, previous_until, name, url, types, filter ON webhooks
  FOR EACH ROW EXECUTE FUNCTION webhooks_changed()
;;
CREATE TRIGGER webhooks_stay_whose_they_are BEFORE UPDATE ON webhooks FOR EACH ROW
  WHEN ((NEW.program_id, NEW.id, NEW.caller_id, NEW.organization_id, NEW.scopes)
        IS DISTINCT FROM (OLD.program_id, OLD.id, OLD.caller_id, OLD.organization_id, OLD.scopes))
  EXECUTE FUNCTION refuse('a webhook never changes whose it is: make a new one')
;;
CREATE FUNCTION retire_webhook_deliveries(p_days integer, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  cut_off timestamptz := retention_cut_off(p_days, 1);
  program uuid := nullif(current_setting('openberth.program_id', true), '')::uuid;
  gone bigint;
BEGIN
  DELETE FROM webhook_deliveries WHERE program_id = program AND id IN (
    SELECT id FROM webhook_deliveries WHERE program_id = program AND ended_at < cut_off
     ORDER BY ended_at LIMIT p_limit);
  GET DIAGNOSTICS gone = ROW_COUNT;
  PERFORM retention_ran('webhook_deliveries', gone, cut_off);
  RETURN gone;
END $$
;;
REVOKE ALL ON FUNCTION standing_caller, webhooks_due, webhooks_changed, retire_webhook_deliveries FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION standing_caller, webhooks_due, retire_webhook_deliveries TO openberth_app
;;
GRANT SELECT, DELETE, INSERT (program_id, id, caller_id, organization_id, scopes, name, url, types, filter, secret,
  after_number), UPDATE (name, url, types, filter, secret, previous_secret, previous_until, state, off_because,
  state_since, after_number, accepted_at, failing_since, due_at) ON webhooks TO openberth_app
;;
GRANT SELECT, INSERT (program_id, id, webhook_id, number, lane, type, body), UPDATE (state, tries, first_tried_at,
  due_at, leased_until, taken_at, ended_at) ON webhook_deliveries TO openberth_app
;;
GRANT SELECT, INSERT (program_id, delivery_id, nr, at, url), UPDATE (status, answer, ms, error) ON webhook_tries
  TO openberth_app
