-- The trail: every entry of `audit` gets a number without gaps and a hash that holds all entries before it, and
-- nothing of it is changed or deleted by anyone but the retention that keeps the chain verifiable.

-- The bytes of an entry that its hash is made of: a JSON array as jsonb prints it, the time in microseconds since
-- 1970 (UTC), in UTF-8. app/access/canon.py makes the same from an export. Parsed here and now, and free of
-- everything that a session can set: time zone, date style, digits of floats, search path.
CREATE FUNCTION audit_bytes(entry audit) RETURNS bytea LANGUAGE sql STABLE
RETURN convert_to(jsonb_build_array(
  (entry).program_id, (entry).id, trunc(extract(epoch FROM (entry).at) * 1000000)::text,
  (entry).actor, (entry).action, (entry).subject_id, (entry).detail)::text, 'UTF8')
;;
CREATE FUNCTION chain_link(state bytea, first bytea, entry bytea) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN sha256(coalesce(state, first) || entry);
END $$
;;
-- The hash after these entries, as a window gives it for each: the first argument is the hash to start from.
CREATE AGGREGATE chain_hash(bytea, bytea) (SFUNC = chain_link, STYPE = bytea)
;;
-- Whoever writes an entry has the id of its transaction before it draws the id of the entry. `seal_trail` relies on
-- it: a sequence is drawn from before the row is written, and a transaction has no id until it writes.
CREATE FUNCTION take_transaction_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_current_xact_id();
  RETURN NULL;
END $$
;;
CREATE TRIGGER audit_identified BEFORE INSERT ON audit FOR EACH STATEMENT EXECUTE FUNCTION take_transaction_id()
;;
CREATE TRIGGER audit_unchanged BEFORE UPDATE OR TRUNCATE ON audit
  FOR EACH STATEMENT EXECUTE FUNCTION refuse('the trail is append-only: its entries never change')
;;
CREATE TRIGGER audit_kept BEFORE DELETE ON audit
  FOR EACH STATEMENT WHEN (coalesce(current_setting('openberth.retiring', true), '') <> 'trail')
  EXECUTE FUNCTION refuse('the trail is append-only: only retire_trail takes entries away, oldest first')
;;
CREATE TRIGGER audit_seals_unchanged BEFORE UPDATE OR TRUNCATE ON audit_seals
  FOR EACH STATEMENT EXECUTE FUNCTION refuse('the trail is append-only: its seals never change')
;;
CREATE TRIGGER audit_seals_kept BEFORE DELETE ON audit_seals
  FOR EACH STATEMENT WHEN (coalesce(current_setting('openberth.retiring', true), '') <> 'trail')
  EXECUTE FUNCTION refuse('the trail is append-only: only retire_trail takes seals away, oldest first')
;;
CREATE TRIGGER audit_chains_kept BEFORE DELETE OR TRUNCATE ON audit_chains
  FOR EACH STATEMENT EXECUTE FUNCTION refuse('without it nothing would say where the trail begins and ends')
;;
-- Seal what has no seal yet, in id order, at most so many; answers how many. One at a time per program: whoever
-- comes second answers 0. An entry whose transaction commits late, below ids that are sealed, is taken by a later
-- pass: the order of the chain is the order of sealing.
--
-- So that no pass walks the whole trail, `settled_id` says up to which id nothing can come any more. A pass draws a
-- fence: the last id given out, then its own transaction's id. Every writer of an id up to the fence has a lower
-- transaction id; once all of those have ended, the fence is firm, and a pass that then finds nothing more to seal
-- below it has settled it. A transaction that stays open only keeps the look-up longer, never an entry out.
-- Nothing is written where nothing is to be done. No plan may walk all seals, whatever the statistics say.
CREATE FUNCTION seal_trail(p_program_id uuid, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET enable_hashjoin = off SET enable_seqscan = off AS $$
DECLARE
  chain audit_chains;
  last_given bigint;
  here bigint;
  horizon bigint;
  firm_id bigint;
  sealed bigint;
  last_id bigint;
BEGIN
  IF p_program_id IS DISTINCT FROM nullif(current_setting('openberth.program_id', true), '')::uuid THEN
    RAISE EXCEPTION 'this transaction is not for program %', p_program_id USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF NOT pg_try_advisory_xact_lock(hashtextextended('openberth.trail ' || p_program_id, 0)) THEN
    RETURN 0;
  END IF;
  horizon := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
  SELECT * INTO chain FROM audit_chains WHERE program_id = p_program_id;
  IF NOT coalesce(chain.fence_xid <= horizon, false) AND NOT EXISTS (
    SELECT FROM audit a WHERE a.program_id = p_program_id AND a.id > coalesce(chain.settled_id, 0)
       AND NOT EXISTS (SELECT FROM audit_seals s WHERE s.program_id = p_program_id AND s.entry_id = a.id)) THEN
    RETURN 0;
  END IF;

  -- In this order: a fence drawn by a transaction that had its id before would not hold.
  IF pg_current_xact_id_if_assigned() IS NULL THEN
    SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END INTO last_given FROM audit_id_seq;
  END IF;
  here := pg_current_xact_id()::text::bigint;
  INSERT INTO audit_chains (program_id) VALUES (p_program_id) ON CONFLICT DO NOTHING;
  SELECT * INTO chain FROM audit_chains WHERE program_id = p_program_id FOR UPDATE;
  IF chain.fence_xid <= horizon THEN
    firm_id := chain.fence_id;
  ELSIF chain.fence_xid > here THEN
    -- From another server, whose transactions have other ids: the database was restored here.
    chain.fence_id := NULL;
    chain.fence_xid := NULL;
  END IF;

  WITH taken AS MATERIALIZED (
    SELECT a.id, audit_bytes(a) AS bytes FROM audit a
     WHERE a.program_id = p_program_id AND a.id > chain.settled_id
       AND NOT EXISTS (SELECT FROM audit_seals s WHERE s.program_id = p_program_id AND s.entry_id = a.id)
     ORDER BY a.id LIMIT p_limit
  ), added AS (
    INSERT INTO audit_seals (program_id, number, entry_id, hash)
    SELECT p_program_id, chain.number + row_number() OVER w, id, chain_hash(chain.hash, bytes) OVER w
      FROM taken WINDOW w AS (ORDER BY id ROWS UNBOUNDED PRECEDING)
    RETURNING entry_id
  )
  SELECT count(*), max(entry_id) INTO sealed, last_id FROM added;

  IF sealed > 0 THEN
    chain.number := chain.number + sealed;
    SELECT hash INTO STRICT chain.hash FROM audit_seals WHERE program_id = p_program_id AND number = chain.number;
  END IF;
  IF firm_id IS NOT NULL THEN
    -- A pass that stopped at its limit has only seen this far.
    chain.settled_id := greatest(chain.settled_id, CASE WHEN sealed < p_limit THEN firm_id ELSE least(firm_id, last_id) END);
    IF chain.settled_id >= firm_id THEN
      chain.fence_id := NULL;
      chain.fence_xid := NULL;
    END IF;
  END IF;
  IF chain.fence_id IS NULL AND sealed > 0 AND last_given IS NOT NULL THEN
    chain.fence_id := last_given;
    chain.fence_xid := here;
  END IF;
  UPDATE audit_chains
     SET number = chain.number, hash = chain.hash, settled_id = chain.settled_id,
         fence_id = chain.fence_id, fence_xid = chain.fence_xid
   WHERE program_id = p_program_id;
  RETURN sealed;
END $$
;;
GRANT SELECT ON audit_seals, audit_chains TO openberth_app
;;
REVOKE ALL ON FUNCTION seal_trail FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION seal_trail TO openberth_app
