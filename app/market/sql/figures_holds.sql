-- How the holds of a time ended, by provider, category and reason. Ids are UUIDv7, so the primary key finds the time;
-- `first` and `last` leave room for a clock that goes wrong by an hour.
SELECT c.organization_id, o.category, c.reason, count(*) AS claims,
       CASE WHEN c.state IN ('arrived', 'completed') THEN 'arrived'
            WHEN c.state = 'held' AND c.hold_until <= statement_timestamp() THEN 'expired'
            WHEN c.state IN ('held', 'confirmed') THEN 'under_way'
            ELSE c.state END AS outcome
  FROM claims c
  JOIN openings o ON o.program_id = c.program_id AND o.id = c.opening_id
 WHERE c.program_id = :program_id AND c.id >= :first AND c.id < :last AND c.held_at >= :since AND c.held_at < :until
 GROUP BY c.organization_id, o.category, c.reason, outcome
