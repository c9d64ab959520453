-- Minutes from hold to arrival, by category: of the holds of a time whose person has arrived. What took the place of a
-- declined claim counts from the first hold of them all: that person has been on the way since.
WITH RECURSIVE hold AS (
  SELECT c.id, o.category, c.arrived_at, c.held_at, c.replaces_id
    FROM claims c
    JOIN openings o ON o.program_id = c.program_id AND o.id = c.opening_id
   WHERE c.program_id = :program_id AND c.id >= :first AND c.id < :last AND c.held_at >= :since AND c.held_at < :until
     AND c.arrived_at IS NOT NULL
  UNION ALL
  SELECT hold.id, hold.category, hold.arrived_at, before.held_at, before.replaces_id
    FROM hold
    -- One probe of the primary key for each of the few, whatever the planner thinks of how many there are.
    CROSS JOIN LATERAL (SELECT c.held_at, c.replaces_id FROM claims c
                         WHERE c.program_id = :program_id AND c.id = hold.replaces_id OFFSET 0) before
   WHERE hold.replaces_id IS NOT NULL
), arrival AS (
  SELECT id, category, extract(epoch FROM arrived_at - min(held_at))::float8 / 60 AS minutes
    FROM hold GROUP BY id, category, arrived_at
)
SELECT category, count(*) AS claims,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY minutes) AS half,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY minutes) AS most
  FROM arrival GROUP BY category ORDER BY category
