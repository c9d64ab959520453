-- The log: events numbered in commit order, without gaps, for each program. A page of it holds up to a hundred
-- events by name, so that numbering one writes 16 bytes and no index entry; and what its relay had seen by then.
--
-- What is new is told by transactions, not by ids: an event whose transaction commits late has a lower id than many
-- that are numbered already. `seen_xid` and `seen_open` are the relay's snapshot: everything that a transaction
-- below `seen_xid` wrote has its number, except by those in `seen_open`, which had not ended yet. So a pass reads
-- exactly what has become visible since, from the primary key of events (program, transaction, id), and a
-- transaction that runs for hours costs one look-up a pass, delays nobody, and has its events numbered when it ends.
--
-- Within a pass events are in the order of their ids: where one transaction had to wait for another's row, it took
-- its ids after that one had committed, though its own number may be the lower.

-- Numbers what has become visible since the last pass, at most p_limit events. One relay at a time for a program.
-- A pass that leaves some over says so, and remembers which snapshot it is working through (`taking_…`).
-- `watched`: somebody watches for openings in this program, so what was numbered must be looked through for them.
CREATE FUNCTION number_events(p_limit int, p_notify boolean)
RETURNS TABLE (latest bigint, numbered bigint, more boolean, watched boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
-- A plan that was made while the tables were small would read all of them for years.
SET enable_seqscan = off AS $$
DECLARE
  program uuid := nullif(current_setting('openberth.program_id', true), '')::uuid;
  home bigint := (SELECT system_identifier FROM pg_control_system());
  head log_pages;
  restored boolean;
  from_xid bigint;
  from_open bigint[];
  most bigint;
BEGIN
  IF program IS NULL THEN
    RAISE EXCEPTION 'this transaction is for no program' USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('openberth relay ' || program, 0));
  -- A statement of its own, after the lock: its snapshot must be younger than the pass before ours.
  SELECT * INTO head FROM log_pages l WHERE l.program_id = program ORDER BY l.last_number DESC LIMIT 1;
  latest := coalesce(head.last_number, 0);
  from_xid := coalesce(head.seen_xid, 1);
  from_open := coalesce(head.seen_open, '{}');
  -- A dump that was restored elsewhere: transactions are counted anew there. What has no number is found by name.
  restored := coalesce(head.cluster <> home, false);
  most := p_limit + 1;

  WITH moment AS (
    SELECT pg_snapshot_xmax(s)::text::bigint AS xid,
           -- Our own transaction, if it has written, has not ended either.
           ARRAY(SELECT x::text::bigint FROM pg_snapshot_xip(s) x
                  UNION SELECT pg_current_xact_id_if_assigned()::text::bigint
                         WHERE pg_current_xact_id_if_assigned() IS NOT NULL) AS open
      FROM pg_current_snapshot() s
  ), fresh AS (
    SELECT e.xid, e.id FROM events e WHERE NOT restored AND e.program_id = program AND e.xid >= from_xid
    UNION ALL
    SELECT e.xid, e.id
      FROM unnest(from_open) o (xid)
      JOIN events e ON NOT restored AND e.program_id = program AND e.xid = o.xid
    UNION ALL
    SELECT e.xid, e.id FROM events e
     WHERE restored AND e.program_id = program AND e.xid > 0
       AND e.id NOT IN (SELECT unnest(l.event_ids) FROM log_pages l WHERE l.program_id = program)
  ), taken AS (
    SELECT f.xid, f.id FROM fresh f
     WHERE restored OR head.taking_xid IS NULL
        OR (f.xid < head.taking_xid AND f.xid <> ALL (head.taking_open)
            AND f.id > head.event_ids[cardinality(head.event_ids)])
     ORDER BY f.id LIMIT most
  ), placed AS (
    SELECT t.xid, t.id, row_number() OVER (ORDER BY t.id) AS nr, count(*) OVER () >= most AS some_left FROM taken t
  ), written AS (
    INSERT INTO log_pages (program_id, last_number, event_ids, xids, seen_xid, seen_open, taking_xid, taking_open,
                           cluster)
    SELECT program, latest + max(p.nr), array_agg(p.id ORDER BY p.nr), array_agg(p.xid ORDER BY p.nr),
           CASE WHEN restored THEN m.xid WHEN p.some_left THEN from_xid ELSE coalesce(head.taking_xid, m.xid) END,
           CASE WHEN restored THEN m.open WHEN p.some_left THEN from_open ELSE coalesce(head.taking_open, m.open) END,
           CASE WHEN p.some_left AND NOT restored THEN coalesce(head.taking_xid, m.xid) END,
           CASE WHEN p.some_left AND NOT restored THEN coalesce(head.taking_open, m.open) END,
           CASE WHEN p.some_left AND restored THEN head.cluster ELSE home END
      FROM placed p CROSS JOIN moment m
     WHERE p.nr <= p_limit
     GROUP BY (p.nr - 1) / 100, p.some_left, m.xid, m.open
    RETURNING log_pages.last_number, log_pages.taking_xid IS NOT NULL AS unfinished, cardinality(event_ids) AS events
  )
  SELECT coalesce(max(w.last_number), latest), coalesce(sum(w.events), 0), coalesce(bool_or(w.unfinished), false)
    INTO latest, numbered, more FROM written w;
  -- A snapshot that was worked through to its end is not the present one: there may be more since.
  more := more OR (numbered > 0 AND (head.taking_xid IS NOT NULL OR restored));
  watched := numbered > 0 AND EXISTS (
    SELECT FROM watches w WHERE w.program_id = program AND w.ended_at IS NULL AND w.until > clock_timestamp());
  IF p_notify AND numbered > 0 THEN
    PERFORM pg_notify('openberth_log', program || ' ' || latest);
  END IF;
  RETURN NEXT;
END $$
;;
-- The programs that have events without a number: for changes that nobody told the relay of, such as those of psql.
CREATE FUNCTION programs_behind() RETURNS TABLE (program_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT SET enable_seqscan = off AS $$
  SELECT p.program_id
    FROM programs p
    LEFT JOIN LATERAL (
      SELECT l.seen_xid, l.seen_open, l.cluster FROM log_pages l
       WHERE l.program_id = p.program_id ORDER BY l.last_number DESC LIMIT 1) h ON true
   WHERE h.cluster <> (SELECT system_identifier FROM pg_control_system())
      OR EXISTS (SELECT FROM events e WHERE e.program_id = p.program_id AND e.xid >= coalesce(h.seen_xid, 1))
      OR EXISTS (SELECT FROM unnest(h.seen_open) o (xid)
                   JOIN events e ON e.program_id = p.program_id AND e.xid = o.xid)
$$
;;
-- Forget the oldest pages of the log with their events: those from before a moment, about so many events at most, and
-- never the newest page, which says where the log goes on. What was never numbered (it is from before there was a log)
-- goes with them. Retention calls it; nobody else may.
CREATE FUNCTION forget_events(p_before timestamptz, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  program uuid := nullif(current_setting('openberth.program_id', true), '')::uuid;
  forgotten bigint;
  never_numbered bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('openberth relay ' || program, 0));
  WITH old AS (
    SELECT last_number, sum(cardinality(event_ids)) OVER (ORDER BY last_number) AS so_far
      FROM (SELECT * FROM log_pages l
             WHERE l.program_id = program AND l.at < p_before
               AND l.last_number < (SELECT max(n.last_number) FROM log_pages n WHERE n.program_id = program)
             ORDER BY l.last_number LIMIT p_limit) oldest
  ), gone AS (
    DELETE FROM log_pages l USING old
     WHERE l.program_id = program AND l.last_number = old.last_number AND old.so_far <= greatest(p_limit, 100)
    RETURNING l.event_ids, l.xids
  ), deleted AS (
    DELETE FROM events e USING gone g, unnest(g.event_ids, g.xids) u (id, xid)
     WHERE e.program_id = program AND e.xid = u.xid AND e.id = u.id
    RETURNING e.id
  )
  SELECT count(*) INTO forgotten FROM deleted;
  DELETE FROM events WHERE program_id = program AND xid = 0 AND id IN (
    SELECT id FROM events WHERE program_id = program AND xid = 0 AND at < p_before LIMIT p_limit);
  GET DIAGNOSTICS never_numbered = ROW_COUNT;
  RETURN forgotten + never_numbered;
END $$
;;
CREATE OR REPLACE FUNCTION retire_events(p_days integer, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  cut_off timestamptz := retention_cut_off(p_days, 7);
  gone bigint;
BEGIN
  IF cut_off IS NULL THEN
    RETURN 0;
  END IF;
  gone := forget_events(cut_off, p_limit);
  PERFORM retention_ran('events', gone, cut_off);
  RETURN gone;
END $$
;;
-- What an event of an opening says of the moment before: how many units could be claimed then, and by which
-- version of its terms. Whoever watches for an opening is told when it comes free, not each time that it is attested
-- again; and a board that shows it takes it off when its terms no longer fit.
CREATE OR REPLACE FUNCTION openings_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO events (program_id, type, subject_id, data)
  SELECT n.program_id, opening_change(b, n), n.id, opening_facts(n) || jsonb_build_object('version_before', b.version, 'units_open_before',
           CASE WHEN b.withdrawn_at IS NULL AND b.fresh_until > statement_timestamp()
                 AND coalesce(b.ends_at > statement_timestamp(), true) THEN b.units_total - b.units_taken ELSE 0 END)
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
CREATE FUNCTION watches_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  WITH told AS (
    INSERT INTO events (program_id, type, subject_id, data)
    SELECT program_id, TG_ARGV[0], id, jsonb_build_object('watch_id', id, 'caller_id', caller_id, 'until', until)
      FROM changed)
  INSERT INTO audit (program_id, actor, action, subject_id, detail)
  SELECT program_id, current_actor(), TG_ARGV[0], id, '{}' FROM changed;
  RETURN NULL;
END $$
;;
CREATE TRIGGER watches_inserted AFTER INSERT ON watches
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION watches_changed('watch.started')
;;
CREATE TRIGGER watches_updated AFTER UPDATE ON watches
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION watches_changed('watch.ended')
;;
-- The relay's word to those who watch: one event a watch, with the openings that fit and have just come free. Only
-- for watches that are on; the app role can write no other event.
CREATE FUNCTION tell_watchers(p_watch_ids uuid[], p_openings jsonb[]) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
  WITH told AS (
    INSERT INTO events (program_id, type, subject_id, data)
    SELECT w.program_id, 'watch.matched', w.id,
           jsonb_build_object('watch_id', w.id, 'caller_id', w.caller_id, 'opening_ids', t.openings)
      FROM unnest(p_watch_ids, p_openings) t (id, openings)
      JOIN watches w ON w.id = t.id AND w.ended_at IS NULL AND w.until > clock_timestamp()
     WHERE w.program_id = nullif(current_setting('openberth.program_id', true), '')::uuid
    RETURNING id)
  SELECT count(*) FROM told
$$
;;
REVOKE ALL ON FUNCTION number_events, programs_behind, forget_events, watches_changed, tell_watchers FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION number_events, programs_behind, tell_watchers TO openberth_app
;;
GRANT SELECT ON log_pages, watches TO openberth_app
;;
GRANT INSERT (program_id, id, caller_id, organization_id, need, until), UPDATE (ended_at) ON watches TO openberth_app
