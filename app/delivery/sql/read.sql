-- The log after a number, in order: at most so many numbers, whoever may see them. Whose worker a claim is decides
-- who may; it is no part of the event, so that a provider is not told which agency claims.
SELECT (page.first_number + named.nr - 1)::bigint AS number, e.at, e.type, e.subject_id, e.data::text AS data,
       c.worker_organization_id
  FROM (SELECT p.last_number - cardinality(p.event_ids) + 1 AS first_number, p.event_ids, p.xids
          FROM log_pages p
         -- A page holds at most a hundred numbers.
         WHERE p.program_id = $1 AND p.last_number > $2 AND p.last_number < $2 + $3 + 100) page
 CROSS JOIN LATERAL unnest(page.event_ids, page.xids) WITH ORDINALITY AS named (id, xid, nr)
 CROSS JOIN LATERAL (
   SELECT * FROM events WHERE program_id = $1 AND xid = named.xid AND id = named.id OFFSET 0) e
  LEFT JOIN LATERAL (
   SELECT worker_organization_id FROM claims
    WHERE e.type LIKE 'claim.%' AND program_id = $1 AND id = e.subject_id OFFSET 0) c ON true
 WHERE page.first_number + named.nr - 1 > $2 AND page.first_number + named.nr - 1 <= $2 + $3
 ORDER BY number
