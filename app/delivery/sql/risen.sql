-- Openings that came free or appeared after a number, as they are by the newest of those events; `before` is the
-- fewest units that could be claimed of them meanwhile.
SELECT r.id, r.before, r.data::text AS data
  FROM (SELECT DISTINCT ON (e.subject_id) e.subject_id AS id, e.data, e.type,
               min(coalesce((e.data ->> 'units_open_before')::int, 0)) OVER (PARTITION BY e.subject_id) AS before
          FROM log_pages p
         CROSS JOIN LATERAL unnest(p.event_ids, p.xids) AS named (id, xid)
         CROSS JOIN LATERAL (
           SELECT * FROM events WHERE program_id = $1 AND xid = named.xid AND id = named.id OFFSET 0) e
         WHERE p.program_id = $1 AND p.last_number > $2 AND e.type LIKE 'opening.%'
         ORDER BY e.subject_id, e.id DESC) r
 WHERE r.type <> 'opening.withdrawn' AND (r.data ->> 'units_total')::int - (r.data ->> 'units_taken')::int > r.before
