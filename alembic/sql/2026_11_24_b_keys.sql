-- Keys that can be rotated and revoked, and the counts that rate limits share.

-- Whom a secret belongs to: asked before it is known which program a transaction is for. A key opens with its own
-- secret, and until they expire with the one before and with access tokens, whose scopes are their own. `find_key`,
-- which knows neither, stays for servers that still run while this is migrated.
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
-- Give a key of the transaction's program a new secret. The one before opens for `p_overlap` more, and whatever was
-- got with it no longer than that. Answers when that is; null for a key that opens nothing any more.
CREATE FUNCTION rotate_key(p_id uuid, p_hash bytea, p_prefix text, p_overlap interval) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  program uuid := nullif(current_setting('openberth.program_id', true), '')::uuid;
  before keys;
  ends timestamptz;
BEGIN
  SELECT * INTO before FROM keys WHERE program_id = program AND id = p_id AND revoked_at IS NULL FOR NO KEY UPDATE;
  ends := clock_timestamp() + p_overlap;
  IF before.id IS NULL OR before.expires_at <= clock_timestamp() THEN
    RETURN NULL;
  END IF;
  DELETE FROM key_secrets WHERE program_id = program AND key_id = p_id AND expires_at <= clock_timestamp();
  UPDATE key_secrets SET expires_at = least(expires_at, ends) WHERE program_id = program AND key_id = p_id;
  INSERT INTO key_secrets (program_id, id, key_id, kind, hash, expires_at)
  VALUES (program, gen_random_uuid(), p_id, 'previous', before.hash, ends);
  UPDATE keys SET hash = p_hash, prefix = p_prefix WHERE program_id = program AND id = p_id;
  RETURN ends;
END $$
;;
CREATE FUNCTION revoke_key(p_id uuid) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
  UPDATE keys SET revoked_at = clock_timestamp()
   WHERE program_id = nullif(current_setting('openberth.program_id', true), '')::uuid AND id = p_id
     AND revoked_at IS NULL
$$
;;
CREATE FUNCTION keys_used(p_ids uuid[]) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
  UPDATE keys SET last_used_at = clock_timestamp()
   WHERE program_id = nullif(current_setting('openberth.program_id', true), '')::uuid
     AND id IN (SELECT id FROM keys WHERE program_id = nullif(current_setting('openberth.program_id', true), '')::uuid
                   AND id = ANY (p_ids) ORDER BY id FOR NO KEY UPDATE)
$$
;;
-- A row at a time: `last_used_at` changes every minute, and must cost nothing here.
CREATE FUNCTION keys_updated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  fact text := CASE WHEN NEW.revoked_at IS DISTINCT FROM OLD.revoked_at THEN 'key.revoked' ELSE 'key.rotated' END;
BEGIN
  INSERT INTO events (program_id, type, subject_id, data) VALUES (NEW.program_id, fact, NEW.id, '{}');
  INSERT INTO audit (program_id, actor, action, subject_id, detail)
  VALUES (NEW.program_id, current_actor(), fact, NEW.id, '{}');
  RETURN NULL;
END $$
;;
CREATE TRIGGER keys_updated AFTER UPDATE OF hash, revoked_at ON keys FOR EACH ROW
  WHEN (NEW.hash <> OLD.hash OR NEW.revoked_at IS DISTINCT FROM OLD.revoked_at)
  EXECUTE FUNCTION keys_updated()
;;
CREATE TRIGGER keys_stay_revoked BEFORE UPDATE OF revoked_at ON keys FOR EACH ROW
  WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at)
  EXECUTE FUNCTION refuse('a revoked key stays revoked: make a new one')
;;
CREATE TRIGGER keys_stay_who_they_are BEFORE UPDATE ON keys FOR EACH ROW
  WHEN ((NEW.program_id, NEW.id, NEW.organization_id) IS DISTINCT FROM (OLD.program_id, OLD.id, OLD.organization_id))
  EXECUTE FUNCTION refuse('a key never changes whose it is: make a new one')
;;
-- Add to the counts of rate limits what a process counted, which may be nothing, and answer the totals. What is over
-- is swept away by whoever comes first.
CREATE FUNCTION count_together(p_keys text[], p_untils timestamptz[], p_amounts bigint[])
RETURNS TABLE (key text, total bigint)
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
  DELETE FROM rate_counts r
   USING (SELECT o.key, o.until FROM rate_counts o WHERE o.until < clock_timestamp() - interval '10 s'
           ORDER BY o.until LIMIT 10000 FOR UPDATE SKIP LOCKED) over
   WHERE r.key = over.key AND r.until = over.until;
  WITH counted AS (SELECT * FROM unnest(p_keys, p_untils, p_amounts) n (key, until, amount)), added AS (
    -- In one order, so that processes don't wait for each other in a circle.
    INSERT INTO rate_counts AS c (key, until, count)
    SELECT n.key, n.until, n.amount FROM counted n WHERE n.amount > 0 ORDER BY n.key, n.until
    ON CONFLICT ON CONSTRAINT pk_rate_counts DO UPDATE SET count = c.count + excluded.count
    RETURNING c.key, c.count)
  SELECT a.key, a.count FROM added a
  UNION ALL
  SELECT c.key, c.count FROM counted n JOIN rate_counts c ON c.key = n.key AND c.until = n.until WHERE n.amount = 0
$$
;;
-- Whoever runs the installation makes its own keys, on its machine: no request can.
CREATE POLICY no_operators ON keys AS RESTRICTIVE FOR INSERT TO openberth_app WITH CHECK (role <> 'operator')
;;
GRANT SELECT (program_id, id, organization_id, name, role, scopes, prefix, created_at, expires_at, revoked_at,
  last_used_at), INSERT (program_id, id, organization_id, name, role, scopes, prefix, hash, expires_at, revoked_at,
  last_used_at) ON keys TO openberth_app
;;
GRANT SELECT (program_id, id, key_id, kind, scopes, created_at, expires_at), INSERT (program_id, id, key_id, kind,
  scopes, hash, expires_at), DELETE ON key_secrets TO openberth_app
;;
REVOKE ALL ON FUNCTION find_secret, rotate_key, revoke_key, keys_used, keys_updated, count_together FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION find_secret, rotate_key, revoke_key, keys_used, count_together TO openberth_app
