-- The next seals of a program after a place in its chain, verified: all in one statement, so in one snapshot, while
-- sealing and retention go on. A place that was retired meanwhile is moved to the anchor. One row: how far it got,
-- what the chain says of itself, and the first fault if there is one.
WITH chain AS MATERIALIZED (
  SELECT number, hash, retired_number, retired_hash FROM audit_chains WHERE program_id = CAST(:program_id AS uuid)
), start AS MATERIALIZED (
  SELECT CASE WHEN moved THEN retired_number ELSE :number END AS number,
         CASE WHEN moved THEN retired_hash ELSE :hash END AS hash
    FROM chain, LATERAL (SELECT retired_number > CAST(:number AS bigint) AS moved) m
), link AS MATERIALIZED (
  SELECT s.number, s.entry_id, s.hash, a.id IS NULL AS missing, audit_bytes(a) AS bytes,
         lag(s.number, 1, start.number) OVER w AS previous_number,
         lag(s.hash, 1, start.hash) OVER w AS previous_hash
    FROM start,
         LATERAL (SELECT * FROM audit_seals s WHERE s.program_id = CAST(:program_id AS uuid) AND s.number > start.number
                   ORDER BY s.number LIMIT CAST(:most AS integer)) s
         LEFT JOIN audit a ON a.program_id = CAST(:program_id AS uuid) AND a.id = s.entry_id
  WINDOW w AS (ORDER BY s.number)
), wrong AS (
  SELECT link.number, link.entry_id, link.previous_number,
         CASE WHEN link.number <> previous_number + 1 THEN 'gap'
              WHEN link.number > chain.number THEN 'extra'
              WHEN missing THEN 'missing'
              ELSE 'changed' END AS what
    FROM link, chain
   WHERE link.number <> previous_number + 1 OR link.number > chain.number OR missing
      OR sha256(previous_hash || bytes) <> link.hash
   ORDER BY link.number LIMIT 1
)
SELECT chain.number AS head_number, chain.hash AS head_hash, chain.retired_number,
       start.number AS start_number, start.hash AS start_hash,
       last.number AS last_number, last.hash AS last_hash, counted.links,
       wrong.number AS wrong_number, wrong.entry_id AS wrong_entry_id, wrong.previous_number, wrong.what
  FROM chain CROSS JOIN start CROSS JOIN (SELECT count(*) AS links FROM link) counted
  LEFT JOIN (SELECT number, hash FROM link ORDER BY number DESC LIMIT 1) last ON true
  LEFT JOIN wrong ON true
