-- A program's past: claims with their bundles. All but the last fiftieth are over. Triggers are off, so the counts
-- are set at the end to what the claims say. Secondary indexes are built afterwards, as fast as a restore builds them.
SET session_replication_role = replica;
SET maintenance_work_mem = '512MB';

CREATE TEMP TABLE opening AS
SELECT row_number() OVER (ORDER BY id) - 1 AS n, id, organization_id FROM openings WHERE program_id = :'program';
CREATE TEMP TABLE participant AS
SELECT row_number() OVER (ORDER BY id) - 1 AS n, id FROM participants WHERE program_id = :'program';
ANALYZE opening, participant;

CREATE TEMP TABLE dropped AS
SELECT indexname, indexdef FROM pg_indexes
 WHERE schemaname = 'public' AND tablename IN ('bundles', 'claims') AND indexname NOT LIKE 'pk\_%';
SELECT format('DROP INDEX %I', indexname) FROM dropped \gexec

-- A UUIDv7 of the moment in milliseconds.
CREATE FUNCTION pg_temp.v7(ms bigint, i int, salt text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT (lpad(to_hex(ms), 12, '0') || '7' || lpad(to_hex(i & 4095), 3, '0') || '8'
          || substr(md5(i || salt), 1, 15))::uuid
$$;
SELECT extract(epoch FROM now())::bigint * 1000 AS now_ms \gset

INSERT INTO bundles (program_id, id, participant_id, claimed_by, created_at)
SELECT :'program', pg_temp.v7(:now_ms - (:claims - i) * 6000::bigint, i, 'b'), p.id, :'worker',
       now() - (:claims - i) * interval '6 seconds'
  FROM generate_series(1, :claims) i
  JOIN participant p ON p.n = i * 7919::bigint % (SELECT count(*) FROM participant);

INSERT INTO claims (program_id, id, bundle_id, opening_id, organization_id, claimed_by, worker_organization_id, units,
                    state, held_at, hold_until, confirmed_at, arrived_at, ended_at)
SELECT :'program', pg_temp.v7(ms, i, 'c'), pg_temp.v7(ms, i, 'b'), o.id, o.organization_id, :'worker', :'agency', 1,
       state, at, CASE state WHEN 'held' THEN now() + interval '6 hours' ELSE at + interval '90 minutes' END,
       CASE WHEN state IN ('confirmed', 'arrived', 'completed') THEN at END,
       CASE WHEN state IN ('arrived', 'completed') THEN at END,
       CASE WHEN state NOT IN ('held', 'confirmed', 'arrived') THEN at END
  FROM generate_series(1, :claims) i
  JOIN opening o ON o.n = i * 7907::bigint % (SELECT count(*) FROM opening)
 CROSS JOIN LATERAL (
   SELECT :now_ms - (:claims - i) * 6000::bigint AS ms, now() - (:claims - i) * interval '6 seconds' AS at,
          CASE WHEN i > :claims * 0.98 THEN (ARRAY['held', 'confirmed', 'arrived'])[1 + i / 2 % 3]
               ELSE (ARRAY['completed', 'completed', 'released', 'expired', 'no_show'])[1 + i % 5] END AS state) s;

SELECT indexdef FROM dropped \gexec

UPDATE openings o SET units_taken = c.taken, next_lapse_at = c.lapse_at
  FROM (SELECT opening_id, sum(units) AS taken, min(hold_until) FILTER (WHERE state = 'held') AS lapse_at
          FROM claims WHERE state IN ('held', 'confirmed', 'arrived') GROUP BY opening_id) c
 WHERE o.id = c.opening_id;
