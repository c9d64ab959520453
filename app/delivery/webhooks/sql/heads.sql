-- The first delivery of each lane of a webhook, and from when it may be sent: it is due, and nothing of its lane is
-- being sent. `$3`: whether events are sent, and not tests alone; `$4`: up to which number they have been taken, so that
-- after a replay none goes before those that are taken again.
SELECT id, number, greatest(due_at, lane_leased_until) AS ready_at
  FROM (SELECT d.id, d.number, d.due_at, may.go,
               max(d.leased_until) OVER (PARTITION BY d.lane) AS lane_leased_until,
               row_number() OVER (PARTITION BY d.lane, may.go ORDER BY d.number) AS nr
          FROM webhook_deliveries d
         CROSS JOIN LATERAL (SELECT d.number IS NULL OR ($3 AND d.number <= $4) AS go) may
         WHERE d.program_id = $1 AND d.webhook_id = $2 AND d.ended_at IS NULL) lanes
 WHERE go AND nr = 1
 ORDER BY ready_at, number
 LIMIT $5
