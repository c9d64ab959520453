-- What is open, for planning: counted by category and area, and kept every quarter of an hour.

-- What an area is called: its city and its postal code, as far as a location says them.
CREATE FUNCTION area_name(city text, postal_code text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT trim(coalesce(city, '') || ' ' || coalesce(postal_code, ''))
$$
;;
-- What is on the board now, by category and area; the area is '' where it is not known or must not be. For every
-- category in which a service is there is such a row, though nothing be open in it. Openings are found by
-- ix_openings_freshest, and a hold that has lapsed takes nothing, swept or not.
CREATE FUNCTION board_now() RETURNS TABLE (category text, area text, openings bigint, units_open bigint, units_total bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
  WITH program AS (SELECT nullif(current_setting('openberth.program_id', true), '')::uuid AS id),
  known AS (
    SELECT DISTINCT s.program_id, s.category FROM program p JOIN services s ON s.program_id = p.id
  ), live AS (
    SELECT o.category,
           CASE WHEN o.confidential OR l.masked OR l.id IS NULL THEN ''
                ELSE area_name(l.city, l.postal_code) END AS area,
           o.units_total,
           o.units_total - o.units_taken + CASE WHEN o.next_lapse_at <= statement_timestamp() THEN (
             SELECT coalesce(sum(c.units), 0) FROM claims c
              WHERE c.program_id = o.program_id AND c.opening_id = o.id AND c.state = 'held'
                AND c.hold_until <= statement_timestamp()) ELSE 0 END AS units_open
      FROM known k
      JOIN openings o ON o.program_id = k.program_id AND o.category = k.category
                     AND o.fresh_until > statement_timestamp()
      JOIN services s ON s.program_id = o.program_id AND s.id = o.service_id
      LEFT JOIN locations l ON l.program_id = s.program_id AND l.id = s.location_id
     WHERE o.withdrawn_at IS NULL AND coalesce(o.ends_at > statement_timestamp(), true)
  )
  SELECT each.category, each.area, count(units_open) FILTER (WHERE units_open > 0),
         coalesce(sum(units_open), 0)::bigint, coalesce(sum(units_total), 0)::bigint
    FROM (SELECT * FROM live UNION ALL SELECT k.category, '', NULL, NULL FROM known k) each
   GROUP BY each.category, each.area
$$
;;
-- Keep the board as it is now, once in a quarter of an hour. Answers how many rows that was.
CREATE FUNCTION sample_board() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  program uuid := nullif(current_setting('openberth.program_id', true), '')::uuid;
  quarter timestamptz := date_bin(interval '15 minutes', statement_timestamp(), timestamptz '2000-01-01 00:00:00+00');
  kept bigint;
BEGIN
  IF EXISTS (SELECT FROM board_samples WHERE program_id = program AND at = quarter) THEN
    RETURN 0;
  END IF;
  INSERT INTO board_samples (program_id, at, category, area, openings, units_open, units_total)
  SELECT program, quarter, b.category, b.area, b.openings, b.units_open, b.units_total FROM board_now() b
      ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS kept = ROW_COUNT;
  RETURN kept;
END $$
;;
CREATE FUNCTION retire_board(p_days integer, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  cut_off timestamptz := retention_cut_off(p_days, 7);
  program uuid := nullif(current_setting('openberth.program_id', true), '')::uuid;
  gone bigint;
BEGIN
  DELETE FROM board_samples WHERE program_id = program AND (at, category, area) IN (
    SELECT at, category, area FROM board_samples WHERE program_id = program AND at < cut_off ORDER BY at LIMIT p_limit);
  GET DIAGNOSTICS gone = ROW_COUNT;
  PERFORM retention_ran('board', gone, cut_off);
  RETURN gone;
END $$
;;
GRANT SELECT ON board_samples TO openberth_app
;;
REVOKE ALL ON FUNCTION board_now, sample_board, retire_board FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION board_now, sample_board, retire_board TO openberth_app
