-- The next entries of a program after an id, as far as everything is said to be sealed: the last one looked at, and
-- the first that has no seal all the same.
SELECT max(a.id) AS last_id, min(a.id) FILTER (WHERE s.entry_id IS NULL) AS bare_id
  FROM (SELECT a.id FROM audit a
         WHERE a.program_id = CAST(:program_id AS uuid) AND a.id > CAST(:after AS bigint)
           AND a.id <= (SELECT settled_id FROM audit_chains WHERE program_id = CAST(:program_id AS uuid))
         ORDER BY a.id LIMIT CAST(:most AS integer)) a
  LEFT JOIN audit_seals s ON s.program_id = CAST(:program_id AS uuid) AND s.entry_id = a.id
