-- Retention: for each kind of data a function that takes away what is older than so many days, at most so many rows,
-- in the transaction's own program, and says so in the trail. app/access/retention.py lists them.

-- Before which moment a kind goes; null, before which nothing is, while the program is under a legal hold. Below
-- the least number of days of a kind nothing goes, whoever asks: the app role may call these functions.
CREATE FUNCTION retention_cut_off(p_days integer, p_at_least integer) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
BEGIN
  IF p_days IS NULL OR p_days < p_at_least THEN
    RAISE EXCEPTION 'this is kept for at least % days', p_at_least USING ERRCODE = 'check_violation';
  END IF;
  IF (SELECT coalesce((retention ->> 'legal_hold')::boolean, false) FROM programs
       WHERE program_id = nullif(current_setting('openberth.program_id', true), '')::uuid) THEN
    RETURN NULL;
  END IF;
  RETURN now() - p_days * interval '24 hours';
END $$
;;
-- The entry of what went, in the transaction in which it went. Nothing gone, nothing said.
CREATE FUNCTION retention_ran(p_kind text, p_count bigint, p_cut_off timestamptz, p_more jsonb DEFAULT '{}')
RETURNS void LANGUAGE sql SET search_path FROM CURRENT AS $$
  SELECT note('retention.ran', current_setting('openberth.program_id')::uuid,
              jsonb_build_object('kind', p_kind, 'count', p_count, 'older_than',
                                 to_char(p_cut_off AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) || p_more)
   WHERE p_count > 0
$$
;;
-- The oldest entries of the trail with their seals. The chain's anchor moves to the last of them, so that what is
-- left can be verified from there. A part that doesn't verify is evidence, and stays.
CREATE FUNCTION retire_trail(p_days integer, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  -- Three years, whatever a program sets: as far back as an accounting of disclosures reaches (42 CFR 2.25).
  cut_off timestamptz := retention_cut_off(p_days, 1096);
  program uuid := nullif(current_setting('openberth.program_id', true), '')::uuid;
  chain audit_chains;
  first_kept bigint;
  last_seen bigint;
  broken bigint;
  gone bigint;
BEGIN
  IF cut_off IS NULL THEN
    RETURN 0;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('openberth.trail ' || program, 0));
  SELECT * INTO chain FROM audit_chains WHERE program_id = program FOR UPDATE;
  IF NOT FOUND THEN
    RETURN 0;
  END IF;

  SELECT min(number) FILTER (WHERE kept), max(number),
         min(number) FILTER (WHERE previous_number + 1 <> number OR sha256(previous_hash || bytes) IS DISTINCT FROM hash)
    INTO first_kept, last_seen, broken
    FROM (SELECT s.number, s.hash, a.at >= cut_off AS kept,
                 CASE WHEN a.id IS NOT NULL THEN audit_bytes(a) END AS bytes,
                 lag(s.number, 1, chain.retired_number) OVER w AS previous_number,
                 lag(s.hash, 1, chain.retired_hash) OVER w AS previous_hash
            FROM (SELECT * FROM audit_seals WHERE program_id = program AND number > chain.retired_number
                   ORDER BY number LIMIT p_limit) s
            LEFT JOIN audit a ON a.program_id = program AND a.id = s.entry_id
          WINDOW w AS (ORDER BY s.number)) link;
  last_seen := coalesce(first_kept - 1, last_seen, chain.retired_number);
  IF broken <= last_seen THEN
    RAISE EXCEPTION 'the trail of program % is broken at number %: nothing of it is retired', program, broken
      USING ERRCODE = 'check_violation', HINT = 'Run openberth doctor.';
  END IF;
  IF last_seen = chain.retired_number THEN
    RETURN 0;
  END IF;

  -- For the triggers that keep the trail, and for these two statements alone.
  PERFORM set_config('openberth.retiring', 'trail', true);
  DELETE FROM audit a USING audit_seals s
   WHERE s.program_id = program AND s.number > chain.retired_number AND s.number <= last_seen
     AND a.program_id = program AND a.id = s.entry_id;
  UPDATE audit_chains
     SET retired_number = last_seen,
         retired_hash = (SELECT hash FROM audit_seals WHERE program_id = program AND number = last_seen)
   WHERE program_id = program RETURNING * INTO chain;
  DELETE FROM audit_seals WHERE program_id = program AND number <= last_seen;
  GET DIAGNOSTICS gone = ROW_COUNT;
  PERFORM set_config('openberth.retiring', '', true);
  PERFORM retention_ran('trail', gone, cut_off,
                        jsonb_build_object('last_number', last_seen, 'last_hash', encode(chain.retired_hash, 'hex')));
  RETURN gone;
END $$
;;
CREATE FUNCTION retire_events(p_days integer, p_limit integer) RETURNS bigint
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
;;
CREATE FUNCTION retire_answers(p_days integer, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  cut_off timestamptz := retention_cut_off(p_days, 7);
  program uuid := nullif(current_setting('openberth.program_id', true), '')::uuid;
  gone bigint;
BEGIN
  DELETE FROM idempotency WHERE program_id = program AND (caller_id, key) IN (
    SELECT caller_id, key FROM idempotency WHERE program_id = program AND created_at < cut_off LIMIT p_limit);
  GET DIAGNOSTICS gone = ROW_COUNT;
  PERFORM retention_ran('answers', gone, cut_off);
  RETURN gone;
END $$
;;
-- The claim stays, what was asked for goes: it served to find another place, and an ended claim finds none.
CREATE FUNCTION retire_needs(p_days integer, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  cut_off timestamptz := retention_cut_off(p_days, 1);
  program uuid := nullif(current_setting('openberth.program_id', true), '')::uuid;
  gone bigint;
BEGIN
  UPDATE claims SET need = NULL WHERE program_id = program AND id IN (
    SELECT id FROM claims WHERE program_id = program AND need IS NOT NULL AND ended_at < cut_off
     ORDER BY ended_at LIMIT p_limit);
  GET DIAGNOSTICS gone = ROW_COUNT;
  PERFORM retention_ran('needs', gone, cut_off);
  RETURN gone;
END $$
;;
CREATE FUNCTION retire_unmet_needs(p_days integer, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  cut_off timestamptz := retention_cut_off(p_days, 30);
  program uuid := nullif(current_setting('openberth.program_id', true), '')::uuid;
  gone bigint;
BEGIN
  DELETE FROM unmet_needs WHERE program_id = program AND id IN (
    SELECT id FROM unmet_needs WHERE program_id = program AND at < cut_off ORDER BY at LIMIT p_limit);
  GET DIAGNOSTICS gone = ROW_COUNT;
  PERFORM retention_ran('unmet_needs', gone, cut_off);
  RETURN gone;
END $$
;;
GRANT UPDATE (retention) ON programs TO openberth_app
;;
REVOKE ALL ON FUNCTION retention_cut_off, retention_ran, retire_trail, retire_events, retire_answers, retire_needs,
  retire_unmet_needs FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION retire_trail, retire_events, retire_answers, retire_needs, retire_unmet_needs TO openberth_app
